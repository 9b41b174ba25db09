"""dcos-cosmos: the package catalog.

Answers Cosmos's API on 127.0.0.1:7070 (Admin Router's ``/package/``, ``/capabilities`` and ``/cosmos/service/``); keeps the
list of repositories in ZooKeeper ``/package/repositories`` below its chroot; installs by posting apps to Marathon with the
caller's own Authorization. With ``--security`` it asks for a token and a permission itself (``access.py``). The built-in
repository is the folder ``packages/`` (Universe tree), always at hand offline.
Read first: ``core/collection.py`` (which package is meant), ``core/render.py`` (package and options to Marathon app).
"""
