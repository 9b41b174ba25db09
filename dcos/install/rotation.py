"""Replacing a cluster's authority, or a key that seals, while it runs: three stages, so that everybody always knows both.

    add     the new one is known to all and not used yet
    use     the new one is used, the old one is still known
    drop    the old one is forgotten (after ``add``: the new one, which takes it back)

Each stage changes ``genconf/secrets.json`` only; genconf and a reconfiguration of the nodes make it real before the next.
"""

from __future__ import annotations

import base64
import json
import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from dcos.install import authority
from dcos.runtime.files import write_if_changed

STAGES = ("add", "use", "drop")
NEXT, OLD = "_next", "_old"


class RotationError(Exception):
    """A stage out of order: says which is next."""


@dataclass(frozen=True, slots=True)
class Kind:
    """``fields``: what belongs together; ``make``: new ones; ``then``: what is to be done after each stage."""

    fields: tuple[str, ...]
    make: Callable[[], Mapping[str, str]]
    then: Mapping[str, str]


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(32)).decode()


def _sealing(program: str) -> Mapping[str, str]:
    return {
        "add": "`dcos-install genconf`, then `dcos_install.sh --reconfigure master` on every master",
        "use": "the same on every master; then, on one of them, `dcos-shell "
        f"{program} reseal` with its environment (docs/guides/security.md)",
        "drop": "the same on every master",
    }


KINDS: Mapping[str, Kind] = {
    "authority": Kind(
        ("ca_key", "ca_certificate"),
        authority.fresh,
        {
            "add": "`dcos-install genconf`, then `dcos_install.sh --reconfigure ROLE` on every node",
            "use": "the same on every node, masters first; certificates are made anew by that",
            "drop": "the same on every node, once all have had their certificates made anew",
        },
    ),
    "secrets-key": Kind(("secrets_key",), lambda: {"secrets_key": _key()}, _sealing("dcos-secrets")),
    "bouncer-key": Kind(("bouncer_key",), lambda: {"bouncer_key": _key()}, _sealing("dcos-bouncer")),
}


def staged(known: Mapping[str, str], name: str, stage: str) -> dict[str, str]:
    """``known`` after ``stage``.   Errors: RotationError."""
    kind, first = KINDS[name], KINDS[name].fields[0]
    if any(field not in known for field in kind.fields):
        raise RotationError(f"there is no {name} that genconf made")
    made = dict(known)
    if stage == "add":
        if first + NEXT in known or first + OLD in known:
            raise RotationError(
                f"{name} is being replaced already: next is {'use' if first + NEXT in known else 'drop'}"
            )
        made |= {field + NEXT: value for field, value in kind.make().items()}
    elif stage == "use":
        if first + NEXT not in known:
            raise RotationError(f"{name}: there is no new one; add comes before use")
        for field in kind.fields:
            made[field + OLD], made[field] = made[field], made.pop(field + NEXT)
    else:
        if first + NEXT not in known and first + OLD not in known:
            raise RotationError(f"{name} is not being replaced: nothing to drop")
        for field in kind.fields:
            made.pop(field + NEXT, None)
            made.pop(field + OLD, None)
    return made


def rotate(path: Path, name: str, stage: str) -> str:
    """Change ``secrets.json``; gives what to do then.   Errors: RotationError, OSError."""
    if not path.exists():
        raise RotationError(f"there is no {path}: genconf makes it")
    made = staged(json.loads(path.read_text()), name, stage)
    write_if_changed(path, json.dumps(made), mode=0o600)
    return KINDS[name].then[stage]


def others(known: Mapping[str, str], field: str) -> tuple[str, ...]:
    """What is known beside the one that is used."""
    return tuple(known[field + ending] for ending in (NEXT, OLD) if field + ending in known)


def settled(known: Mapping[str, str]) -> dict[str, str]:
    """Values as services get them: keys that seal one a line, the one that is used first; without the authority's others."""
    made = {name: value for name, value in known.items() if not name.endswith((NEXT, OLD))}
    for field in ("secrets_key", "bouncer_key"):
        if field in made:
            made[field] = "\n".join((made[field], *others(known, field)))
    return made
