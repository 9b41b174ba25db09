newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
PATH=${newest:+$newest:}$PATH
find_one initdb >/dev/null
postgres=$(find_one postgres)
not_root postgres
files=$data/files
cd "$data"
if [ ! -s "$files/PG_VERSION" ]; then
    rm -rf "$files"
    mkdir "$files"
    password_or_own "$POSTGRES_PASSWORD" >"$data/first-password"
    [ -z "$drop" ] || chown postgres "$files" "$data"/*password
    $drop initdb -D "$files" -U "$POSTGRES_USER" --pwfile="$data/first-password" -E UTF8 --locale=C.UTF-8 \
        --auth-host=scram-sha-256 --auth-local=reject
    rm "$data/first-password"
    printf 'host all all all scram-sha-256\nhost replication all all scram-sha-256\n' >>"$files/pg_hba.conf"
    [ -z "$POSTGRES_DATABASE" ] ||
        echo "CREATE DATABASE \"$POSTGRES_DATABASE\"" | $drop postgres --single -D "$files" -c unix_socket_directories= postgres
fi
exec $drop "$postgres" -D "$files" -p "$PORT0" -c listen_addresses='*' -c unix_socket_directories= \
    -c max_connections="$POSTGRES_CONNECTIONS" -c shared_buffers="${POSTGRES_BUFFERS_MB}MB"
