"""Reads one MLLP block (HL7 v2 Transport, Minimal Lower Layer Protocol): VT, the message, FS and CR."""

from __future__ import annotations

import asyncio

from hl7.mllp.streams import CARRIAGE_RETURN, END_BLOCK, START_BLOCK

from ingest.orders.refusing import RefusalReason, RefusedMessageError

BEGINNING_BYTES = 4096  # of a message that is too large: enough to answer it and to know it by
_END = END_BLOCK + CARRIAGE_RETURN


async def read_block(reader: asyncio.StreamReader, first: bytes) -> tuple[bytes, RefusedMessageError | None]:
    """
    Return a message, and why it is not to be read.

    What is too large is read to its end and thrown away but for its beginning, so that the sender hears why.

    Parameters
    ----------
    reader
        Of the connection, with the limit on size.
    first
        The byte of the block that was read already.

    Raises
    ------
    asyncio.IncompleteReadError
        When the connection ends within the block.
    """
    is_block = first == START_BLOCK
    beginning = b"" if is_block else first
    is_too_large = False
    while True:
        try:
            rest = await reader.readuntil(_END)
            break
        except asyncio.LimitOverrunError as error:
            thrown_away = await reader.readexactly(error.consumed)
            beginning = (beginning + thrown_away)[:BEGINNING_BYTES]
            is_too_large = True
    if is_too_large:
        return beginning, RefusedMessageError(RefusalReason.TOO_LARGE)
    raw = beginning + rest[: -len(_END)]
    return raw, None if is_block else RefusedMessageError(RefusalReason.NOT_HL7, "MLLP")
