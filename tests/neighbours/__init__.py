"""Real neighbours for tests: each is started on loopback, gives its address, and is ended by its own process id."""
