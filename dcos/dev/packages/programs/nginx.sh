nginx=$(find_one nginx)
site=$MESOS_SANDBOX/site
for folder in "$MESOS_SANDBOX"/*/; do
    [ ! -f "$folder/index.html" ] || [ -e "$site" ] || site=${folder%/}
done
[ -e "$site" ] || { mkdir "$site"; printf '%s\n' "$NGINX_PAGE" >"$site/index.html"; }
temp=$MESOS_SANDBOX/temp
mkdir -p "$temp"
user=
[ "$(id -u)" != 0 ] || user="user $(id -un) $(id -gn);"
location="root \"$site\"; index index.html; try_files \$uri \$uri/ =404;"
[ -z "$NGINX_PROXY_TO" ] || location="proxy_pass $NGINX_PROXY_TO; proxy_set_header Host \$host; proxy_set_header X-Forwarded-For \$proxy_add_x_forwarded_for;"
types=/etc/nginx/mime.types
include=
[ ! -f $types ] || include="include $types;"
cat >"$MESOS_SANDBOX/nginx.conf" <<END
$user
daemon off;
pid "$temp/pid";
error_log stderr;
worker_processes $NGINX_WORKERS;
events { worker_connections $NGINX_CONNECTIONS; }
http {
    $include
    default_type application/octet-stream;
    access_log "$temp/access";
    sendfile on;
    client_max_body_size ${NGINX_MAX_BODY_MB}m;
    client_body_temp_path "$temp/body";
    proxy_temp_path "$temp/proxy";
    fastcgi_temp_path "$temp/fastcgi";
    uwsgi_temp_path "$temp/uwsgi";
    scgi_temp_path "$temp/scgi";
    server {
        listen $PORT0;
        location = /nginx-health { access_log off; return 200 "ok\n"; }
        location / { $location }
        $NGINX_MORE
    }
}
END
# the task's own output may belong to another user, and nginx opens by name
rm -f "$temp/access"
mkfifo "$temp/access"
cat "$temp/access" &
exec "$nginx" -c "$MESOS_SANDBOX/nginx.conf" -e stderr
