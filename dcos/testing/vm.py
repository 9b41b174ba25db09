"""A virtual machine for tests: a kernel of its own on the node image, systemd as PID 1, cgroup v2 only.

    with booted(mounts=[REPOSITORY]) as machine:
        machine.run("systemctl", "is-system-running").stdout

The kernel is User-mode Linux, a program like another: it needs no help of the processor, so it boots in seconds in clouds
and containers too. Its root is the node image, read-only, below a file system in memory; ``/var`` and ``/tmp`` are in
memory alone. It has no network but loopback. Folders of ``mounts`` are seen read-only at their own paths. Commands go over
a serial port. The kernel lives in namespaces of its own that end with this process and listen on nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import shlex
import socket
import subprocess
import tempfile
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from dcos.install.local import cluster, image
from dcos.testing import vm_guest, vm_image

_BOOT_S = 240
_GUEST = Path(vm_guest.__file__)
_RUNNER = f"""[Unit]
Description=Runs what the host asks for
After=basic.target dbus.socket
Requires=dbus.socket
[Service]
ExecStart=/usr/bin/python3 {vm_guest.PLACE}/{_GUEST.name}
Environment=HOME=/root
Delegate=yes
"""
_RUNNER_UNIT = "etc/systemd/system/run-for-host.service"
_WANTED = "etc/systemd/system/multi-user.target.wants/run-for-host.service"
# The first program. Around it: `image`, `files` and `kernel`, and numbered folders that `mounts` gives their places.
_INIT = """#!/kernel/usr/bin/busybox sh
b=/kernel/usr/bin/busybox
$b mount -t proc proc /proc
$b insmod /kernel/usr/lib/uml/modules/*/kernel/fs/overlayfs/overlay.ko
# this kernel frees pages of io_uring twice
echo 2 >/proc/sys/kernel/io_uring_disabled
$b mount -t tmpfs -o size=90% tmpfs /own
$b mkdir /own/upper /own/work
$b cp -a /image/var /own/var
$b mount -t overlay -o lowerdir=/files:/image,upperdir=/own/upper,workdir=/own/work root /new
$b mount --bind /own/var /new/var
$b mount -t tmpfs tmpfs /new/tmp
$b mkdir -p /new/usr/lib/modules
$b mount --bind /kernel/usr/lib/uml/modules /new/usr/lib/modules
# what the kernel, or a program, asks for a module
$b touch /new/usr/sbin/modprobe
$b mount --bind $b /new/usr/sbin/modprobe
while read -r number place; do
    $b mkdir -p "/new$place"
    $b mount --bind "/$number" "/new$place"
done </mounts
$b umount /proc
cd /new
$b mount --move . /
exec $b chroot . /sbin/init
"""


def why_not() -> str:
    """Why there can be no virtual machine here; empty if there can."""
    if os.geteuid() != 0:
        return "only root can show the node image to a virtual machine"
    if os.uname().machine != "x86_64":
        return "User-mode Linux is for x86_64"
    if not image.is_built(cluster.base_folder()):
        return "the node image is not built yet (make up builds it)"
    return ""


class MachineFailed(Exception):
    """It did not come up, or is gone; carries the console's last lines."""


class Machine:
    """One that is up."""

    def __init__(self, console: Path, port: socket.socket) -> None:
        self._console = console
        self._port = port
        self._line = b""

    def run(
        self, *argv: str | Path, timeout_s: float = 60, env: Mapping[str, str] | None = None, cwd: str | Path = "/"
    ) -> subprocess.CompletedProcess[str]:
        """One command; code 124 where it took too long.   Errors: MachineFailed."""
        words = [str(one) for one in argv]
        asked = {"argv": words, "env": dict(env or {}), "cwd": str(cwd), "timeout_s": timeout_s}
        self._port.sendall(json.dumps(asked).encode() + b"\n")
        said = self.receive(timeout_s + 30)
        return subprocess.CompletedProcess(words, said["code"], said["stdout"], said["stderr"])

    def receive(self, timeout_s: float) -> dict[str, Any]:
        """The next line that the machine says.   Errors: MachineFailed."""
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._line:
            self._port.settimeout(max(0.01, deadline - time.monotonic()))
            try:
                part = self._port.recv(65536)
            except (TimeoutError, ConnectionError):
                part = b""
            if not part:
                raise MachineFailed(f"the machine does not answer\n{self.console()[-4000:]}")
            self._line += part
        line, _, self._line = self._line.partition(b"\n")
        said: dict[str, Any] = json.loads(line)
        return said

    def console(self) -> str:
        """All that its console showed."""
        return self._console.read_text(errors="replace")


@contextlib.contextmanager
def booted(*, mounts: Sequence[Path] = (), memory_mb: int = 2048) -> Iterator[Machine]:
    """A machine for as long as the block runs.   Errors: MachineFailed, CommandFailed (its parts could not be made)."""
    base = cluster.base_folder()
    trees = {"kernel": vm_image.build(base), "image": image.build(base)}
    trees |= {str(number): one for number, one in enumerate(mounts)}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dcos-vm-")))
        _lay_out(folder / "root", trees, mounts)
        ours, theirs = socket.socketpair()
        stack.enter_context(ours)
        with theirs, (folder / "console").open("wb") as console:
            child = subprocess.Popen(
                _command(folder / "root", trees, memory_mb, theirs.fileno()),
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=console,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        stack.callback(child.wait)
        stack.callback(child.kill)
        machine = Machine(folder / "console", ours)
        machine.receive(_BOOT_S)
        yield machine


def _lay_out(root: Path, trees: Mapping[str, Path], mounts: Sequence[Path]) -> None:
    """The kernel's own root, for it is a program with libraries, and below ``share`` what it boots."""
    share = root / "share"
    for name in ("proc", "dev", "tmp", "usr", *(f"share/{one}" for one in ("proc", "dev", "own", "new", *trees))):
        (root / name).mkdir(parents=True)
    for name in ("lib", "lib64"):
        (root / name).symlink_to(f"usr/{name}")
    (share / "mounts").write_text("".join(f"{number} {one}\n" for number, one in enumerate(mounts)))
    (share / "init").write_text(_INIT)
    (share / "init").chmod(0o755)
    for name, text in {
        "etc/machine-id": uuid.uuid4().hex + "\n",
        "etc/hostname": "machine\n",
        "etc/hosts": "127.0.0.1 localhost machine\n",
        _RUNNER_UNIT: _RUNNER,
        f"{vm_guest.PLACE.lstrip('/')}/{_GUEST.name}": _GUEST.read_text(),
    }.items():
        path = share / "files" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    link = share / "files" / _WANTED
    link.parent.mkdir(parents=True)
    link.symlink_to(f"/{_RUNNER_UNIT}")


def _command(root: Path, trees: Mapping[str, Path], memory_mb: int, port: int) -> list[str]:
    """The kernel, in a mount namespace where the trees are bound together."""
    binds = {f"share/{name}": tree for name, tree in trees.items()} | {"usr": trees["kernel"] / "usr"}
    lines = ["set -e"]
    lines += [shlex.join(["mount", "--bind", "-o", "ro", str(tree), f"{root}/{name}"]) for name, tree in binds.items()]
    lines += [
        shlex.join(["mount", "-t", "proc", "proc", f"{root}/proc"]),
        shlex.join(["mount", "--rbind", "/dev", f"{root}/dev"]),
        shlex.join(["mount", "-t", "tmpfs", "-o", f"size={memory_mb + 64}M", "tmpfs", f"{root}/tmp"]),
    ]
    kernel = [
        *("/usr/bin/linux.uml", f"mem={memory_mb}M", "uml_dir=/tmp", "con=null", "con0=null,fd:1", f"ssl0=fd:{port}"),
        *("root=none", "rootfstype=hostfs", "hostfs=/share", "rootflags=/", "ro", "init=/init", "quiet", "panic=-1"),
        "systemd.unified_cgroup_hierarchy=1",
    ]
    lines.append(
        shlex.join(
            ["exec", "env", "-i", "PATH=/usr/sbin:/usr/bin", "TMPDIR=/tmp", "HOME=/tmp", "chroot", str(root), *kernel]
        )
    )
    apart = ["unshare", "--mount", "--pid", "--net", "--ipc", "--propagation=private", "--fork", "--kill-child=KILL"]
    return ["setpriv", "--pdeathsig", "KILL", *apart, "/bin/sh", "-c", "\n".join(lines)]
