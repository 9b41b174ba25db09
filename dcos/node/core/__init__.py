"""Decisions of dcos-diagnostics: is a unit healthy, what does that make of a node, of the cluster."""
