"""What receivers and data are called in rows."""

from __future__ import annotations

VOLATILE = "voorrang volatile"
DURABLE = "voorrang durable"
DCMTK_FORK = "dcmtk storescp --fork"
DCMTK_FSYNC = "dcmtk storescp --fork, fsync per file"
ORTHANC = "orthanc"
PYNETDICOM_APP = "pynetdicom storescp"
LARGE = "512x512"
SMALL = "64x64"
SENDER = "STORESCU"  # calling AE title of who sends what is measured
AE_TITLE = "VOORRANG"  # what every sender calls; the peers do not mind
