"""What ``dcos_install.sh`` does on a node once the bundle is unpacked: check, plan, apply, start; or take all of it back.

    python3 -I -m dcos.install.node --staging DIR [--preflight-only] [--disable-preflight] [--no-start] [--reconfigure] ROLE

``DIR`` lies below ``/opt/mesosphere`` and holds ``tree/packages/<package>`` and ``config/`` and ``secrets/``, a role's own.
With ``--reconfigure`` there is no ``tree``: the programs are there (``reconfigure.py``).
Exit codes: 0 installed, or was installed already; 1 preflight failed or the installation was taken back; 2 wrong call.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from dcos.install import apply, preflight, reconfigure
from dcos.install.command import CommandFailed, run
from dcos.install.tree import Input, Release, Secrets, Tree, plan
from dcos.model.layout import Layout
from dcos.registry import NodeRole


def read_input(role: NodeRole, package: Path, config: Path, secrets: Path | None) -> Input:
    """All an installation depends on, from the unpacked archives."""
    release: dict[str, Any] = json.loads((config / "release.json").read_text())
    kept: dict[str, str] = {}
    if secrets is not None and (secrets / "secrets.json").exists():
        kept = json.loads((secrets / "secrets.json").read_text())
    units = package / "share/dcos/units"
    return Input(
        role=role,
        release=Release(**release),
        arguments=json.loads((config / "arguments.json").read_text()),
        user_config=(config / "user.config.yaml").read_text(),
        templates={path.name: path.read_text() for path in units.iterdir()},
        scripts=tuple(sorted(path.name for path in (package / "bin").iterdir())),
        secrets=Secrets(**kept).of(role),
    )


def installed(layout: Layout) -> str:
    """What is installed here, in words; empty when nothing is."""
    version = layout.opt / "etc/dcos-version.json"
    roles = sorted(path.name for path in (layout.config / "roles").glob("*"))
    if not version.exists() or not roles:
        return ""
    known = json.loads(version.read_text())
    return f"DC/OS {known['version']} ({known['bootstrap-id'][:12]}) is installed as {', '.join(roles)}; nothing was changed"


def install(given: Input, staged: Path, layout: Layout, *, start: bool = True) -> Tree:
    """Move in, make the planned tree, start. Errors: OSError or CommandFailed, after everything was taken back."""
    journal = apply.Journal()
    tree = plan(given, layout)
    try:
        packages = layout.opt / "packages"
        apply.make_folder(packages, journal)
        for package in sorted((staged / "packages").iterdir()):
            apply.move_in(package, packages / package.name, journal)
        apply.apply(tree, journal)
        if start:
            run(["systemd-tmpfiles", "--create", str(layout.root / "etc/tmpfiles.d/dcos.conf")])
            run(["systemctl", "daemon-reload"])
            journal.note("units", lambda: run(["systemctl", "daemon-reload"]))
            run(["systemctl", "enable", "--quiet", "dcos.target"])
            journal.note("dcos.target", lambda: run(["systemctl", "disable", "--quiet", "dcos.target"]))
            run(["systemctl", "start", "--no-block", "dcos.target"])
    except BaseException:
        for trouble in journal.undo():
            print(f"could not take back: {trouble}", file=sys.stderr)
        raise
    return tree


def compile_if_needed(package: Path) -> None:
    """Byte-compile where the bundle was made by another Python than the node's."""
    libraries = package / "lib"
    if next(libraries.rglob("*.pyc"), None) is None:
        subprocess.run(
            [sys.executable, "-m", "compileall", "-q", "--invalidation-mode=unchecked-hash", str(libraries)],
            check=False,
            stdout=subprocess.DEVNULL,
        )


def _reconfigured(role: NodeRole, staging: Path, layout: Layout) -> int:
    release = json.loads((staging / "config/release.json").read_text())
    package = layout.opt / "packages" / release["package"]
    try:
        if not package.is_dir():
            raise reconfigure.Unfit(f"{release['package']} is not what is installed here; nothing was changed")
        restarted = reconfigure.reconfigure(read_input(role, package, staging / "config", staging / "secrets"), layout)
    except (reconfigure.Unfit, OSError, CommandFailed) as trouble:
        print(f"not reconfigured: {trouble}", file=sys.stderr)
        return 1
    print(f"reconfigured; restarting {', '.join(restarted)}" if restarted else "reconfigured; no service is concerned")
    return 0


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="dcos.install.node", description=__doc__)
    parser.add_argument("--staging", type=Path, required=True)
    parser.add_argument("--preflight-only", action="store_true")
    parser.add_argument("--disable-preflight", action="store_true")
    parser.add_argument("--no-start", action="store_true")
    parser.add_argument("--reconfigure", action="store_true")
    parser.add_argument("role", choices=[role.value for role in NodeRole])
    options = parser.parse_args(argv)
    role, layout = NodeRole(options.role), Layout()
    if options.reconfigure:
        return _reconfigured(role, options.staging, layout)
    if words := installed(layout):
        print(words)
        return 0
    staged = options.staging / "tree"
    (package,) = (staged / "packages").iterdir()
    secrets = options.staging / "secrets"
    given = read_input(role, package, options.staging / "config", secrets if secrets.is_dir() else None)
    if not options.disable_preflight:
        findings = preflight.check(role, dict(given.arguments), preflight.this_machine())
        for finding in findings:
            print(finding)
        fatal = sum(finding.fatal for finding in findings)
        if fatal:
            print(f"preflight: {fatal} failures; nothing was changed (--disable-preflight goes on regardless)")
            return 1
        print("preflight: passed")
    if options.preflight_only:
        return 0
    if os.geteuid() != 0:
        print("the installer needs root", file=sys.stderr)
        return 1
    try:
        compile_if_needed(package)
        tree = install(given, staged, layout, start=not options.no_start)
    except (OSError, CommandFailed) as trouble:
        print(f"installation failed and was taken back: {trouble}", file=sys.stderr)
        return 1
    print(f"DC/OS {given.release.version} is installed as {role}: {len(tree.wanted)} units start with dcos.target")
    return 0


if __name__ == "__main__":
    sys.exit(main())
