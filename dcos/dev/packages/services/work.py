"""What builds and computes."""

from __future__ import annotations

from dcos.dev.packages.frame import APACHE, URL, Definition, Option, Port

_HEAP = {"minimum": 128}
_SPARK = "apache/spark:3.5.3"

JENKINS = Definition(
    name="jenkins",
    description="The automation server: builds, tests, delivers.",
    tags=("continuous-integration", "build"),
    license=("MIT License", "https://www.jenkins.io/license/"),
    color="#335061",
    program="jenkins.sh",
    group="jenkins",
    options=(
        Option(
            "password",
            "string",
            "",
            "Of the user admin; where empty, one is made and kept in data/password.",
            "JENKINS_PASSWORD",
            {"pattern": "^[^\\r\\n]*$"},
            secret=True,
        ),
        Option("heap_mb", "integer", 1024, "Heap of Java in MB; below service.mem.", "JENKINS_HEAP_MB", _HEAP),
        Option("java_flags", "string", "", "Further flags of Java.", "JENKINS_JAVA_FLAGS"),
    ),
    ports=(Port("http", 80),),
    cpus=1.0,
    mem=1536,
    health="PREFIX/login",
    web=0,
    keeps_path=True,
    grace_s=300,
    image="jenkins/jenkins:2.462.3-lts-jdk17",
    storage_mb=4096,
    notes="Log in as admin. Where no password was given: dcos task exec jenkins cat data/password",
)

GITLAB = Definition(
    name="gitlab",
    description="Git repositories with issues, reviews and pipelines, from GitLab's Omnibus image.",
    tags=("git", "continuous-integration"),
    license=("MIT License", "https://gitlab.com/gitlab-org/gitlab/-/blob/master/LICENSE"),
    color="#fc6d26",
    program="gitlab.sh",
    group="gitlab",
    options=(
        Option(
            "url",
            "string",
            "",
            "As users see it; the agent's address and port where empty.",
            "GITLAB_URL",
            {"pattern": URL},
        ),
        Option(
            "password",
            "string",
            "",
            "Of the user root, 8 characters at least; where empty, one is made and kept in data/password.",
            "GITLAB_PASSWORD",
            {"pattern": "^([^\\r\\n'\\\\]{8,})?$"},
            secret=True,
        ),
        Option(
            "monitoring",
            "boolean",
            False,
            "Whether it watches itself with a Prometheus of its own.",
            "GITLAB_MONITORING",
        ),
        Option("more", "string", "", "Further settings of gitlab.rb, with semicolons between.", "GITLAB_MORE"),
    ),
    ports=(Port("http", 80), Port("ssh", 22)),
    cpus=2.0,
    mem=6144,
    health="/-/health",
    web=0,
    grace_s=900,
    image="gitlab/gitlab-ce:17.4.1-ce.0",
    storage_mb=20480,
    notes="GitLab answers at http://SERVICE/. Log in as root. "
    "Where no password was given: dcos task exec gitlab cat data/password",
)

SPARK_DISPATCHER = Definition(
    name="spark-dispatcher",
    fixed=(("SPARK_ROLE", "dispatcher"),),
    description="Takes Spark applications by spark-submit in cluster mode and runs them on the workers of spark-worker.",
    tags=("spark", "analytics"),
    license=APACHE,
    color="#e25a1c",
    program="spark.sh",
    group="spark",
    options=(Option("heap_mb", "integer", 768, "Heap of Java in MB; below service.mem.", "SPARK_HEAP_MB", _HEAP),),
    ports=(Port("spark", 7077), Port("ui"), Port("rest", 6066)),
    cpus=0.5,
    mem=1024,
    health="/",
    web=1,
    grace_s=120,
    image=_SPARK,
    storage_mb=512,
    persistent=False,
    notes="Submit to spark://SERVICE:7077, or in cluster mode to the REST server at SERVICE:6066. Install spark-worker, too. "
    "This is Spark's own cluster: its Mesos mode needs libmesos, which speaks to masters as only Apache Mesos does.",
)

SPARK_WORKER = Definition(
    name="spark-worker",
    fixed=(("SPARK_ROLE", "worker"),),
    description="Workers for the package spark-dispatcher: as many as there are instances.",
    tags=("spark", "analytics"),
    license=APACHE,
    color="#e25a1c",
    program="spark.sh",
    group="spark",
    options=(
        Option(
            "dispatcher",
            "string",
            "spark-dispatcher.marathon.l4lb.thisdcos.directory:7077",
            "Where the dispatcher is.",
            "SPARK_DISPATCHER",
            {"pattern": "^[A-Za-z0-9.,:_-]+$"},
        ),
        Option(
            "cores",
            "integer",
            1,
            "Cores it gives to applications; as many as service.cpus.",
            "SPARK_CORES",
            {"minimum": 1},
        ),
        Option(
            "memory_mb",
            "integer",
            1024,
            "Memory it gives to applications in MB; below service.mem.",
            "SPARK_MEMORY_MB",
            _HEAP,
        ),
    ),
    ports=(Port("spark"), Port("ui")),
    cpus=1.0,
    mem=1536,
    grace_s=120,
    scales=True,
    image=_SPARK,
    notes="Workers appear on the dispatcher's page.",
)

SPARK_HISTORY = Definition(
    name="spark-history",
    fixed=(("SPARK_ROLE", "history"),),
    description="Shows what Spark applications did, from the events that they left.",
    tags=("spark", "analytics"),
    license=APACHE,
    color="#e25a1c",
    program="spark.sh",
    group="spark",
    options=(
        Option(
            "events",
            "string",
            "",
            "Where applications leave events: a URL of hdfs, s3a or file; a folder of its own where empty.",
            "SPARK_EVENTS",
            {"pattern": "^[^\\s\"'\\\\]*$"},
        ),
        Option("heap_mb", "integer", 768, "Heap of Java in MB; below service.mem.", "SPARK_HEAP_MB", _HEAP),
    ),
    ports=(Port("http", 80),),
    cpus=0.5,
    mem=1024,
    health="/",
    web=0,
    grace_s=120,
    image=_SPARK,
    storage_mb=1024,
    notes="Applications leave events with spark.eventLog.enabled=true and spark.eventLog.dir.",
)
