"""Studies of one series each, by senders that cost next to nothing; each has UIDs, an order and a person of its own."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from threading import Event as Flag
from time import monotonic

from voorrang.bench.raw_association import RawAssociation, data_pdus, first_fragment_at
from voorrang.bench.report import Say
from voorrang.bench.slices import data_set_of, study_uid

_SUCCESS = 0x0000
_FIRST_INSTANCE = 1_000_000
_TELL_EVERY = 20
_HEAD_BYTES = 8192  # more than the header: pixels are searched for nothing


class NotAcceptedError(Exception):
    """The listener did not answer an instance with Success."""


class Studies:
    """
    What is sent: one series, again and again as another study.

    Parameters
    ----------
    files
        The series as Part 10 files, as `header_bytes` names them.
    port
        Of the listener.
    """

    def __init__(self, files: Sequence[bytes], port: int) -> None:
        self._data_sets = [data_set_of(file) for file in files]
        self._port = port

    def send(self, studies: Sequence[int], per_second: float, senders: int, say: Say) -> float:
        """
        Send studies, each on an association of its own, and return the monotonic time of the first.

        Parameters
        ----------
        studies
            Their numbers.
        per_second
            How many begin in a second; 0: as soon as a sender is free.
        senders
            How many associations at most at once.
        say
            Told of progress.

        Raises
        ------
        NotAcceptedError
            When an instance is not answered with Success.
        AssociationRefusedError, AssociationLostError
            When the listener does not take it.
        """
        began = monotonic()
        with ThreadPoolExecutor(senders, "sender") as pool:
            sent = []
            for number, study in enumerate(studies):
                if per_second:
                    Flag().wait(max(0.0, began + number / per_second - monotonic()))
                sent.append(pool.submit(self._send_one, study))
                if per_second and number % _TELL_EVERY == _TELL_EVERY - 1:
                    say(f"  {number + 1} of {len(studies)} studies sent")
            for one in sent:
                one.result()
        return began

    def _send_one(self, study: int) -> None:
        with RawAssociation(self._port, "BENCH") as association:
            for number, template in enumerate(self._data_sets):
                pdus = data_pdus(template, association.max_pdu_bytes)
                for at, token in _stamps(template, study):
                    pdus[first_fragment_at(at) : first_fragment_at(at) + len(token)] = token
                uid = f"{study_uid(study)}.1.{_FIRST_INSTANCE + number}"
                status = association.store(uid.encode(), pdus)
                if status != _SUCCESS:
                    raise NotAcceptedError(f"status {status:04X}")


def _stamps(data_set: bytes, study: int) -> list[tuple[int, bytes]]:
    """Return where in the header which bytes make it another study; each has the length of what stood there."""
    marks = {
        study_uid(0).encode(): study_uid(study).encode(),
        b"BENCH0001": f"B{study:08}".encode(),
        b"BENCH-1 ": f"P{study:07}".encode(),
    }
    head = data_set[:_HEAD_BYTES]
    found = []
    for mark, token in marks.items():
        at = head.find(mark)
        while at >= 0:
            found.append((at, token))
            at = head.find(mark, at + len(mark))
    return found
