alertmanager=$(find_one prometheus-alertmanager alertmanager)
config=$MESOS_SANDBOX/alertmanager.yml
if [ -n "$ALERTMANAGER_CONFIG" ]; then
    printf '%s\n' "$ALERTMANAGER_CONFIG" >"$config"
else
    cat >"$config" <<END
route:
  receiver: default
  group_by: [alertname]
  group_wait: ${ALERTMANAGER_WAIT_S}s
receivers:
- name: default
END
    [ -z "$ALERTMANAGER_WEBHOOK" ] || printf "  webhook_configs:\n  - url: '%s'\n" "$ALERTMANAGER_WEBHOOK" >>"$config"
fi
exec "$alertmanager" --config.file="$config" --storage.path="$data" --web.listen-address="0.0.0.0:$PORT0" --cluster.listen-address= \
    --web.external-url="http://$HOST:$PORT0/service/$SERVICE_NAME/" --web.route-prefix=/
