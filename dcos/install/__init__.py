"""The installer: ``config.yaml`` to ``genconf/serve/`` to a running node, and clusters on one machine.

Nothing listens here but ``dcos-install serve`` (a plain file server). On a node it owns ``/opt/mesosphere``,
``/etc/mesosphere`` and the ``dcos-*`` units in ``/etc/systemd/system``.
Read ``genconf.py`` (what is made) and ``node.py`` (what a node does with it) first.
"""
