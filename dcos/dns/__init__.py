"""Mesos-DNS: the ``.mesos`` names of agents, frameworks and tasks, on every master.

Follows the leading master's event stream: a change of one task changes the records of that task only. DNS by UDP and TCP on
61053, HTTP API on 8123. Keeps nothing on disk. Read first: ``core/zone.py`` (which names there are), ``service.py`` (how they
are served).
"""
