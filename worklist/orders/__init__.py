"""Orders, reports and patients as the events tell them, and what follows from them for the list."""
