"""Models that were trained here and come with the platform."""
