"""The Mesos master: offers the cluster's resources to frameworks and keeps account of agents, tasks and offers.

Port 5050 (HTTP: scheduler API, operator APIs, the agents' link). ZooKeeper: ``<zk path>/json.info_*`` elects the leader
(upstream's format, nothing else lives there); ``<zk path>-registry/`` holds what outlives a leader.

Shape: every request, agent message and timer is an event in one queue; ``core`` decides without I/O; what must outlive the
leader is written in one epoch-checked transaction; only then replies and messages leave.

Read first: ``core/step.py`` (which event goes where) and ``service.py`` (the shell).
"""
