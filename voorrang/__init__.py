"""The kernel: what every service shares. Nothing in it knows a service."""
