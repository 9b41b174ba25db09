"""Decisions of the catalog: no I/O."""
