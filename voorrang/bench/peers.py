"""The peers, as their issue names them: dcmtk's storescp (with and without a sync), pynetdicom's app, Orthanc."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from voorrang.bench.names import DCMTK_FORK, DCMTK_FSYNC, ORTHANC, PYNETDICOM_APP
from voorrang.bench.programs import dcmtk_program, program
from voorrang.bench.receiver import Peer
from voorrang.bench.slices import Batch
from voorrang.bench.syncing import SyncShim, compile_sync_shim

_MAX_PDU_BYTES = "131072"


def storescp_fork(folder: Path, port: int) -> Peer:
    """Return the storescp of dcmtk, a process for each association, no sync; PeerMissingError when there is none."""
    return Peer(DCMTK_FORK, folder, port, _storescp(folder, port))


def storescp_fsync(folder: Path, port: int) -> SyncingPeer:
    """Return the same with every file synced (not its folder); PeerMissingError without it or a C compiler."""
    return SyncingPeer(folder, port, compile_sync_shim(folder.with_suffix(".shim")))


def pynetdicom_app(folder: Path, port: int) -> Peer:
    """Return pynetdicom's own storescp as it comes."""
    arguments = [str(port), "-ba", "127.0.0.1", "-od", str(folder), "--quiet"]
    return Peer(PYNETDICOM_APP, folder, port, [sys.executable, "-m", "pynetdicom", "storescp", *arguments])


class SyncingPeer(Peer):
    """
    The storescp of dcmtk under the shim; an instance that was not synced does not count as stored.

    Parameters
    ----------
    folder, port
        As of every receiver.
    shim
        Compiled.
    """

    def __init__(self, folder: Path, port: int, shim: SyncShim) -> None:
        super().__init__(DCMTK_FSYNC, folder, port, _storescp(folder, port), shim.environment)
        self._shim = shim
        self._synced_before = 0

    def prepare(self) -> None:
        """Note how many were synced before."""
        super().prepare()
        self._synced_before = self._shim.synced()

    def stored(self, batch: Batch) -> int:
        """Count the files, or the syncs where those are fewer."""
        return min(super().stored(batch), self._shim.synced() - self._synced_before)


class Orthanc(Peer):
    """
    Orthanc with its own defaults, so with a sync of each file; no plugins.

    It binds every address: to be started only in a network of our own.

    Parameters
    ----------
    folder, port, http_port
        As of every receiver; the second is of its web page.
    """

    def __init__(self, folder: Path, port: int, http_port: int) -> None:
        self._configuration = folder.with_suffix(".json")
        super().__init__(ORTHANC, folder, port, [program("Orthanc", "orthanc"), str(self._configuration)])
        self._http_port = http_port
        self._seen: frozenset[Path] = frozenset()

    def start(self) -> None:
        """Write its configuration and start it."""
        storage = str(self.folder)
        configuration = {
            "Name": "bench",
            "StorageDirectory": storage,
            "IndexDirectory": storage,
            "DicomAet": "ORTHANC",
            "DicomPort": self.port,
            "HttpPort": self._http_port,
            "RemoteAccessAllowed": False,
            "Plugins": [],
        }
        self._configuration.parent.mkdir(parents=True, exist_ok=True)
        self._configuration.write_text(json.dumps(configuration))
        super().start()


def _storescp(folder: Path, port: int) -> list[str]:
    return [dcmtk_program("storescp"), "--fork", "--max-pdu", _MAX_PDU_BYTES, "-od", str(folder), str(port)]
