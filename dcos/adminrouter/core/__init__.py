"""Pure parts of the front door: nginx text, where a path leads, what the cluster's state says about it."""
