"""``python -m dcos.dev VERB``: the same checks for a person, a commit and CI."""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from dcos.dev import again, docs
from dcos.install import bundle, gui
from dcos.install.command import CommandFailed

ROOT = Path(__file__).resolve().parents[2]


def step(name: str, argv: Sequence[str]) -> bool:
    """Run one check; say how long it took."""
    words = " ".join(word for word in argv if word not in (sys.executable, "-m"))
    return timed(name, words, lambda: subprocess.run(argv, cwd=ROOT, check=False).returncode)


def timed(name: str, words: str, check: Callable[[], int]) -> bool:
    """One check, which gives an exit code, between a line that names it and one that says how it ended."""
    began = time.monotonic()
    print(f"== {name}: {words}", flush=True)
    code = check()
    print(f"== {name}: {'ok' if code == 0 else f'FAILED ({code})'} in {time.monotonic() - began:.1f} s", flush=True)
    return code == 0


def twice(name: str, *words: str, beside: tuple[str, ...] = ()) -> bool:
    """Tests of which a few that fail are tried once more, alone."""
    tests = (f"tests/{name}",)
    shown = " ".join(("pytest", *words, *beside, *tests))
    return timed(name, shown, lambda: 0 if again.run(name, words, tests, beside=beside, cwd=ROOT) else 1)


def module(name: str, *words: str) -> tuple[str, ...]:
    return (sys.executable, "-m", name, *words)


def lint() -> bool:
    """Format, ruff, mypy, import contracts, generated documents."""
    results = [
        step("format", module("ruff", "format", "--check", ".")),
        step("ruff", module("ruff", "check", ".")),
        step("mypy", module("mypy")),
        step("imports", (str(Path(sys.executable).with_name("lint-imports")),)),
    ]
    stale = docs.stale(ROOT)
    for path in stale:
        print(f"{path.relative_to(ROOT)} is not what its table says: run python -m dcos.dev docs")
    return all(results) and not stale


BOTH_CORES = ("-n", "2", "--dist", "loadfile")
"""Tests of one file stay together: they share what is dear to start."""


def fast_tests() -> bool:
    return step("tests", module("pytest", "-q", *BOTH_CORES, "tests/unit", "tests/property"))


SEEDS = "0-499"
JOBS = "2"


def simulation() -> bool:
    """Whole clusters in one process on virtual time: docs/guides/simulation.md."""
    results = [
        # the order of sets is part of a seed's story
        step("simulation tests", ("env", "PYTHONHASHSEED=0", *module("pytest", "-q", "tests/sim"))),
        step("simulation", module("dcos.testing.sim", "--seeds", SEEDS, "--jobs", JOBS)),
    ]
    return all(results)


def integration() -> bool:
    return twice("integration", "-q", "--durations=12", beside=BOTH_CORES)


def e2e() -> bool:
    return twice("e2e", "-q", "--timeout=1800", "--durations=12")


def web_interface() -> bool:
    """Types and tests of ``gui/``, with what its lock names."""

    def check() -> int:
        try:
            return gui.check(ROOT, bundle.cache_folder())
        except CommandFailed as trouble:
            print(trouble)
            return 1

    return timed("web interface", "npm run types, npm run test", check)


def write_docs() -> bool:
    for path in docs.stale(ROOT):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(docs.PAGES[str(path.relative_to(ROOT))](), encoding="utf-8")
        print(f"wrote {path.relative_to(ROOT)}")
    return True


VERBS: dict[str, tuple[str, tuple[Callable[[], bool], ...]]] = {
    "check": ("lint and the fast tests, under two minutes", (lint, web_interface, fast_tests)),
    "lint": ("format, ruff, mypy, import contracts, generated documents", (lint,)),
    # The end-to-end tests make the node image, which some integration tests boot.
    "test": (
        "everything: lint, web interface, unit, property, simulation, end to end, integration",
        (lint, web_interface, fast_tests, simulation, e2e, integration),
    ),
    "gui": ("types and tests of the web interface", (web_interface,)),
    "e2e": ("the end-to-end tests on real systemd nodes", (e2e,)),
    "integration": ("the tests with real ZooKeeper, nginx, nftables, runc, Docker and systemd", (integration,)),
    "docs": ("re-make the documents that follow from tables", (write_docs,)),
}


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m dcos.dev", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    for name, (help_text, _) in VERBS.items():
        verbs.add_parser(name, help=help_text)
    verbs.add_parser("sim", help="simulated clusters: --seeds 0-499 --jobs 2; --seed 17 --trace", add_help=False)
    asked, words = parser.parse_known_args()
    chosen = asked.verb
    if chosen == "sim":
        return 0 if step("simulation", module("dcos.testing.sim", *words)) else 1
    if words:
        parser.error(f"unrecognized arguments: {' '.join(words)}")
    results = [check() for check in VERBS[chosen][1]]  # all of them: one run tells everything that is wrong
    return 0 if all(results) else 1


if __name__ == "__main__":
    raise SystemExit(main())
