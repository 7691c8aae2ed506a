"""Makes a program sync every file that it writes, by a library that is compiled here and preloaded into it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from voorrang.bench.programs import PeerMissingError, program

_SOURCE = "fsync_on_close.c"
_COUNT_BYTES = 8


@dataclass(frozen=True, slots=True)
class SyncShim:
    """
    The library, and how often it has synced.

    Parameters
    ----------
    library
        Compiled.
    count_file
        Where the processes count.
    """

    library: Path
    count_file: Path

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to be under it."""
        return {"LD_PRELOAD": str(self.library), "BENCH_SYNC_COUNT_FILE": str(self.count_file)}

    def synced(self) -> int:
        """Return how many files were synced so far."""
        return int.from_bytes(self.count_file.read_bytes(), "little")


def compile_sync_shim(folder: Path) -> SyncShim:
    """
    Compile the library.

    Raises
    ------
    PeerMissingError
        When there is no C compiler, or it fails.
    """
    compiler = program("cc", "gcc")
    source, library, count_file = folder / _SOURCE, folder / "fsync_on_close.so", folder / "synced"
    folder.mkdir(parents=True, exist_ok=True)
    source.write_text((files("voorrang.bench") / _SOURCE).read_text())
    count_file.write_bytes(bytes(_COUNT_BYTES))
    command = [compiler, "-O2", "-shared", "-fPIC", "-o", str(library), str(source), "-ldl"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)  # noqa: S603 - no shell
    if done.returncode:
        raise PeerMissingError(f"the sync shim did not compile: {done.stderr.strip().splitlines()[-1:]}")
    return SyncShim(library, count_file)
