"""Instances that are answered, and what follows the answer held back."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from threading import Event as Flag
from time import sleep

import pytest
from pydicom import Dataset

from ingest.admission import Request, StoreStatus
from ingest.ledger import Position, read_entries
from ingest.listening.association import Association
from ingest.listening.incoming import Incoming
from ingest.listening.negotiation import Negotiator
from ingest.listening.pacing import Pacer
from tests import pdus
from tests.integration.crashing import Machine
from tests.integration.knocking import TIMEOUT_SECONDS, read_pdu
from tests.integration.listening import CT, EXPLICIT_LITTLE, encoded
from voorrang.archive import promised_files
from voorrang.archive.instance_files import InstanceFiles
from voorrang.archive.promised_files import PromisedFile

UIDS = ("1.2.3", "1.2.3.1", "1.2.3.1.1")
CONTENT = memoryview(bytes(128) + b"DICM" + b"the bytes of an instance")


def promised(files: InstanceFiles) -> PromisedFile:
    made = files.promise(*UIDS, len(CONTENT))
    assert made is not None
    return made[1]


def answer_only(machine: Machine, ds: Dataset) -> Incoming:
    """Receive an instance as far as its answer; what follows it does not happen."""
    incoming = machine.receiver.incoming()
    request = Request(CT, str(ds.SOPInstanceUID), "SCANNER", "VOORRANG")
    machine.receiver.begin(incoming, request, EXPLICIT_LITTLE)
    content = encoded(ds)
    incoming.room(len(content))[:] = content
    incoming.filled(len(content))
    assert machine.receiver.finish(incoming, request, EXPLICIT_LITTLE) == StoreStatus.SUCCESS
    return incoming


def outcomes(machine: Machine) -> list[str]:
    entries, _ = read_entries(machine.ledger, Position(), 100)
    return [entry["outcome"] for entry in entries if entry["kind"] == "instance"]


@contextmanager
def served(machine: Machine) -> Iterator[tuple[socket.socket, Future[None]]]:
    """Serve one association in a thread; give the peer's end of it, agreed on, and what tells that it has ended."""
    ours, theirs = socket.socketpair()
    receiver = machine.receiver
    pacer = Pacer(receiver.configuration, lambda _: None)
    association = Association(ours, "a peer", receiver, Negotiator(), pacer, lambda _: None, lambda: False)
    with ours, theirs, ThreadPoolExecutor(1) as thread:
        ended = thread.submit(association.run)
        theirs.settimeout(TIMEOUT_SECONDS)
        theirs.sendall(pdus.associate_request())
        assert read_pdu(theirs)[0] == pdus.ACCEPTED
        yield theirs, ended


@contextmanager
def waited_for() -> Iterator[Flag]:
    """Give what is set when somebody finds a file locked."""
    found = Flag()

    def look_again(seconds: float) -> None:
        found.set()
        sleep(seconds)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(promised_files, "sleep", look_again)
        yield found
