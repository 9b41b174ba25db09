"""Decisions of the master: events in, effects out; no clock, no sockets, no randomness of its own."""
