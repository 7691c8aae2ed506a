"""The page about pathway files holds a whole file that loads, and names every key that a file may have."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import pytest
import yaml
from pydantic import BaseModel

from voorrang.errors import ConfigurationError
from voorrang.pathways.loading import load_pathway
from voorrang.pathways.pathway import Pathway

PAGE = (Path(__file__).parents[4] / "docs/pathway-files.md").read_text(encoding="utf-8")
EXAMPLE = re.findall(r"^```yaml\n(.*?)^```", PAGE, re.DOTALL | re.MULTILINE)


def whole_file() -> str:
    (text,) = EXAMPLE
    return str(text)


def parts(annotation: Any) -> Iterator[type[BaseModel]]:
    """Return the models that a field's type is made of."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for argument in get_args(annotation):
        yield from parts(argument)


def keys_of(model: type[BaseModel]) -> set[str]:
    """Return every key of a model and of the models within it, as a file spells it."""
    keys = {field.alias or name for name, field in model.model_fields.items()}
    within = [part for field in model.model_fields.values() for part in parts(field.annotation)]
    return keys.union(*map(keys_of, within))


def keys_in(values: Any) -> set[str]:
    if isinstance(values, dict):
        return set(values).union(*map(keys_in, values.values()))
    return set().union(*map(keys_in, values)) if isinstance(values, list) else set()


def test_the_whole_file_of_the_page_loads_and_leaves_no_key_out(tmp_path: Path) -> None:
    path = tmp_path / "stroke.yaml"
    path.write_text(whole_file(), encoding="utf-8")

    assert load_pathway(path).name == "stroke"
    assert keys_in(yaml.safe_load(whole_file())) == keys_of(Pathway)


def test_the_page_explains_every_key() -> None:
    words = PAGE.replace(whole_file(), "")
    quoted = set(re.findall(r"[a-z_]+", " ".join(re.findall(r"`([^`\n]+)`", words))))

    assert keys_of(Pathway) <= quoted


def test_the_mistake_that_the_page_shows_is_told_in_these_words(tmp_path: Path) -> None:
    path = tmp_path / "stroke.yaml"
    path.write_text(whole_file() + "active: true\n", encoding="utf-8")

    with pytest.raises(ConfigurationError) as caught:
        load_pathway(path)

    assert str(caught.value).partition(": ")[2] in PAGE


@pytest.mark.parametrize(
    ("where", "value"),
    [
        ("pathway", "Stroke CT"),
        ("wants.region", "abdomen"),
        ("wants.slice_thickness_mm", [0, 5]),
        ("wants.slice_thickness_mm", [5, 0.5]),
        ("wants.max_age_years", 17),
        ("wants.window_hu", [80, 0]),
        ("wants.min_coverage_mm", -1),
        ("complete.quiet_seconds", 0),
        ("complete.cap_seconds", 3),
        ("complete.geometry", "any"),
        ("complete.required_series", [{"name": "cta", "wants": {"modality": "CT"}}]),
        ("complete.required_series", [{"name": "cta", "wants": {"contrast": True}}] * 2),
        ("lane", "stat"),
        ("models", []),
        ("models", [{"name": "a", "operating_point": 0.5}] * 2),
        ("models", [{"name": "a", "operating_point": 42}]),
        ("delay.harm_per_minute", -1),
        ("delay.read_within_minutes", 0),
        ("delay.owner", ""),
        ("delay.decided_on", "soon"),
        ("reading.minutes", 0),
        ("ageing.service_hours.closes", "08:00"),
        ("ageing.service_hours.closes", 1080),  # what YAML makes of 18:00 without quotes
        ("retention.keep_days", 91),
        ("escalation", {"after_minutes": 5}),
        ("escalation.repeat_minutes", 0.5),
    ],
)
def test_what_the_page_says_is_refused_is_refused(where: str, value: Any, tmp_path: Path) -> None:
    values = yaml.safe_load(whole_file())
    *way, last = where.split(".")
    inside = values
    for key in way:
        inside = inside[key]
    inside[last] = value
    path = tmp_path / "stroke.yaml"
    path.write_text(yaml.safe_dump(values), encoding="utf-8")

    with pytest.raises(ConfigurationError, match=re.escape(way[0] if way else last)):
        load_pathway(path)
