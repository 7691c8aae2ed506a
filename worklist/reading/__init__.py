"""Reading: who has which item, what readers say of it, and who is told when nobody looks."""
