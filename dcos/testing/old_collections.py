"""Imported by a ``.pth`` file beside an old program: names that Python 3.10 took out of ``collections``.

Not ``sitecustomize``: Debian's Python has one of its own, which comes first.
"""

from __future__ import annotations

import collections
import collections.abc

for _name in ("Callable", "Iterable", "Mapping", "MutableMapping", "Sequence"):
    setattr(collections, _name, getattr(collections.abc, _name))
