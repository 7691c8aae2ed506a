"""What is still to be done for an instance that was answered."""

from __future__ import annotations

from dataclasses import dataclass

from voorrang.archive.promised_files import PromisedFile


@dataclass(slots=True)
class Promise:
    """
    An instance that was answered Success: it is durable in the log, its file and its entry follow.

    Parameters
    ----------
    file
        Has its name.
    entry
        Of the ledger, encoded.
    serial
        Of the record in the log.
    """

    file: PromisedFile
    entry: bytes
    serial: int
