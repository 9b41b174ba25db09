redis=$(find_one redis-server)
quoted() { printf '"%s"' "$(printf %s "$1" | sed 's/[\\"]/\\&/g')"; }
{
    echo "port $PORT0"
    echo "bind * -::*"
    echo "protected-mode no"
    printf 'dir %s\n' "$(quoted "$data")"
    echo "maxmemory ${REDIS_MAXMEMORY_MB}mb"
    echo "maxmemory-policy $REDIS_EVICTION"
    if [ "$REDIS_APPEND_ONLY" = true ]; then echo "appendonly yes"; else echo "appendonly no"; fi
    [ -z "$REDIS_PASSWORD" ] || printf 'requirepass %s\n' "$(quoted "$REDIS_PASSWORD")"
    [ -z "$REDIS_REPLICA_OF" ] || echo "replicaof $REDIS_REPLICA_OF"
    if [ -n "$REDIS_REPLICA_OF" ] && [ -n "$REDIS_PASSWORD" ]; then printf 'masterauth %s\n' "$(quoted "$REDIS_PASSWORD")"; fi
    printf '%s\n' "$REDIS_MORE"
} >"$MESOS_SANDBOX/redis.conf"
exec "$redis" "$MESOS_SANDBOX/redis.conf"
