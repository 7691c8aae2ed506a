"""What the asymmetry score says of dark regions at known places: no truth of patients exists."""
