"""The cluster's certificates: the authority on masters (dcos-ca), and what asks it on every node (dcos-certificates).

dcos-ca listens on ``/run/dcos/dcos-ca/ca.sock`` behind Admin Router's ``/ca/node/v1/``; its key is a file on masters. It keeps
nothing: every master signs by itself, also while there is no ZooKeeper. dcos-certificates writes
``/var/lib/dcos/pki/<service>.pem``.
Read first: ``core/policy.py`` (who gets which names), ``core/renewal.py`` (when).
"""
