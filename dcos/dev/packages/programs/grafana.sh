home=
for one in "$MESOS_SANDBOX"/*/ /usr/share/grafana/; do
    [ ! -f "${one}conf/defaults.ini" ] || { home=${one%/}; break; }
done
[ -n "$home" ] || fail "no Grafana is here; set software.image or software.artifact"
settings=$MESOS_SANDBOX/provisioning
mkdir -p "$settings/datasources" "$settings/dashboards" "$settings/plugins" "$settings/alerting"
[ -z "$GRAFANA_PROMETHEUS" ] || cat >"$settings/datasources/prometheus.yml" <<END
apiVersion: 1
datasources:
- name: Prometheus
  type: prometheus
  access: proxy
  url: $GRAFANA_PROMETHEUS
  isDefault: true
END
GF_SECURITY_ADMIN_PASSWORD=$(password_or_own "$GRAFANA_PASSWORD")
GF_SERVER_HTTP_PORT=$PORT0
GF_SERVER_ROOT_URL="%(protocol)s://%(domain)s/service/$SERVICE_NAME/"
GF_PATHS_DATA=$data
GF_PATHS_LOGS=$MESOS_SANDBOX
GF_PATHS_PROVISIONING=$settings
GF_LOG_MODE=console
GF_AUTH_ANONYMOUS_ENABLED=$GRAFANA_ANONYMOUS
export GF_SECURITY_ADMIN_PASSWORD GF_SERVER_HTTP_PORT GF_SERVER_ROOT_URL GF_PATHS_DATA GF_PATHS_LOGS GF_PATHS_PROVISIONING GF_LOG_MODE
export GF_AUTH_ANONYMOUS_ENABLED
PATH=$home/bin:$PATH
if command -v grafana >/dev/null; then exec grafana server --homepath="$home"; fi
exec "$(find_one grafana-server)" --homepath="$home"
