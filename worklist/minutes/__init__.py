"""The proof of minutes: what waiting the order of the list saved, and what it cost the others."""
