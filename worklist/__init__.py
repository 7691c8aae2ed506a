"""Findings in, an ordered reading list out."""
