"""What the fetcher does with each kind of URI."""

from __future__ import annotations

import asyncio
import bz2
import gzip
import io
import itertools
import lzma
import os
import shutil
import tarfile
import time
import zipfile
from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest
from aiohttp import web

from dcos.agent.fetcher import Fetcher, FetchError
from dcos.model.v1.types import CommandInfoURI
from dcos.testing.ports import free_port
from dcos.testing.users import ME, SOMEBODY

from . import ftp_server

Make = Callable[..., Fetcher]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    moments = itertools.count(time.time() + 60)

    def build(
        cache_bytes: int = 1000, home: str | None = None, hadoop: str | None = None, stall_s: float = 5.0
    ) -> Fetcher:
        return Fetcher(
            cache_dir=tmp_path / "cache",
            cache_bytes=cache_bytes,
            frameworks_home=home,
            stall_s=stall_s,
            now=lambda: next(moments),
            hadoop_home=hadoop,
        )

    return build


@pytest.fixture
def sandbox(tmp_path: Path) -> Path:
    folder = tmp_path / "sandbox"
    folder.mkdir()
    return folder


def archive(name: str) -> bytes:
    """Of one file, ``inside``."""
    out = io.BytesIO()
    if name.endswith(".zip"):
        with zipfile.ZipFile(out, "w") as made:
            made.writestr("inside", "content")
        return out.getvalue()
    if name.endswith(".gz") and ".tar" not in name:
        return gzip.compress(b"content")
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("inside")
        entry.size = 7
        tar.addfile(entry, io.BytesIO(b"content"))
    raw = out.getvalue()
    packers: dict[str, Callable[[bytes], bytes]] = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}
    for short, packer in packers.items():
        if name.endswith((f".tar.{short}", f".t{short}")):
            return packer(raw)
    return raw


@pytest.mark.parametrize(
    "name", ["a.tar", "a.tgz", "a.tar.gz", "a.tbz2", "a.tar.bz2", "a.txz", "a.tar.xz", "a.zip", "A.TAR.GZ", "inside.gz"]
)
async def test_archives(make: Make, sandbox: Path, tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(archive(name.lower()))
    await make().fetch((CommandInfoURI(value=str(tmp_path / name)),), sandbox, None)
    assert (sandbox / "inside").read_text() == "content"
    assert (sandbox / name).exists()


async def test_left_as_they_are(make: Make, sandbox: Path, tmp_path: Path) -> None:
    for name in ("a.tar", "b.tar", "c.rar"):
        (tmp_path / name).write_bytes(archive("a.tar"))
    await make(home=str(tmp_path)).fetch(
        (
            CommandInfoURI(value=f"file://{tmp_path}/a.tar", extract=False),
            CommandInfoURI(value="b.tar", executable=True, output_file="bin/run"),
            CommandInfoURI(value=f"{tmp_path}/c.rar"),
        ),
        sandbox,
        None,
    )
    assert sorted(str(one.relative_to(sandbox)) for one in sandbox.rglob("*")) == ["a.tar", "bin", "bin/run", "c.rar"]
    assert (sandbox / "bin/run").stat().st_mode & 0o777 == 0o755


@pytest.mark.parametrize(
    ("uri", "words"),
    [
        (CommandInfoURI(value="a\\b"), "backslash"),
        (CommandInfoURI(value="http://host/it's"), "single quote"),
        (CommandInfoURI(value="relative"), "--frameworks_home"),
        (CommandInfoURI(value="http://host"), "no path"),
        (CommandInfoURI(value="http://host/"), "no file name"),
        (CommandInfoURI(value="/etc/hostname", output_file="/absolute"), "inside the sandbox"),
        (CommandInfoURI(value="/etc/hostname", output_file="../out"), "inside the sandbox"),
        (CommandInfoURI(value="/etc/hostname", output_file=""), "inside the sandbox"),
        (CommandInfoURI(value="/no/such/file"), "Failed to fetch"),
        (CommandInfoURI(value="hdfs://name/file"), "needs the hadoop client"),
    ],
    ids=lambda one: one.value if isinstance(one, CommandInfoURI) else "",
)
async def test_refused(
    make: Make, sandbox: Path, uri: CommandInfoURI, words: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", "/usr/bin:/bin")
    fetcher = make()
    with pytest.raises(FetchError) as caught:
        await fetcher.fetch((uri,), sandbox, None)
    assert words in str(caught.value)
    assert (fetcher.failed, fetcher.succeeded) == (1, 0)


async def test_other_schemes_are_hadoop_s(make: Make, sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    client = tmp_path / "bin/hadoop"
    client.write_text('#!/bin/sh\n[ "$1 $2" = "fs -copyToLocal" ] && echo "from $3" >"$4"\n')
    client.chmod(0o755)
    await make(hadoop=str(tmp_path)).fetch((CommandInfoURI(value="s3a://bucket/key"),), sandbox, None)
    assert (sandbox / "key").read_text() == "from s3a://bucket/key\n"


@pytest.fixture
async def origin() -> AsyncIterator[tuple[str, list[str]]]:
    """A web server of files of 400 bytes, archives among them; its URL and what was asked."""
    asked: list[str] = []

    async def serve(request: web.Request) -> web.Response:
        asked.append(request.path)
        name = request.path.strip("/")
        if name == "slow":
            await asyncio.sleep(0.3)
        if name == "stalls":
            stream = web.StreamResponse(headers={"Content-Length": "1000"})
            await stream.prepare(request)
            await stream.write(b"x")
            await asyncio.sleep(30)
        if name == "moved":
            raise web.HTTPFound("/there")
        if name.endswith(".zip"):
            return web.Response(body=archive(name))
        return web.Response(body=b"x" * (2000 if name == "big" else 400))

    app = web.Application()
    app.router.add_get("/{path:.*}", serve)
    runner = web.AppRunner(app, handle_signals=False, shutdown_timeout=0.1)
    await runner.setup()
    port = free_port()
    await web.TCPSite(runner, "127.0.0.1", port).start()
    yield f"http://127.0.0.1:{port}", asked
    await runner.cleanup()


async def test_the_cache_has_a_size(make: Make, sandbox: Path, origin: tuple[str, list[str]]) -> None:
    """The longest unused goes; what is larger than the cache is not kept, and fetched once all the same."""
    url, asked = origin
    fetcher = make(cache_bytes=1000)
    for name in ("a", "b", "a", "c", "a", "b", "big", "big"):
        await fetcher.fetch((CommandInfoURI(value=f"{url}/{name}", cache=True),), sandbox, None)
        assert fetcher.cache_used() <= 1000
    assert [one.strip("/") for one in asked] == ["a", "b", "c", "b", "big", "big"]
    assert (sandbox / "big").stat().st_size == 2000


async def test_a_download_that_stands_still_is_given_up(
    make: Make, sandbox: Path, origin: tuple[str, list[str]]
) -> None:
    url, _ = origin
    with pytest.raises(FetchError, match=r"Failed to fetch 'http://.*/stalls'"):
        await make(stall_s=1.0).fetch((CommandInfoURI(value=f"{url}/stalls"),), sandbox, None)


async def test_who_wants_the_same_waits_for_the_first(make: Make, sandbox: Path, origin: tuple[str, list[str]]) -> None:
    url, asked = origin
    fetcher = make()
    wanted = [CommandInfoURI(value=f"{url}/slow", cache=True, output_file=f"of/{number}") for number in range(3)]
    await asyncio.gather(*(fetcher.fetch((one,), sandbox, None) for one in wanted))
    assert asked == ["/slow"]
    assert fetcher.under_way == 0
    assert {(sandbox / f"of/{number}").stat().st_size for number in range(3)} == {400}


async def test_names_users_and_modes(origin: tuple[str, list[str]], folder: Path) -> None:
    """A name keeps its query; what was fetched is the user's, who gets nothing that it could not read itself."""
    url, _ = origin
    uris = (
        CommandInfoURI(value=f"{url}/moved?v=1&w=2"),
        CommandInfoURI(value=f"{url}/tool", executable=True, cache=True),
        CommandInfoURI(value=f"{url}/a.tar", extract=False, output_file="in/here"),
    )
    fetcher = Fetcher(
        cache_dir=folder / "cache", cache_bytes=10**6, frameworks_home=None, stall_s=5.0, now=lambda: 1000.0
    )
    sandbox, user = folder / "sandbox", SOMEBODY if os.geteuid() == 0 else None
    sandbox.mkdir()
    if user is not None:
        shutil.chown(sandbox, user)
    await fetcher.fetch(uris, sandbox, user)
    names = {str(one.relative_to(sandbox)): one for one in sandbox.rglob("*") if one.is_file()}
    assert set(names) == {"moved?v=1&w=2", "tool", "in/here"}
    assert {one.owner() for one in names.values()} == {user or ME}
    assert names["tool"].stat().st_mode & 0o777 == 0o755
    assert names["in/here"].stat().st_mode & 0o111 == 0
    if user is not None:
        secret = folder / "secret.tar"
        secret.write_bytes(archive("secret.tar"))
        secret.chmod(0o600)
        for cache in (False, True):
            with pytest.raises(FetchError):
                await fetcher.fetch((CommandInfoURI(value=str(secret), cache=cache),), sandbox, user)


async def test_of_a_local_archive_with_cache_only_the_content_comes(make: Make, sandbox: Path, tmp_path: Path) -> None:
    (tmp_path / "a.tgz").write_bytes(archive("a.tgz"))
    await make().fetch((CommandInfoURI(value=f"file://{tmp_path}/a.tgz", cache=True),), sandbox, None)
    assert [one.name for one in sandbox.iterdir()] == ["inside"]


async def test_from_the_cache_only_the_content_comes(make: Make, sandbox: Path, origin: tuple[str, list[str]]) -> None:
    url, _ = origin
    await make().fetch((CommandInfoURI(value=f"{url}/a.zip", cache=True),), sandbox, None)
    assert [one.name for one in sandbox.iterdir()] == ["inside"]


async def test_an_archive_that_the_cache_cannot_hold(
    make: Make, sandbox: Path, tmp_path: Path, origin: tuple[str, list[str]]
) -> None:
    """As if it had been fetched into the sandbox."""
    url, asked = origin
    await make(cache_bytes=1).fetch((CommandInfoURI(value=f"{url}/a.zip", cache=True),), sandbox, None)
    assert asked == ["/a.zip"]
    assert sorted(one.name for one in sandbox.iterdir()) == ["a.zip", "inside"]
    assert list((tmp_path / "cache").iterdir()) == []


async def test_by_a_proxy(
    make: Make, sandbox: Path, origin: tuple[str, list[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The agent's own, in small letters, as curl reads it."""
    url, asked = origin
    monkeypatch.setenv("http_proxy", url)
    await make().fetch((CommandInfoURI(value="http://nowhere.invalid/a"),), sandbox, None)
    assert asked == ["/a"]
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    monkeypatch.setenv("http_proxy", "http://nowhere.invalid:1")
    await make().fetch((CommandInfoURI(value=f"{url}/b"),), sandbox, None)
    assert asked == ["/a", "/b"]


async def test_by_ftp(make: Make, sandbox: Path) -> None:
    async with ftp_server.serving({"a.tar.gz": archive("a.tar.gz")}) as url:
        uris = (CommandInfoURI(value=f"{url}/a.tar.gz"), CommandInfoURI(value=f"{url}/a.tar.gz", cache=True))
        await make().fetch(uris[:1], sandbox, None)
        assert (sandbox / "inside").read_text() == "content"
        (sandbox / "inside").unlink()
        await make().fetch(uris[1:], sandbox, None)
        assert (sandbox / "inside").read_text() == "content"
        with pytest.raises(FetchError, match="missing"):
            await make().fetch((CommandInfoURI(value=f"{url}/missing"),), sandbox, None)
