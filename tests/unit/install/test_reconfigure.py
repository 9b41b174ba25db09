"""Another configuration on a node: what changes, who is restarted, and what a failure leaves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from dcos.install import apply
from dcos.install.command import CommandFailed
from dcos.install.reconfigure import Unfit, reconfigure
from dcos.install.tree import Input, plan
from dcos.model.layout import Layout
from dcos.registry import NodeRole
from tests.unit.install.test_apply import snapshot
from tests.unit.install.test_files import given


def installed(root: Path, first: Input) -> Layout:
    layout = Layout(root)
    (layout.opt / "packages" / first.release.package).mkdir(parents=True)
    apply.apply(plan(first, layout), apply.Journal(), owners=False)
    return layout


def other(role: NodeRole, **changes: object) -> Input:
    made = given(role, **changes)
    return replace(made, release=replace(made.release, config_id="d" * 40))


def restarted(asked: list[Sequence[str]]) -> set[str]:
    return {name.removesuffix(".service") for words in asked if "restart" in words for name in words[3:]}


@pytest.mark.parametrize("role", [NodeRole.MASTER, NodeRole.AGENT])
def test_another_mode_concerns_who_has_a_certificate(tmp_path: Path, role: NodeRole) -> None:
    layout, asked = installed(tmp_path, given(role)), list[Sequence[str]]()
    done = reconfigure(other(role, security="permissive"), layout, owners=False, run=asked.append)
    assert restarted(asked) == {name.removesuffix(".service") for name in done}
    own = {"dcos-mesos-master", "dcos-exhibitor"} if role is NodeRole.MASTER else {"dcos-mesos-slave"}
    assert own <= restarted(asked)
    assert "dcos-certificates" not in restarted(asked)
    name = "mesos-master" if role is NodeRole.MASTER else "mesos-slave"
    assert any("LIBPROCESS_SSL_ENABLED=true" in path.read_text() for path in layout.etc.glob(f"{name}*"))


def test_another_setting_concerns_its_service_alone(tmp_path: Path) -> None:
    layout, asked = installed(tmp_path, given(NodeRole.AGENT)), list[Sequence[str]]()
    reconfigure(other(NodeRole.AGENT, gc_delay="3days"), layout, owners=False, run=asked.append)
    assert restarted(asked) == {"dcos-mesos-slave"}


def test_a_file_concerns_who_names_it(tmp_path: Path) -> None:
    first = given(NodeRole.MASTER)
    layout, asked = installed(tmp_path, first), list[Sequence[str]]()
    new = other(NodeRole.MASTER)
    reconfigure(
        replace(new, secrets=replace(new.secrets, ca_chain="another chain")), layout, owners=False, run=asked.append
    )
    assert restarted(asked) == {"dcos-ca"}


def test_the_same_concerns_nobody(tmp_path: Path) -> None:
    layout, asked = installed(tmp_path, given(NodeRole.AGENT)), list[Sequence[str]]()
    assert reconfigure(given(NodeRole.AGENT), layout, owners=False, run=asked.append) == ()
    assert restarted(asked) == set()


def test_a_failure_leaves_the_node_as_it_was(tmp_path: Path) -> None:
    layout = installed(tmp_path, given(NodeRole.MASTER))
    before = snapshot(tmp_path)

    def fail(words: Sequence[str]) -> None:
        raise CommandFailed(words, 1, "no systemd")

    with pytest.raises(CommandFailed):
        reconfigure(other(NodeRole.MASTER, security="strict"), layout, owners=False, run=fail)
    assert snapshot(tmp_path) == before


def test_another_role_or_release_is_refused(tmp_path: Path) -> None:
    layout = installed(tmp_path, given(NodeRole.AGENT))
    with pytest.raises(Unfit, match="this node is no master: installed is slave"):
        reconfigure(other(NodeRole.MASTER), layout, owners=False, run=print)
    new = other(NodeRole.AGENT)
    with pytest.raises(Unfit, match="can be put on a node only by genconf of the release"):
        reconfigure(replace(new, release=replace(new.release, package="dcos--9")), layout, owners=False, run=print)
