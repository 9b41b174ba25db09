"""Debian's Chromium, where the cluster is, and what its page said; each step of a test leaves a picture."""

from __future__ import annotations

import os
import shlex
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from playwright.sync_api import Page, sync_playwright

from dcos.install import assets, bundle, gui
from dcos.testing.cluster import LocalCluster
from dcos.testing.patience import PATIENCE_S

FOLDER = Path(os.environ.get("DCOS_E2E_LOGS", "build/e2e-logs")) / "gui"
CHROMIUM = "chromium"


def why_not() -> str | None:
    """Why there can be no browser here, None if there can."""
    return None if shutil.which(CHROMIUM) else "no chromium on PATH"


@contextmanager
def browser(cluster: LocalCluster, folder: Path) -> Iterator[Page]:
    """One page, in the network namespace of the cluster."""
    program = folder / "chromium"
    program.write_text(f'#!/bin/sh\nexec {shlex.join(cluster.here(CHROMIUM))} "$@"\n')
    program.chmod(0o755)
    arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=program, args=arguments)
        try:
            page = chromium.new_page(viewport={"width": 1280, "height": 800}, locale="en-US")
            page.set_default_timeout(PATIENCE_S * 1000)
            yield page
        finally:
            chromium.close()


def picture(page: Page, name: str) -> None:
    FOLDER.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=FOLDER / f"{name}.png", full_page=True)


def hindrances(page: Page) -> list[str]:
    """What axe finds on the page as it is that keeps people out: rule, how grave, and the first places."""
    axe = gui.modules(assets.checkout(), bundle.cache_folder()) / "axe-core/axe.min.js"
    page.evaluate(axe.read_text(encoding="utf-8"))  # by the debugger: the page's policy lets no script in
    found = page.evaluate("axe.run()")
    return [
        f"{one['id']} ({one['impact']}): {[node['html'][:200] for node in one['nodes'][:3]]}"
        for one in found["violations"]
    ]
