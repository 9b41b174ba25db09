"""The ``dcos`` command line: one file per command group in ``commands/``, mirroring the command tree.

Configuration lies in ``~/.dcos`` (or ``DCOS_DIR``), a folder per cluster, in upstream's format. Every request goes through Admin
Router (``dcos.client.adminrouter``); no command knows a URL. Read first: ``main.py``, ``context.py``.
"""
