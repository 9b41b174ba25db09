"""Repository servers that lie, and what a real Cosmos makes of them: an error, in bounded time and memory, and all else works."""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from dcos.testing.packages import package
from dcos.testing.patience import PATIENCE_S
from dcos.testing.processes import Processes
from dcos.testing.zookeeper import ensemble, why_not
from dcos.wire.universe import to_files, to_json
from tests.integration.catalog import liar

pytestmark = [
    pytest.mark.integration,
    pytest.mark.timeout(600),
    pytest.mark.skipif(why_not() is not None, reason=str(why_not())),
]

LIMIT = 4 * liar.MB
ROOM = 96 * liar.MB
"""What Cosmos may take at most while it meets all of them, beside what it takes without: many times less than what they send."""


def _package_of(name: str) -> list[tuple[str, bytes]]:
    return [(f"repo/packages/B/{name}/0/{file}", data) for file, data in to_files(package(name)).items()]


_many = [liar.blanks(f"repo/packages/B/bad{number}/0/package.json", 2 * liar.MB) for number in range(8)]
_twice = [*_package_of("bad"), ("repo/packages/B/bad/0/package.json", b"{}")]
_whole = liar.archive()

REFUSED: dict[str, tuple[liar.Answer, str]] = {
    "says-huge": (liar.body(b"{", length=10 * 1024**3), "JsonDecodingError"),
    "endless": (liar.endless, "JsonDecodingError"),
    "gzip-bomb": (liar.body(liar.bomb(), "Content-Encoding: gzip"), "JsonDecodingError"),
    "gzip-cut": (
        liar.body(liar.gzipped(liar.repository(liar.GOOD))[:-20], "Content-Encoding: gzip"),
        "JsonDecodingError",
    ),
    "no-gzip": (liar.body(liar.repository(), "Content-Encoding: gzip"), "JsonDecodingError"),
    "brotli": (liar.body(b"\x0b\x02\x80{}\x03", "Content-Encoding: br"), "UnsupportedContentEncoding"),
    "slow": (liar.slow, "RepositoryUriConnection"),
    "silent": (liar.silent, "RepositoryUriConnection"),
    "cut": (liar.body(liar.repository(liar.GOOD), length=100_000), "RepositoryUriConnection"),
    "cut-json": (liar.body(liar.repository(liar.GOOD)[:-30]), "JsonDecodingError"),
    "html": (liar.body(b"<html>", kind="text/html"), "UnsupportedContentType"),
    "plain-json": (liar.body(liar.repository(), kind="application/json"), "UnsupportedContentType"),
    "no-repository": (liar.body(b'{"packages": {}}'), "JsonDecodingError"),
    "deep": (liar.body(b'{"packages":' + b"[" * 100_000), "JsonDecodingError"),
    "not-http": (liar.garbage, "RepositoryUriConnection"),
    "failing": (liar.failing, "UniverseClientHttpError"),
    "loop": (liar.redirect("/loop"), "RepositoryUriConnection"),
    "to-ftp": (liar.redirect("ftp://127.0.0.1/x"), "UnsupportedRedirect"),
    "to-file": (liar.redirect("file:///etc/passwd"), "UnsupportedRedirect"),
    "to-nowhere": (liar.redirect(""), "UnsupportedRedirect"),
    "zip-garbage": (liar.body(b"PK\x03\x04" + b"x" * 1000, kind=liar.ZIP), "JsonDecodingError"),
    "zip-cut": (liar.body(_whole[:-40], kind=liar.ZIP), "JsonDecodingError"),
    "zip-empty": (liar.body(liar.archive(good=False), kind=liar.ZIP), "JsonDecodingError"),
    "zip-bomb": (liar.body(liar.archive(*_many), kind=liar.ZIP), "JsonDecodingError"),
    "zip-directory": (
        liar.body(liar.archive(*[(f"{number:0100d}", b"") for number in range(20_000)]), kind=liar.ZIP),
        "JsonDecodingError",
    ),
    "zip-two": (liar.body(liar.archive(("other/repo/packages/A/aa/0/x", b"")), kind=liar.ZIP), "JsonDecodingError"),
}
TAKEN: dict[str, tuple[liar.Answer, tuple[str, ...]]] = {
    "one-broken": (liar.body(liar.repository({"name": "bad", "version": "7"}, liar.GOOD, 5)), ("missing", "Expected")),
    "one-file-too-large": (
        liar.body(liar.archive(liar.blanks("repo/packages/B/bad/0/package.json", 5 * liar.MB)), kind=liar.ZIP),
        ("is larger than",),
    ),
    "traversal": (
        liar.body(
            liar.archive(
                ("repo/packages/../../../etc/0/package.json", b"{}"),
                ("/etc/passwd", b"x"),
                ("repo/packages/B/../0/package.json", b"{}"),
            ),
            kind=liar.ZIP,
        ),
        ("missing",),
    ),
    "link": (
        liar.body(liar.archive(liar.link("repo/packages/B/bad/0/package.json", "/etc/passwd")), kind=liar.ZIP),
        ("is a symbolic link",),
    ),
    "twice": (liar.body(liar.archive(*_twice), kind=liar.ZIP), ("more than once",)),
    "nested": (
        liar.body(liar.archive(("repo/packages/B/bad/0/package.json", b'{"a":' * 50_000)), kind=liar.ZIP),
        ("recursion",),
    ),
    "github": (liar.body(liar.archive(("README", b"x"), ("repo/meta/index.json", b"{}")), kind=liar.ZIP), ()),
    "hostile": (
        liar.body(
            liar.repository(
                liar.GOOD,
                to_json(package("explodes", template='{"id":"x",' + "{{#l}}" * 9 + "{{/l}}" * 9 + "}", config={
                    "properties": {"l": {"type": "array", "default": list(range(40))}}
                })),
                to_json(package("backtracks", config={
                    "properties": {"name": {"type": "string", "default": "a" * 60 + "!", "pattern": "^(a+)+$"}}
                })),
                to_json(package("recurses", config={"properties": {"a": {"$ref": "#/properties/a", "default": 1}}})),
                to_json(package("no-schema", config={"type": "banana", "properties": {"a": {"default": 1}}})),
            )
        ),
        (),
    ),
}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Processes, str]]:
    folder = tmp_path_factory.mktemp("liars")
    answers = {name: answer for name, (answer, _) in (*REFUSED.items(), *TAKEN.items())}
    with (
        ensemble(folder / "zk", servers=1) as zookeeper,
        Processes(folder, zookeeper.url) as services,
        liar.lying(answers) as url,
    ):
        services.start(
            "cosmos", "dcos.catalog", f"--zk={services.zk}/cosmos", f"--httpInterface=127.0.0.1:{services.port('cosmos')}",
            f"--max_client_response_size={LIMIT}", "--repository_timeout=3secs", "--retry_duration=10ms",
        )  # fmt: skip
        services.eventually("cosmos answers", lambda: call(services, "/package/search", {})[0] == 200)
        yield services, url


def call(services: Processes, path: str, body: dict[str, Any], version: int = 1) -> tuple[int, Any]:
    kind = path.strip("/").replace("/", ".")
    request = urllib.request.Request(
        services.url("cosmos") + path,
        data=json.dumps(body).encode(),
        headers={
            "Content-Type": f"application/vnd.dcos.{kind}-request+json;charset=utf-8;version=v1",
            "Accept": f"application/vnd.dcos.{kind}-response+json;charset=utf-8;version=v{version}",
        },
    )
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE_S) as answer:
            return answer.status, json.loads(answer.read())
    except urllib.error.HTTPError as error:
        return error.code, json.loads(error.read())


def test_none_of_them_does_harm(world: tuple[Processes, str]) -> None:
    """One Cosmos meets them all; in the end it has what is good, and has not grown."""
    services, url = world
    process = psutil.Process(services.pid("cosmos"))
    before = process.memory_info().rss
    for name, (_, kind) in REFUSED.items():
        status, answer = call(services, "/package/repository/add", {"name": name, "uri": f"{url}/{name}"})
        assert (status, answer.get("type")) == (400, kind), (name, answer)
        assert len(answer["message"]) < 1000, name
    assert [one["name"] for one in call(services, "/package/repository/list", {})[1]["repositories"]] == ["Universe"]

    for name in TAKEN:
        status, answer = call(services, "/package/repository/add", {"name": name, "uri": f"{url}/{name}"})
        assert status == 200, (name, answer)
    _, answer = call(services, "/package/repository/status", {})
    shown = {one["name"]: one for one in answer["repositories"]}
    assert shown["Universe"]["state"] == "good"
    for name, (_, reasons) in TAKEN.items():
        assert shown[name]["state"] == "good"
        found = [one["reason"] for one in shown[name]["broken"]]
        assert len(found) >= len(reasons), (name, found)
        for reason in reasons:
            assert any(reason in one for one in found), (name, found)
    assert call(services, "/package/describe", {"packageName": "good"}, 3)[0] == 200
    status, answer = call(services, "/package/describe", {"packageName": "bad"}, 3)
    assert (status, answer["type"]) == (400, "PackageNotFound")
    assert "it is broken" in answer["message"]

    for name, kind in (
        ("explodes", "JsonParsingError"),
        ("backtracks", "JsonSchemaMismatch"),
        ("recurses", "JsonSchemaMismatch"),
        ("no-schema", "JsonSchemaMismatch"),
    ):
        status, answer = call(services, "/package/render", {"packageName": name})
        assert (status, answer["type"]) == (400, kind), (name, answer)
    assert call(services, "/package/render", {"packageName": "hello-world"})[0] == 200
    peak = int(Path(f"/proc/{process.pid}/status").read_text().split("VmHWM:")[1].split()[0]) * 1024
    assert peak - before < ROOM, f"{before / liar.MB:.0f} MB grew to {peak / liar.MB:.0f} MB\n{services.logs()}"
