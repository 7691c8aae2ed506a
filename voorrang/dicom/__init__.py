"""What the platform needs to know of a DICOM instance without its pixels."""
