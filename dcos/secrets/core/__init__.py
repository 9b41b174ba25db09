"""Decisions of the secret store, without I/O."""
