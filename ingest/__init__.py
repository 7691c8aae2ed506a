"""Images in: received durably, accounted for, announced when a series is complete."""
