prometheus=$(find_one prometheus)
config=$MESOS_SANDBOX/prometheus.yml
list() {
    words=
    for one in $1; do words="$words${words:+, }'$one'"; done
    printf '[%s]' "$words"
}
mkdir -p "$MESOS_SANDBOX/rules"
[ -z "$PROMETHEUS_RULES" ] || printf '%s\n' "$PROMETHEUS_RULES" >"$MESOS_SANDBOX/rules/given.yml"
if [ -n "$PROMETHEUS_CONFIG" ]; then
    printf '%s\n' "$PROMETHEUS_CONFIG" >"$config"
else
    cat >"$config" <<END
global:
  scrape_interval: ${PROMETHEUS_INTERVAL_S}s
  evaluation_interval: ${PROMETHEUS_INTERVAL_S}s
rule_files: ['$MESOS_SANDBOX/rules/*.yml']
alerting:
  alertmanagers:
  - static_configs:
    - targets: $(list "$PROMETHEUS_ALERTMANAGERS")
scrape_configs:
- job_name: prometheus
  static_configs:
  - targets: ['localhost:$PORT0']
- job_name: given
  static_configs:
  - targets: $(list "$PROMETHEUS_TARGETS")
END
    [ -z "$PROMETHEUS_MARATHON" ] || cat >>"$config" <<END
- job_name: marathon
  marathon_sd_configs:
  - servers: ['$PROMETHEUS_MARATHON']
  relabel_configs:
  - source_labels: [__meta_marathon_app_label_METRICS_PATH]
    regex: (.+)
    target_label: __metrics_path__
    action: replace
  - source_labels: [__meta_marathon_app_label_METRICS_PATH]
    regex: .+
    action: keep
  - source_labels: [__meta_marathon_app]
    target_label: app
END
fi
exec "$prometheus" --config.file="$config" --storage.tsdb.path="$data" --storage.tsdb.retention.time="$PROMETHEUS_RETENTION" \
    --web.listen-address="0.0.0.0:$PORT0" --web.external-url="http://$HOST:$PORT0/service/$SERVICE_NAME/" --web.route-prefix=/ $PROMETHEUS_FLAGS
