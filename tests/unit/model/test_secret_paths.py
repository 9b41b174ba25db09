"""Which task may read which secret."""

from __future__ import annotations

import pytest

from dcos.model import secret_paths


@pytest.mark.parametrize(
    ("path", "space", "may"),
    [
        # the examples of DC/OS's own documentation
        ("group/secret", "/marathon-user/service", False),
        ("group/secret", "/group/hdfs/service", True),
        ("group/hdfs/secret", "/group/spark/service", False),
        ("hdfs/secret", "/hdfs", True),
        # and around them
        ("secret", "/any/thing", True),
        ("secret", "", True),
        ("group/secret", "", False),
        ("group/secret", "/group", True),
        ("group/secret", "/groups/x", False),
        ("a/b/c/secret", "/a/b", False),
        ("/a/secret/", "/a/b", True),
    ],
)
def test_spaces(path: str, space: str, may: bool) -> None:
    assert secret_paths.readable(path, space) is may


@pytest.mark.parametrize("path", ["", "/", "a/../b", "a//b", "a b", "a/./b", "x" * 513, "a\0b", "a%2Fb"])
def test_bad_paths(path: str) -> None:
    with pytest.raises(ValueError, match="path"):
        secret_paths.readable(path, "/a")
