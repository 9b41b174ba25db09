"""Users, login and tokens (dcos-bouncer).

Listens on 127.0.0.1:8101 behind Admin Router; state below the path of ``--zk`` (default ``/dcos/iam``): ``users/<uid>``,
``keys/signing``, ``bootstrap/<digest>``. Read first: ``core/users.py`` (the rules of accounts), ``api.py`` (who may ask what).
"""
