"""What ``dcos apply`` reads and decides: documents, differences, plans."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from dcos.cli.applying import render
from dcos.cli.applying.documents import Document, documents_of, load
from dcos.cli.applying.plan import MISSING, Action, Difference, change_of, differences, merged, removals, strangers
from dcos.cli.output import Refusal

# ---- documents -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("body", "kind", "name"),
    [
        ({"id": "web", "cmd": "x"}, "app", "/web"),
        ({"id": "/a/b", "kind": "app"}, "app", "/a/b"),
        ({"id": "/p", "containers": []}, "pod", "/p"),
        ({"id": "a.b", "run": {}}, "job", "a.b"),
        ({"id": "/g", "apps": []}, "group", "/g"),
        ({"kind": "group", "id": "g", "dependencies": []}, "group", "/g"),
        ({"resource": "dcos:x", "users": {"bob": "full"}}, "permission", "dcos:x"),
        ({"resource": "dcos:x", "groups": {"devs": "full"}}, "permission", "dcos:x"),
    ],
    ids=str,
)
def test_kinds(body: dict[str, Any], kind: str, name: str) -> None:
    (found,) = documents_of(body, "here")
    assert (found.kind, found.name) == (kind, name)
    assert "kind" not in found.body


def test_a_group_stands_for_what_is_in_it() -> None:
    group = {
        "id": "shop",
        "dependencies": ["/db"],
        "apps": [{"id": "web"}, {"id": "/shop/api"}],
        "groups": [{"id": "deep", "pods": [{"id": "pair"}]}],
    }
    found = list(documents_of(group, "here"))
    assert [(one.kind, one.name) for one in found] == [
        *(("group", "/shop"), ("app", "/shop/web"), ("app", "/shop/api")),
        *(("group", "/shop/deep"), ("pod", "/shop/deep/pair")),
    ]
    assert found[0].body == {"id": "/shop", "dependencies": ["/db"]}


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (3, "must be an object"),
        ({"cmd": "x"}, "must have an id"),
        ({"id": 3}, "must have an id"),
        ({"id": "/"}, "must have an id"),
        ({"kind": "robot", "id": "x"}, "nobody knows the kind 'robot'"),
        ({"id": "g", "apps": {}}, "apps of group /g must be a list"),
        ({"id": "g", "apps": [], "groups": [{}]}, "has no id"),
        ({"resource": "r", "users": ["bob"]}, "users must be an object"),
        ({"resource": "r", "users": {"bob": []}}, "users.bob must be an action"),
        ({"resource": "r", "people": {}}, "a permission has no people"),
    ],
    ids=str,
)
def test_documents_that_are_refused(body: Any, text: str) -> None:
    with pytest.raises(Refusal, match=text) as error:
        list(documents_of(body, "here"))
    assert "here" in str(error.value)


def test_reading(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "all").mkdir()
    (tmp_path / "all/a.yaml").write_text("id: /a\ncmd: x\n---\nid: b.c\nrun: {cmd: x}\n---\n")
    (tmp_path / "all/b.json").write_text('[{"id": "/c", "cmd": "x"}, {"id": "/d", "containers": []}]')
    (tmp_path / "all/notes.txt").write_text("not read")
    monkeypatch.setattr("sys.stdin", io.StringIO("id: /e\napps: []\n"))
    found = load((str(tmp_path / "all"), "-"))
    assert [(one.kind, one.name) for one in found] == [
        *(("group", "/e"), ("app", "/a"), ("app", "/c"), ("pod", "/d"), ("job", "b.c")),
    ]
    assert found[1].where.endswith("a.yaml, document 1")
    with pytest.raises(Refusal, match="app /a stands in"):
        load((str(tmp_path / "all/a.yaml"), str(tmp_path / "all")))


@pytest.mark.parametrize(
    ("name", "text", "said"),
    [("x.json", "{", "is not JSON"), ("x.yaml", "a: [", "is not YAML"), ("x.yaml", "---\n", "say nothing")],
)
def test_sources_that_are_refused(tmp_path: Path, name: str, text: str, said: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(Refusal, match=said):
        load((str(tmp_path / name),))
    with pytest.raises(Refusal, match="cannot read"):
        load((str(tmp_path / "nothing"),))


# ---- differences -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("before", "after", "wanted"),
    [
        ({"a": 1, "b": 2}, {"a": 1}, []),
        ({"a": 1}, {"a": 1.0}, []),
        ({"a": 1}, {"a": True}, [("a", 1, True)]),
        ({"a": 1}, {"a": 2, "b": {"c": 3}}, [("a", 1, 2), ("b.c", MISSING, 3)]),
        ({"a": 1}, {"a": None, "b": None}, [("a", 1, None)]),
        ({"env": {"A": "x", "B": "y"}}, {"env": {"A": "z"}}, [("env.A", "x", "z")]),
        ({"l": [[1, 2]]}, {"l": [[1, 3]]}, [("l[0][1]", 2, 3)]),
        ({"l": [1]}, {"l": [1, 2]}, [("l", [1], [1, 2])]),
        ({"c": [{"name": "x", "n": 1, "m": 5}]}, {"c": [{"name": "x", "n": 2}]}, [("c[x].n", 1, 2)]),
        (
            {"c": [{"name": "x"}, {"name": "y"}]},
            {"c": [{"name": "x"}, {"name": "z", "n": 1}]},
            [("c[z].name", MISSING, "z"), ("c[z].n", MISSING, 1), ("c[y]", {"name": "y"}, MISSING)],
        ),
        ({"e": {"a": 1}}, {"e": {}}, [("e", {"a": 1}, {})]),
    ],
    ids=str,
)
def test_differences(before: Any, after: Any, wanted: list[tuple[str, Any, Any]]) -> None:
    found = [(one.path, one.before, one.after) for one in differences(before, after)]
    assert found == wanted


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=10,
)
OBJECTS = st.dictionaries(st.text(max_size=3), JSON, max_size=4)


@given(OBJECTS)
def test_what_is_as_it_shall_be_has_no_differences(value: dict[str, Any]) -> None:
    assert list(differences(value, value)) == []


@given(OBJECTS, OBJECTS)
def test_what_was_merged_has_what_was_wanted(before: dict[str, Any], after: dict[str, Any]) -> None:
    made = merged(before, after)
    assert all(made[key] == before[key] for key in before if key not in after)
    assert all(key not in made for key, value in after.items() if value is None)


def test_pods_and_jobs_are_sent_whole() -> None:
    before = {"id": "/p", "containers": [{"name": "a", "image": {"id": "i"}, "exec": {"x": 1}}], "user": "u"}
    after = {"id": "/p", "containers": [{"name": "a", "image": {"id": "j"}}]}
    change = change_of(Document("pod", "/p", after, "here"), before)
    assert change.action is Action.CHANGE
    assert change.body == {
        "id": "/p",
        "containers": [{"name": "a", "image": {"id": "j"}, "exec": {"x": 1}}],
        "user": "u",
    }


def test_permissions_are_added_and_taken_only_when_asked() -> None:
    document = Document("permission", "r", {"resource": "r", "users": {"bob": ["read", "full"]}}, "here")
    there = {"users": {"bob": ["read"], "eve": ["full"]}, "groups": {}}
    assert change_of(document, there).differences == (Difference("users.bob.full", MISSING, "granted"),)
    pruned = change_of(document, there, prune=True)
    assert pruned.differences[-1] == Difference("users.eve.full", "granted", MISSING)
    assert change_of(document, {"users": {"bob": ["full", "read", "more"]}}).action is Action.NOTHING
    assert removals(document, there).differences == (Difference("users.bob.read", "granted", MISSING),)
    assert change_of(document, None).action is Action.CREATE


def test_strangers() -> None:
    group = {"apps": [{"id": "/g/a"}], "pods": [{"id": "/g/p"}], "groups": [{"apps": [{"id": "/g/h/b"}]}]}
    assert strangers(group, {("app", "/g/a")}) == [("pod", "/g/p"), ("app", "/g/h/b")]


def test_what_is_shown() -> None:
    document = Document("app", "/web", {"id": "/web", "instances": 3, "env": {"MODE": "x" * 300}}, "here")
    made = change_of(document, {"id": "/web", "instances": 1})
    lines = list(render.lines([made, change_of(document, None), change_of(document, document.body)]))
    assert lines[0] == "\x1b[33m~ app /web: change\x1b[0m"
    assert lines[1] == "    instances: 1 -> 3"
    assert lines[2].endswith("x...")
    assert lines[3] == "\x1b[32m+ app /web: create\x1b[0m"
    assert lines[4] == "    instances: 3"
    assert lines[6] == "  app /web: unchanged"
    assert render.summary([made, made], done=False) == "2 to change"
    assert render.as_json([made])[0]["differences"][0] == {"path": "instances", "before": 1, "after": 3}
    gone = removals(document, {})
    assert list(render.lines([gone])) == ["\x1b[31m- app /web: delete\x1b[0m"]
