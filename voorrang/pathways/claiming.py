"""Which pathways claim a series, from its header alone."""

from __future__ import annotations

from collections.abc import Iterable

from voorrang.dicom.headers import InstanceHeader
from voorrang.pathways.criteria import Region
from voorrang.pathways.pathway import Pathway
from voorrang.pathways.regions import regions_named

CT_CLASSES = frozenset(
    {
        "1.2.840.10008.5.1.4.1.1.2",  # CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.1",  # Enhanced CT Image Storage
        "1.2.840.10008.5.1.4.1.1.2.2",  # Legacy Converted Enhanced CT Image Storage
    }
)


def claiming(pathways: Iterable[Pathway], header: InstanceHeader) -> tuple[Pathway, ...]:
    """
    Return the pathways that claim the series of this instance.

    A claim says "this is ours to judge": the modality fits, it is no localizer, and the header does not name another
    region of the body. Whether the series can be read is for the gate to say, with its reasons.
    """
    if "LOCALIZER" in header.image_type or header.sop_class_uid not in CT_CLASSES:
        return ()
    regions = regions_named([header])
    return tuple(p for p in pathways if p.wants.modality == header.modality and _fits(p.wants.region, regions))


def _fits(region: Region, hinted: frozenset[str]) -> bool:
    return not hinted or region in hinted
