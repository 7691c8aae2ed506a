"""Events: what happened, in the past tense; references only, never pixels, never a name."""
