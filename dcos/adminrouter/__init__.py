"""The front door (dcos-adminrouter): nginx in front of the cluster's services, behind one token check.

Masters: HTTP 80 and HTTPS 443; agents: HTTP 61001. nginx is our child; what it must know per request (is the token good?
where does this go?) it asks ``decide.py`` over a unix socket and remembers the answer for seconds. Files:
``/run/dcos/dcos-adminrouter`` (configuration, sockets, memories), ``/var/lib/dcos/adminrouter`` (certificate, buffered bodies).
Read first: ``core/locations.py`` (the routes), ``core/services.py`` (where ``/service/...`` leads).
"""
