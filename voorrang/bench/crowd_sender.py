"""One sender of a crowd, as a process: `python -m voorrang.bench.crowd_sender`; sends until its time is over."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from threading import Event as Flag
from time import monotonic

from voorrang.bench.raw_association import (
    AssociationLostError,
    AssociationRefusedError,
    RawAssociation,
    data_pdus,
    first_fragment_at,
)
from voorrang.bench.slices import data_set_of

ASSOCIATED = "associated"
_SUCCESS = 0x0000


@dataclass(slots=True)
class Tally:
    """
    What one sender saw.

    Parameters
    ----------
    refused, lost
        Associations that were not taken, and that the receiver ended.
    sent, accepted
        Instances sent, and those that were answered with Success.
    """

    refused: int = 0
    lost: int = 0
    sent: int = 0
    accepted: int = 0


def run_sender(
    port: int,
    calling_ae_title: str,
    template: Path,
    uid: str,
    per_second: float,
    seconds: float,
    stop: Flag,
    on_associated: Callable[[], None],
) -> Tally:
    """
    Send instance after instance on one association.

    Parameters
    ----------
    port
        Of the receiver.
    calling_ae_title
        Its own.
    template
        A slice; each instance is this one under a UID of its own.
    uid
        SOP Instance UID in the template, ending in a number of fixed width that is counted up.
    per_second
        How many in a second; 0: as fast as they are answered.
    seconds
        How long.
    stop
        Ends it before.
    on_associated
        Called when the association is there.
    """
    tally = Tally()
    data_set = data_set_of(template.read_bytes())
    stem, _, first = uid.rpartition(".")
    started = monotonic()
    try:
        with RawAssociation(port, calling_ae_title) as association:
            on_associated()
            pdus = data_pdus(data_set, association.max_pdu_bytes)
            at = first_fragment_at(data_set.index(uid.encode()))
            while monotonic() - started < seconds and not stop.is_set():
                name = f"{stem}.{int(first) + tally.sent}".encode()
                pdus[at : at + len(name)] = name
                tally.sent += 1
                tally.accepted += association.store(name, pdus) == _SUCCESS
                if per_second:
                    stop.wait(max(0.0, started + tally.sent / per_second - monotonic()))
    except AssociationRefusedError:
        tally.refused += 1
    except AssociationLostError:
        tally.lost += 1
    return tally


def _main() -> int:
    parser = argparse.ArgumentParser(prog="python -m voorrang.bench.crowd_sender")
    parser.add_argument("port", type=int)
    parser.add_argument("calling_ae_title")
    parser.add_argument("template", type=Path)
    parser.add_argument("uid")
    parser.add_argument("per_second", type=float)
    parser.add_argument("seconds", type=float)
    arguments = parser.parse_args()
    stop = Flag()
    signal.signal(signal.SIGTERM, lambda *_: stop.set())
    tally = run_sender(
        arguments.port,
        arguments.calling_ae_title,
        arguments.template,
        arguments.uid,
        arguments.per_second,
        arguments.seconds,
        stop,
        on_associated=lambda: print(ASSOCIATED, flush=True),  # noqa: T201 - what the crowd waits for
    )
    sys.stdout.write(json.dumps(asdict(tally)) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(_main())
