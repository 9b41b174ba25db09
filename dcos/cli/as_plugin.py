"""This program as a plugin of upstream's ``dcos``: the cluster is the one that the environment tells of.

The other program keeps the configuration; here only its folder is used, for plugins of packages.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path

from dcos.cli.config_store import TOKEN, Cluster, ConfigError, ConfigStore
from dcos.cli.context import Context
from dcos.cli.main import main as dcos

SECTIONS = ("core", "job", "marathon", "package")
"""Of these, keys may come as ``DCOS_<SECTION>_<KEY>``."""


def told_by(environ: Mapping[str, str]) -> Cluster:
    """Errors: ConfigError without ``DCOS_URL``."""
    url = environ.get("DCOS_URL", "").rstrip("/")
    if not url:
        raise ConfigError("this is a plugin: it is started by dcos, which tells it DCOS_URL")
    known = next((one for one in ConfigStore.from_environ(environ).clusters() if one.url == url), None)
    found = known or Cluster(url, Path(tempfile.gettempdir()) / "dcos-no-cluster")
    for name, value in environ.items():
        section, _, key = name.removeprefix("DCOS_").lower().partition("_")
        if name.startswith("DCOS_") and section in SECTIONS and key:
            found.values[f"{section}.{key}"] = value
    found.values["core.dcos_url"] = url
    found.values[TOKEN] = environ.get("DCOS_ACS_TOKEN", "")
    insecure = environ.get("DCOS_TLS_INSECURE") == "1"
    found.values["core.ssl_verify"] = "false" if insecure else environ.get("DCOS_TLS_CA_PATH") or "true"
    return found


def main() -> int:
    """``dcos-core <command> <arguments>``"""
    try:
        cluster = told_by(os.environ)
    except ConfigError as error:
        print(f"Error: {error}", file=sys.stderr)
        return 1
    return dcos(context=Context(told=cluster))
