"""Takes back what readers said of AI where its images are rejected: a label of void images is none."""

from __future__ import annotations

from collections.abc import Collection

from voorrang.database import Connection
from voorrang.events.reading_records import ShownAnswer
from voorrang.runtime import Runtime
from worklist.reading import announcing, log
from worklist.reading.log import ITSELF, Act


def void_judgements(
    runtime: Runtime, connection: Connection, item_key: str, pathways: Collection[str], reason: str
) -> None:
    """
    Undo every judgement about what AI had shown for some pathways of an item.

    For the handler of a rejection, within its transaction. A judgement that comes later is about what is shown then,
    and stands.

    Parameters
    ----------
    runtime, connection
        The service, and the transaction of the handler.
    item_key
        Of the item.
    pathways
        For which the rejected series was read.
    reason
        Why its images were rejected.
    """
    lines = log.decisions(connection, [item_key]).get(item_key, [])
    taken_back = log.undone(lines)
    now = runtime.clock.now()
    for line in lines:
        if line.act is not Act.JUDGED or line.id in taken_back:
            continue
        about = tuple(ShownAnswer.model_validate(answer) for answer in line.detail["ai_shown"])
        if not {answer.pathway for answer in about} & set(pathways):
            continue
        detail = {"undoes": line.id, "voided_by": reason}
        undoing = log.write(connection, Act.UNDONE, item_key, ITSELF, now, detail)
        announcing.judged(runtime, connection, undoing, "undone", about, line.id)
