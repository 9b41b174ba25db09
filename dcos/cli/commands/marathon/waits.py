"""Why an app or pod is not yet as it shall be, for people or programs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from dcos.cli.output import emit_json


def emit_waits(spec_id: str, found: Sequence[dict[str, Any]], *, as_json: bool) -> None:
    """``found``: the ``waits`` of Marathon's answer."""
    if as_json:
        emit_json(found)
        return
    if not found:
        click.echo(f"{spec_id} waits for nothing")
    for wait in found:
        click.echo(f"{wait['text']}")
        for agent in wait.get("agents", []):
            click.echo(f"  agent {agent['host']}: {agent['text']}")
        if wait.get("helps"):
            click.echo(f"  helps: {wait['helps']}")
