"""The Mesos agent: runs tasks on one machine, keeps them alive across its own death, tells the master how they fare.

Port: 5051 (``--port``). Below ``--work_dir``: sandboxes, checkpoints (``meta/``), images (``store/``). Below
``--runtime_dir``: one folder a running container. Tasks live in ``mesos_executors.slice`` of systemd, or beside a small
shell (``--launcher=posix``).   Exit codes: 2 settings, 3 removed by the master, 4 flags changed against
``--reconfiguration_policy``, 5 checkpoints unreadable.

Read first: ``core/agent.py`` (what is decided) and ``performing.py`` (how it is done).
"""
