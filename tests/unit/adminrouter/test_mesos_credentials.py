"""The names that Admin Router tells to masters and agents: where they stand in nginx's text, and who can read it."""

from __future__ import annotations

import stat
from pathlib import Path

import pytest

from dcos.adminrouter import prepare
from dcos.adminrouter.config import Config
from dcos.adminrouter.core.site import render
from dcos.model.layout import Layout
from dcos.runtime.settings import load


def test_only_mesos_hears_them_and_only_nginx_reads_them(tmp_path: Path) -> None:
    for name in ("master", "agent"):
        (tmp_path / name).write_text(f'{{"principal": "{name}", "secret": "s3cret"}}')
        (tmp_path / name).chmod(0o600)
    argv = ["--node_ip=10.0.0.1", "--https_port=0", "--http_port=8080"]
    argv += [f"--mesos_credential={tmp_path}/master", f"--mesos_agent_credential={tmp_path}/agent"]
    config = load(Config, argv, {}, prefix="ADMINROUTER_")
    assert "s3cret" not in repr(config)
    layout = Layout(tmp_path / "root")
    made = prepare.site(config, layout, "10.0.0.1")
    assert "bWFzdGVyOnMzY3JldA==" not in repr(made)
    text = render(made)
    assert text.count('"Basic bWFzdGVyOnMzY3JldA=="') == 1
    assert text.count('"Basic YWdlbnQ6czNjcmV0"') == 1
    before, _, _ = text.partition('"Basic bWFzdGVyOnMzY3JldA=="')
    assert before.rpartition("\n        location ")[2].startswith("/mesos/ {")
    before, _, _ = text.partition('"Basic YWdlbnQ6czNjcmV0"')
    assert before.rpartition("\n        location ")[2].startswith('~ "(?s)^/(?:agent|slave)/')
    prepare.write(made, text, config, "10.0.0.1", 0.0)
    assert stat.S_IMODE((made.run / "nginx.conf").stat().st_mode) == 0o600


def test_without_them_the_users_own_header_is_passed_on(tmp_path: Path) -> None:
    config = load(Config, ["--node_ip=10.0.0.1", "--https_port=0", "--http_port=8080"], {}, prefix="ADMINROUTER_")
    assert "Basic" not in render(prepare.site(config, Layout(tmp_path), "10.0.0.1"))


def test_a_bad_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(Exception, match="mesos_credential"):
        load(Config, [f"--mesos_credential={tmp_path}/none"], {}, prefix="ADMINROUTER_")
