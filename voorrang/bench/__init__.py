"""Benchmarks against named peers, each interleaved with them in one run; above the services, imported by none."""
