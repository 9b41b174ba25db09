"""The supervisor of one booted node: makes its network, mounts its tree, runs systemd-nspawn, again after a reboot.

    python3 -m dcos.install.local.machine BASE CLUSTER NODE

``--keep-unit`` ends nspawn at a reboot with code 133, so somebody must start it again: this process. Ended by SIGTERM
it powers the node off cleanly first. Files in the node's folder: ``machine.pid``, ``cgroups`` (one folder
a line), ``console.log``.
"""

from __future__ import annotations

import shlex
import shutil
import signal
import subprocess
import sys
import uuid
from pathlib import Path

import msgspec

from dcos.install.command import run
from dcos.install.local import cgroups, network
from dcos.install.local.spec import ClusterSpec, Folders, NodeSpec
from dcos.runtime import pids

REBOOT = 133
NODE_INIT = "usr/local/sbin/node-init"

NODE_INIT_TEXT = """\
#!/bin/sh
# PID 1 until systemd: makes the node's own cgroups writable before systemd decides what it may use (v1 only; on v2
# they are already), and the node's own network settings. Never all of /proc/sys: fs.* there is this whole machine's.
for point in /sys/fs/cgroup/*; do
    mountpoint -q "$point" && mount -o remount,bind,rw "$point"
done
mount --bind /proc/sys/net /proc/sys/net && mount -o remount,bind,rw /proc/sys/net
exec /lib/systemd/systemd "$@"
"""


def read_spec(folders: Folders) -> ClusterSpec:
    """The cluster as it was planned. Errors: FileNotFoundError when there is none."""
    return msgspec.json.decode(folders.spec.read_bytes(), type=ClusterSpec)


def prepare_tree(folder: Path, spec: ClusterSpec, node: NodeSpec, image: Path) -> None:
    """Make a new node's folders: an empty upper layer, its own /var, names and addresses. A known node is left alone."""
    if (folder / "var").exists():
        return
    folder.mkdir(parents=True, exist_ok=True)
    for part in ("upper", "work", "root"):
        (folder / part).mkdir(exist_ok=True)
    upper = folder / "upper"
    files = {
        # Without one systemd would take this for a first boot: asking questions, enabling what its presets say.
        "etc/machine-id": (f"{uuid.uuid4().hex}\n", 0o444),
        NODE_INIT: (NODE_INIT_TEXT, 0o755),
        "etc/hostname": (f"{node.name}\n", 0o644),
        "etc/hosts": (hosts_text(spec), 0o644),
        "etc/resolv.conf": ("# no name server until dcos-net answers\n", 0o644),
    }
    for name, (text, mode) in files.items():
        path = upper / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(mode)
    # A plain folder for /var: an overlay on an overlay is refused, and containers want overlays of their own there.
    partial = folder / "var.partial"
    shutil.rmtree(partial, ignore_errors=True)
    run(["cp", "-a", str(image / "var"), str(partial)])
    partial.rename(folder / "var")


def hosts_text(spec: ClusterSpec) -> str:
    """/etc/hosts of every node."""
    lines = ["127.0.0.1 localhost", "::1 localhost ip6-localhost ip6-loopback"]
    return "\n".join([*lines, *(f"{node.ip} {node.name}" for node in spec.nodes)]) + "\n"


def mount_tree(folder: Path, image: Path) -> Path:
    """The node's root, mounted; returns its path."""
    root = folder / "root"
    if not root.is_mount():
        options = f"lowerdir={image},upperdir={folder / 'upper'},workdir={folder / 'work'}"
        run(["mount", "-t", "overlay", "-o", options, "overlay", str(root)])
    return root


def nspawn_command(name: str, node: NodeSpec, space: str, root: Path, var: Path) -> list[str]:
    """The boot command. Started inside the namespace (not ``--network-namespace-path``), or /sys shows the host's devices."""
    return [
        *("nsenter", f"--net=/run/netns/{space}", "--"),
        *("systemd-nspawn", "--quiet", "--keep-unit", "--register=no", f"--machine={name}", f"--hostname={node.name}"),
        *(f"--directory={root}", f"--bind={var}:/var", "--capability=CAP_NET_ADMIN"),
        "--system-call-filter=add_key keyctl request_key bpf perf_event_open",
        *("--resolv-conf=off", "--timezone=off", "--link-journal=no", "--console=read-only"),
        *("--kill-signal=SIGRTMIN+3", f"/{NODE_INIT}"),
    ]


class Machine:
    """One node's life under this process."""

    def __init__(self, folders: Folders, node: str) -> None:
        self.spec = read_spec(folders)
        self.node = self.spec.node(node)
        self.folder = folders.node(node)
        self.image = Path((folders.cluster / "image").read_text().strip())
        self.groups: list[Path] = []
        self.child: subprocess.Popen[bytes] | None = None
        self.stopping = False

    def boot(self) -> int:
        """Run the node until it powers off or reboots; returns nspawn's code."""
        root = mount_tree(self.folder, self.image)
        space = network.make_node_link(self.spec, self.node)
        command = nspawn_command(f"{self.spec.name}-{self.node.name}", self.node, space, root, self.folder / "var")
        joins = "".join(f"echo $$ > {shlex.quote(str(path / 'cgroup.procs'))} && " for path in self.groups)
        with (self.folder / "console.log").open("ab") as console:
            self.child = subprocess.Popen(
                ["/bin/sh", "-c", f"{joins}exec {shlex.join(command)}"],
                stdin=subprocess.DEVNULL,
                stdout=console,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        if self.stopping:
            self.child.terminate()
        return self.child.wait()

    def stop(self, *_: object) -> None:
        """Ask the node to power off; nspawn turns the signal into systemd's own."""
        self.stopping = True
        if self.child is not None and self.child.poll() is None:
            self.child.terminate()

    def run(self) -> int:
        signal.signal(signal.SIGTERM, self.stop)
        signal.signal(signal.SIGINT, self.stop)
        self.groups = cgroups.make_children(f"dcos-local-{self.spec.name}-{self.node.name}")
        (self.folder / "cgroups").write_text("".join(f"{path}\n" for path in self.groups))
        pid_file = self.folder / "machine.pid"
        pids.leave_own(pid_file)
        code = REBOOT
        try:
            while code == REBOOT and not self.stopping:
                code = self.boot()
        finally:
            cgroups.remove(self.groups)
            pid_file.unlink(missing_ok=True)
        return 0 if code in (0, REBOOT) else 1


def main(argv: list[str]) -> int:
    base, cluster, node = argv
    return Machine(Folders(Path(base), cluster), node).run()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
