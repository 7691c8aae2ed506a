"""An HL7 v2 message as segments of plain text: separators, escapes and character sets are dealt with here. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import hl7

from ingest.orders.refusing import RefusalReason, RefusedMessageError

_BOM = b"\xef\xbb\xbf"
# HL7 table 0211, and how it is misspelt; compared without what is neither letter nor digit. None: nothing is said.
_CHARACTER_SETS = {
    "": None,
    "ASCII": None,
    "88591": "iso8859-1",
    "ISO88591": "iso8859-1",
    "ISOIR100": "iso8859-1",
    "LATIN1": "iso8859-1",
    "885915": "iso8859-15",
    "ISO885915": "iso8859-15",
    "UNICODEUTF8": "utf-8",
    "UTF8": "utf-8",
    "ISOIR192": "utf-8",
}
_HEX = re.compile(r"X((?:[0-9A-Fa-f]{2})+)")


@dataclass(frozen=True, slots=True)
class Header:
    """What the MSH segment says; read from bytes, so that also a message that cannot be read is answered."""

    separators: str = "|^~\\&"
    application: str = ""
    facility: str = ""
    message_type: str = ""
    trigger: str = ""
    control_id: str = ""
    processing_id: str = ""
    version: str = ""
    character_set: str = ""


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment: fields of repetitions of components of subcomponents, unescaped."""

    name: str
    fields: tuple[tuple[tuple[tuple[str, ...], ...], ...], ...]

    def repetitions(self, field: int) -> Sequence[tuple[tuple[str, ...], ...]]:
        """Return the repetitions of a field (1 is the first); empty when it is not there."""
        return self.fields[field - 1] if 0 < field <= len(self.fields) else ()

    def text(self, field: int, component: int = 1, subcomponent: int = 1) -> str:
        """Return one value of a field's first repetition; empty when it is not there."""
        return part(next(iter(self.repetitions(field)), ()), component, subcomponent)


@dataclass(frozen=True, slots=True)
class Message:
    """A message that could be read."""

    header: Header
    stated_time: str
    segments: tuple[Segment, ...]

    def first(self, name: str) -> Segment:
        """
        Return the first segment of a name.

        Raises
        ------
        RefusedMessageError
            When there is none.
        """
        for segment in self.segments:
            if segment.name == name:
                return segment
        raise RefusedMessageError(RefusalReason.MISSING_SEGMENT, name)


def part(repetition: Sequence[Sequence[str]], component: int = 1, subcomponent: int = 1) -> str:
    """Return one value of a repetition; empty when it is not there, and when it is `""`, HL7's word for deleted."""
    subcomponents = repetition[component - 1] if component <= len(repetition) else ()
    value = subcomponents[subcomponent - 1] if subcomponent <= len(subcomponents) else ""
    return "" if value == '""' else value


def read_header(raw: bytes) -> Header:
    """
    Read the MSH segment, whatever comes behind it.

    Raises
    ------
    RefusedMessageError
        When the message does not begin with one.
    """
    line = re.split(rb"[\r\n]", raw.removeprefix(_BOM).lstrip(b"\r\n "), maxsplit=1)[0].decode("latin-1")
    separators = line[3:8]
    if line[:3] != "MSH" or len(set(separators)) != 5 or re.search(r"[A-Za-z0-9\s\0]", separators):
        raise RefusedMessageError(RefusalReason.NOT_HL7, "MSH")
    fields = [separators[0], *line[4:].split(separators[0])]

    def value(field: int, component: int = 1) -> str:
        """Return a component of a field's first repetition."""
        text = fields[field - 1] if field <= len(fields) else ""
        components = text.split(separators[2])[0].split(separators[1])
        return components[component - 1].strip() if component <= len(components) else ""

    return Header(
        separators=separators,
        application=value(3),
        facility=value(4),
        message_type=value(9),
        trigger=value(9, 2),
        control_id=value(10),
        processing_id=value(11),
        version=value(12),
        character_set=value(18),
    )


def body_of(raw: bytes) -> bytes:
    """Return what stands behind the header segment: a retry may state another time in that."""
    found = re.search(rb"[\r\n]+", raw.lstrip(b"\r\n "))
    body = raw.lstrip(b"\r\n ")[found.end() :] if found else b""
    return body or raw


def read_message(raw: bytes, default_character_set: str = "") -> Message:
    """
    Read a message whole.

    Parameters
    ----------
    raw
        Between the start and the end of an MLLP block. Segments may also end with a line feed.
    default_character_set
        In the words of MSH-18, for senders that leave it empty. Without one the bytes are read as UTF-8 where they
        are, else as ISO 8859-1.

    Raises
    ------
    RefusedMessageError
        When it cannot be read; nothing is guessed.
    """
    header = read_header(raw)
    text = _decode(raw.removeprefix(_BOM), header.character_set or default_character_set)
    text = re.sub(r"\r?\n", "\r", text.replace("\0", "")).strip("\r ")  # PostgreSQL takes no NUL
    try:
        parsed = hl7.parse(text)
    except (hl7.HL7Exception, ValueError, IndexError, AssertionError) as error:
        raise RefusedMessageError(RefusalReason.NOT_HL7, type(error).__name__) from error
    segments = tuple(_segment(one, header.separators) for one in parsed if any(str(part).strip() for part in one))
    if any(segment.name == "MSH" for segment in segments[1:]):
        raise RefusedMessageError(RefusalReason.NOT_HL7, "MSH twice")
    return Message(header, segments[0].text(7), segments)


def _decode(raw: bytes, character_set: str) -> str:
    name = re.sub(r"[^A-Z0-9]", "", character_set.upper())
    if name not in _CHARACTER_SETS:
        raise RefusedMessageError(RefusalReason.UNKNOWN_CHARACTER_SET, "MSH-18")
    encoding = _CHARACTER_SETS[name]
    try:
        return raw.decode(encoding or "utf-8")
    except UnicodeDecodeError as error:
        if encoding is None:
            return raw.decode("iso8859-1")
        raise RefusedMessageError(RefusalReason.WRONG_CHARACTERS, "MSH-18") from error


def _segment(parsed: hl7.Segment, separators: str) -> Segment:
    name = str(parsed[0])
    fields = list(parsed)[1:]
    if name == "MSH":  # whose first two fields are the separators themselves
        return Segment(name, (((),), ((),), *(_field(field, separators) for field in fields[2:])))
    return Segment(name, tuple(_field(field, separators) for field in fields))


def _field(parsed: object, separators: str) -> tuple[tuple[tuple[str, ...], ...], ...]:
    return tuple(
        tuple(
            tuple(unescape(str(value), separators).strip() for value in _parts(component))
            for component in _parts(repetition)
        )
        for repetition in _parts(parsed)
    )


def _parts(parsed: object) -> Sequence[object]:
    return list(parsed) if isinstance(parsed, list) else [parsed]


def unescape(text: str, separators: str) -> str:
    """
    Replace escape sequences (HL7 v2.5 section 2.7) by what they stand for; those of formatting by a blank or a line.

    Parameters
    ----------
    text
        As it stands in the message.
    separators
        Of field, component, repetition, escape and subcomponent, as in MSH-1 and MSH-2.
    """
    escape = separators[3]
    if escape not in text:
        return text
    meaning = {"F": separators[0], "S": separators[1], "R": separators[2], "E": escape, "T": separators[4]}

    def replaced(match: re.Match[str]) -> str:
        """Return what a sequence stands for; nothing where that is not known."""
        code = match[1]
        if code in meaning:
            return meaning[code]
        if found := _HEX.fullmatch(code):
            return bytes.fromhex(found[1]).decode("latin-1")
        return "\n" if code[:3] in {".br", ".sp", ".ce"} else ""

    e = re.escape(escape)
    return re.sub(f"{e}([^{e}]*){e}", replaced, text)
