"""The secret store (dcos-secrets).

Listens on 127.0.0.1:1337 behind Admin Router; secrets lie sealed in ZooKeeper below the path of ``--zk`` (``/dcos-secrets``), the
keys that open them in a file on the masters. Read first: ``dcos/wire/sealing.py`` (what is kept how), ``api.py`` (who may what).
"""
