"""A complete series in, findings out."""
