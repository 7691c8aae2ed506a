"""Everything in, numbers out: counts what the other services announce."""
