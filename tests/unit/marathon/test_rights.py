"""Which permissions a request to Marathon needs, and what a reader with few rights sees."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.marathon.core.rights import narrowed, needed
from dcos.marathon.core.state import State
from dcos.model.marathon import App
from dcos.model.marathon_state import Group
from dcos.model.permissions import Grants
from dcos.model.pods import Pod

_SPEC = "dcos:service:marathon:marathon:services:"


def _state() -> State:
    apps = {one: App(id=one) for one in ("/dev/db", "/prod/db", "/top")}
    pods = {"/prod/pod": Pod(id="/prod/pod", containers=())}
    groups = {one: Group(id=one, version="v") for one in ("/", "/dev", "/prod", "/empty")}
    return State(apps=apps, pods=pods, groups=groups)


@pytest.mark.parametrize(
    ("method", "path", "body", "wanted"),
    [
        pytest.param("GET", "/ping", None, [], id="ping"),
        pytest.param("GET", "/public/api/api.raml", None, [], id="description"),
        pytest.param("GET", "/v2/apps", None, [], id="list"),
        pytest.param("GET", "/v2/apps/", None, [], id="list with a slash"),
        pytest.param("GET", "/v2/apps//dev/db", None, ["/dev/db read"], id="read"),
        pytest.param("GET", "/v2/apps/dev/*", None, ["/dev read"], id="read a group's"),
        pytest.param("GET", "/v2/apps/dev/db/tasks", None, ["/dev/db read"], id="tasks"),
        pytest.param("GET", "/v2/apps/dev/db/versions/2020", None, ["/dev/db read"], id="version"),
        pytest.param("POST", "/v2/apps", {"id": "dev/new"}, ["/dev/new create"], id="create"),
        pytest.param("POST", "/v2/apps", {"id": "/dev/../prod/x"}, ["/prod/x create"], id="create with dots"),
        pytest.param("POST", "/v2/apps", {}, ["/ create"], id="create without id"),
        pytest.param("POST", "/v2/apps", None, ["/ create"], id="create without body"),
        pytest.param("PUT", "/v2/apps/dev/db", {}, ["/dev/db update"], id="update"),
        pytest.param("PUT", "/v2/apps/dev/new", {"id": "/top"}, ["/dev/new create"], id="put new"),
        pytest.param("PUT", "/v2/apps", [{"id": "/dev/db"}, {"id": "/n"}], ["/dev/db update", "/n create"], id="many"),
        pytest.param("PUT", "/v2/apps", [], ["/ create"], id="none"),
        pytest.param("POST", "/v2/apps/dev/db/restart", None, ["/dev/db update"], id="restart"),
        pytest.param("DELETE", "/v2/apps/dev/db", None, ["/dev/db delete"], id="delete"),
        pytest.param("DELETE", "/v2/apps/dev/db/tasks/x", None, ["/dev/db update"], id="kill"),
        pytest.param("DELETE", "/v2/apps/dev/*/tasks", None, ["/dev update"], id="kill a group's"),
        pytest.param("PUT", "/v2/pods/dev/../prod/pod", {}, ["/prod/pod update"], id="dots in a path"),
        pytest.param("GET", "/v2/pods/prod/pod::status", None, ["/prod/pod read"], id="status"),
        pytest.param("DELETE", "/v2/pods/prod/pod::instances/x", None, ["/prod/pod update"], id="kill of a pod"),
        pytest.param("GET", "/v2/groups/dev", None, [], id="group"),
        pytest.param("POST", "/v2/groups", {"id": "/dev"}, ["/dev full"], id="new group"),
        pytest.param("DELETE", "/v2/groups/dev", None, ["/dev delete"], id="delete group"),
        pytest.param("GET", "/v2/queue", None, [], id="queue"),
        pytest.param("DELETE", "/v2/queue/dev/db/delay", None, ["/dev/db update"], id="delay"),
        pytest.param("POST", "/v2/tasks/delete", {"ids": ["x"]}, [], id="kill unknown"),
    ],
)
def test_what_a_request_needs(method: str, path: str, body: Any, wanted: list[str]) -> None:
    found = [f"{one.rid.removeprefix(_SPEC)} {one.action}" for one in needed(method, path, body, _state())]
    assert found == wanted


@pytest.mark.parametrize(
    ("method", "path", "wanted"),
    [
        ("GET", "/v2/info", "dcos:service:marathon:marathon:admin:config read"),
        ("POST", "/logging", "dcos:service:marathon:marathon:admin:config update"),
        ("GET", "/v2/events", "dcos:service:marathon:marathon:admin:events read"),
        ("DELETE", "/v2/leader", "dcos:service:marathon:marathon:admin:leader update"),
        ("GET", "/v2/something", "dcos:superuser full"),
        ("GET", "/other", "dcos:superuser full"),
        ("PUT", "/v2/tasks", "dcos:superuser full"),
    ],
)
def test_the_instance_itself_and_the_unknown(method: str, path: str, wanted: str) -> None:
    assert [str(one) for one in needed(method, path, None, _state())] == [wanted]


def test_a_group_s_body_needs_rights_on_all_that_it_names() -> None:
    body = {
        "id": "/dev",
        "apps": [{"id": "one"}, {"id": "/prod/stolen"}],
        "groups": [{"id": "sub", "apps": [{"id": "two"}]}],
        "switchTo": "/prod",
    }
    found = {one.rid.removeprefix(_SPEC) for one in needed("PUT", "/v2/groups/dev", body, _state())}
    assert found == {"/dev", "/dev/one", "/prod/stolen", "/dev/sub", "/dev/sub/two", "/prod"}


def test_lists_are_narrowed() -> None:
    seen = narrowed(_state(), lambda spec_id: spec_id.startswith("/dev"))
    assert set(seen.apps) == {"/dev/db"}
    assert not seen.pods
    assert set(seen.groups) == {"/", "/dev"}


_WORDS = st.sampled_from(
    ["dev", "db", "prod", "..", ".", "", "*", "tasks", "versions", "restart", "v2", "::status", "x"]
)


@given(
    st.sampled_from(["GET", "PUT", "PATCH", "POST", "DELETE"]),
    st.sampled_from(["apps", "pods", "groups"]),
    st.lists(_WORDS, min_size=1, max_size=6),
)
def test_nobody_changes_anything_without_rights(method: str, kind: str, words: list[str]) -> None:
    wanted = needed(method, f"/v2/{kind}/" + "/".join(words), {}, _state())
    if method != "GET":
        assert wanted
        assert not all(Grants().allow(one) for one in wanted)
