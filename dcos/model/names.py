"""Names that clusters derive from other names: DNS labels, task and agent tags.

Source: label rules of Mesos-DNS and dcos-net, which agree: lower case; ``.`` and ``_`` become ``-``; other characters are
dropped; at most 63; no ``-`` at either end.
"""

from __future__ import annotations

import functools
import hashlib

MAX_LABEL = 63
INDEX_LABEL = "MARATHON_APP_INSTANCE_INDEX"
"""Environment variable and label by which a task of Marathon says which of its app's instances it is."""
_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
_KEPT = "abcdefghijklmnopqrstuvwxyz0123456789"
_MAPPED = {**{c: c for c in _KEPT}, **{c.upper(): c for c in _KEPT}, "-": "-", "_": "-", ".": "-"}


@functools.lru_cache(maxsize=65536)
def label(name: str) -> str:
    """One DNS label made of ``name``; may be empty.

    A cut at 63 that would end in dashes skips them and goes on with what follows, as Mesos-DNS does.
    """
    text = "".join(_MAPPED.get(char, "") for char in name).lstrip("-")
    head = text[:MAX_LABEL].rstrip("-")
    if len(text) > MAX_LABEL > len(head):
        head += text[MAX_LABEL:].lstrip("-")[: MAX_LABEL - len(head)]
    return head.rstrip("-")


@functools.lru_cache(maxsize=65536)
def domain(name: str) -> str:
    """A name of one or more labels: each part between dots made a label, empty ones left out."""
    return ".".join(part for part in map(label, name.split(".")) if part)


def zbase32(data: bytes) -> str:
    """Human-oriented base 32, five bits a character from the highest bit on, the last padded with zero bits."""
    bits = len(data) * 8
    number = int.from_bytes(data, "big") << (-bits % 5)
    count = -(-bits // 5)
    return "".join(_ZBASE32[number >> (5 * (count - 1 - i)) & 31] for i in range(count))


@functools.lru_cache(maxsize=65536)
def task_tag(task_id: str) -> str:
    """Five characters that tell one task from its siblings of the same name."""
    return zbase32(hashlib.sha1(task_id.encode(), usedforsecurity=False).digest()[:4])[:5]


def agent_tag(agent_id: str) -> str:
    """The end of an agent's id: ``...-S12`` gives ``s12``."""
    return agent_id.rpartition("-")[2].lower()


def tagged(base: str, tag: str) -> str:
    """``base`` followed by ``tag`` as one label: where both together are too long, ``base`` is cut."""
    return base[: MAX_LABEL - len(tag)].rstrip("-") + tag if len(base) + len(tag) > MAX_LABEL else base + tag


def is_ancestor(zone: str, name: str) -> bool:
    """Does ``name`` equal ``zone`` or lie below it? Both lower case, without the final dot; the empty zone is the root."""
    return not zone or name == zone or name.endswith("." + zone)
