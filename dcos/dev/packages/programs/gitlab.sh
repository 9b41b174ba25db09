[ -x /assets/wrapper ] || fail "this is no image of GitLab's Omnibus package; set software.image"
for place in /etc/gitlab /var/log/gitlab /var/opt/gitlab; do
    kept=$data$place
    mkdir -p "$kept"
    [ -L "$place" ] || { rm -rf "$place"; ln -s "$kept" "$place"; }
done
chmod go+rx "$data" "$data/etc" "$data/var" "$data/var/log" "$data/var/opt" "$MESOS_SANDBOX"
umask 022
url=${GITLAB_URL:-http://$HOST:$PORT0}
password=$(password_or_own "$GITLAB_PASSWORD")
GITLAB_OMNIBUS_CONFIG="external_url '$url'; nginx['listen_port'] = $PORT0; nginx['listen_https'] = false; gitlab_rails['gitlab_shell_ssh_port'] = $PORT1; gitlab_rails['initial_root_password'] = '$password'; prometheus_monitoring['enable'] = $GITLAB_MONITORING; $GITLAB_MORE"
export GITLAB_OMNIBUS_CONFIG
sed -i "s/^#* *Port .*/Port $PORT1/" /assets/sshd_config 2>/dev/null || true
exec /assets/wrapper
