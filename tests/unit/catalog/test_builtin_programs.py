"""Programs of packages whose software is not here, run in a sandbox: stand-ins from an "archive" tell how they were called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from dcos.catalog.core.collection import Collection
from dcos.catalog.core.render import render
from dcos.catalog.repository import read_tree
from dcos.catalog.service import PACKAGES

BUILTIN = Collection([("u", read_tree(PACKAGES, "3.0.0").packages)])
STAND_IN = '#!/bin/sh\necho "CALLED ${0##*/} $*"\nunset SERVICE_PROGRAM\nenv | grep -E "$SHOWN" | sort\n'


class Sandbox:
    """Of one task; ``run`` gives what the stand-ins said."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def stand_in(self, *names: str, said: str = STAND_IN) -> None:
        bin_folder = self.folder / "archive-1.0/bin"
        bin_folder.mkdir(parents=True, exist_ok=True)
        for name in names:
            (bin_folder / name).write_text(said)
            (bin_folder / name).chmod(0o755)

    def run(self, package: str, shown: str = "^NONE", **given: Any) -> list[str]:
        app = render(BUILTIN.find(package).package, "u", {"software": {"image": ""}, **given}, None)
        environ = {key: str(value) for key, value in app["env"].items()}
        environ |= {f"PORT{index}": str(31000 + index) for index in range(len(app["portDefinitions"]))}
        environ |= {"MESOS_SANDBOX": str(self.folder), "HOST": "127.0.0.1", "PATH": os.environ["PATH"], "SHOWN": shown}
        done = subprocess.run(
            ["sh", "-c", app["cmd"]], env=environ, cwd=self.folder, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return done.stdout.splitlines()


@pytest.fixture
def sandbox(tmp_path: Path) -> Sandbox:
    return Sandbox(tmp_path)


def test_kafka(sandbox: Sandbox) -> None:
    sandbox.stand_in("kafka-server-start.sh")
    sandbox.stand_in(
        "kafka-storage.sh", said='#!/bin/sh\n[ "$1" = random-uuid ] && echo cluster-id-1 || echo "CALLED storage $*"\n'
    )
    config = sandbox.folder / "server.properties"
    for _ in range(2):  # a second start finds its cluster's id
        assert sandbox.run("kafka", "^KAFKA_HEAP_OPTS", kafka={"heap_mb": 512, "more": "message.max.bytes=9"}) == [
            f"CALLED storage format --ignore-formatted -t cluster-id-1 -c {config}",
            f"CALLED kafka-server-start.sh {config}",
            "KAFKA_HEAP_OPTS=-Xms512m -Xmx512m",
        ]
    written = dict(line.split("=", 1) for line in config.read_text().splitlines())
    assert written["controller.quorum.voters"] == "1@localhost:31001"
    assert written["advertised.listeners"] == "PLAINTEXT://127.0.0.1:31000"
    assert written["log.dirs"] == f"{sandbox.folder}/data/log"
    assert written["message.max.bytes"] == "9"


def test_cassandra(sandbox: Sandbox) -> None:
    sandbox.stand_in("cassandra")
    sandbox.stand_in("gosu", said='#!/bin/sh\nshift; exec "$@"\n')
    conf = sandbox.folder / "archive-1.0/conf"
    conf.mkdir()
    (conf / "cassandra.yaml").write_text(
        "cluster_name: 'Test'\n# a remark\nhints_directory: /var\nseed_provider:\n    - class_name: x\n      parameters:\n"
        '          - seeds: "1.2.3.4"\ndata_file_directories:\n    - /var/a\nconcurrent_reads: 32\n'
    )
    (conf / "jvm.options").write_text("-ea\n")
    (sandbox.folder / "archive-1.0/bin/id").write_text('#!/bin/sh\n[ "$1" = -u ] && echo 1000 || exit 0\n')
    (sandbox.folder / "archive-1.0/bin/id").chmod(0o755)
    for _ in range(2):
        said = sandbox.run(
            "cassandra", "^(MAX_HEAP|JMX_PORT|CASSANDRA_CONF)", cassandra={"cluster": "mine", "heap_mb": 400}
        )
    own = sandbox.folder / "conf"
    assert said == ["CALLED cassandra -f", f"CASSANDRA_CONF={own}", "JMX_PORT=31002", "MAX_HEAP_SIZE=400M"]
    config = yaml.safe_load((own / "cassandra.yaml").read_text())
    assert config["cluster_name"] == "mine"
    assert config["concurrent_reads"] == 32
    assert config["data_file_directories"] == [f"{sandbox.folder}/data/data"]
    assert config["seed_provider"][0]["parameters"] == [{"seeds": "127.0.0.1:31001"}]
    assert (config["native_transport_port"], config["storage_port"]) == (31000, 31001)
    assert (own / "jvm.options").exists()


@pytest.mark.parametrize(
    ("package", "expected"),
    [
        (
            "spark-dispatcher",
            "CALLED spark-class org.apache.spark.deploy.master.Master --host 127.0.0.1 --port 31000 --webui-port 31001",
        ),
        ("spark-history", "CALLED spark-class org.apache.spark.deploy.history.HistoryServer"),
        (
            "spark-worker",
            "CALLED spark-class org.apache.spark.deploy.worker.Worker --host 127.0.0.1 --port 31000 --webui-port 31001 --cores 1 "
            "--memory 1024m --work-dir {data}/work spark://spark-dispatcher.marathon.l4lb.thisdcos.directory:7077",
        ),
    ],
)
def test_spark(sandbox: Sandbox, package: str, expected: str) -> None:
    sandbox.stand_in("spark-class")
    said = sandbox.run(package, "^SPARK_(HOME|HISTORY_OPTS|DAEMON_JAVA_OPTS)=")
    assert said[0] == expected.format(data=sandbox.folder / "data")
    assert f"SPARK_HOME={sandbox.folder}/archive-1.0" in said
    if package == "spark-history":
        assert (sandbox.folder / "data/events").is_dir()
        assert any("-Dspark.history.ui.port=31000" in line for line in said)
    if package == "spark-dispatcher":
        assert any("-Dspark.master.rest.port=31002" in line for line in said)


@pytest.mark.parametrize("program", ["grafana", "grafana-server"])
def test_grafana(sandbox: Sandbox, program: str) -> None:
    sandbox.stand_in(program)
    home = sandbox.folder / "archive-1.0"
    (home / "conf").mkdir()
    (home / "conf/defaults.ini").touch()
    said = sandbox.run("grafana", "^GF_(SERVER|SECURITY)", grafana={"password": "a b'c"})
    verb = "server " if program == "grafana" else ""
    assert said == [
        f"CALLED {program} {verb}--homepath={home}",
        "GF_SECURITY_ADMIN_PASSWORD=a b'c",
        "GF_SERVER_HTTP_PORT=31000",
        "GF_SERVER_ROOT_URL=%(protocol)s://%(domain)s/service/grafana/",
    ]
    (source,) = yaml.safe_load((sandbox.folder / "provisioning/datasources/prometheus.yml").read_text())["datasources"]
    assert source["url"] == "http://prometheus.marathon.l4lb.thisdcos.directory:9090"


def test_jenkins(sandbox: Sandbox) -> None:
    sandbox.stand_in("java")
    (sandbox.folder / "jenkins.war").touch()
    for _ in range(2):  # the password that it makes stays
        said = sandbox.run("jenkins", "^JENKINS_(HOME|ADMIN)", service={"name": "team/ci"})
        password = (sandbox.folder / "data/password").read_text()
        assert len(password) == 30
        assert said == [
            "CALLED java -Xmx1024m -Djava.awt.headless=true -Djenkins.install.runSetupWizard=false -jar "
            f"{sandbox.folder}/jenkins.war --httpPort=31000 --prefix=/service/team/ci",
            f"JENKINS_ADMIN_PASSWORD={password}",
            f"JENKINS_HOME={sandbox.folder}/data",
        ]
    assert "createAccount('admin'" in (sandbox.folder / "data/init.groovy.d/admin.groovy").read_text()


@pytest.mark.parametrize("package", ["kafka", "grafana", "jenkins", "gitlab", "spark-worker"])
def test_without_software_they_say_what_is_missing(sandbox: Sandbox, package: str) -> None:
    with pytest.raises(AssertionError, match=r"set software\.image"):
        sandbox.run(package)
