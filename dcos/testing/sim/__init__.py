"""A cluster in one process on virtual time: real masters and agents over a simulated network, store and machines.

Read ``world.py`` (what a seed makes) and ``faults.py`` (what happens to it) first; ``truth.py`` says what must hold.
Repeat a seed: ``python -m dcos.dev sim --seed 17 --trace``.   Guide: docs/guides/simulation.md
"""
