"""The ``dcos-core-cli`` plugin for upstream's ``dcos`` program: our commands in one zip, for any machine with Python 3.11.

``python -m dcos.install.core_plugin OUT.zip`` writes it and prints its sha256: the same for the same release, whenever made.
In the zip are ``plugin.toml`` and ``bin/dcos``, which is our command line with the two libraries that it uses (click, PyYAML
without its compiled part) and their licences; nothing of it is installed. Source of the layout: dcos-cli pkg/plugin.
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import importlib.util
import io
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Final

COMMANDS: Final = {
    "apply": "Make apps, pods, groups, jobs and permissions be as files say",
    "diagnostics": "Create and manage DC/OS diagnostics bundles",
    "explain": "Say why an app, pod or job waits or fails",
    "job": "Deploy and manage jobs in DC/OS",
    "logs": "Print what all tasks of a service write, across nodes",
    "marathon": "Deploy and manage applications to DC/OS",
    "node": "View DC/OS node information",
    "package": "Install and manage DC/OS software packages",
    "quota": "Manage DC/OS quotas",
    "security": "Manage accounts, groups, permissions and secrets",
    "service": "Manage DC/OS services",
    "status": "Show nodes, components, services and problems at a glance",
    "task": "Manage DC/OS tasks",
}
OURS: Final = ("dcos.cli", "dcos.client.adminrouter")
"""Packages that are taken whole."""
PARTS: Final = (
    *("dcos", "dcos.release", "dcos.client", "dcos.runtime", "dcos.runtime.files", "dcos.scheduling"),
    *(
        "dcos.scheduling.ids",
        "dcos.wire",
        "dcos.wire.errors",
        "dcos.wire.pid",
        "dcos.wire.recordio",
        "dcos.wire.yaml_text",
    ),
)
LIBRARIES: Final = {"click": "click", "yaml": "pyyaml"}
"""Package to the distribution that it comes from."""
_DATE: Final = (2020, 1, 1, 0, 0, 0)
_START: Final = """\
import sys
if sys.version_info < (3, 11):
    sys.stderr.write("Error: this plugin needs Python 3.11 or later, this is %d.%d\\n" % sys.version_info[:2])
    sys.exit(1)
from dcos.cli.as_plugin import main
sys.exit(main())
"""


def archive() -> bytes:
    """The whole zip."""
    files = {"plugin.toml": _toml().encode(), "bin/dcos": b"#!/usr/bin/env python3\n" + _program()}
    return _zipped(files, executable=frozenset({"bin/dcos"}))


def _toml() -> str:
    rows = [
        f'[[commands]]\nname = "{name}"\npath = "bin/dcos"\ndescription = "{text}"\n' for name, text in COMMANDS.items()
    ]
    return 'schema_version = 1\nname = "dcos-core-cli"\n\n' + "\n".join(rows)


def _program() -> bytes:
    files = {"__main__.py": _START.encode()}
    for name in PARTS:
        path, origin = _origin(name)
        files[path] = origin.read_bytes()
    for package in (*OURS, *LIBRARIES):
        files |= dict(_tree(package))
    for distribution in LIBRARIES.values():
        for one in importlib.metadata.files(distribution) or ():
            if "LICEN" in one.name.upper():
                files[f"licenses/{distribution}-{one.name}"] = one.read_binary()
    return _zipped(files)


def _origin(name: str) -> tuple[str, Path]:
    """Where a module stands in the program, and its file here."""
    spec = importlib.util.find_spec(name)
    assert spec is not None, name
    assert spec.origin is not None, name
    suffix = "/__init__.py" if spec.submodule_search_locations is not None else ".py"
    return name.replace(".", "/") + suffix, Path(spec.origin)


def _tree(package: str) -> Iterator[tuple[str, bytes]]:
    spec = importlib.util.find_spec(package)
    assert spec is not None, package
    for folder in spec.submodule_search_locations or ():
        for file in sorted(Path(folder).rglob("*.py")):
            yield f"{package.replace('.', '/')}/{file.relative_to(folder).as_posix()}", file.read_bytes()


def _zipped(files: dict[str, bytes], *, executable: frozenset[str] = frozenset()) -> bytes:
    """The same bytes for the same files."""
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as opened:
        for name in sorted(files):
            entry = zipfile.ZipInfo(name, _DATE)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.external_attr = (0o100755 if name in executable else 0o100644) << 16
            opened.writestr(entry, files[name])
    return made.getvalue()


def main() -> int:
    if len(sys.argv) != 2:
        print("usage: python -m dcos.install.core_plugin OUT.zip", file=sys.stderr)
        return 2
    made = archive()
    Path(sys.argv[1]).write_bytes(made)
    print(hashlib.sha256(made).hexdigest())
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
