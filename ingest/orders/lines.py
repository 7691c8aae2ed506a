"""Orders and reports as NDJSON: one JSON object on a line, for sites and tests without HL7."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from ingest.announcing import Announcer
from ingest.orders.acknowledging import Answer
from ingest.orders.facts import Fact
from ingest.orders.reading import Header
from ingest.orders.refusing import RefusalReason, RefusedMessageError
from ingest.orders.taking import Envelope, agreement_of, take
from voorrang.errors import ConfigurationError

KIND = "ndjson"
SENDER = "NDJSON"
_FOLDER_PATTERN = "*.ndjson"


class Line(BaseModel):
    """One line: what it tells, and for a line that may be repeated an `id` of the sender's own."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Annotated[str, Field(max_length=200)] = ""
    sender: Annotated[str, Field(max_length=64, pattern=r"^[A-Za-z0-9._ -]*$")] = ""
    fact: Annotated[Fact, Field(discriminator="kind")]


def take_line(post: Announcer, line: bytes) -> Answer:
    """Take one line; a line that was taken before changes nothing, and one that is refused is kept with the reason."""
    try:
        parsed = Line.model_validate_json(line)
    except ValidationError as error:
        where = ".".join(str(one) for one in error.errors(include_input=False, include_url=False)[0]["loc"])
        return _take(post, line, "", SENDER, RefusedMessageError(RefusalReason.BAD_LINE, where[:80]))
    return _take(post, line, parsed.id, parsed.sender or SENDER, [parsed.fact])


def _take(
    post: Announcer, line: bytes, control_id: str, sender: str, told: Sequence[Fact] | RefusedMessageError
) -> Answer:
    def read() -> Sequence[Fact]:
        """Return what the line tells."""
        if isinstance(told, RefusedMessageError):
            raise told
        return told

    digest = post.keys.identity_digest(line.strip())
    envelope = Envelope(sender, control_id or digest, digest, KIND, line)
    header = Header(application=sender, control_id=control_id or digest)
    return take(post, envelope, header, agreement_of(post.settings, sender), read)


def lines_of(path: Path) -> Iterator[bytes]:
    """
    Return the lines of a file, or of every `.ndjson` file of a folder in the order of their names.

    Raises
    ------
    ConfigurationError
        When there is no such file or folder.
    """
    if not path.exists():
        raise ConfigurationError(f"{path} is neither a file nor a folder")
    for file in sorted(path.glob(_FOLDER_PATTERN)) if path.is_dir() else [path]:
        try:
            with file.open("rb") as opened:
                yield from lines(opened)
        except OSError as error:
            raise ConfigurationError(f"{file}: {error.strerror}") from error


def lines(opened: Iterable[bytes]) -> Iterator[bytes]:
    """Return the lines that say something."""
    return (line for line in opened if line.strip())
