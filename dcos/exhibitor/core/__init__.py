"""Decisions of dcos-exhibitor: who is in the ensemble, when ZooKeeper is restarted."""
