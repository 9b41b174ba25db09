"""dcos-pkgpanda-api as a process over a node that the installer's own plan was put on."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from pathlib import Path

import aiohttp
import pytest

from dcos.install import apply
from dcos.install.settings import resolve
from dcos.install.tree import Input, Release, plan
from dcos.model.layout import Layout
from dcos.registry import NodeRole
from dcos.testing.patience import PATIENCE_S

pytestmark = pytest.mark.integration

ROOT = Path(__file__).parents[3]
START = "import sys; from dcos.node.packages.service import main; sys.exit(main())"
RELEASE = Release("3.0.0", "b" * 40, "dcos--3.0.0_" + "b" * 12, "c" * 40)


def installed(root: Path) -> Layout:
    """An agent as it lies on its disk."""
    layout = Layout(root)
    user, _ = resolve.load(ROOT / "config/config.yaml")
    given = Input(
        role=NodeRole.AGENT,
        release=RELEASE,
        arguments=resolve.resolve(user, ROOT / "config").readable(),
        user_config="",
        templates={path.name: path.read_text() for path in (ROOT / "units").iterdir()},
        scripts=("dcos",),
    )
    (layout.opt / "packages" / RELEASE.package).mkdir(parents=True)
    apply.apply(plan(given, layout), apply.Journal(), owners=False)
    return layout


async def test_what_was_installed_is_told(tmp_path: Path) -> None:
    layout = installed(tmp_path)
    path = layout.run / "pkgpanda-api.sock"
    environ = {**os.environ, "DCOS_ROOT": str(tmp_path)}
    process = subprocess.Popen([sys.executable, "-c", START], env=environ)
    try:
        deadline = time.monotonic() + PATIENCE_S
        while not path.exists():
            assert process.poll() is None, "the API ended"
            assert time.monotonic() < deadline, "the API does not open its socket"
            await asyncio.sleep(0.05)
        connector = aiohttp.UnixConnector(str(path))
        async with aiohttp.ClientSession("http://packages", connector=connector) as session:
            for place in ("repository", "active"):
                async with session.get(f"/{place}/") as answer:
                    assert await answer.json() == [RELEASE.package, RELEASE.config_package]
            async with session.get(f"/active/{RELEASE.config_package}") as answer:
                assert await answer.json() == {
                    "id": RELEASE.config_package, "name": "dcos-config", "version": f"setup_{RELEASE.config_id}"
                }  # fmt: skip
    finally:
        process.terminate()
        process.wait(PATIENCE_S)
    assert not path.exists()
