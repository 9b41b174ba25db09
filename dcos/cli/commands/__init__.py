"""The command tree: a module for each group."""
