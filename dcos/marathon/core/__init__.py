"""Marathon's decisions, without the world: no sockets, clocks, files or logs.

Read first: ``scheduler`` (every event goes through it), then ``deploy`` (what an app needs next).
"""
