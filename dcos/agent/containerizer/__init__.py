"""Containers: what a task's processes run in, and how they outlive the agent.

Two questions, answered apart: the *backend* says what is started (``host.py`` a command, ``oci.py`` a command in an image
by runc); the *launcher* says who keeps it alive and remembers its end (``systemd.py`` a transient unit, ``posix.py`` a
shell that stays beside the task). ``containerizer.py`` joins them; ``box.py`` is the folder both leave their marks in.
"""
