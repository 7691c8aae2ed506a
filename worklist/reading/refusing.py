"""Why an act is refused: a closed set, each with the words that a reader sees."""

from __future__ import annotations

from enum import StrEnum


class Refusal(StrEnum):
    """Reasons; the API gives each its own status."""

    UNKNOWN_ITEM = "this item is not on the list"
    UNKNOWN_CALL = "no message had this reference"
    CLOSED = "this item is closed"
    TAKEN = "another reader has this item"
    MOVED = "its studies stand in another row by now: look at the list again"
    OTHER_STUDIES = "none of the studies that you saw is still to be read here: look at the row again"
    NOT_YOURS = "you do not have this item"
    NOTHING_LEFT = "nothing is left that nobody has"
    NOTHING_SHOWN = "AI has shown nothing here, so there is nothing to agree or disagree with"
    NOTHING_TO_UNDO = "you have done nothing here that can be undone"
    NOBODY_CALLED = "no critical finding waits here"


class ActRefusedError(Exception):
    """
    An act that the list does not allow now; nothing was written.

    Parameters
    ----------
    refusal
        Why.
    """

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.value)
        self.refusal = refusal
