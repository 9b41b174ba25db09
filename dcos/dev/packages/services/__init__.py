"""The packages: ``PACKAGES`` has all of them."""

from __future__ import annotations

from dcos.dev.packages.frame import Definition
from dcos.dev.packages.services.monitoring import ALERTMANAGER, GRAFANA, PROMETHEUS
from dcos.dev.packages.services.stores import CASSANDRA, KAFKA, POSTGRESQL, REDIS, ZOOKEEPER
from dcos.dev.packages.services.web import EDGE_PROXY, NGINX
from dcos.dev.packages.services.work import GITLAB, JENKINS, SPARK_DISPATCHER, SPARK_HISTORY, SPARK_WORKER

PACKAGES: tuple[Definition, ...] = (
    ALERTMANAGER, CASSANDRA, EDGE_PROXY, GITLAB, GRAFANA, JENKINS, KAFKA, NGINX, POSTGRESQL, PROMETHEUS, REDIS, SPARK_DISPATCHER,
    SPARK_HISTORY, SPARK_WORKER, ZOOKEEPER,
)  # fmt: skip
