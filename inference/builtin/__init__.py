"""Models that were trained or measured here and come with the platform, each with its card."""
