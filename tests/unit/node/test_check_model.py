"""What files tell of checks: forms, rules, the built-in ones."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from dcos.install.settings import resolve
from dcos.install.settings.rules import custom_checks_are_whole, search_path_is_absolute
from dcos.model import checks
from dcos.model.checks import BUILT_IN, KINDS, Check, Checks
from dcos.node.checks.builtin import CHECKS

ONE = {"description": "Looks", "cmd": ["/bin/true"], "timeout": "1s"}


def node(name: str = "mine", **changes: Any) -> dict[str, Any]:
    return {"node_checks": {"checks": {name: {**ONE, **changes}}, "poststart": [name]}}


@pytest.mark.parametrize(
    ("text", "value"),
    [("30s", 30.0), ("1m30s", 90.0), ("1.5h", None), ("1h", 3600.0), ("500ms", 0.5), ("5us", 5e-6), ("1ns", 1e-9)],
)
def test_timeouts(text: str, value: float | None) -> None:
    if value is None:
        with pytest.raises(ValueError, match="at most an hour"):
            checks.seconds(text)
    else:
        assert checks.seconds(text) == pytest.approx(value)


@pytest.mark.parametrize("text", ["", "5", "s", "5 s", "-5s", "0s", "5days", "1s2", "1e3s"])
def test_what_is_no_timeout(text: str) -> None:
    with pytest.raises(ValueError, match="must be"):
        checks.seconds(text)


@pytest.mark.parametrize(
    ("told", "words"),
    [
        ([], "checks: must be a map"),
        ({"nodes": {}}, "checks: 'nodes' is not known"),
        ({"node_checks": {"checks": {"a b": ONE}}}, "'a b': names have no blanks"),
        ({"node_checks": {"checks": {"a": ONE}}}, "node_checks.checks.a: must be listed in prestart or poststart"),
        ({"node_checks": {"poststart": ["a"]}}, "node_checks.poststart: 'a' is not in node_checks.checks"),
        (node(cmd=[]), "node_checks.checks.mine.cmd: must name a program"),
        (node(cmd="true"), "node_checks.checks.mine.cmd: must be a list of texts"),
        (node(timeout="1"), "node_checks.checks.mine.timeout: must be numbers with units"),
        (node(timeout=5), "node_checks.checks.mine.timeout: must be text"),
        (node(description=""), "node_checks.checks.mine.description: must be text, not empty"),
        (node(roles=["slave"]), "node_checks.checks.mine.roles: must be a list of master, agent or both"),
        (node(roles=[]), "node_checks.checks.mine.roles: must be a list of master, agent or both"),
        (node(color="red"), "node_checks.checks.mine: 'color' is not known"),
        ({"cluster_checks": {"a": {**ONE, "roles": ["master"]}}}, "cluster_checks.a: 'roles' is not known"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_mistakes_name_member_and_rule(told: object, words: str) -> None:
    with pytest.raises(ValueError, match=re.escape(words)):
        checks.parse(told)


def test_lists_are_by_kind_and_role() -> None:
    told = {
        "cluster_checks": {"whole": ONE},
        "node_checks": {
            "checks": {"both": ONE, "masters": {**ONE, "roles": ["master"]}, "before": {**ONE, "roles": ["agent"]}},
            "prestart": ["before", "both"],
            "poststart": ["masters", "both"],
        },
    }
    found = checks.parse(told)
    assert [list(found.of(kind, "agent")) for kind in KINDS] == [["before", "both"], ["both"], ["whole"]]
    assert [list(found.of(kind, "master")) for kind in KINDS] == [["both"], ["masters", "both"], ["whole"]]
    assert checks.parse(json.loads(json.dumps(found.as_json()))) == found


def test_built_in_ones_are_known_to_the_program_and_whole() -> None:
    assert {row[2][0] for row in BUILT_IN} == CHECKS.keys()
    found = checks.built_in("/opt/mesosphere/bin/dcos-checks", check_time=True)
    assert checks.parse(found.as_json()) == found
    masters, agents = (set(found.of("node-poststart", role)) for role in ("master", "agent"))
    assert {"components_master", "mesos_master_replog_synchronized", "clock_sync"} <= masters - {"docker"}
    assert {"components_agent", "mesos_agent_registered_with_masters", "docker", "xz", "tar", "curl", "unzip"} <= agents
    assert not {"components_agent", "docker"} & masters
    assert "clock_sync" not in checks.built_in("x", check_time=False).node


def test_custom_ones_keep_their_names_off_built_in_ones() -> None:
    custom_checks_are_whole(json.dumps(node()))
    with pytest.raises(ValueError, match="must not have names of built-in ones: clock_sync"):
        custom_checks_are_whole(json.dumps(node("clock_sync")))
    with pytest.raises(ValueError, match="check_env is not yours"):
        custom_checks_are_whole(json.dumps({"check_env": {}}))
    with pytest.raises(ValueError, match="absolute paths"):
        search_path_is_absolute("/bin:bin")
    one = Check("x", ("y",), "1s")
    assert Checks(cluster={"a": one}).with_more(Checks(cluster={"b": one})).cluster.keys() == {"a", "b"}


def test_genconf_tells_of_mistakes(tmp_path: Any) -> None:
    found = resolve.resolve({"custom_checks": node(timeout="soon")}, tmp_path)
    said = "node_checks.checks.mine.timeout: must be numbers with units (ns us ms s m h), like 30s, not 'soon'"
    assert ("custom_checks", said) in found.errors
