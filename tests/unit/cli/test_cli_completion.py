"""What shells complete."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from dcos.cli.main import dcos as root
from dcos.testing.adminrouter import FakeAdminRouter
from tests.unit.cli.results import Dcos

APP = {"id": "/web", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 1}


def completed(words: str) -> list[str]:
    """What bash is offered for ``words``, the last of which is being typed."""
    from click.shell_completion import BashComplete

    *before, typed = words.split(" ")
    made = BashComplete(root, {}, "dcos", "_DCOS_COMPLETE")
    return [one.value for one in made.get_completions(before, typed)]


def test_commands_and_flags(ready: Dcos) -> None:
    assert completed("st") == ["status"]
    assert completed("node dr") == ["drain"]
    assert "--max-grace-period" in completed("node drain --")


def test_values(ready: Dcos, fake: FakeAdminRouter) -> None:
    for name in ("/web", "/shop/web"):
        ready("marathon", "app", "add", stdin=json.dumps(APP | {"id": name}))
    assert completed("marathon app show /") == ["/shop/web", "/web"]
    assert completed("marathon app show /s") == ["/shop/web"]
    assert completed("marathon group show ") == ["/shop"]
    assert completed("task log w") == ["web.0"]
    assert completed("node drain a-S") == ["a-S0", "a-S1"]
    assert completed("service shutdown f") == ["fw-0", "fw-1"]
    assert completed("package install hello") == ["hello-world"]
    assert completed("cluster attach fa") == ["fake-cluster"]
    assert completed("config show core.t") == ["core.timeout"]
    asked = fake.requests.count("GET /service/marathon/v2/apps")
    completed("marathon app remove /")
    assert fake.requests.count("GET /service/marathon/v2/apps") == asked, "what was answered is good for a few seconds"


def test_trouble_means_no_suggestions(ready: Dcos, fake: FakeAdminRouter) -> None:
    fake.down = {"service"}
    assert completed("marathon app show /") == []
    ready("cluster", "remove", "--all")
    assert completed("marathon app show /") == []


def test_what_is_kept_is_readable_by_its_owner_only(ready: Dcos, fake: FakeAdminRouter, tmp_path: Path) -> None:
    completed("node drain a-S")
    assert (tmp_path / "dcos/clusters" / fake.cluster_id / "completion.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    ("shell", "sign"), [("bash", "complete -o nosort -F"), ("zsh", "#compdef dcos"), ("fish", "complete")]
)
def test_scripts(dcos: Dcos, shell: str, sign: str) -> None:
    assert sign in dcos("completion", shell).out


def test_bash_itself(ready: Dcos, fake: FakeAdminRouter, tmp_path: Path) -> None:
    bash = shutil.which("bash")
    assert bash is not None
    program = tmp_path / "dcos"
    program.with_name("bin").mkdir()
    started = tmp_path / "bin/dcos"
    started.write_text(f"#!{sys.executable}\nimport sys\nfrom dcos.cli.main import main\nsys.exit(main())\n")
    started.chmod(0o755)
    script = """
        source <(dcos completion bash)
        COMP_WORDS=(dcos node drain a-S); COMP_CWORD=3
        _dcos_completion dcos
        echo "${COMPREPLY[@]}"
    """
    done = subprocess.run(
        [bash, "-c", script],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PATH": f"{tmp_path}/bin:{os.environ['PATH']}", "PYTHONPATH": str(Path.cwd())},
    )
    assert done.stdout.split() == ["a-S0", "a-S1"], done.stderr
