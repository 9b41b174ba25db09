"""dcos-log: what units and tasks of this node wrote, ``/system/v1/logs/v1`` and ``/v2``.

On the socket ``/run/dcos/dcos-log.sock``, which Admin Router serves: a master's for people (and it finds which agent has a
task), an agent's for the masters. The journal is read with libsystemd, tasks' files through the agent, which knows who may.
Read ``../core/log_query.py`` (what may be asked), ``reading.py`` (a way through the journal), ``files.py`` (one through a file).
"""
