"""What keeps data."""

from __future__ import annotations

from dcos.dev.packages.frame import APACHE, LINE, Definition, Option, Port

_SOME = {"minimum": 1}

REDIS = Definition(
    name="redis",
    description="A store of data structures in memory: a cache, a queue, with persistence where asked for.",
    tags=("database", "cache"),
    license=("BSD 3-Clause License", "https://github.com/redis/redis/blob/7.0/COPYING"),
    color="#b3261e",
    program="redis.sh",
    group="redis",
    options=(
        Option(
            "password",
            "string",
            "",
            "Asked of clients; none where empty.",
            "REDIS_PASSWORD",
            {"pattern": "^[^\\r\\n]*$"},
            secret=True,
        ),
        Option("maxmemory_mb", "integer", 96, "Memory for data in MB; below service.mem.", "REDIS_MAXMEMORY_MB", _SOME),
        Option(
            "eviction",
            "string",
            "noeviction",
            "What goes when memory is full.",
            "REDIS_EVICTION",
            {
                "enum": [
                    "noeviction",
                    "allkeys-lru",
                    "allkeys-lfu",
                    "allkeys-random",
                    "volatile-lru",
                    "volatile-lfu",
                    "volatile-random",
                    "volatile-ttl",
                ]
            },
        ),
        Option("append_only", "boolean", True, "Write each change to disk, not only snapshots.", "REDIS_APPEND_ONLY"),
        Option(
            "replica_of",
            "string",
            "",
            "Follow another Redis: host and port, with a blank between.",
            "REDIS_REPLICA_OF",
            {"pattern": "^([A-Za-z0-9.:_-]+ [0-9]+)?$"},
        ),
        Option("more", "string", "", "Further lines of redis.conf.", "REDIS_MORE"),
    ),
    ports=(Port("redis", 6379),),
    cpus=0.2,
    mem=128,
    needs="redis-server",
    storage_mb=512,
    persistent=False,
    notes="Redis answers at SERVICE:6379.",
)

POSTGRESQL = Definition(
    name="postgresql",
    description="The relational database, a single server with its data in a persistent volume.",
    tags=("database", "sql"),
    license=("PostgreSQL License", "https://www.postgresql.org/about/licence/"),
    color="#336791",
    program="postgresql.sh",
    group="postgresql",
    options=(
        Option(
            "superuser",
            "string",
            "postgres",
            "Name of the superuser.",
            "POSTGRES_USER",
            {"pattern": "^[a-z_][a-z0-9_]*$"},
        ),
        Option(
            "password",
            "string",
            "",
            "Of the superuser; where empty, one is made and kept in data/password.",
            "POSTGRES_PASSWORD",
            {"pattern": "^[^\\r\\n]*$"},
            secret=True,
        ),
        Option(
            "database",
            "string",
            "",
            "A database to make at first.",
            "POSTGRES_DATABASE",
            {"pattern": "^[A-Za-z0-9_-]*$"},
        ),
        Option("connections", "integer", 100, "Connections at once.", "POSTGRES_CONNECTIONS", {"minimum": 5}),
        Option("buffers_mb", "integer", 128, "Shared memory for pages in MB.", "POSTGRES_BUFFERS_MB", _SOME),
    ),
    ports=(Port("postgresql", 5432),),
    cpus=0.5,
    mem=512,
    grace_s=120,
    needs="postgresql",
    storage_mb=2048,
    notes="PostgreSQL answers at SERVICE:5432. Where no password was given: dcos task exec postgresql cat data/password",
)

ZOOKEEPER = Definition(
    name="zookeeper",
    description="A ZooKeeper for applications: one server, or one member of an ensemble of several such services.",
    tags=("coordination",),
    license=APACHE,
    color="#6b705c",
    program="zookeeper.sh",
    group="zookeeper",
    options=(
        Option("id", "integer", 1, "Its number in an ensemble.", "ZOOKEEPER_ID", {"minimum": 1, "maximum": 254}),
        Option(
            "servers",
            "string",
            "",
            "Of an ensemble all members, with blanks between: 1=host:2888:3888 2=...",
            "ZOOKEEPER_SERVERS",
            {"pattern": "^([0-9]+=[A-Za-z0-9.-]+:[0-9]+:[0-9]+( |$))*$"},
        ),
        Option(
            "heap_mb", "integer", 256, "Heap of Java in MB; below service.mem.", "ZOOKEEPER_HEAP_MB", {"minimum": 32}
        ),
    ),
    ports=(Port("client", 2181),),
    cpus=0.2,
    mem=512,
    needs="default-jre-headless libzookeeper-java libslf4j-java",
    storage_mb=512,
    notes="ZooKeeper answers at SERVICE:2181.",
)

KAFKA = Definition(
    name="kafka",
    description="The log of events: a broker that is its own controller (KRaft), or one of several such services.",
    tags=("queue", "streaming"),
    license=APACHE,
    color="#231f20",
    program="kafka.sh",
    group="kafka",
    options=(
        Option("node_id", "integer", 1, "Its number among several.", "KAFKA_NODE_ID", {"minimum": 0}),
        Option(
            "voters",
            "string",
            "",
            "Controllers of several, with commas between: 1@host:port,2@...; itself alone where empty.",
            "KAFKA_VOTERS",
            {"pattern": "^([0-9]+@[A-Za-z0-9.-]+:[0-9]+(,|$))*$"},
        ),
        Option(
            "cluster_id",
            "string",
            "",
            "The same for several; made up where empty.",
            "KAFKA_CLUSTER_ID",
            {"pattern": "^[A-Za-z0-9_-]*$"},
        ),
        Option("partitions", "integer", 1, "Of new topics.", "KAFKA_PARTITIONS", _SOME),
        Option("replication", "integer", 1, "Copies of new topics.", "KAFKA_REPLICATION", _SOME),
        Option(
            "retention_hours", "integer", 168, "How long events are kept.", "KAFKA_RETENTION_HOURS", {"minimum": -1}
        ),
        Option("heap_mb", "integer", 1024, "Heap of Java in MB; below service.mem.", "KAFKA_HEAP_MB", {"minimum": 128}),
        Option("more", "string", "", "Further lines of server.properties.", "KAFKA_MORE"),
    ),
    ports=(Port("broker", 9092), Port("controller")),
    cpus=1.0,
    mem=2048,
    grace_s=180,
    image="apache/kafka:3.9.0",
    storage_mb=10240,
    notes="Kafka answers at SERVICE:9092 and tells clients its agent's address and port.",
)

CASSANDRA = Definition(
    name="cassandra",
    description="The wide-column database: a node, or one of several such services that name each other as seeds.",
    tags=("database",),
    license=APACHE,
    color="#1287b1",
    program="cassandra.sh",
    group="cassandra",
    options=(
        Option("cluster", "string", "cassandra", "Name of the cluster.", "CASSANDRA_CLUSTER", {"pattern": LINE}),
        Option(
            "seeds",
            "string",
            "",
            "Nodes to join by, host:port with commas between; itself alone where empty.",
            "CASSANDRA_SEEDS",
            {"pattern": "^[A-Za-z0-9.:,_-]*$"},
        ),
        Option("dc", "string", "dc1", "Its data centre.", "CASSANDRA_DC", {"pattern": "^[A-Za-z0-9_-]+$"}),
        Option("rack", "string", "rack1", "Its rack.", "CASSANDRA_RACK", {"pattern": "^[A-Za-z0-9_-]+$"}),
        Option("tokens", "integer", 16, "Parts of the ring it takes.", "CASSANDRA_TOKENS", _SOME),
        Option(
            "authenticator",
            "string",
            "AllowAllAuthenticator",
            "Whether clients need a password (then first cassandra, cassandra).",
            "CASSANDRA_AUTHENTICATOR",
            {"enum": ["AllowAllAuthenticator", "PasswordAuthenticator"]},
        ),
        Option(
            "heap_mb", "integer", 1024, "Heap of Java in MB; below service.mem.", "CASSANDRA_HEAP_MB", {"minimum": 256}
        ),
    ),
    ports=(Port("cql", 9042), Port("storage"), Port("jmx")),
    cpus=1.0,
    mem=2560,
    grace_s=300,
    image="cassandra:4.1",
    storage_mb=10240,
    notes="Cassandra answers CQL at SERVICE:9042.",
)
