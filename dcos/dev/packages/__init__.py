"""The built-in catalog, written once: a definition a package, from which ``dcos/catalog/packages`` follows.

Universe's form has templates of JSON with programs in them as one-line texts; nobody wants to write fifteen of those by hand, nor
to see them differ. So ``python -m dcos.dev docs`` makes the files, and ``lint`` compares them. Read first: ``frame.py`` (what
all packages share), ``services/`` (what each is), ``programs/`` (what runs).
"""
