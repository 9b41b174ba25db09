"""What the built-in packages run: shell where a few lines start somebody else's program, Python where there is more to do."""
