"""What ``dcos marathon app``, ``pod`` and ``group`` have in common."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any, TypeVar

import click

from dcos.cli.context import Context
from dcos.cli.output import fail
from dcos.cli.waiting import until_done
from dcos.client.adminrouter.failures import NotFound, Refused
from dcos.client.adminrouter.marathon import is_locked

Json = dict[str, Any]
F = TypeVar("F", bound=Callable[..., Any])


def waiting(function: F) -> F:
    """The flag ``--wait``."""
    text = "Until the deployment is over; tells what it waits for. (Not in upstream's dcos.)"
    return click.option("--wait", is_flag=True, help=text)(function)


def created(context: Context, deployment_id: str, wait: bool) -> None:
    """Say which deployment was begun; see it through where that is wanted."""
    click.echo(f"Created deployment {deployment_id}")
    if wait:
        until_done(context, deployment_id)


def normal(spec_id: str) -> str:
    """An id with its leading slash."""
    return "/" + spec_id.strip("/")


@contextmanager
def explaining(kind: str, spec_id: str) -> Iterator[None]:
    """Words for an ``App``, ``Pod`` or ``Group`` that is not there and for one held by another deployment."""
    try:
        yield
    except NotFound:
        fail(f"{kind} '{normal(spec_id)}' does not exist", f"`dcos marathon {kind.lower()} list` shows those that do")
    except Refused as error:
        if is_locked(error):
            fail(
                f"changes blocked: deployment already in progress for {kind.lower()}",
                "`dcos marathon deployment list` shows it; --force overrides it",
            )
        raise


def earlier(wanted: str | None, versions: Callable[[], Sequence[str]], what: str) -> str | None:
    """The timestamp that ``wanted`` means: itself, or so many versions back in ``versions``, newest first."""
    if wanted is None or not wanted.lstrip("-").isdecimal():
        return wanted
    back = int(wanted)
    if back > 0:
        fail(f"relative versions are negative: -{back}")
    known = versions()
    if -back >= len(known):
        fail(f"{what} only has {len(known)} version(s)")
    return known[-back]


def waiting_ids(queue: Iterable[Json], kind: str) -> set[str]:
    """Of ``app`` or ``pod``: those that wait for offers."""
    return {str((one.get(kind) or {}).get("id")) for one in queue if (one.get("delay") or {}).get("overdue")}
