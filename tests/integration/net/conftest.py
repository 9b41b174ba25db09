from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from .nodes import Cluster, small_cluster


@pytest.fixture
async def cluster() -> AsyncIterator[Cluster]:
    async with small_cluster() as made:
        yield made
