PATH=$PATH:/opt/cassandra/bin
start=$(find_one cassandra)
from=
for one in "$MESOS_SANDBOX"/*/conf /etc/cassandra /opt/cassandra/conf; do
    [ ! -f "$one/cassandra.yaml" ] || { from=$one; break; }
done
[ -n "$from" ] || fail "no cassandra.yaml is here; set software.image or software.artifact"
CASSANDRA_CONF=$MESOS_SANDBOX/conf
[ -e "$CASSANDRA_CONF" ] || cp -rL "$from" "$CASSANDRA_CONF"
config=$CASSANDRA_CONF/cassandra.yaml
address=$(getent hosts "$HOST" | awk '{ print $1; exit }')
address=${address:-$HOST}
own='cluster_name|num_tokens|listen_address|listen_interface|rpc_address|rpc_interface|broadcast_address|broadcast_rpc_address|native_transport_port|storage_port|ssl_storage_port|data_file_directories|commitlog_directory|saved_caches_directory|hints_directory|cdc_raw_directory|seed_provider|endpoint_snitch|authenticator|authorizer'
# what is set here goes, with the lines that belong to it
awk -v own="^($own):" '/^[^ #-]/ { skip = ($0 ~ own) } !skip' "$config" >"$config.new"
cat >>"$config.new" <<END
cluster_name: '$CASSANDRA_CLUSTER'
num_tokens: $CASSANDRA_TOKENS
listen_address: $address
rpc_address: 0.0.0.0
broadcast_rpc_address: $address
native_transport_port: $PORT0
storage_port: $PORT1
data_file_directories: ['$data/data']
commitlog_directory: '$data/commitlog'
saved_caches_directory: '$data/saved_caches'
hints_directory: '$data/hints'
cdc_raw_directory: '$data/cdc_raw'
endpoint_snitch: GossipingPropertyFileSnitch
authenticator: $CASSANDRA_AUTHENTICATOR
seed_provider:
- class_name: org.apache.cassandra.locator.SimpleSeedProvider
  parameters:
  - seeds: '${CASSANDRA_SEEDS:-$address:$PORT1}'
END
mv "$config.new" "$config"
printf 'dc=%s\nrack=%s\n' "$CASSANDRA_DC" "$CASSANDRA_RACK" >"$CASSANDRA_CONF/cassandra-rackdc.properties"
MAX_HEAP_SIZE=${CASSANDRA_HEAP_MB}M
HEAP_NEWSIZE=$((CASSANDRA_HEAP_MB / 4))M
JMX_PORT=$PORT2
CASSANDRA_LOG_DIR=$MESOS_SANDBOX/logs
export CASSANDRA_CONF MAX_HEAP_SIZE HEAP_NEWSIZE JMX_PORT CASSANDRA_LOG_DIR
not_root cassandra
[ -z "$drop" ] || { mkdir -p "$CASSANDRA_LOG_DIR"; chown -R cassandra "$CASSANDRA_CONF" "$CASSANDRA_LOG_DIR"; }
exec $drop "$start" -f
