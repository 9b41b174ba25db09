"""dcos-telegraf: what this node, its containers and the parts of the cluster on it measure.

``/system/v1/metrics/v0`` on the socket ``/run/dcos/telegraf-dcos-metrics.sock``, which Admin Router serves, Prometheus on TCP
61091, statsd on UDP 127.0.0.1:61825 and for each task on a port of its own, which the agent asks for at
``/run/dcos/telegraf/dcos_statsd.sock``.
Read ``../core/points.py`` (names), ``sources.py`` (who is asked), ``gathering.py`` (how often), ``tasks.py`` (statsd of tasks).
"""
