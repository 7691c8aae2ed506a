"""Files of arrivals: what they may hold, and that no message quotes them."""

from __future__ import annotations

import pytest

from voorrang.errors import ConfigurationError
from worklist.queueing.arrival_file import offered_per_reader, read_arrivals
from worklist.queueing.exams import Arrival

NAMES = ("stroke", "lung")
EXPECTED = [
    Arrival(0.0, 1, False, None, True, 7.5),
    Arrival(30.0, None, None, None, None, None),
    Arrival(90.0, 0, True, True, False, None),
]


@pytest.mark.parametrize(
    ("text", "is_csv"),
    [
        (
            "arrived_at,pathway,interrupting,diseased,flagged,reading_minutes\n"
            "2026-11-02T09:30:00+01:00,stroke,1,yes,no,\n"
            "2026-11-02T08:00:00+01:00,lung,0,,true,7.5\n\n"
            "2026-11-02T07:30:00Z,,,,,\n",
            True,
        ),
        (
            "\ufeffarrived_at;reading_minutes;pathway;interrupting;diseased;flagged\n"
            "2026-11-02 08:00;7,5;lung;0;;1\n2026-11-02 08:30;;;;;\n2026-11-02 09:30;;stroke;1;1;0\n",
            True,
        ),
        (
            '{"arrived_at": "2026-11-02T08:00", "pathway": "lung", "interrupting": false, "flagged": true, '
            '"reading_minutes": 7.5}\n{"arrived_at": "2026-11-02T08:30"}\n'
            '{"arrived_at": "2026-11-02T09:30", "pathway": "stroke", "interrupting": 1, "diseased": true, '
            '"flagged": 0}\n',
            False,
        ),
    ],
    ids=["commas-and-zones", "semicolons", "ndjson"],
)
def test_arrivals_are_read_in_order_of_time(text: str, is_csv: bool) -> None:
    assert read_arrivals(text.splitlines(), is_csv=is_csv, pathways=NAMES) == EXPECTED


@pytest.mark.parametrize(
    ("text", "is_csv", "words"),
    [
        ("arrived_at,Peeters\n2026-11-02T08:00,1\n", True, "line 1 of the arrivals: column 2 is not one of"),
        ("arrived_at\nPeeters\n", True, "line 2 of the arrivals: arrived_at is not a time"),
        ("arrived_at\n2026-11-02T08:00,Peeters\n", True, "line 2 of the arrivals: 2 columns where the header has 1"),
        ("arrived_at,flagged\n2026-11-02T08:00,Peeters\n", True, "line 2 of the arrivals: flagged is not 0 or 1"),
        ("arrived_at,pathway\n2026-11-02T08:00,Peeters\n", True, "pathway is not one of stroke, lung"),
        ("arrived_at,reading_minutes\n2026-11-02T08:00,-1\n", True, "reading_minutes is not a number above 0"),
        ('{"arrived_at": "2026-11-02T08:00", "name": "Peeters"}', False, "nothing of a patient belongs here"),
        ("Peeters", False, "line 1 of the arrivals: not a JSON object"),
        ("arrived_at\n2026-11-02T08:00\n", True, "holds 1 arrivals"),
        ("arrived_at\n2026-11-02T08:00\n2026-11-02T08:00\n", True, "one time"),
        ("arrived_at\n2026-11-02T08:00\n2026-11-02T08:00Z\n", True, "some have none"),
    ],
)
def test_what_cannot_be_used_is_told_without_quoting_it(text: str, is_csv: bool, words: str) -> None:
    with pytest.raises(ConfigurationError, match=words) as caught:
        read_arrivals(text.splitlines(), is_csv=is_csv, pathways=NAMES)
    assert "Peeters" not in str(caught.value)


def test_work_of_a_file_counts_gaps_not_arrivals() -> None:
    # Three arrivals in 60 minutes are one each 30; 12 minutes of reading each: 0.4 of one reader.
    arrivals = [Arrival(0.0), Arrival(20.0, reading_minutes=16.0), Arrival(60.0)]
    assert offered_per_reader(arrivals, 10.0, 1) == pytest.approx(12 / 30)
    assert offered_per_reader(arrivals, 10.0, 2) == pytest.approx(6 / 30)
