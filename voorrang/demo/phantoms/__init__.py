"""Procedural CT phantoms in Hounsfield units, each with its truth, and the DICOM series around them."""
