"""The endpoints of old, as JSON: ``/state``, ``/state-summary``, ``/slaves``, ``/frameworks``, ``/roles``, ``/tasks``.

The JSON of tasks and agents is kept ready in their records until they change; everything else is made per request, and so is
all of it for who may not see everything.

Source: shapes recorded from Mesos 1.11.
"""
