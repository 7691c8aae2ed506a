"""The words on every result of a model of our own."""

RESEARCH = "Research. Not CE-marked. Not for clinical use."
