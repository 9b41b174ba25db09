"""Clusters on this machine: ``dcos-install local``; a driver boots or starts nodes, everything else is shared."""
