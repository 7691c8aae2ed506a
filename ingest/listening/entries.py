"""Puts together what the ledger says of an instance: JSON, of which a series repeats nearly all."""

from __future__ import annotations

import json
from datetime import datetime
from functools import lru_cache
from json.encoder import encode_basestring_ascii as _quoted

from ingest.ledger import INSTANCE
from voorrang.archive.instance_files import Stored
from voorrang.dicom.headers import OWN_ELEMENTS, InstanceHeader, Vector

_ENCODE = json.JSONEncoder(separators=(",", ":")).encode


def common_members(header: InstanceHeader, patient_key: str, order_key: str, identity: str) -> str:
    """
    Return what is said alike of the instances of a series: the end of an entry.

    Parameters
    ----------
    header
        Of one of them.
    patient_key, order_key
        Opaque keys.
    identity
        Tells who says the same of a patient.
    """
    members = _ENCODE({name: value for name, value in header.to_json().items() if name not in OWN_ELEMENTS})[1:-1]
    keys = _ENCODE({"patient_key": patient_key, "order_key": order_key, "identity": identity})[1:-1]
    return f"{',' if members else ''}{members}}},{keys}}}"


def own_members(sop_instance_uid: str, instance_number: int | None, image_position_mm: Vector | None) -> str:
    """Return the elements of a header that an instance has to itself, as `InstanceHeader.to_json` has them."""
    told = f'"sop_instance_uid":{_quoted(sop_instance_uid)}'
    if instance_number is not None:
        told += f',"instance_number":{instance_number}'
    if image_position_mm is not None:
        x, y, z = image_position_mm
        told += f',"image_position_mm":[{x!r},{y!r},{z!r}]'
    return told


def instance_entry(stored: Stored, own: str, common: str, *, sender: str, purpose: str, received_at: datetime) -> bytes:
    """
    Return the entry of an accepted instance.

    Parameters
    ----------
    stored
        What became of it.
    own, common
        From `own_members` and `common_members`.
    sender
        Calling AE title.
    purpose
        What it was received for.
    received_at
        When it was complete.
    """
    return (
        f'{{{_from(sender, purpose)},"outcome":{_quoted(stored.outcome)},"locator":{_quoted(stored.locator)},'
        f'"size_bytes":{stored.size_bytes},"received_at":"{received_at.isoformat()}","header":{{{own}{common}'
    ).encode("ascii")


@lru_cache(maxsize=256)
def _from(sender: str, purpose: str) -> str:
    return _ENCODE({"kind": INSTANCE, "sender": sender, "purpose": purpose})[1:-1]
