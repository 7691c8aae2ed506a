"""Pathways: one file each says which series is wanted, when it is complete, and what delay costs."""
