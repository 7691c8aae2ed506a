"""Models from outside: MONAI bundle folders, checked against their contract before anything of them runs."""
