"""Plugins: adding, listing, running, removing; archives that would do harm; those of packages."""

from __future__ import annotations

import hashlib
import io
import json
import stat
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from dcos.cli.config_store import Cluster, ConfigError
from dcos.cli.plugins import archive
from dcos.cli.plugins.run import environment
from dcos.cli.plugins.store import PluginStore
from dcos.testing.adminrouter import TOKEN, FakeAdminRouter
from tests.unit.cli.results import Dcos

PROGRAM = """#!/bin/sh
if [ "$2" = --info ]; then echo "Says what it is told"; exit; fi
if [ "$2" = fail ]; then exit 7; fi
env | grep ^DCOS_ | sort > "$OUT"
echo "$@" >> "$OUT"
"""
TOML = """schema_version = 1
name = "speaker"
[[commands]]
name = "say"
path = "bin/dcos-say"
description = "Say it"
[[commands]]
name = "shout"
path = "bin/dcos-say"
description = "Say it louder"
"""


def packed(files: Mapping[str, str | bytes], *, modes: Mapping[str, int] | None = None) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", zipfile.ZIP_DEFLATED) as archived:
        for name, content in files.items():
            info = zipfile.ZipInfo(name)
            info.external_attr = (modes or {}).get(name, 0o100644) << 16
            archived.writestr(info, content)
    return made.getvalue()


def written(folder: Path, name: str, content: str | bytes) -> Path:
    file = folder / name
    file.write_bytes(content if isinstance(content, bytes) else content.encode())
    return file


@pytest.fixture
def speaker(tmp_path: Path) -> Path:
    return written(tmp_path, "any-name.zip", packed({"plugin.toml": TOML, "bin/dcos-say": PROGRAM}))


def test_a_plugin_of_several_commands(
    ready: Dcos, fake: FakeAdminRouter, url: str, tmp_path: Path, speaker: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert ready("plugin", "list").out == "NAME  COMMANDS\n"
    assert ready("plugin", "add", str(speaker)).err == "New commands available: say, shout\n"
    assert ready("plugin", "list", "-q").out == "speaker\n"
    assert ready("plugin", "list").rows == [["speaker", "say shout"]]
    (listed,) = ready("plugin", "list", "--json").json
    assert listed["commands"][1] == {"name": "shout", "description": "Say it louder"}
    assert "  shout  Say it louder" in ready("--help").out

    folder = tmp_path / "dcos/clusters" / fake.cluster_id / "subcommands/speaker/env"
    assert (folder / "bin/dcos-say").stat().st_mode & 0o777 == 0o755
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    monkeypatch.setenv("DCOS_TLS_CA_PATH", "/of/another/cluster")
    ready("config", "set", "shout.loud-ness", "11")
    assert ready("-v", "shout", "one", "--flag", "--help").code == 0
    *told, words = (tmp_path / "out").read_text().splitlines()
    assert words == "shout one --flag --help"
    assert {
        f"DCOS_URL={url}",
        f"DCOS_ACS_TOKEN={TOKEN}",
        "DCOS_TLS_INSECURE=1",
        "DCOS_VERBOSITY=1",
        "DCOS_LOG_LEVEL=info",
        "DCOS_SHOUT_LOUD_NESS=11",
        "DCOS_CLI_VERSION=3.0.0",
    } <= set(told)
    assert not any(line.startswith("DCOS_TLS_CA_PATH") for line in told)
    assert ready("say", "fail").code == 7

    assert "already installed" in ready("plugin", "add", str(speaker)).err
    assert ready("plugin", "add", "--update", str(speaker)).code == 0
    assert ready("plugin", "remove", "speaker").code == 0
    gone = ready("shout")
    assert (gone.code, gone.err.splitlines()[1]) == (1, "Error: unknown command shout")
    assert ready("plugin", "remove", "speaker").err.startswith("Error: 'speaker' is not a plugin")


def test_a_bare_program(ready: Dcos, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OUT", str(tmp_path / "out"))
    ready("plugin", "add", str(written(tmp_path, "dcos-tell", PROGRAM)))
    assert ready("plugin", "list").rows == [["tell", "tell"]]
    assert ready("tell", "me").code == 0
    assert "  tell  Says what it is told" in ready("--help").out
    own = ready("plugin", "add", str(written(tmp_path, "dcos-node", PROGRAM)))
    assert own.code == 0
    assert "HOSTNAME" in ready("node").out, "a plugin does not take the place of a command"


@pytest.mark.parametrize(
    ("files", "modes", "words"),
    [
        ({"bin/dcos-x": PROGRAM, "../evil": "x"}, {}, "outside of its folder"),
        ({"/evil": "x"}, {}, "outside of its folder"),
        ({"bin/dcos-x": "/etc/passwd"}, {"bin/dcos-x": stat.S_IFLNK | 0o777}, "neither file nor folder"),
        ({"notes.txt": "x"}, {}, "has no command"),
        ({"plugin.toml": "name = [", "bin/dcos-x": "x"}, {}, "plugin.toml:"),
        ({"plugin.toml": 'name = "../x"', "bin/dcos-x": "x"}, {}, "cannot be a plugin's name"),
        ({"plugin.toml": '[[commands]]\nname = "x"\npath = "../../x"'}, {}, "leads out of the plugin"),
        ({"plugin.toml": '[[commands]]\nname = "x"'}, {}, "must have a name and a path"),
        ({"plugin.toml": '[[commands]]\nname = "-x"\npath = "x"'}, {}, "cannot be a command's name"),
    ],
    ids=["parent", "absolute", "link", "empty", "toml", "name", "path", "no path", "command"],
)
def test_archives_that_are_refused(
    ready: Dcos, tmp_path: Path, files: dict[str, str], modes: dict[str, int], words: str
) -> None:
    done = ready("plugin", "add", str(written(tmp_path, "x.zip", packed(files, modes=modes))))
    assert (done.code, words in done.err) == (1, True), done.err
    assert ready("plugin", "list", "-q").out == ""
    assert not (tmp_path / "evil").exists()


def test_an_archive_that_grows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive, "MAX_BYTES", 1000)
    bomb = written(tmp_path, "bomb.zip", packed({"bin/dcos-x": b"\0" * 100_000}))
    (tmp_path / "target").mkdir()
    with pytest.raises(ConfigError, match="when unpacked"):
        archive.unpack(bomb, tmp_path / "target")


def test_no_archive_at_all(ready: Dcos, tmp_path: Path) -> None:
    broken = packed({"bin/dcos-x": PROGRAM})[:60]
    assert "cannot be unpacked" in ready("plugin", "add", str(written(tmp_path, "x.zip", broken))).err
    assert ready("plugin", "add", str(tmp_path / "nothing")).err.startswith("Error:")


def test_environment_of_a_cluster_with_its_own_authority(tmp_path: Path) -> None:
    cluster = Cluster("id", tmp_path, {"core.dcos_url": "https://c", "say.loud": True})
    told = environment({"HOME": "/h"}, cluster, "say", verify="/ca.crt", version="3", verbosity=2)
    assert (told["DCOS_TLS_CA_PATH"], told["DCOS_SAY_LOUD"], told["DCOS_LOG_LEVEL"]) == ("/ca.crt", "true", "debug")
    assert "DCOS_TLS_INSECURE" not in told
    assert "DCOS_ACS_TOKEN" not in told


def test_a_plugin_that_cannot_be_read_harms_no_other(tmp_path: Path) -> None:
    for name, text in (("bad", "name = ["), ("good", "")):
        env = tmp_path / "subcommands" / name / "env"
        (env / "bin").mkdir(parents=True)
        if text:
            (env / "plugin.toml").write_text(text)
        written(env / "bin", f"dcos-{name}", PROGRAM).chmod(0o755)
    store = PluginStore(Cluster("id", tmp_path))
    assert [one.name for one in store.plugins()] == ["good"]


# ---- of packages -----------------------------------------------------------------------------------------------------


class Shop:
    """A package with a CLI in a fake of Cosmos: what is described may lie."""

    def __init__(self, fake: FakeAdminRouter, url: str) -> None:
        self.content = packed({"plugin.toml": TOML, "bin/dcos-say": PROGRAM})
        self.definition: dict[str, Any] = {
            "name": "speaker",
            "version": "1.2.3",
            "description": "A speaker",
            "selected": True,
            "marathon": {"v2AppMustacheTemplate": "e30="},
        }
        self.apps: list[str] = []
        self.url = f"{url}/package/resource?url=https%3A%2F%2Fexample.com%2Fspeaker.zip"
        self.digest = hashlib.sha256(self.content).hexdigest()
        fake.catalog = self.answer

    def answer(self, path: str, body: dict[str, Any]) -> bytes | dict[str, Any]:
        match path:
            case "/package/resource":
                return self.content
            case "/package/describe":
                binary = {"kind": "zip", "url": self.url, "contentHash": [{"algo": "sha256", "value": self.digest}]}
                binaries = {system: dict.fromkeys(("x86-64", "arm64"), binary) for system in ("linux", "darwin")}
                return {"package": self.definition | {"resource": {"cli": {"binaries": binaries}}}}
            case "/package/install":
                self.apps.append(body.get("appId", "/speaker"))
                return {
                    "packageName": "speaker",
                    "packageVersion": "1.2.3",
                    "appId": self.apps[-1],
                    "postInstallNotes": "enjoy",
                }
            case "/package/list":
                wanted = (body.get("packageName"), body.get("appId"))
                found = [one for one in self.apps if wanted[0] in (None, "speaker") and wanted[1] in (None, one)]
                return {
                    "packages": [
                        {"appId": one, "packageInformation": {"packageDefinition": self.definition}} for one in found
                    ]
                }
            case "/package/uninstall":
                gone = [one for one in self.apps if body.get("all") or body.get("appId") in (None, one)]
                self.apps = [one for one in self.apps if one not in gone]
                return {
                    "results": [{"packageName": "speaker", "packageVersion": "1.2.3", "appId": one} for one in gone]
                }
        raise AssertionError(path)


@pytest.fixture
def shop(fake: FakeAdminRouter, url: str) -> Shop:
    return Shop(fake, url)


def test_install_and_uninstall_with_the_plugin(ready: Dcos, shop: Shop) -> None:
    done = ready("package", "install", "speaker", "--yes")
    assert done.code == 0, done.err
    assert done.err.splitlines()[-2:] == ["New commands available: say, shout", "enjoy"]
    (listed,) = ready("package", "list", "--json").json
    assert (listed["apps"], listed["command"]) == (["/speaker"], {"name": "speaker"})
    assert ready("package", "list").rows == [["speaker", "1.2.3", "True", "/speaker", "speaker", "A speaker"]]
    ready("package", "install", "speaker", "--yes", "--app", "--app-id=/two")
    several = ready("package", "uninstall", "speaker", "--yes")
    assert (several.code, "/speaker, /two" in several.err) == (1, True)
    assert ready("package", "uninstall", "speaker", "--yes", "--app-id=/two").code == 0
    assert ready("plugin", "list", "-q").out == "speaker\n", "an app of it is left"
    assert ready("package", "uninstall", "speaker", "--yes").code == 0
    assert ready("plugin", "list", "-q").out == ""
    assert shop.apps == []


def test_only_the_plugin(ready: Dcos, shop: Shop) -> None:
    assert ready("package", "install", "speaker", "--cli", "--yes").code == 0
    assert shop.apps == []
    assert ready("package", "list").rows == [["speaker", "1.2.3", "True", "---", "speaker", "A speaker"]]
    assert ready("package", "list", "--cli", "--json").json[0]["version"] == "1.2.3"
    assert ready("package", "uninstall", "speaker", "--cli").code == 0
    assert ready("package", "uninstall", "speaker", "--cli").code == 1
    assert ready("package", "install", "speaker", "--app", "--yes").code == 0
    assert ready("plugin", "list", "-q").out == ""


def test_a_plugin_that_is_not_what_the_package_says(ready: Dcos, shop: Shop) -> None:
    shop.content += b"and more"
    done = ready("package", "install", "speaker", "--cli", "--yes")
    assert (done.code, "is not what the package says: sha256 is" in done.err) == (1, True)
    assert ready("plugin", "list", "-q").out == ""


def test_packages_without_a_plugin(ready: Dcos) -> None:
    done = ready("package", "install", "hello-world", "--cli", "--yes")
    assert (done.code, "has no command line plugin" in done.err) == (1, True)
    assert json.loads(ready("package", "describe", "--cli", "hello-world").out) == {}
