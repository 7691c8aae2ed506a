"""The commands: what a person types, checked and handed on. The only place that knows every service."""
