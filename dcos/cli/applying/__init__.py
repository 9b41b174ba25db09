"""``dcos apply``: make the cluster be as files say.

``documents.py`` reads the files, ``present.py`` asks what is there, ``plan.py`` compares (no I/O), ``render.py`` shows the
differences (no I/O), ``carry_out.py`` makes the changes. What a file does not mention stays as it is; nothing is removed unless
asked.
"""
