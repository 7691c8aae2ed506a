"""The archive: the only place that knows paths. Everybody else holds opaque locators."""

from voorrang.archive.archive import Archive as Archive
from voorrang.archive.durable import ArchiveFullError as ArchiveFullError
from voorrang.archive.durable import UnsafeIdentifierError as UnsafeIdentifierError
from voorrang.archive.pictures import PictureFolder as PictureFolder
