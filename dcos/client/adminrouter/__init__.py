"""The cluster as a person's machine sees it: everything through Admin Router, one blocking request after another.

``transport`` moves the requests; the other modules know the paths, one API each. Services do not use this: they
talk to each other directly and asynchronously. Nothing heavy is imported here, because the command line starts often.
"""
