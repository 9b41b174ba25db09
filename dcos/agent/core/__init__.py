"""What the agent decides, without a world: events in, effects out.

Read ``agent.py`` first (the step), then ``lifecycle.py`` (one task) and ``updates.py`` (one update stream).
"""
