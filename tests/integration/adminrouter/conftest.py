"""One cluster of mocks and one Admin Router for all cases of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.integration.adminrouter import front_door


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[front_door.World, str]]:
    reason = front_door.why_not()
    if reason is not None:
        pytest.skip(reason)
    with front_door.cluster(tmp_path_factory.mktemp("zk")) as made:
        yield made


@pytest.fixture(scope="session")
def folders() -> Iterator[Path]:
    """Where nginx's workers (nobody) can look into: pytest keeps its own folders closed."""
    with front_door.open_folder() as folder:
        yield folder


@pytest.fixture(scope="session")
def door(cluster: tuple[front_door.World, str], folders: Path) -> Iterator[front_door.FrontDoor]:
    world, zk = cluster
    world.furnish()
    made = front_door.FrontDoor(folders / "main", world, zk)
    world.listen_below(made.folder / "run/dcos")
    with front_door.opened(made) as opened:
        opened.wait("/mesos/state?x", front_door.AUTH)
        opened.wait("/service/web/", front_door.AUTH)
        yield opened
