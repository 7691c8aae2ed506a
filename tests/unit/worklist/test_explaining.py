"""The line in three languages: each part is there, and no line says that a condition is absent."""

from __future__ import annotations

import re
from dataclasses import asdict

import pytest

from voorrang.calibration import bounds
from worklist.explaining import LANGUAGES, explain
from worklist.states import ItemState, PathwayView

ABSENCE = re.compile(
    r"normaal|negatief|afwezig|geen (?!vlag|traject)|zonder|(?<!niet )uitgesloten|"
    r"\bnormale?\b|négatif|absen|\bsans\b|\bpas d|aucune?\b (?!parcours)|(?<!non )exclue|"
    r"\bnormal|negative|absent|\bclear|\bwithout|\bno (?!pathway)|(?<!not )excluded",
    re.IGNORECASE,
)
BLEED = PathwayView("stroke", ItemState.SCORED, True, position_mm=(12.4, -3.0, 40.0), finding_type="hyperdense_region")


def test_line_names_finding_where_how_sure_urgency_and_minutes() -> None:
    line = explain("scored", [asdict(BLEED) | {"probability": 0.3, "at_most": 0.6}], "urgent", 7)

    assert line == {
        "nl": "dens gebied, bloeding? · bij (12, -3, 40) mm · hier soms juist · spoed · wacht 7 min",
        "fr": "zone dense, saignement ? · en (12, -3, 40) mm · ici parfois juste · urgent · attend 7 min",
        "en": "hyperdense region, bleeding? · at (12, -3, 40) mm · right here now and then · urgent · waits 7 min",
    }


@pytest.mark.parametrize(
    "finding",
    ["hyperdense_region", "intracranial_haemorrhage", "lung_nodule", "lung_mass", "asymmetry_left_middle_upper"],
)
def test_every_finding_of_a_model_that_ships_has_words_of_its_own(finding: str) -> None:
    line = explain("scored", [asdict(BLEED) | {"finding_type": finding, "probability": 0.3}], "urgent", 7)
    for language, anything in {"nl": "bevinding", "fr": "anomalie", "en": "finding"}.items():
        assert not line[language].startswith(anything)


@pytest.mark.parametrize(
    ("counted", "words"),
    [
        (None, "how sure was not counted here"),
        ((0, 0), "too few counted here"),
        ((1, 2), "too few counted here"),
        ((2, 10), "too few counted here"),
        ((0, 35), "seldom right here"),  # at most 0.099 (Wilson)
        ((3, 3), "right here now and then"),
        ((30, 40), "right here more often than not"),
    ],
)
def test_how_sure_is_said_in_words(counted: tuple[int, int] | None, words: str) -> None:
    at_least, at_most = bounds(*counted) if counted else (None, None)
    said = {"probability": at_least, "at_most": at_most}
    line = explain("scored", [asdict(BLEED) | said], "urgent", 7)["en"]

    assert f" · {words} · " in line


@pytest.mark.parametrize("state", ItemState)
def test_item_that_nothing_speaks_for_keeps_its_place_and_says_what_it_is(state: ItemState) -> None:
    views = [] if state in {ItemState.NO_PATHWAY, ItemState.PRIOR} else [asdict(PathwayView("stroke", state))]
    lines = explain(state.value, views, "routine", 3)

    assert tuple(lines) == LANGUAGES
    assert not [line for line in lines.values() if ABSENCE.search(line)]
    assert state is ItemState.PRIOR or "keeps its place" in lines["en"]


def test_expired_item_says_why_it_was_moved_up() -> None:
    plain = explain("no_pathway", [], "routine", 1441, expired=True)
    flagged = explain("scored", [asdict(BLEED)], "routine", 1441, expired=True)

    assert plain["en"] == "not analysed: no pathway · beyond its cap, moved up · routine · waits 1441 min"
    assert flagged["en"].endswith("not counted here · beyond its cap, moved up · routine · waits 1441 min")
    assert not [line for line in (*plain.values(), *flagged.values()) if ABSENCE.search(line)]


def test_provisional_answer_is_said_to_be_running() -> None:
    view = asdict(PathwayView("stroke", ItemState.SCORED, provisional=True))
    assert explain("scored", [view], "routine", 3)["en"].startswith("being analysed · ")
