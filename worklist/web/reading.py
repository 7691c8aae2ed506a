"""Routes of reading: `/api/worklist/next` and `/api/worklist/items/{item_key}/...`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from functools import partial
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

from fastapi import APIRouter, Depends, HTTPException, Path, Request, Response
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from voorrang.events.reading_records import WhyWrong
from worklist.reading.acts import Reading
from worklist.reading.claims import Claim
from worklist.reading.log import Reader
from worklist.reading.refusing import ActRefusedError, Refusal

WHY_WRONG: Mapping[WhyWrong, str] = {
    "not_there": "nothing is there",
    "missed": "it missed a finding",
    "wrong_place": "right finding, wrong place",
    "other_finding": "it is something else",
    "known_before": "known from before",
    "artefact": "artefact",
    "not_urgent": "there, but not urgent",
}
_STATUS = {Refusal.UNKNOWN_ITEM: 404, Refusal.NOTHING_LEFT: 404, Refusal.UNKNOWN_CALL: 404}
_RESPONSES: dict[int | str, dict[str, Any]] = {
    400: {"description": "The request cannot be read, or has a foreign name for this host"},
    403: {"description": "Nobody is known to act here, or another page asks"},
    404: {"description": "No such item, or none left"},
    409: {"description": "The list does not allow it now"},
    503: {"description": "The database does not answer"},
}

StudyUID = Annotated[str, StringConstraints(min_length=1, max_length=64)]
ItemKey = Annotated[str, Path(pattern=r"^[0-9A-Za-z._-]{1,64}$", description="`item_key` of the list")]


class Act(BaseModel):
    """Who acts: one of the setting `readers`; may be left out where it has one only."""

    model_config = ConfigDict(extra="forbid")

    reader: str = Field(default="", max_length=128)


class OpenAct(Act):
    """How an item is opened."""

    how: Literal["list", "pacs"] = "list"


class DoneAct(Act):
    """
    Which studies were read: `studies_to_read` of the row as the reader saw it.

    There is no "all of it": a study that came since was seen by nobody. Those that the item no longer has, or that
    were read before, are passed over.
    """

    studies: list[StudyUID] = Field(min_length=1)


class JudgeAct(Act):
    """What a reader says of what AI has shown; `because` belongs to `ai_wrong`, and to nothing else."""

    judgement: Literal["agree", "disagree", "ai_wrong"]
    because: WhyWrong | None = None

    @model_validator(mode="after")
    def _because_says_why_it_is_wrong(self) -> JudgeAct:
        if (self.judgement == "ai_wrong") != (self.because is not None):
            raise ValueError("because: a reason for ai_wrong, and for nothing else")
        return self


class OpenedReading(BaseModel):
    """A reading that goes on."""

    item_key: str
    reading: int
    reader: str
    opened_at: datetime
    until: datetime


class Numbered(BaseModel):
    """Which decision was written, or undone."""

    decision: int


class DoneAnswer(Numbered):
    """
    What became of it: `studies_done` are read by this decision.

    While `studies_to_read` has any, the item stays on the list, and these are to be read by somebody.
    """

    studies_done: tuple[str, ...]
    studies_to_read: tuple[str, ...]


def reading_routes(reading: Reading, readers: Mapping[str, str]) -> APIRouter:
    """
    Return the routes.

    Parameters
    ----------
    reading
        What readers do.
    readers
        Who may act from this machine, with their roles; empty: nobody.
    """
    router = APIRouter(prefix="/api/worklist", dependencies=[Depends(_same_page)], responses=_RESPONSES)

    who = partial(_who, readers)

    @router.post("/next")
    def open_next(act: Act) -> OpenedReading:
        """Open what stands first of what nobody has."""
        return _opened(reading.open_next(who(act)))

    @router.post("/items/{item_key}/open")
    def open_item(item_key: ItemKey, act: OpenAct) -> OpenedReading:
        """Open an item, or have it for longer."""
        return _opened(reading.open(item_key, who(act), act.how))

    @router.post("/items/{item_key}/hand-back", status_code=204)
    def hand_back(item_key: ItemKey, act: Act) -> None:
        """Give an item back unread."""
        reading.hand_back(item_key, who(act))

    @router.post("/items/{item_key}/done")
    def done(item_key: ItemKey, act: DoneAct) -> DoneAnswer:
        """Say that studies of an item are read: it leaves the list unless others came that were not seen."""
        said = reading.done(item_key, who(act), act.studies)
        return DoneAnswer(decision=said.decision, studies_done=said.covers, studies_to_read=said.left)

    @router.post("/items/{item_key}/judgement")
    def judge(item_key: ItemKey, act: JudgeAct) -> Numbered:
        """Agree or disagree with what AI has shown, or say why it is wrong."""
        return Numbered(decision=reading.judge(item_key, who(act), act.judgement, act.because))

    @router.post("/items/{item_key}/undo")
    def undo(item_key: ItemKey, act: Act) -> Numbered:
        """Take back one's last judgement or *done*."""
        return Numbered(decision=reading.undo(item_key, who(act)))

    _add_calls(router, reading, who)
    return router


def _add_calls(router: APIRouter, reading: Reading, who: Callable[[Act], Reader]) -> None:
    @router.post("/items/{item_key}/acknowledge", status_code=204)
    def acknowledge(item_key: ItemKey, act: Act) -> None:
        """Take a critical finding: on-call radiology is told no more."""
        reading.acknowledge(item_key, who(act))

    @router.post("/calls/{reference}/acknowledge", status_code=204)
    def acknowledge_call(reference: Annotated[int, Path(ge=1, le=2_000_000_000)], act: Act) -> None:
        """Take the critical finding that a message to on-call radiology was about."""
        reading.acknowledge_call(reference, who(act))


def refused(_: Request, error: Exception) -> Response:
    """Answer what the list does not allow."""
    refusal = error.refusal if isinstance(error, ActRefusedError) else Refusal.UNKNOWN_ITEM
    return JSONResponse({"detail": refusal.value, "refusal": refusal.name.lower()}, _STATUS.get(refusal, 409))


def _same_page(request: Request) -> None:
    """Refuse what another page sends: a browser says from where (Fetch Metadata, and Origin before it)."""
    site = request.headers.get("sec-fetch-site", "none")
    origin = request.headers.get("origin")
    if site not in ("none", "same-origin") or (origin and urlsplit(origin).netloc != request.headers.get("host")):
        raise HTTPException(403, "another page may not act here")


def _who(readers: Mapping[str, str], act: Act) -> Reader:
    name = act.reader or (next(iter(readers)) if len(readers) == 1 else "")
    if name not in readers:
        raise HTTPException(403, "who acts is not known here: set VOORRANG_READERS, and name one of them as reader")
    return Reader(name, readers[name])


def _opened(held: Claim) -> OpenedReading:
    return OpenedReading(
        item_key=held.item_key,
        reading=held.reading,
        reader=held.actor,
        opened_at=held.opened_at,
        until=held.until,
    )
