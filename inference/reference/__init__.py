"""Reference CAD: transparent rules that need no weights, the named baselines for trained models."""
