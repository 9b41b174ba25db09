"""dcos-history: what the cluster's state summary was during the last minute and the last hour, ``/dcos-history-service/``.

Every master asks the leading master every two seconds and keeps the answers as files, so that memory holds one of them however
large the cluster is. Read ``../core/slots.py`` (which samples make up a minute, an hour), ``store.py`` (the files).
"""
