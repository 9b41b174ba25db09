"""``config.yaml``: one table of keys (``table.py``), rules and calculations as plain functions, one resolver (``resolve.py``).

Source: DC/OS ``gen/calc.py``: keys, defaults, rules. Every value is a string; all mistakes are reported together.
"""
