"""Sends a kept file to our own listener as its sender did, so that it goes through every rule again."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pydicom.filereader import read_file_meta_info
from pynetdicom import AE, _config

from ingest.quarantine_reading import silenced
from voorrang.dicom.requesting import associate
from voorrang.errors import RetryableError

SUCCESS = 0x0000
TIMEOUT_SECONDS = 60
_META = ("SendingApplicationEntityTitle", "ReceivingApplicationEntityTitle", "TransferSyntaxUID")


@dataclass(frozen=True, slots=True)
class Replayed:
    """What came of it: the status that was answered, or why there was none."""

    status: int | None
    why: str = ""

    @property
    def is_accepted(self) -> bool:
        """Whether the instance was stored."""
        return self.status == SUCCESS


def replay_file(path: Path, host: str, port: int) -> Replayed:
    """
    Send a Part 10 file with the AE titles of its group 0002, its data set byte for byte.

    Raises
    ------
    RetryableError
        When nobody listens there.
    """
    with silenced(), _as_it_is():
        try:
            meta = read_file_meta_info(path)
            calling, called, syntax = (str(meta[keyword].value).strip(" \0") for keyword in _META)
            sop_class = str(meta["MediaStorageSOPClassUID"].value).strip(" \0")
            ae = AE(ae_title=calling)
            ae.add_requested_context(sop_class, syntax)
        except Exception as error:  # noqa: BLE001 - whatever a reader makes of it: the command says so, and it stays
            return Replayed(None, f"its file meta group cannot be used ({type(error).__name__})")
        ae.network_timeout = ae.dimse_timeout = ae.acse_timeout = TIMEOUT_SECONDS
        return _send(ae, path, host, port, called)


def _send(ae: AE, path: Path, host: str, port: int, called: str) -> Replayed:
    try:
        association = associate(ae, host, port, called)
    except ValueError:
        return Replayed(None, "its called AE title is none")
    if association.is_rejected:
        return Replayed(None, "the listener rejected its AE titles")
    if not association.is_established:
        if association.rejected_contexts:
            return Replayed(None, "the listener takes no such SOP class in that transfer syntax")
        raise RetryableError(f"no DICOM listener answers at {host}:{port}: is `voorrang ingest serve` running?")
    try:
        status = association.send_c_store(path).get("Status")
    except (ValueError, AttributeError, KeyError, TypeError) as error:
        return Replayed(None, f"it cannot be sent ({type(error).__name__})")
    finally:
        association.release()
    return Replayed(status, "" if status is not None else "the association ended without an answer")


@contextmanager
def _as_it_is() -> Iterator[None]:
    """Let pynetdicom send a file's bytes as they are, and a UID that is none: what is wrong with it is to be seen."""
    chunked, validator = _config.STORE_SEND_CHUNKED_DATASET, _config.VALIDATORS["UI"]
    _config.STORE_SEND_CHUNKED_DATASET = True
    _config.VALIDATORS["UI"] = lambda _: (True, "")
    try:
        yield
    finally:
        _config.STORE_SEND_CHUNKED_DATASET, _config.VALIDATORS["UI"] = chunked, validator
