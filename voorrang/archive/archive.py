"""Part 10 files, manifests and what was refused, under one folder: reading, naming, removing."""

from __future__ import annotations

import errno
import hashlib
import os
import uuid
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from time import monotonic

from voorrang.archive.durable import (
    ArchiveFullError,
    UnsafeIdentifierError,
    give_name,
    holds,
    refusing_when_full,
    sync_file,
    sync_folder,
    write_again,
    write_once,
)
from voorrang.errors import ConfigurationError
from voorrang.identifiers import is_uid

SUFFIX = ".dcm"
CONFLICT = ".conflict-"
LOOK_AT_DISK_SECONDS = 0.1  # what others write in that time is what the reserve is for
_QUARANTINE = "quarantine"
_MAX_FOLDERS = 10_000
_READ_BYTES = 1 << 20


class Archive:
    """
    What lies under one folder.

    Parameters
    ----------
    root
        Folder; whoever writes makes it with `prepare`, whoever only reads makes nothing.
    reserve_bytes
        Room that stays free on its disk.
    """

    def __init__(self, root: Path, reserve_bytes: int = 0) -> None:
        self.root = root
        self._reserve_bytes = reserve_bytes
        self._known_room_bytes = 0
        self._known_until = 0.0
        self.incoming = root / "incoming"
        self._folders: dict[tuple[str, str], str] = {}

    def prepare(self) -> None:
        """
        Make the folders that must be there before anything is written.

        Raises
        ------
        ConfigurationError
            When they cannot be made.
        """
        try:
            self.incoming.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            remedy = "let this user write there, or set VOORRANG_DATA_DIR"
            raise ConfigurationError(f"archive {self.root}: {error.strerror}; {remedy}") from error

    @property
    def reserve_bytes(self) -> int:
        """Room that stays free."""
        return self._reserve_bytes

    @reserve_bytes.setter
    def reserve_bytes(self, value: int) -> None:
        """Set it; what is known of the free room is forgotten."""
        self._reserve_bytes = value
        self._known_room_bytes = 0

    def instance_path(self, study: str, series: str, instance: str) -> str:
        """
        Return where an instance lies, in a folder that is there.

        Raises
        ------
        UnsafeIdentifierError
            When one of the UIDs is not a UID.
        ArchiveFullError
            When the folder cannot be made.
        """
        folder = self._folders.get((study, series))
        if folder is None:
            if not (is_uid(study) and is_uid(series)):
                raise UnsafeIdentifierError("study or series UID")
            folder = self._folder(study, series)
        if not is_uid(instance):
            raise UnsafeIdentifierError("instance UID")
        return f"{folder}/{instance}{SUFFIX}"

    def store_manifest(self, study: str, series: str, content: bytes) -> str:
        """Store a small file beside the instances of a series, named by what it holds, and return its locator."""
        folder = Path(self._folder(study, series))
        path = folder / manifest_name(content)
        with refusing_when_full():
            if not write_once(path, content, self._part()) and not holds(path, content):
                write_again(path, content, self._part())
            for parent in folder_chain(self.root, folder):
                sync_folder(parent)
        return self.locator(path)

    def quarantine(self, content: bytes | memoryview, reason: str) -> str:
        """
        Keep what was refused, with its reason; return the locator.

        The same bytes, refused again for the same reason, are kept once: a sender tries again and again.
        """
        digest = _refused(reason)
        digest.update(content)
        path = self._quarantined(digest.hexdigest())
        with refusing_when_full():
            if not path.exists():
                self.require_room(len(content))
                self._write_reason(path, reason)
                write_once(path, bytes(content), self._part())
        return self.locator(path)

    def quarantine_part(self, part: Path, reason: str) -> str:
        """Keep a file that was refused, whatever its size, as `quarantine` does; it is moved there, or dropped."""
        digest = _refused(reason)
        with refusing_when_full():
            with part.open("rb") as file:
                while piece := file.read(_READ_BYTES):
                    digest.update(piece)
            path = self._quarantined(digest.hexdigest())
            sync_file(part)
            self._write_reason(path, reason)
            if give_name(str(part), str(path)):
                sync_folder(path.parent)
            else:
                part.unlink()
        return self.locator(path)

    def path(self, locator: str) -> Path:
        """
        Return where a locator's bytes can be opened for reading.

        Raises
        ------
        FileNotFoundError
            When there is nothing under this locator.
        OSError
            When the disk does not say.
        """
        try:
            path = (self.root / locator).resolve()
            if self.root.resolve() in path.parents and path.is_file():
                return path
        except ValueError:  # a NUL
            pass
        except OSError as error:
            if error.errno != errno.ENAMETOOLONG:
                raise
        raise FileNotFoundError("no such locator in the archive")

    def read(self, locator: str) -> bytes:
        """Return the bytes under a locator."""
        return self.path(locator).read_bytes()

    def remove(self, locator: str) -> int:
        """
        Remove what lies under a locator and its folder when that is empty; return the bytes, 0 when it is gone.

        Raises
        ------
        OSError
            When the disk does not let it go, or does not say whether it is there.
        """
        try:
            path = self.path(locator)
            size = path.stat().st_size
            path.unlink()
        except FileNotFoundError:
            return 0
        path.with_suffix(".reason").unlink(missing_ok=True)
        self._remove_empty(path)
        return size

    def move(self, locator: str, to: Path) -> None:
        """
        Take a file from its name, and remove its folder when that is empty.

        Raises
        ------
        OSError
            When it is not there, or the disk does not let it go.
        """
        path = self.path(locator)
        path.rename(to)
        self._remove_empty(path)

    def _remove_empty(self, path: Path) -> None:
        for folder in (path.parent, path.parent.parent):
            try:
                folder.rmdir()
            except OSError:
                break
            self.forget_folder(path.parent.parent.name, path.parent.name)

    def sync_removed(self, locators: Iterable[str]) -> None:
        """
        Make it durable that these are gone: until then a loss of power may bring them back.

        Raises
        ------
        OSError
            When the disk does not let us.
        """
        for folder in {next(f for f in (self.root / locator).parents if f.is_dir()) for locator in locators}:
            sync_folder(folder)

    def instances(self, on_error: Callable[[OSError], object] | None = None) -> Iterator[str]:
        """
        Give the locator of every instance that lies here, conflicts too, but for what is removed meanwhile.

        Parameters
        ----------
        on_error
            Called with what the disk says of a folder that it does not give, which is then passed over; None: raised.
        """
        for shard in _within(f"{self.root}/studies", on_error):
            for study in _within(shard, on_error):
                for series in _within(study, on_error):
                    yield from (self.locator(path) for path in _within(series, on_error) if path.endswith(SUFFIX))

    def drop_parts(self, prefix: str = "") -> None:
        """Drop what a crash left half-written, of all or of those whose names begin so; they must have ended."""
        for path in self.incoming.glob(f"{prefix}*"):
            if not path.is_dir():  # no part is one: somebody else's
                path.unlink(missing_ok=True)

    def is_quarantined(self, locator: str) -> bool:
        """Tell whether a locator is of what was refused: nobody but a person needs it."""
        return locator.startswith(f"{_QUARANTINE}/")

    def is_conflict(self, locator: str) -> bool:
        """Tell whether a locator is of an instance kept beside another of the same UID."""
        return CONFLICT in locator

    def uids(self, locator: str) -> tuple[str, str, str]:
        """Return the UIDs of study, series and instance under which an instance lies, a conflict too."""
        study, series, name = locator.split("/")[-3:]
        return study, series, name.removesuffix(SUFFIX).partition(CONFLICT)[0]

    def locator(self, path: Path | str) -> str:
        """Return the locator of a path within."""
        return str(path)[len(str(self.root)) + 1 :]

    def require_room(self, size_bytes: int) -> None:
        """
        Check that so many bytes leave the reserve free.

        Raises
        ------
        ArchiveFullError
            When they do not.
        """
        if size_bytes > self._known_room_bytes or monotonic() > self._known_until:
            disk = os.statvfs(self.root)
            self._known_room_bytes = disk.f_bavail * disk.f_frsize - self._reserve_bytes
            self._known_until = monotonic() + LOOK_AT_DISK_SECONDS
        if size_bytes > self._known_room_bytes:
            raise ArchiveFullError("the disk has no room above its reserve")
        self._known_room_bytes -= size_bytes

    def _folder(self, study: str, series: str) -> str:
        folder = self._folders.get((study, series))
        if folder is None:
            shard = hashlib.sha256(study.encode()).hexdigest()[:2]
            folder = f"{self.root}/studies/{shard}/{study}/{series}"
            with refusing_when_full():
                os.makedirs(folder, exist_ok=True)  # noqa: PTH103 - a text, since it is asked for with every instance
            if len(self._folders) >= _MAX_FOLDERS:
                self._folders = {}
            self._folders[study, series] = folder
        return folder

    def forget_folder(self, study: str, series: str) -> None:
        """Forget that a folder was made: somebody has removed it."""
        self._folders.pop((study, series), None)

    def _quarantined(self, digest: str) -> Path:
        return self.root / _QUARANTINE / digest[:32]

    def _write_reason(self, path: Path, reason: str) -> None:
        path.parent.mkdir(exist_ok=True)
        write_once(path.with_suffix(".reason"), reason.encode(), self._part())

    def _part(self) -> Path:
        return self.incoming / uuid.uuid4().hex


def _within(folder: str, on_error: Callable[[OSError], object] | None) -> list[str]:
    """Return the paths of what lies in a folder, by name; nothing where it is gone, or is none."""
    try:
        with os.scandir(folder) as found:
            return sorted(entry.path for entry in found)
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        if on_error is None:
            raise
        on_error(error)
        return []


def manifest_name(content: bytes) -> str:
    """Return the name of a manifest: that of what it holds."""
    return f"{hashlib.sha256(content).hexdigest()[:32]}.json"


def _refused(reason: str) -> hashlib._Hash:
    """Begin the digest that names what is refused: the bytes follow."""
    return hashlib.sha256(reason.encode() + b"\0")


def folder_chain(root: Path, folder: Path) -> list[Path]:
    """Return the folders from a folder up to the root: all must be durable for a file in it to be found again."""
    chain = [folder]
    while chain[-1] != root and chain[-1].parent != chain[-1]:
        chain.append(chain[-1].parent)
    return chain
