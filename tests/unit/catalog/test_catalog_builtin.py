"""The packages that come with the program: they are good, they render, the service they start answers."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import urllib.request
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from dcos.catalog.core import lint
from dcos.catalog.core.collection import Collection
from dcos.catalog.core.errors import CatalogError
from dcos.catalog.core.options import defaults
from dcos.catalog.core.render import render, unpacked
from dcos.catalog.core.trial import every_option, tried
from dcos.catalog.repository import read_tree
from dcos.catalog.service import PACKAGES
from dcos.dev.packages import services
from dcos.marathon.core import normalize, validate
from dcos.marathon.core.validate import Rules
from dcos.model.marathon import App
from dcos.testing.ports import free_port
from dcos.wire import marathon as wire
from dcos.wire.cosmos import decode_definition
from dcos.wire.universe import Package

BUILTIN = read_tree(PACKAGES, "3.0.0").packages
IDS = [one.name for one in BUILTIN]


def test_every_folder_is_a_package() -> None:
    assert {one.name for one in BUILTIN} == {folder.name for folder in PACKAGES.glob("*/*") if folder.is_dir()}
    assert "hello-world" in IDS


@pytest.mark.parametrize("package", BUILTIN, ids=IDS)
def test_schema_is_draft_4_and_its_defaults_keep_it(package: Package) -> None:
    assert package.config is not None
    jsonschema.Draft4Validator.check_schema(package.config)
    jsonschema.Draft4Validator(package.config).validate(defaults(package.config))


def faults(app: dict[str, Any]) -> list[str]:
    """What Marathon would refuse of an app; its role is a cluster's usual one."""
    read = normalize.canonical(wire.read(app, App), normalize.Defaults(role="slave_public"))
    return [
        str(one)
        for one in validate.app_faults(read, Rules(frozenset({"secrets"}), "slave_public"), roles={"slave_public"})
    ]


@pytest.mark.parametrize("package", BUILTIN, ids=IDS)
def test_render(package: Package) -> None:
    app = render(package, "http://source", None, None)
    name = package.name
    assert app["id"] == name
    assert app["instances"] == 1
    assert app["healthChecks"]
    labels = app["labels"]
    assert labels["DCOS_SERVICE_NAME"] == name
    assert (labels["DCOS_PACKAGE_NAME"], labels["DCOS_PACKAGE_VERSION"]) == (name, package.version)
    assert labels["DCOS_PACKAGE_SOURCE"] == "http://source"
    assert unpacked(labels["DCOS_PACKAGE_OPTIONS"]) == {}
    assert decode_definition(labels["DCOS_PACKAGE_DEFINITION"]) == package
    assert faults(app) == []


@pytest.mark.parametrize("package", BUILTIN, ids=IDS)
def test_every_option_and_wrong_ones(package: Package) -> None:
    trial = tried(package)
    assert (trial.defaults, trial.every, trial.taken) == ("", "", ())
    assert trial.refused >= 5
    assert faults(render(package, "u", every_option(package.config or {}), None)) == []


@pytest.mark.parametrize("package", BUILTIN, ids=IDS)
def test_lint_has_nothing_to_say(package: Package) -> None:
    assert list(lint.whole(package)) == []


def _app(name: str, **given: Any) -> dict[str, Any]:
    return render(Collection([("u", BUILTIN)]).find(name).package, "u", given, None)


MADE = [one.name for one in services.PACKAGES]


@pytest.mark.parametrize("name", MADE)
def test_where_the_software_comes_from(name: str) -> None:
    """Agents, an image, an archive: the same service; what it runs is a good program for the shell or for Python."""
    plain = _app(name, software={"image": "", "artifact": ""})
    assert "docker" not in plain["container"]
    assert plain["fetch"] == []
    assert _app(name, software={"image": "mine:1"})["container"]["docker"] == {"image": "mine:1"}
    archive = {"image": "", "artifact": "http://h/a.tgz"}
    assert _app(name, software=archive)["fetch"] == [{"uri": "http://h/a.tgz", "extract": True}]
    program = plain["env"]["SERVICE_PROGRAM"]
    if "python" in plain["cmd"]:
        compile(program, name, "exec")
    else:
        subprocess.run(["sh", "-n"], input=program, text=True, check=True)


@pytest.mark.parametrize("name", [one.name for one in services.PACKAGES if one.storage_mb])
def test_where_data_lies(name: str) -> None:
    kept = _app(name, storage={"persistent": True, "size": 77})
    assert kept["container"]["volumes"] == [
        {"containerPath": "data", "mode": "RW", "persistent": {"type": "root", "size": 77}}
    ]
    assert faults(kept) == []
    assert _app(name, storage={"persistent": False})["container"]["volumes"] == []
    assert kept["upgradeStrategy"] == {"minimumHealthCapacity": 0, "maximumOverCapacity": 0}


@pytest.mark.parametrize(
    ("name", "group", "option", "variables"),
    [
        (one.name, one.group, option.name, option.env)
        for one in services.PACKAGES
        for option in one.options
        if option.secret
    ],
)
def test_secrets_are_named_and_not_shown(name: str, group: str, option: str, variables: str) -> None:
    app = _app(name, **{group: {f"{option}_secret": "team/it"}})
    assert app["secrets"] == {option: {"source": "team/it"}}
    assert app["env"][variables] == {"secret": option}
    assert faults(app) == []


def test_both_secrets_of_the_edge_proxy() -> None:
    app = _app("edge-proxy", edge={"service_account_secret": "a", "certificate_secret": "b"})
    assert app["secrets"] == {"service_account": {"source": "a"}, "certificate": {"source": "b"}}


def test_options() -> None:
    hello = Collection([("u", BUILTIN)]).find("hello-world").package
    given = {
        "service": {"name": "team/hello", "instances": 3, "cpus": 0.5, "mem": 128, "public": True},
        "hello": {"message": 'Say "hi"\n'},
    }
    app = render(hello, "u", given, None)
    assert (app["id"], app["instances"], app["cpus"], app["mem"]) == ("team/hello", 3, 0.5, 128)
    assert app["acceptedResourceRoles"] == ["slave_public"]
    assert app["env"]["HELLO_MESSAGE"] == 'Say "hi"\n'
    assert unpacked(app["labels"]["DCOS_PACKAGE_OPTIONS"]) == given
    assert render(hello, "u", None, "/other")["id"] == "/other"


@pytest.mark.parametrize(
    "service", [{"name": "/lead"}, {"name": "Bad Name"}, {"instances": -1}, {"cpus": 0}, {"typo": 1}]
)
def test_bad_options(service: dict[str, object]) -> None:
    hello = Collection([("u", BUILTIN)]).find("hello-world").package
    with pytest.raises(CatalogError) as caught:
        render(hello, "u", {"service": service}, None)
    assert caught.value.type == "JsonSchemaMismatch"


def _get(port: int, path: str) -> str:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
        return str(answer.read().decode())


@pytest.mark.parametrize(("name", "expected"), [("hello-world", "Hello, World!"), ("http-echo", '"path": "/a?b=c"')])
def test_the_service_answers(name: str, expected: str, tmp_path: Path) -> None:
    """As an agent would run it: the command in a shell, with Marathon's variables."""
    app = render(Collection([("u", BUILTIN)]).find(name).package, "u", None, None)
    port = free_port()
    environ = {
        "PATH": os.environ["PATH"],
        "PORT0": str(port),
        "HOST": "127.0.0.1",
        "MESOS_TASK_ID": f"{name}.instance-1",
        **{key: str(value) for key, value in app["env"].items()},
    }
    process = subprocess.Popen(
        ["/bin/sh", "-c", app["cmd"]],
        env=environ,
        cwd=tmp_path,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == f"listening on 127.0.0.1:{port}\n"
        text = _get(port, "/a?b=c")
        assert expected in text
        assert f"{name}.instance-1" in text
        assert _get(port, "/health")
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == 0
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


def test_broken_folders_are_left_out(tmp_path: Path) -> None:
    good = tmp_path / "repo/packages/D/demo/0"
    good.mkdir(parents=True)
    source = PACKAGES / "H/hello-world/0"
    for file in source.iterdir():
        (good / file.name).write_bytes(file.read_bytes())
    description = json.loads((source / "package.json").read_text())
    (good / "package.json").write_text(json.dumps(description | {"name": "demo"}))
    for folder, text in {"D/demo/1": "{", "D/other/0": json.dumps(description), "D/demo/x": "{}"}.items():
        (tmp_path / "repo/packages" / folder).mkdir(parents=True)
        (tmp_path / "repo/packages" / folder / "package.json").write_text(text)
    (tmp_path / "repo/packages/D/empty/0").mkdir(parents=True)
    found = read_tree(tmp_path, "3.0.0")
    assert [one.name for one in found.packages] == ["demo"]
    assert [(one.place, one.name) for one in found.broken] == [
        ("D/demo/1", None), ("D/demo/x", None), ("D/empty/0", None), ("D/other/0", "hello-world")
    ]  # fmt: skip
    assert found.broken[3].reason == "package.json/name: must be the folder's: other"
    older = read_tree(tmp_path, "1.9")
    assert older.packages == ()
    assert [one.name for one in older.too_new] == ["demo"]
