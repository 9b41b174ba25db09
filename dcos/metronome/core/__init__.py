"""Metronome's decisions: cron, what a job may be, when runs begin, what becomes of them. Pure."""
