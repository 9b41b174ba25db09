"""dcos-diagnostics: the health of every unit on every node, ``/system/health/v1``.

On a master TCP 1050 of the node's address; on an agent the socket ``/run/dcos/dcos-diagnostics.sock``, which the agent's
Admin Router serves on 61001. Masters ask every node and answer for the whole cluster.
Read ``core/units.py`` (when a unit is healthy), ``sources.py`` (who knows the units' states), ``puller.py`` (who asks whom).
"""
