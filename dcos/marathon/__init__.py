"""Marathon: keeps apps running on Mesos, over failures, updates and its own restarts.

Port 8080 (HTTP API /v2, /ping, /metrics). State in ZooKeeper below ``<zk>/state``, election at ``<zk>/leader``.
Several instances may run; one leads, the others forward requests to it. Tasks never depend on Marathon being there.
Exit codes: 100 leadership or ZooKeeper session lost, 101 the framework was removed in Mesos or taken over, 102 the stored
state is of a newer version.

Read first: ``core/scheduler.py`` (decisions), ``service.py`` (the shell around them).
"""
