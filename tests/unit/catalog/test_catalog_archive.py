"""Zip repositories: what is read of a good one, what is left out of a strange one, what refuses the whole."""

from __future__ import annotations

import io
import warnings
import zipfile

import pytest

from dcos.catalog import archive
from dcos.catalog.archive import read_zip
from dcos.testing.packages import package
from dcos.wire.errors import WireError
from dcos.wire.universe import to_files

MB = 1024**2


def entries(name: str, release: int = 0, root: str = "", **more: object) -> dict[str, bytes]:
    one = package(name, "1.0", release, **more)  # type: ignore[arg-type]
    folder = f"{root}repo/packages/{name[0].upper()}/{name}/{release}"
    return {f"{folder}/{file}": data for file, data in to_files(one).items()}


def zipped(
    files: dict[str, bytes], *more: tuple[str | zipfile.ZipInfo, bytes], method: int = zipfile.ZIP_DEFLATED
) -> io.BytesIO:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w", method) as out, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for name, data in [*files.items(), *more]:
            out.writestr(name, data)
    return made


def test_a_repository_with_all_that_may_be_in_it() -> None:
    resource = {"images": {}, "assets": {"uris": {"a": "http://h/a"}}}
    files = entries("demo", 2, "universe-3.x/", resource=resource) | entries("other", 0, "universe-3.x/", template=None)
    files |= {"universe-3.x/repo/meta/version.json": b'{"version": "2.0.0-rc2"}', "universe-3.x/README.md": b"hello"}
    found = read_zip(zipped(files), "3.0.0", max_bytes=MB)
    assert [(one.name, one.release_version) for one in found.packages] == [("demo", 2), ("other", 0)]
    assert found.packages[0] == package("demo", "1.0", 2, resource=resource)
    assert (found.broken, found.form) == ((), "zip")


def test_packages_for_a_newer_release_are_kept_apart() -> None:
    found = read_zip(zipped(entries("demo", minDcosReleaseVersion="9.0")), "3.0.0", max_bytes=MB)
    assert found.packages == ()
    assert [one.name for one in found.too_new] == ["demo"]


@pytest.mark.parametrize(
    ("name", "data", "reason"),
    [
        ("repo/packages/B/bad/0/package.json", b"{", "Input data was truncated"),
        ("repo/packages/B/bad/x/package.json", b"{}", "must be the release version"),
        ("repo/packages/B/bad/0/config.json", b"{}", "package.json: is missing"),
        ("repo/packages/B/bad/0/package.json", b" " * (archive.MAX_FILE_BYTES + 1), "is larger than"),
        ("repo/packages/../x/0/package.json", b"{}", "missing required field"),
    ],
)
def test_one_broken_package_leaves_the_others(name: str, data: bytes, reason: str) -> None:
    found = read_zip(zipped(entries("demo") | {name: data}), "3.0.0", max_bytes=64 * MB)
    assert [one.name for one in found.packages] == ["demo"]
    (bad,) = found.broken
    assert bad.place == name.rpartition("/")[0]
    assert reason in bad.reason


def test_links_doubles_and_other_methods() -> None:
    link = zipfile.ZipInfo("repo/packages/A/aa/0/package.json")
    link.external_attr = 0o120777 << 16
    squeezed = zipfile.ZipInfo("repo/packages/C/cc/0/package.json")
    squeezed.compress_type = zipfile.ZIP_BZIP2
    double = ("repo/packages/B/bb/0/package.json", b"{}")
    found = read_zip(
        zipped(entries("demo"), (link, b"/etc/passwd"), double, double, (squeezed, b"{}")), "3", max_bytes=MB
    )
    assert [one.name for one in found.packages] == ["demo"]
    reasons = [one.reason for one in found.broken]
    assert reasons == [
        "package.json: is a symbolic link",
        "package.json: is in the archive more than once",
        "package.json: is packed by another method than deflate",
    ]


def test_damage_is_found() -> None:
    raw = bytearray(zipped(entries("demo") | entries("other"), method=zipfile.ZIP_STORED).getvalue())
    at = raw.index(b"The other package")
    raw[at] ^= 1
    found = read_zip(io.BytesIO(bytes(raw)), "3", max_bytes=MB)
    assert [one.name for one in found.packages] == ["demo"]
    assert "CRC" in found.broken[0].reason


def test_an_encrypted_file() -> None:
    raw = bytearray(zipped(entries("demo"), method=zipfile.ZIP_STORED).getvalue())
    for magic, flags in ((b"PK\x01\x02", 8), (b"PK\x03\x04", 6)):
        at = raw.index(magic)
        raw[at + flags] |= 1
    found = read_zip(io.BytesIO(bytes(raw)), "3", max_bytes=MB)
    assert "is encrypted" in found.broken[0].reason


BIG = [(f"repo/packages/B/b{number}b/0/package.json", b" " * MB) for number in range(5)]


@pytest.mark.parametrize(
    ("raw", "reason"),
    [
        (b"", "not a zip archive"),
        (b"x" * 100, "not a zip archive"),
        (zipped(entries("demo")).getvalue()[:-30], "not a zip archive"),
        (zipped(entries("demo")).getvalue()[200:], "not a readable zip archive"),
        (zipped({"readme": b"x"}).getvalue(), "no repo/packages"),
        (zipped(entries("demo"), *BIG).getvalue(), "larger than the limit"),
        (zipped(entries("demo") | entries("demo", root="other/")).getvalue(), "several catalogs"),
        (zipped(entries("demo") | {"repo/meta/version.json": b'{"version":"9.0"}'}).getvalue(), "2 to 5 are known"),
        (zipped(entries("demo") | {"repo/meta/version.json": b"[]"}).getvalue(), "version.json"),
        (zipped({}, *[(f"{number:0200d}", b"") for number in range(40_000)]).getvalue(), "directory of more than"),
        (zipped({}, *[(f"{number}", b"") for number in range(70_000)]).getvalue(), "zip64"),
    ],
    ids=lambda value: value.replace(" ", "-") if isinstance(value, str) else "",
)  # fmt: skip
def test_what_refuses_the_whole(raw: bytes, reason: str) -> None:
    with pytest.raises(WireError, match=reason):
        read_zip(io.BytesIO(raw), "3", max_bytes=4 * MB)
