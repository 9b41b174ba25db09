"""Plugins: programs that packages or people add to a cluster's ``dcos``.

On disk, as upstream has them: ``<cluster>/subcommands/<plugin>/`` with ``env/`` (the plugin's files) and, for one that came with
a package, ``package.json`` (the package's definition). ``store.py`` finds, adds and removes them, ``archive.py`` unpacks,
``run.py`` starts them, ``fetch.py`` gets them from files, URLs and packages.   Source: dcos-cli pkg/plugin.
"""
