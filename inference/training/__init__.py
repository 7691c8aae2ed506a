"""How the models that come with the platform were trained, and how that is repeated."""
