"""Checks: is this node, is the cluster as it should be?

``dcos-check-runner`` runs what ``/opt/mesosphere/etc/dcos-check-config.json`` tells: by hand, each minute for the poststart
checks (``dcos-checks-poststart``), and asked at ``/run/dcos/dcos-checks-api.sock``, which Admin Router serves as
``/system/checks/v1``. ``dcos-checks`` is the program of the built-in ones; the runner runs those within itself, for a Python
each would cost more than they do. Read ``dcos/model/checks.py`` (what files tell), ``running.py`` (how they are run),
``builtin.py`` (what ours look at).
"""
