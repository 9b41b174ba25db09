"""dcos-exhibitor: keeps one ZooKeeper server per master running, as a member of the masters' ensemble.

Ports: REST 8181 on the node's address (``/exhibitor/v1/...``); ZooKeeper 2181 (clients), 2888 and 3888 (ensemble).
Files: ``/var/lib/dcos/exhibitor`` (0700): ``conf/zoo.cfg``, ``zookeeper/{snapshot,transactions}``, ``zookeeper.pid``.
Read ``core/monitor.py`` (when it is restarted) and ``supervisor.py`` (who does it) first.
"""
