"""Metronome: runs jobs once, on a schedule, or after other jobs.

An ordinary framework: several instances elect a leader that keeps its state in ZooKeeper and its subscription with the
leading Mesos master; the others pass requests on to it.   Source: dcos/metronome.
"""
