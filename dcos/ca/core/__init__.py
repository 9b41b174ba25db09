"""Decisions: whose certificate says what, and which are to be made anew."""
