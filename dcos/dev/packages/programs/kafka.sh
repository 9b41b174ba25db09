PATH=$PATH:/opt/kafka/bin
start=$(find_one kafka-server-start.sh)
format=$(find_one kafka-storage.sh)
config=$MESOS_SANDBOX/server.properties
cat >"$config" <<END
process.roles=broker,controller
node.id=$KAFKA_NODE_ID
controller.quorum.voters=${KAFKA_VOTERS:-$KAFKA_NODE_ID@localhost:$PORT1}
listeners=PLAINTEXT://0.0.0.0:$PORT0,CONTROLLER://0.0.0.0:$PORT1
advertised.listeners=PLAINTEXT://$HOST:$PORT0
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$data/log
num.partitions=$KAFKA_PARTITIONS
default.replication.factor=$KAFKA_REPLICATION
offsets.topic.replication.factor=$KAFKA_REPLICATION
transaction.state.log.replication.factor=$KAFKA_REPLICATION
transaction.state.log.min.isr=1
log.retention.hours=$KAFKA_RETENTION_HOURS
$KAFKA_MORE
END
[ -s "$data/cluster-id" ] || printf %s "${KAFKA_CLUSTER_ID:-$("$format" random-uuid)}" >"$data/cluster-id"
KAFKA_HEAP_OPTS="-Xms${KAFKA_HEAP_MB}m -Xmx${KAFKA_HEAP_MB}m"
LOG_DIR=$MESOS_SANDBOX/logs
export KAFKA_HEAP_OPTS LOG_DIR
"$format" format --ignore-formatted -t "$(cat "$data/cluster-id")" -c "$config"
exec "$start" "$config"
