"""``dcos-install catalog``: make a catalog, take it offline, serve it; write packages and try them.

A catalog is a folder: ``repo/packages/`` in Universe tree form, and ``files/`` with what ``mirror`` brought along. Read first:
``sources.py`` (where packages are read from), ``mirror.py`` (how one is taken offline).
"""
