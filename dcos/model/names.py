"""Names that clusters derive from other names: DNS labels, task and agent tags.

Source: label rules of Mesos-DNS and dcos-net, which agree: lower case; ``.`` and ``_`` become ``-``; other characters are
dropped; at most 63; no ``-`` at either end.
"""

from __future__ import annotations

import functools
import hashlib

MAX_LABEL = 63
MAX_LABEL_RFC952 = 24
INDEX_LABEL = "MARATHON_APP_INSTANCE_INDEX"
"""Environment variable and label by which a task of Marathon says which of its app's instances it is."""
_ZBASE32 = "ybndrfg8ejkmcpqxot1uwisza345h769"
_NOT_FIRST = "-0123456789"
_KEPT = "abcdefghijklmnopqrstuvwxyz0123456789"
_MAPPED = {**{c: c for c in _KEPT}, **{c.upper(): c for c in _KEPT}, "-": "-", "_": "-", ".": "-"}


@functools.lru_cache(maxsize=65536)
def label(name: str, *, rfc952: bool = False) -> str:
    """One DNS label made of ``name``; may be empty. ``rfc952``: at most 24 characters, the first one a letter.

    A cut that would end in dashes skips them and goes on with what follows, as Mesos-DNS does.
    """
    text = "".join(_MAPPED.get(char, "") for char in name).lstrip(_NOT_FIRST if rfc952 else "-")
    longest = MAX_LABEL_RFC952 if rfc952 else MAX_LABEL
    head = text[:longest].rstrip("-")
    if len(text) > longest > len(head):
        head += text[longest:].lstrip("-")[: longest - len(head)]
    return head.rstrip("-")


@functools.lru_cache(maxsize=65536)
def domain(name: str, *, rfc952: bool = False) -> str:
    """A name of one or more labels: each part between dots made a label, empty ones left out."""
    return ".".join(found for part in name.split(".") if (found := label(part, rfc952=rfc952)))


def service(label: str) -> str:
    """The label of a service record, with its ``_``: of 63 characters the last is cut, or nobody could ask for it."""
    return "_" + label[: MAX_LABEL - 1].rstrip("-")


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
