"""The listener: a process of its own that answers DICOM, with as few imports as it can."""
