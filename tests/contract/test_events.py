"""What an event looks like on the wire: examples of every record version, the envelope, and the table of topics."""

from __future__ import annotations

import json
import re
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.builders import make_event, make_series_completed
from voorrang.errors import InvalidMessageError
from voorrang.events.envelope import decode, encode
from voorrang.events.records import RECORDS, Record
from voorrang.identifiers import is_uid
from voorrang.topics import BY_NAME, DEAD_LETTER_SUFFIX, TOPICS, consumed_by, topic_of

pytestmark = pytest.mark.contract

EXAMPLES = Path(__file__).parent / "examples"
ROOT = Path(__file__).parents[2]
FILES = sorted(EXAMPLES.glob("*/*.json"))
ENVELOPE = {
    "specversion",
    "id",
    "source",
    "type",
    "time",
    "subject",
    "dataschema",
    "datacontenttype",
    "traceparent",
    "purpose",
    "site",
    "patient_key",
    "order_key",
    "data",
}
NAME_LIKE = re.compile(
    r"(^|_)(name|names|patient_name|patient_id|mrn|birth|birth_date|dob|accession|accession_number|sex|address|"
    r"physician|referring|operator|description|comment)(_|$)"
)


def example(path: Path) -> dict[str, Any]:
    values: dict[str, Any] = json.loads(path.read_text())
    return values


def payload(**changes: Any) -> bytes:
    values = example(EXAMPLES / "series-completed" / "1.json")
    return json.dumps({k: v for k, v in (values | changes).items() if v is not ...}).encode()


def keys_of(value: Any) -> set[str]:
    if isinstance(value, dict):
        return set(value) | {key for inner in value.values() for key in keys_of(inner)}
    if isinstance(value, list):
        return {key for inner in value for key in keys_of(inner)}
    return set()


def as_id(path: Path) -> str:
    return f"{path.parent.name}-{path.stem}"


def refused(raw: bytes) -> str:
    with pytest.raises(InvalidMessageError) as caught:
        decode(raw)
    return caught.value.code


@pytest.mark.parametrize("path", FILES, ids=as_id)
class TestExample:
    def test_it_decodes_and_encodes_to_the_same_values(self, path: Path) -> None:
        values = example(path)
        assert json.loads(encode(decode(json.dumps(values).encode()))) == values

    def test_it_is_the_version_that_its_file_names(self, path: Path) -> None:
        assert example(path)["dataschema"] == f"urn:voorrang:{path.parent.name}:{path.stem}"
        assert example(path)["type"] == path.parent.name

    def test_it_has_every_attribute_of_the_envelope_and_no_other(self, path: Path) -> None:
        assert set(example(path)) == ENVELOPE

    def test_no_field_is_about_who_a_person_is(self, path: Path) -> None:
        assert [key for key in keys_of(example(path)) if NAME_LIKE.search(key)] == []

    def test_an_optional_field_of_a_newer_writer_is_accepted(self, path: Path) -> None:
        values = example(path)
        newer = values | {"added_later": 1, "data": values["data"] | {"added_later": {"deep": [1]}}}
        assert decode(json.dumps(newer).encode()) == decode(json.dumps(values).encode())

    def test_every_field_of_the_record_is_in_the_example(self, path: Path) -> None:
        event = decode(path.read_bytes())
        assert set(example(path)["data"]) == set(type(event.data).model_fields)

    def test_a_missing_field_that_is_not_optional_is_bad_data(self, path: Path) -> None:
        values = example(path)
        record = type(decode(path.read_bytes()).data)
        for name, field in record.model_fields.items():
            if field.is_required():
                data = {k: v for k, v in values["data"].items() if k != name}
                assert refused(json.dumps(values | {"data": data}).encode()) == "bad_data"


class TestRecords:
    def test_every_version_of_every_record_has_an_example(self) -> None:
        assert {(p.parent.name, int(p.stem)) for p in FILES} == {(r.event_type, r.version) for r in RECORDS}

    def test_no_record_has_a_field_about_who_a_person_is(self) -> None:
        fields = {name for record in _records() for name in record.model_fields}
        assert [name for name in fields if NAME_LIKE.search(name)] == []

    def test_records_are_frozen(self) -> None:
        assert all(record.model_config.get("frozen") for record in _records())

    def test_the_subject_of_an_example_about_a_study_is_its_uid(self) -> None:
        for path in FILES:
            values = example(path)
            if "study_instance_uid" in values["data"]:
                assert values["subject"] == values["data"]["study_instance_uid"]
                assert is_uid(values["subject"])


class TestDecoding:
    @pytest.mark.parametrize("raw", [b"", b"\xff\xfe", b"{", b"[]", b"null", b'"text"', b"7"])
    def test_what_is_no_json_object_is_not_json(self, raw: bytes) -> None:
        assert refused(raw) == "not_json"

    def test_json_too_deep_to_read_is_not_json(self) -> None:
        assert refused(b"[" * 100_000 + b"]" * 100_000) == "not_json"

    @pytest.mark.parametrize(
        "schema",
        [
            None,
            ...,
            7,
            "",
            "urn:voorrang:series-completed:2",
            "urn:voorrang:series-completed:0",
            "urn:voorrang:series-completed",
            "urn:voorrang:series-completed:1\n",
            "urn:voorrang:series-completed:" + "9" * 5000,
            "urn:other:series-completed:1",
            "urn:voorrang:nothing-happened:1",
        ],
    )
    def test_a_schema_that_is_not_known_is_unknown_schema(self, schema: object) -> None:
        assert refused(payload(dataschema=schema)) == "unknown_schema"

    @pytest.mark.parametrize("data", [None, ..., {}, [], "text", {"study_instance_uid": 7}])
    def test_data_that_does_not_fit_the_record_is_bad_data(self, data: object) -> None:
        assert refused(payload(data=data)) == "bad_data"

    @pytest.mark.parametrize("name", sorted(ENVELOPE - {"data", "dataschema", "datacontenttype"}))
    def test_a_missing_attribute_is_bad_envelope(self, name: str) -> None:
        assert refused(payload(**{name: ...})) == "bad_envelope"

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("specversion", "0.3"),
            ("type", "study-updated"),
            ("time", "yesterday"),
            ("time", "2026-11-22T08:00:00"),
            ("time", 7),
            ("time", "0001-01-01T00:00:00+14:00"),
            ("time", "9999-12-31T23:59:59-14:00"),
            ("purpose", "curiosity"),
            ("purpose", None),
            ("id", ""),
            ("id", None),
            ("id", {"deep": 1}),
            ("id", "no\0receipt"),
            ("id", "no\ud800receipt"),
            ("id", "9" * 65),
            ("subject", None),
            ("subject", 7),
            ("patient_key", None),
            ("order_key", []),
            ("site", 1),
        ],
    )
    def test_an_attribute_of_another_kind_is_bad_envelope(self, name: str, value: object) -> None:
        assert refused(payload(**{name: value})) == "bad_envelope"

    def test_times_are_utc_whatever_zone_they_came_in(self) -> None:
        data = example(EXAMPLES / "series-completed" / "1.json")["data"]
        there = "2026-11-22T09:30:00+01:00"
        event = decode(payload(time=there, data=data | {"last_received_at": there}))
        expected = datetime(2026, 11, 22, 8, 30, tzinfo=UTC)
        assert (event.time, event.data.last_received_at) == (expected, expected)
        assert event.time.utcoffset() == event.data.last_received_at.utcoffset() == expected.utcoffset()

    def test_a_time_without_a_zone_in_a_record_is_bad_data(self) -> None:
        data = example(EXAMPLES / "series-completed" / "1.json")["data"]
        assert refused(payload(data=data | {"last_received_at": "2026-11-22T08:30:00"})) == "bad_data"

    @pytest.mark.parametrize("time", ["0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00"])
    def test_a_time_that_no_year_of_utc_holds_is_bad_data(self, time: str) -> None:
        data = example(EXAMPLES / "series-completed" / "1.json")["data"]
        assert refused(payload(data=data | {"last_received_at": time})) == "bad_data"

    @pytest.mark.parametrize("score", [float("nan"), float("inf"), float("-inf")])
    def test_a_score_that_is_no_number_is_bad_data(self, score: float) -> None:
        values = example(EXAMPLES / "findings-scored" / "1.json")
        data = values["data"] | {"score": score}
        assert refused(json.dumps(values | {"data": data}).encode()) == "bad_data"

    def test_a_reason_never_repeats_what_the_message_said(self) -> None:
        secret = "JANSEN^PIET"
        for raw in (payload(dataschema=secret), payload(time=secret), payload(purpose=secret), payload(data=secret)):
            with pytest.raises(InvalidMessageError) as caught:
                decode(raw)
            assert secret not in caught.value.code

    def test_a_claim_of_a_writer_that_told_no_revision_awaits_none(self) -> None:
        values = example(EXAMPLES / "study-updated" / "1.json")
        claims = [{k: one[k] for k in ("series_instance_uid", "pathway")} for one in values["data"]["claims"]]
        event = decode(json.dumps(values | {"data": values["data"] | {"claims": claims}}).encode())
        assert [(one.series_revision, one.open) for one in event.data.claims] == [(0, False)]


class TestTopics:
    def test_every_event_type_has_a_topic_and_every_topic_an_event_type(self) -> None:
        assert {topic.event_type for topic in TOPICS} == {record.event_type for record in RECORDS}

    def test_every_example_goes_to_a_topic_of_its_type(self) -> None:
        for path in FILES:
            record = decode(path.read_bytes()).data
            topic = topic_of(record, getattr(record, "lane", None))
            assert topic.event_type == path.parent.name

    @pytest.mark.parametrize("lane", ["urgent", "routine"])
    def test_each_lane_has_its_own_topic(self, lane: str) -> None:
        assert topic_of(make_series_completed(lane=lane), lane).name == f"series-completed-{lane}"

    def test_topics_are_a_noun_and_a_past_participle_with_a_lane_or_without(self) -> None:
        given = {"operator-action", "report-preliminary"}  # named so from outside
        assert all(re.fullmatch(r"[a-z-]+ed(-urgent|-routine)?", t.name) for t in TOPICS if t.name not in given)
        assert all(topic.dead_letters == topic.name + DEAD_LETTER_SUFFIX for topic in TOPICS)
        assert len(BY_NAME) == len(TOPICS)

    def test_the_urgent_lane_comes_first(self) -> None:
        lanes = ["series-completed-urgent", "series-completed-routine"]
        assert [t.name for t in consumed_by("inference")] == ["series-rejected", *lanes]

    def test_the_table_that_ops_read_equals_the_code(self) -> None:
        table = yaml.safe_load((ROOT / "deploy/kafka/topics.yaml").read_text())["topics"]
        assert table == {
            topic.name: {
                "event_type": topic.event_type,
                "producer": topic.producer,
                "consumers": list(topic.consumers),
                "partitions": topic.partitions,
                "retention_days": topic.retention_ms / 86_400_000,
                "dead_letters": topic.dead_letters,
            }
            for topic in TOPICS
        }


def test_the_id_of_an_event_is_the_fact_that_it_tells() -> None:
    one, same = make_event(make_series_completed()), make_event(make_series_completed())
    other = make_event(make_series_completed(series_revision=2))
    assert one.id == same.id != other.id


def _records() -> list[type[Record]]:
    found: list[type[Record]] = [Record]
    for record in found:
        found += record.__subclasses__()
    return found
