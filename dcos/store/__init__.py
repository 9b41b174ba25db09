"""Shared state: ZooKeeper behind asyncio, and its twin in memory.

Read ``base.py`` (what a store does), then ``zookeeper.py`` (``connect``). ``memory.py`` is the twin for tests, ``election.py``
makes a leader of one of several processes, ``detect.py`` finds the leader, ``url.py`` reads ``zk://`` URLs.
"""
