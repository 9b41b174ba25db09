"""Diagnostics bundles: one zip with what tells of a node's, or the whole cluster's, state.

Each node makes its own (``/node/diagnostics``); a master has them made on all nodes and puts them together (``/diagnostics``, and
``/report/diagnostics`` for older clients). Read ``../core/bundle.py`` (what is in one), ``../core/redaction.py`` (what is not),
``store.py`` (where they lie), ``local.py`` and ``cluster.py`` (how they are made).
"""
