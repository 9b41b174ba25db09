"""The node image of local clusters: a Debian tree with what a node needs and nothing switched on, built once and kept.

Its directory name is the hash of everything it is made from, so a changed package table makes a new image. The build
goes to a partial directory that is renamed when it is complete: an interrupted build is never used.
Packages come from where this machine's own packages come from when it runs the same Debian release.
"""

from __future__ import annotations

import hashlib
import shlex
import shutil
from collections.abc import Iterable
from pathlib import Path

from dcos.install.command import CommandFailed, run
from dcos.install.locking import locked
from dcos.install.prereqs import packages

SUITE = "bookworm"
# Beside the prerequisites: PID 1 as /sbin/init, and what a person wants at hand on a node.
EXTRA = ("systemd-sysv", "netbase", "less", "passwd", "hostname", "login", "netcat-openbsd", "strace")
MASKED = (
    "systemd-logind.service",
    "dbus-org.freedesktop.login1.service",  # its alias: with only one of the two masked, `reboot` complains
    "systemd-networkd.service",
    "systemd-timesyncd.service",
    "console-getty.service",
)
FORMAT = "1"

_SETUP = (
    # The Java postinst links manual pages and fails where their directory was left out.
    'mkdir -p "$1/usr/share/man/man1"',
)
_FINISH = (
    'mkdir -p "$1/etc/systemd/system-preset" && echo "disable *" > "$1/etc/systemd/system-preset/00-dcos-local.preset"',
    'systemctl --root="$1" preset-all --preset-mode=full',
    'rm "$1/etc/systemd/system-preset/00-dcos-local.preset"',
    'systemctl --root="$1" mask ' + " ".join(MASKED),
    'systemctl --root="$1" set-default multi-user.target',
    'rm -f "$1/etc/machine-id" "$1/var/lib/dbus/machine-id" "$1/etc/resolv.conf" "$1/etc/hostname"',
    'mkdir -p "$1/var/log/journal"',
    'rm -rf "$1/var/cache/apt/archives" "$1"/usr/share/doc/* "$1"/usr/share/locale/*',
)


def wanted_packages() -> tuple[str, ...]:
    """Every package of the image, sorted."""
    return tuple(sorted({*packages(), *EXTRA}))


def image_key() -> str:
    """Name of the image made from today's tables."""
    parts = (FORMAT, SUITE, *wanted_packages(), *_SETUP, *_FINISH)
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:16]


def image_path(base: Path) -> Path:
    """Where the image is, or will be."""
    return base / "images" / image_key()


def is_built(base: Path) -> bool:
    """Whether the image is ready for use."""
    return image_path(base).is_dir()


def _host_sources(etc: Path = Path("/etc")) -> tuple[str, ...]:
    """This machine's own package sources when it runs the image's release; none otherwise (mmdebstrap's default)."""
    release = (etc / "os-release").read_text() if (etc / "os-release").exists() else ""
    if f"VERSION_CODENAME={SUITE}" not in release:
        return ()
    candidates = (etc / "apt/sources.list.d/debian.sources", etc / "apt/sources.list")
    return tuple(str(path) for path in candidates if path.exists() and path.read_text().strip())


def _proxy_options() -> list[str]:
    """The host's package proxy settings as mmdebstrap options."""
    try:
        lines = run(["apt-config", "dump", "--format", "%F=%v%n", "Acquire::http::Proxy", "Acquire::https::Proxy"])
    except CommandFailed:
        return []
    pairs = (line.split("=", 1) for line in lines.splitlines() if "=" in line)
    return [f'--aptopt={key} "{value}"' for key, value in pairs if value]


def debootstrap(target: Path, variant: str, wanted: Iterable[str], suite: str = SUITE) -> list[str]:
    """The mmdebstrap call that fills ``target`` with packages of a release and what they need."""
    command = ["mmdebstrap", "--quiet", "--mode=root", "--format=directory", f"--variant={variant}"]
    command += [f"--include={','.join(wanted)}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in ("man", "doc", "locale")]
    command += ["--dpkgopt=force-unsafe-io"]
    command += ['--aptopt=Acquire::Languages "none"', '--aptopt=Acquire::Retries "3"']
    sources = _host_sources() if suite == SUITE else ()
    return [*command, "--components=main", *_proxy_options(), suite, str(target), *sources]


def build_command(target: Path) -> list[str]:
    """The mmdebstrap call that makes the image at ``target``."""
    program, *words = debootstrap(target, "apt", wanted_packages())
    hooks = [f"--setup-hook={hook}" for hook in _SETUP] + [f"--customize-hook={hook}" for hook in _FINISH]
    return [program, *hooks, *words]


def build(base: Path) -> Path:
    """Build the image unless it is there; two callers at once build it once. Errors: CommandFailed with mmdebstrap's words."""
    target = image_path(base)
    with locked(base / "images" / ".lock"):
        if target.is_dir():
            return target
        partial = target.with_suffix(".partial")
        shutil.rmtree(partial, ignore_errors=True)
        command = build_command(partial)
        (target.parent / f"{target.name}.command").write_text(shlex.join(command) + "\n")
        try:
            run(command)
        except CommandFailed:
            shutil.rmtree(partial, ignore_errors=True)
            raise
        partial.rename(target)
        _forget_unused(base, target)
        return target


def _forget_unused(base: Path, newest: Path) -> None:
    """Remove images that no cluster stands on any more."""
    used = {path.read_text().strip() for path in (base / "clusters").glob("*/image")}
    for path in newest.parent.iterdir():
        if path.is_dir() and path != newest and str(path) not in used:
            shutil.rmtree(path, ignore_errors=True)
            path.with_name(f"{path.name}.command").unlink(missing_ok=True)
