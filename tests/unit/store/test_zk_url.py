from __future__ import annotations

import pytest

from dcos.store.election import ranked, sequence_of
from dcos.store.url import ZkUrl, parse_hosts


@pytest.mark.parametrize(
    ("text", "hosts", "path", "credentials"),
    [
        ("zk://h1:2181,h2:2182/mesos", ("h1:2181", "h2:2182"), "/mesos", None),
        ("zk://h1/mesos/", ("h1:2181",), "/mesos", None),
        ("zk://h1:1", ("h1:1",), "/", None),
        ("zk://u:p@ss:word@h1:1/a/b", ("h1:1",), "/a/b", ("u", "p@ss:word")),
        ("zk://[::1]:2181,[::2]/x", ("[::1]:2181", "[::2]:2181"), "/x", None),
    ],
)
def test_urls(text: str, hosts: tuple[str, ...], path: str, credentials: tuple[str, str] | None) -> None:
    url = ZkUrl.parse(text)
    assert (url.hosts, url.path, url.credentials) == (hosts, path, credentials)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "h1:2181",
        "zk://",
        "zk:///mesos",
        "zk://h1:0/x",
        "zk://h1:x/x",
        "zk://u@h1/x",
        "zk://h1/a//b",
        "zk://h1,,h2/x",
    ],
)
def test_bad_urls(text: str) -> None:
    with pytest.raises(ValueError, match=r"must|is not a path"):
        ZkUrl.parse(text)


def test_text_hides_the_credentials() -> None:
    url = ZkUrl.parse("zk://user:hunter2@h1:2181,h2:2181/mesos")
    assert str(url) == "zk://h1:2181,h2:2181/mesos"
    assert "hunter2" not in repr(url) + str(url)
    assert (url.below("a", "b"), ZkUrl.parse("zk://h").below("a"), ZkUrl.parse("zk://h").below()) == (
        "/mesos/a/b",
        "/a",
        "/",
    )


def test_hosts_without_a_port_get_the_usual_one() -> None:
    assert parse_hosts("a, b:1") == ("a:2181", "b:1")


@pytest.mark.parametrize(
    ("name", "number"),
    [
        ("json.info_0000000012", 12),
        ("info_3", 3),
        ("a_b_7", 7),
        ("n_-2147483648", -2147483648),
        ("log_replicas", None),
        ("0000000001", None),
        ("_5", None),
        ("x_", None),
        ("x_٣", None),
    ],
)
def test_sequence_numbers(name: str, number: int | None) -> None:
    assert sequence_of(name) == number


def test_rank_is_by_number_not_by_text() -> None:
    names = ["log_replicas", "json.info_10", "json.info_9", "info_1", "json.info_x"]
    assert ranked(names, "json.info") == ["json.info_9", "json.info_10"]
