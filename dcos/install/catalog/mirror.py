"""Take packages offline: their files into the catalog's folder, their images into a registry, their URLs changed to both.

Whatever cannot be had is told at the end, with who needs it; the packages keep the original URL there. A command line plugin
whose hash is not what its package says is refused. A second run fetches only what is missing.
"""

from __future__ import annotations

import base64
import hashlib
import re
import urllib.error
import urllib.request
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from http.client import HTTPException
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote, unquote, urlsplit

import msgspec

from dcos.catalog.core.resources import rewrite, urls_of
from dcos.install.catalog.folder import FILES
from dcos.install.command import CommandFailed, run
from dcos.wire.universe import Json, Marathon, Package

AT_ONCE: Final = 4
STALL_S: Final = 60.0
COPY_S: Final = 3600.0
_CHUNK: Final = 2**20
_LITERAL = re.compile(r'("image"\s*:\s*")([^"{}\s]+)(")')
_IMAGE = re.compile(r"[a-z0-9][a-z0-9._-]*(:[0-9]+)?(/[a-z0-9._-]+)*(:[\w][\w.-]*)?(@sha256:[0-9a-f]{64})?")

Say = Callable[[str], None]


@dataclass(slots=True)
class Mirrored:
    """What came of it."""

    packages: list[Package] = field(default_factory=list)
    files: int = 0
    images: int = 0
    missing: list[str] = field(default_factory=list)
    """What could not be had, and why."""


def mirrored(
    packages: Iterable[Package], catalog: Path, *, url: str, max_bytes: int, copy: Callable[[str], str] | None, say: Say
) -> Mirrored:
    """``url``: where the catalog will be served. ``copy`` takes an image and says its new name; None leaves images where they
    are.   Errors of single files and images are collected."""
    done = Mirrored()
    every = tuple(packages)
    new_urls = _files(every, catalog, url.rstrip("/"), max_bytes, say, done)
    new_images = _images(every, copy, say, done) if copy is not None else {}
    done.packages = [_changed(one, new_urls, new_images) for one in every]
    return done


# ---- files -----------------------------------------------------------------------------------------------------------


def _files(
    packages: Iterable[Package], catalog: Path, url: str, max_bytes: int, say: Say, done: Mirrored
) -> Mapping[str, str]:
    """Old URL to new."""
    users: dict[str, str] = {}
    hashes: dict[str, str] = {}
    for package in packages:
        for one in urls_of(package.resource):
            if one.startswith(("http://", "https://")) and not one.startswith(f"{url}/"):
                users.setdefault(one, f"{package.name} {package.version}")
        hashes |= _hashes(package)
    new: dict[str, str] = {}
    with ThreadPoolExecutor(AT_ONCE) as pool:
        jobs = {one: pool.submit(_fetched, one, catalog, max_bytes, hashes.get(one)) for one in users}
        for one, job in jobs.items():
            try:
                place = job.result()
            except (OSError, ValueError, HTTPException) as error:
                done.missing.append(f"{one} ({users[one]}): {error}")
                continue
            new[one] = f"{url}/{quote(str(place.relative_to(catalog)))}"
            done.files += 1
            say(f"file {one}")
    return new


def _hashes(package: Package) -> dict[str, str]:
    """URLs of command line plugins to the sha256 they must have."""
    found: dict[str, str] = {}
    binaries = (package.cli or {}).get("binaries")
    for by_architecture in binaries.values() if isinstance(binaries, dict) else ():
        for one in by_architecture.values() if isinstance(by_architecture, dict) else ():
            for entry in one.get("contentHash") or ():
                if entry.get("algo") == "sha256":
                    found[str(one.get("url"))] = str(entry.get("value")).lower()
    return found


def _fetched(url: str, catalog: Path, max_bytes: int, sha256: str | None) -> Path:
    """Errors: OSError, HTTPException, ValueError for a file that is too large or another than it should be."""
    name = unquote(urlsplit(url).path.rsplit("/", 1)[-1])
    safe = "".join(sign if sign.isascii() and (sign.isalnum() or sign in "._-+") else "_" for sign in name).lstrip(".")
    place = catalog / FILES / hashlib.sha256(url.encode()).hexdigest()[:16] / (safe[:120] or "file")
    if place.exists():
        return place
    place.parent.mkdir(parents=True, exist_ok=True)
    part = place.with_name(f"{place.name}.part")
    digest, size = hashlib.sha256(), 0
    try:
        with urllib.request.urlopen(url, timeout=STALL_S) as answer, part.open("wb") as out:
            said = answer.headers.get("Content-Length")
            while chunk := answer.read(_CHUNK):
                size += len(chunk)
                if size > max_bytes:
                    raise ValueError(f"it is larger than {max_bytes} bytes")
                digest.update(chunk)
                out.write(chunk)
        if said is not None and said.isdecimal() and int(said) != size:
            raise ValueError(f"it ended after {size} of {said} bytes")
        if sha256 is not None and digest.hexdigest() != sha256:
            raise ValueError(f"its sha256 is {digest.hexdigest()}, its package says {sha256}")
        part.rename(place)
    except urllib.error.HTTPError as error:
        error.close()
        raise ValueError(f"HTTP status {error.code} {error.reason}") from None
    finally:
        part.unlink(missing_ok=True)
    return place


# ---- images ----------------------------------------------------------------------------------------------------------


def to_registry(registry: str, *, verify_tls: bool, verify_source_tls: bool = True) -> Callable[[str], str]:
    """Copies an image with all its platforms, as skopeo is logged in; says its name in ``registry``.   Errors: CommandFailed."""

    def copy(image: str) -> str:
        new = name_in(registry, image)
        options = ["--all", "--preserve-digests", f"--dest-tls-verify={str(verify_tls).lower()}"]
        options.append(f"--src-tls-verify={str(verify_source_tls).lower()}")
        run(
            ["skopeo", "--insecure-policy", "copy", "-q", *options, f"docker://{image}", f"docker://{new}"],
            timeout_s=COPY_S,
        )
        return new

    return copy


def name_in(registry: str, image: str) -> str:
    """An image of Docker Hub keeps its path; one of another registry has that registry's name in front, ports with ``_``."""
    first, slash, rest = image.partition("/")
    has_host = slash and ("." in first or ":" in first or first == "localhost")
    if has_host:
        image = rest if first in ("docker.io", "index.docker.io") else f"{first.replace(':', '_')}/{rest}"
    return f"{registry.rstrip('/')}/{image}"


def _images(packages: Iterable[Package], copy: Callable[[str], str], say: Say, done: Mirrored) -> Mapping[str, str]:
    users: dict[str, str] = {}
    for package in packages:
        for image in images_of(package):
            users.setdefault(image, f"{package.name} {package.version}")
    new: dict[str, str] = {}
    for image, user in users.items():
        try:
            new[image] = copy(image)
        except CommandFailed as error:
            done.missing.append(f"image {image} ({user}): {str(error).splitlines()[-1]}")
            continue
        done.images += 1
        say(f"image {image}")
    return new


def images_of(package: Package) -> tuple[str, ...]:
    """Images that the package names: in its resources, as literals of its template, as defaults of options called so."""
    found = [*_docker(package.resource).values()]
    found += [match[2] for match in _LITERAL.finditer(package.template or "")]
    found += _defaults(package.config or {})
    return tuple(dict.fromkeys(image for image in found if isinstance(image, str) and image))


def _docker(resource: Json | None) -> Json:
    assets = (resource or {}).get("assets")
    container = assets.get("container") if isinstance(assets, dict) else None
    docker = container.get("docker") if isinstance(container, dict) else None
    return docker if isinstance(docker, dict) else {}


def _names_an_image(name: str, rule: Any) -> bool:
    if "image" not in name.lower() or not isinstance(rule, dict):
        return False
    default = rule.get("default")
    return isinstance(default, str) and (":" in default or "/" in default) and bool(_IMAGE.fullmatch(default))


def _defaults(schema: Json) -> list[str]:
    found: list[str] = []
    properties = schema.get("properties")
    for name, rule in properties.items() if isinstance(properties, dict) else ():
        if _names_an_image(name, rule):
            found.append(rule["default"])
        elif isinstance(rule, dict):
            found += _defaults(rule)
    return found


# ---- the packages ----------------------------------------------------------------------------------------------------


def _changed(package: Package, urls: Mapping[str, str], images: Mapping[str, str]) -> Package:
    resource = rewrite(package.resource, lambda url: urls.get(url, url))
    if resource is not None and (docker := _docker(resource)):
        new = {key: images.get(image, image) for key, image in docker.items()}
        assets = resource["assets"]
        resource = resource | {"assets": assets | {"container": assets["container"] | {"docker": new}}}
    marathon = package.marathon
    if (template := package.template) is not None:
        text = _LITERAL.sub(lambda match: f"{match[1]}{images.get(match[2], match[2])}{match[3]}", template)
        marathon = Marathon(v2_app_mustache_template=base64.b64encode(text.encode()).decode())
    config = _with_images(package.config, images) if package.config is not None else None
    return msgspec.structs.replace(package, resource=resource, marathon=marathon, config=config)


def _with_images(schema: Json, images: Mapping[str, str]) -> Json:
    properties = schema.get("properties")
    if not isinstance(properties, dict):
        return schema
    new: Json = {}
    for name, rule in properties.items():
        if _names_an_image(name, rule):
            new[name] = rule | {"default": images.get(rule["default"], rule["default"])}
        else:
            new[name] = _with_images(rule, images) if isinstance(rule, dict) else rule
    return schema | {"properties": new}
