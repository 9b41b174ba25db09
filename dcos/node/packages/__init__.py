"""dcos-pkgpanda-api: which component packages this node has and which of them are active, ``/pkgpanda/...``.

On the socket ``/run/dcos/pkgpanda-api.sock``, which Admin Router serves. It reads ``/opt/mesosphere`` at each request and changes
nothing: the installer does. Read ``installed.py`` (what is there), ``api.py`` (how it is shown).
"""
