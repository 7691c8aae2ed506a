"""Takes back what readers said of AI where its images are rejected: a label of void images is none."""

from __future__ import annotations

from collections.abc import Collection

from voorrang.database import Connection
from voorrang.events.reading_records import ShownAnswer
from voorrang.events.records import SeriesRejected
from voorrang.runtime import Runtime
from worklist.reading import announcing, log
from worklist.reading.log import ITSELF, Act


def void_judgements(
    runtime: Runtime, connection: Connection, item_key: str, pathways: Collection[str], rejected: SeriesRejected
) -> None:
    """
    Undo every judgement about what AI had shown of rejected images of an item.

    For the handler of a rejection, within its transaction. A judgement about another series or a later revision stands,
    whenever the rejection is told; of one that does not say which it was about, the pathway decides.

    Parameters
    ----------
    runtime, connection
        The service, and the transaction of the handler.
    item_key
        Of the item.
    pathways
        For which the rejected series was read.
    rejected
        Up to which revision of which series its images were rejected, and why.
    """
    lines = log.decisions(connection, [item_key]).get(item_key, [])
    taken_back = log.undone(lines)
    now = runtime.clock.now()
    for line in lines:
        if line.act is not Act.JUDGED or line.id in taken_back:
            continue
        about = tuple(ShownAnswer.model_validate(answer) for answer in line.detail["ai_shown"])
        if not any(_is_void(answer, rejected, pathways) for answer in about):
            continue
        detail = {"undoes": line.id, "voided_by": rejected.reason}
        undoing = log.write(connection, Act.UNDONE, item_key, ITSELF, now, detail)
        announcing.judged(runtime, connection, undoing, "undone", about, line.id)


def _is_void(answer: ShownAnswer, rejected: SeriesRejected, pathways: Collection[str]) -> bool:
    if not answer.series_instance_uid:
        return answer.pathway in pathways
    is_mine = answer.series_instance_uid == rejected.series_instance_uid
    return is_mine and answer.series_revision <= rejected.series_revision
