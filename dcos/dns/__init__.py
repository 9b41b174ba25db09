"""Mesos-DNS: the ``.mesos`` names of agents, frameworks and tasks, on every master.

Follows the leading master's event stream and swaps a whole new zone in at each change. DNS by UDP and TCP on 61053, HTTP API on
8123. Keeps nothing on disk. Read first: ``core/zone.py`` (which names there are), ``service.py`` (how they are served).
"""
