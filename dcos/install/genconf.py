"""``config.yaml`` to ``genconf/serve/``: everything a node fetches, made again only where something changed.

    serve/dcos_install.sh                                       carries the checksums of all that follows
    serve/bootstrap/<id>.bootstrap.tar.xz, .sha256, bootstrap.latest
    serve/packages/dcos-config/dcos-config--setup_<id>.tar.xz   arguments and scripts, for every node
    serve/packages/dcos-secrets/dcos-secrets--setup_<id>.tar.xz for masters: serve on a network you trust
    serve/packages/dcos-secrets/dcos-secrets-agent--setup_<id>.tar.xz  for agents
    serve/cluster-package-list, serve/os-packages.<role>
Beside them ``genconf/secrets.json`` (0600) keeps what was made at random, so that a second run makes the same archives.
"""

from __future__ import annotations

import base64
import hashlib
import io
import json
import lzma
import os
import secrets
import shutil
import tarfile
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from dcos.install import assets, authority, bundle, rotation
from dcos.install.prereqs import ROLES, packages
from dcos.install.settings import resolve
from dcos.install.tree import Release, Secrets
from dcos.registry import NodeRole
from dcos.runtime.files import write_if_changed
from dcos.wire import jwt

MASKED = "**HIDDEN**"


class ConfigError(Exception):
    """``config.yaml`` has mistakes: all of them, one ``key: message`` a line."""

    def __init__(self, errors: tuple[tuple[str, str], ...], warnings: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__("\n".join(f"{key}: {message}" for key, message in errors))
        self.errors, self.warnings = errors, warnings


@dataclass(frozen=True, slots=True)
class Served:
    """One configuration of one version: all that an installation follows from."""

    folder: Path
    """Where nodes find it, once ``generate`` filled it."""
    release: Release
    arguments: Mapping[str, str]
    """All, secrets included: never to be shown."""
    public: Mapping[str, str]
    """Those that every node gets."""
    user_config: str
    secrets: Secrets
    """For masters."""
    files: Mapping[str, tuple[str, int]]
    """The archive for every node: (text, mode) by name."""
    private: Mapping[str, str]
    """The archive for masters."""
    warnings: tuple[tuple[str, str], ...]


def validate(config: Path) -> tuple[dict[str, Any], resolve.Resolved]:
    """The user's keys and every argument. Errors: ConfigError."""
    user, file_errors = resolve.load(config)
    if file_errors:
        raise ConfigError(file_errors)
    resolved = resolve.resolve(user, config.parent)
    if resolved.errors:
        raise ConfigError(resolved.errors, resolved.warnings)
    return user, resolved


def archive(files: Mapping[str, tuple[str, int]]) -> bytes:
    """A .tar.xz of (text, mode) by name: equal input, equal bytes."""
    raw = io.BytesIO()
    with tarfile.open(fileobj=raw, mode="w", format=tarfile.GNU_FORMAT) as tar:
        for name, (text, mode) in sorted(files.items()):
            data = text.encode()
            entry = tarfile.TarInfo(name)
            entry.size, entry.mode = len(data), mode
            tar.addfile(entry, io.BytesIO(data))
    return lzma.compress(raw.getvalue(), preset=1)


def masked(user: Mapping[str, Any], secret: frozenset[str]) -> str:
    """The user's input as YAML without secrets, nor anything that looks like one in keys we do not know."""
    words = ("password", "secret", "private_key", "access_key", "credentials", "account_key")
    shown = {
        key: MASKED if key in secret or any(word in key for word in words) else value for key, value in user.items()
    }
    return yaml.safe_dump(shown, sort_keys=True)


def kept_secrets(path: Path) -> dict[str, str]:
    """The cluster's random values, each made at the first run that needs it."""
    known: dict[str, str] = json.loads(path.read_text()) if path.exists() else {}
    if "zookeeper_password" not in known:
        known |= {"zookeeper_user": "dcos_bouncer", "zookeeper_password": secrets.token_urlsafe(32)}
    if "secrets_key" not in known:
        known |= {
            "secrets_zookeeper_password": secrets.token_urlsafe(32),
            "secrets_key": base64.b64encode(secrets.token_bytes(32)).decode(),
        }
    if "bouncer_key" not in known:
        known["bouncer_key"] = base64.b64encode(secrets.token_bytes(32)).decode()
    for who in ("master", "agent"):
        if f"{who}_enrolment_key" not in known:
            known[f"{who}_enrolment_key"] = secrets.token_urlsafe(32)
    for who in ("agent", "adminrouter"):
        if f"{who}_private_key" not in known:
            key = jwt.generate_key()
            known |= {f"{who}_private_key": jwt.private_pem(key), f"{who}_public_key": jwt.public_pem(key.public_key())}
    write_if_changed(path, json.dumps(known), mode=0o600)
    return known


def configure(config: Path, out: Path, *, version: str, bundle_id: str) -> Served:
    """What follows from a configuration; writes nothing but the cluster's random values. Errors: ConfigError."""
    user, resolved = validate(config)
    out.mkdir(parents=True, exist_ok=True)
    random_values = kept_secrets(out / "secrets.json")
    given = resolved.arguments
    signing = authority.given(given["ca_certificate_contents"], given["ca_key_contents"], given["ca_chain_contents"])
    roots = [given["ca_trusted_contents"]]
    if signing is None:
        signing = authority.kept(out / "secrets.json")
        roots += rotation.others(kept_secrets(out / "secrets.json"), "ca_certificate")

    private = {
        **{name: value for name, value in rotation.settled(random_values).items() if name != "ca_certificate"},
        "ca_key": signing.key,
        "ca_chain": signing.chain,
        **{key: given[key] for key in ("superuser_username", "superuser_password_hash")},
    }
    arguments = {**resolved.readable(), "ca_bundle": "".join((signing.root, *roots))}
    public = {
        "arguments.json": (json.dumps(arguments, indent=1), 0o644),
        "user.config.yaml": (masked(user, resolved.secrets), 0o644),
    }
    config_id = hashlib.sha256((bundle_id + json.dumps([public, private], sort_keys=True)).encode()).hexdigest()[:40]
    release = Release(version, bundle_id, bundle.package_name(version, bundle_id), config_id)
    fields = {name: getattr(release, name) for name in ("version", "bundle_id", "package", "config_id")}
    return Served(
        folder=out / "serve",
        release=release,
        arguments=resolved.arguments,
        public=arguments,
        user_config=public["user.config.yaml"][0],
        secrets=Secrets(**private),
        files={**public, "release.json": (json.dumps(fields), 0o644)},
        private=private,
        warnings=(*resolved.warnings, *_omissions(resolved.arguments)),
    )


def generate(
    config: Path,
    out: Path,
    *,
    checkout: Path | None = None,
    cache: Path | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Served:
    """Fill ``out/serve``. Errors: ConfigError, CommandFailed."""
    validate(config)  # mistakes are told before anything is fetched
    built = bundle.build(checkout or assets.checkout(), cache or bundle.cache_folder(), say)
    served = configure(config, out, version=built.version, bundle_id=built.id)
    serve, release, config_id = served.folder, served.release, served.release.config_id

    for folder in ("bootstrap", "packages/dcos-config", "packages/dcos-secrets"):
        (serve / folder).mkdir(parents=True, exist_ok=True)
    bundle_name = f"bootstrap/{built.id}.bootstrap.tar.xz"
    config_name = f"packages/dcos-config/{release.config_package}.tar.xz"
    secrets_name = f"packages/dcos-secrets/dcos-secrets--setup_{config_id}.tar.xz"
    agents_name = f"packages/dcos-secrets/dcos-secrets-agent--setup_{config_id}.tar.xz"
    _place(built.path, serve / bundle_name)
    config_raw = archive(served.files)
    secrets_raw = archive({"secrets.json": (_known_to(NodeRole.MASTER, served), 0o600)})
    agents_raw = archive({"secrets.json": (_known_to(NodeRole.AGENT, served), 0o600)})
    write_if_changed(serve / config_name, config_raw)
    write_if_changed(serve / secrets_name, secrets_raw, mode=0o600)
    write_if_changed(serve / agents_name, agents_raw, mode=0o600)
    write_if_changed(serve / f"bootstrap/{built.id}.sha256", f"{built.sha256}  {Path(bundle_name).name}\n")
    write_if_changed(serve / "bootstrap/bootstrap.latest", f"{built.id}\n")
    write_if_changed(serve / "cluster-package-list", json.dumps([release.package, release.config_package]) + "\n")
    for role in ROLES:
        write_if_changed(serve / f"os-packages.{role}", "\n".join(packages(frozenset({role}))) + "\n")
    values = {
        "bootstrap_url": served.arguments["bootstrap_url"],
        "bundle": bundle_name,
        "bundle_sha256": built.sha256,
        "config": config_name,
        "config_sha256": hashlib.sha256(config_raw).hexdigest(),
        "secrets": secrets_name,
        "secrets_sha256": hashlib.sha256(secrets_raw).hexdigest(),
        "agent_secrets": agents_name,
        "agent_secrets_sha256": hashlib.sha256(agents_raw).hexdigest(),
        "version": built.version,
        **{f"packages_{role}": " ".join(packages(frozenset({role}))) for role in ROLES},
    }
    script = (assets.root() / "installer/dcos_install.sh.in").read_text()
    for key, value in values.items():
        script = script.replace(f"@{key}@", value)
    write_if_changed(serve / "dcos_install.sh", script, mode=0o755)
    for folder, keep in (
        ("bootstrap", built.id),
        ("packages/dcos-config", config_id),
        ("packages/dcos-secrets", config_id),
    ):
        for path in (serve / folder).iterdir():
            if keep not in path.name and path.name != "bootstrap.latest":
                path.unlink()
    return served


def _known_to(role: NodeRole, served: Served) -> str:
    """The secrets of nodes of ``role``, as their archive has them."""
    known = asdict(served.secrets.of(role))
    return json.dumps({name: value for name, value in known.items() if value})


def _place(source: Path, target: Path) -> None:
    """The same file by a hard link where that works."""
    if target.exists():
        return
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def _omissions(arguments: Mapping[str, str]) -> tuple[tuple[str, str], ...]:
    """What may be left out but is seldom meant to be."""
    if arguments["superuser_username"] or arguments["oauth_enabled"] == "false":
        return ()
    return (
        (
            "superuser_username",
            "is not set: nobody can log in; dcos-install hash-password makes the hash to set with it",
        ),
    )
