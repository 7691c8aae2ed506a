"""Intracranial haemorrhage on head CT: from labelled slices to weights and their measured figures."""
