"""What may be told of a file in quarantine: of what kind it is and how large, never whose it is."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pydicom.config
from pydicom import Dataset, dcmread
from pydicom.uid import UID

from voorrang.identifiers import is_uid

_CODE = re.compile(r"[A-Z0-9_]{1,16}")  # VR CS without its blanks: nothing that a name would fit through
_SIZES = ("Rows", "Columns", "NumberOfFrames", "BitsAllocated", "SamplesPerPixel")
_TAGS = ["SOPClassUID", "Modality", *_SIZES]
MAX_SIZE = 10_000_000


def readable_elements(path: Path) -> Mapping[str, str]:
    """
    Return the elements that can be read of a file and that name nobody, by their keyword.

    Every value is checked for what it is to be: in a file that was refused, a name may stand anywhere.
    """
    with silenced():
        try:
            ds = dcmread(path, stop_before_pixels=True, force=True, specific_tags=_TAGS)
        except Exception:  # noqa: BLE001 - whatever a reader makes of such bytes: `show` says that none could be read
            return {}
        syntax = _uid(ds.file_meta, "TransferSyntaxUID")
        found = {
            "Modality": _matching(ds, "Modality"),
            "SOPClassUID": _uid(ds, "SOPClassUID") or _uid(ds.file_meta, "MediaStorageSOPClassUID"),
            "TransferSyntaxUID": syntax,
        }
        return {key: value for key, value in (found | {k: _number(ds, k) for k in _SIZES}).items() if value}


@contextmanager
def silenced() -> Iterator[None]:
    """Keep pydicom from writing values that break their VR, names among them, to the terminal."""
    settings = pydicom.config.settings
    mode = settings.reading_validation_mode
    settings.reading_validation_mode = pydicom.config.IGNORE
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        settings.reading_validation_mode = mode


def _text(ds: Dataset, keyword: str) -> str:
    try:
        value = ds.get(keyword)
        return "" if value is None else str(value).strip(" \0")
    except Exception:  # noqa: BLE001 - a malformed element reads as absent: `show` goes on without it
        return ""


def _matching(ds: Dataset, keyword: str) -> str:
    text = _text(ds, keyword)
    return text if _CODE.fullmatch(text) else ""


def _uid(ds: Dataset, keyword: str) -> str:
    text = _text(ds, keyword)
    if not is_uid(text):
        return ""
    name = UID(text).name
    return text if name == text else f"{name} ({text})"


def _number(ds: Dataset, keyword: str) -> str:
    text = _text(ds, keyword)
    return text if text.isascii() and text.isdigit() and int(text) <= MAX_SIZE else ""
