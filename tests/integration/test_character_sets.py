"""
Names in the character sets that senders use, and in those that they only claim: stored as sent, kept right, untold.

The outcomes are the second table in docs/odd-dicom.md; `python -m tests.integration.test_character_sets` prints it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from pydicom.charset import python_encoding
from pydicom.valuerep import PersonName
from sqlalchemy import select

from ingest.admission import StoreStatus
from tests.builders import START
from tests.integration.listener_log import Line, listener_log
from tests.integration.listening import (
    CT,
    CT_CONTEXT,
    ROOT,
    STUDY,
    Station,
    data_set_of,
    encoded,
    listening,
    make_ct,
    make_station,
    own_database,
)
from tests.neighbours.raw_scu import RawSCU
from voorrang.clock import ManualClock
from voorrang.identity import look_up
from voorrang.tables import outbox

pytestmark = [
    pytest.mark.integration,
    # What pydicom says of unknown character sets goes to the log at DEBUG in a running service.
    pytest.mark.filterwarnings("ignore::UserWarning"),
]

PAGE = ROOT / "docs" / "odd-dicom.md"
ROW = re.compile(r"^\| `([^`]*)` \| ([^|]+) \| (stored[^|]*) \|$", re.MULTILINE)
NO_SET = "(none)"
PLACEHOLDER, PLACEHOLDER_SET = b"PLACE^HOLDER", b"ISO_IR 6"
SHORTEST_WORD = 4  # shorter words of a name may stand anywhere


@dataclass(frozen=True, slots=True)
class Case:
    """A name, the character set that the data set names, and the one that its bytes are in where that is another."""

    named: str
    name: str
    in_truth: str | None = None

    @property
    def name_bytes(self) -> bytes:
        """The name as it stands in the data set."""
        if self.in_truth is not None:
            return self.name.encode(self.in_truth)
        return PersonName(self.name).encode([python_encoding[one] for one in self.named.split("\\")])


CASES = [
    Case("ISO_IR 192", "van der Bruggen-Coëlho^Zoë^Daniëlle"),
    Case("ISO_IR 192", "Lefèvre^Hélène"),
    Case("ISO_IR 192", "Müller^Jörg^^Dr."),
    Case("ISO_IR 192", "Wang^XiaoDong=王^小东"),
    Case("ISO_IR 100", "Geïnt^Noël"),
    Case("ISO_IR 100", "Garçon^Anaïs"),
    Case("ISO_IR 100", "Äneas^Rüdiger Straße"),
    Case("ISO_IR 101", "Dvořák^Jiří"),
    Case("ISO_IR 144", "Люкceмбург^Роза"),
    Case("ISO_IR 148", "Çelik^Şükrü"),
    Case("ISO 2022 IR 100", "Schäfer^Käthe"),
    Case("\\ISO 2022 IR 100", "Buc^Jérôme"),
    Case("ISO 2022 IR 6\\ISO 2022 IR 100", "Reneé^Daniël"),
    Case("\\ISO 2022 IR 87", "Yamada^Tarou=山田^太郎=やまだ^たろう"),
    Case("GB18030", "Zhang^XiaoMing=张^小明"),
    Case("", "Jansen^Willem"),
    Case("", "Lefèvre^Hélène", "latin-1"),
    Case("", "Müller^Jürgen", "utf-8"),
    Case("ISO_IR 100", "Müller^Jürgen", "utf-8"),
    Case("ISO_IR 192", "Lefèvre^Hélène", "latin-1"),
    Case("ISO_IR 999", "Schröder^Bärbel", "latin-1"),
]


def data_set(number: int, case: Case) -> bytes:
    """Return a slice of a study of its own with the name as its bytes are."""
    study = f"{STUDY}.{number}"
    ds = make_ct(1, SpecificCharacterSet="ISO_IR 6", StudyInstanceUID=study, SeriesInstanceUID=f"{study}.1")
    ds.PatientName, ds.PatientID = PLACEHOLDER.decode(), f"T-{number}"
    whole = encoded(ds)
    whole = _replaced(whole, b"\x10\x00\x10\x00PN", PLACEHOLDER, case.name_bytes)
    return _replaced(whole, b"\x08\x00\x05\x00CS", PLACEHOLDER_SET, case.named.encode())


def _replaced(whole: bytes, head: bytes, old: bytes, new: bytes) -> bytes:
    padded = new + b" " * (len(new) % 2)
    before = head + len(old).to_bytes(2, "little") + old
    assert whole.count(before) == 1
    return whole.replace(before, head + len(padded).to_bytes(2, "little") + padded)


@dataclass(frozen=True, slots=True)
class Outcome:
    """One row of the table."""

    named: str
    name: str
    outcome: str

    def row(self) -> str:
        """Return the row as Markdown."""
        return f"| `{self.named}` | {self.name} | {self.outcome} |"


def send_all(station: Station) -> list[Outcome]:
    """Send every case, check that its bytes are kept, take it in, and say what became of its name."""
    with RawSCU(station.port, [CT_CONTEXT]) as scu:
        for number, case in enumerate(CASES):
            before = set(station.stored())
            sent = data_set(number, case)
            assert scu.store(CT_CONTEXT, CT, f"{STUDY}.{number}.1.1", sent) == StoreStatus.SUCCESS, case
            (new,) = set(station.stored()) - before
            assert data_set_of(station.runtime.archive.read(new)) == sent
    require_untold(read_ledger(station), "the ledger")
    station.take_in()
    station.clock.advance(600)
    station.assembler.step()
    with station.runtime.database.read() as connection:
        found = look_up(connection, [f"{STUDY}.{number}" for number in range(len(CASES))])
    return [outcome(case, found[f"{STUDY}.{number}"].patient.name) for number, case in enumerate(CASES)]


def outcome(case: Case, kept: str) -> Outcome:
    sent_in = "" if case.in_truth is None else f" (sent in {case.in_truth})"
    became = "stored, kept as meant" if kept == case.name else f"stored, kept as {kept}"
    return Outcome(case.named or NO_SET, case.name + sent_in, became)


def read_ledger(station: Station) -> bytes:
    files = (station.runtime.archive.root / "ledger").rglob("*.ledger")
    found = b"".join(path.read_bytes() for path in files)
    assert found.count(b'"kind":"instance"') == len(CASES)
    return found


def require_untold(text: bytes, where: str) -> None:
    """Check that no word of any name stands somewhere, in whatever encoding."""
    for case in CASES:
        for word in re.split(r"[\^= .-]", case.name):
            if len(word) >= SHORTEST_WORD or not word.isascii():
                forms = {word.encode(), json.dumps(word)[1:-1].encode(), case.name_bytes}
                forms |= {word.encode("latin-1")} if word.isascii() else set()
                assert not any(form in text for form in forms), f"{word} stands in {where}"


def test_every_name_is_kept_as_the_table_says_and_told_nobody(tmp_path: Path, clock: ManualClock) -> None:
    with own_database(tmp_path) as database, listener_log() as log:
        with listening(make_station(database, tmp_path / "data", clock)) as station:
            outcomes = send_all(station)
        events = station.rows(select(outbox.c.payload))
        assert len(events) >= len(CASES)
        require_untold(repr([row.payload for row in events]).encode(), "the events")
        require_untold(_written(log()), "the log")
    table = [Outcome(*(cell.strip() for cell in cells)) for cells in ROW.findall(PAGE.read_text(encoding="utf-8"))]
    assert outcomes == table


def _written(lines: list[Line]) -> bytes:
    assert lines
    return json.dumps(lines, ensure_ascii=False).encode()


def _print_table() -> None:
    with TemporaryDirectory() as name, own_database(Path(name)) as database:
        made = make_station(database, Path(name) / "data", ManualClock(START))
        with listening(made) as station:
            outcomes = send_all(station)
    for one in outcomes:
        print(one.row())  # noqa: T201


if __name__ == "__main__":
    _print_table()
