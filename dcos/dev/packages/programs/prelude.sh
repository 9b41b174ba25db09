set -eu
umask 077
PATH=${PATH:-/usr/bin}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
data=$MESOS_SANDBOX/data
mkdir -p "$data"
fail() { echo "$*" >&2; exit 1; }
# find_one PATH...: the first that is there
find_one() {
    for one; do command -v "$one" && return; done
    fail "none of these is here: $*. On agents: apt-get install $NEEDS; or set software.image or software.artifact"
}
# what an archive brought goes first
for folder in "$MESOS_SANDBOX"/*/ "$MESOS_SANDBOX"/*/bin/; do
    case $folder in "$MESOS_SANDBOX"/data/*|"$MESOS_SANDBOX/*"*) ;; *) PATH=${folder%/}:$PATH ;; esac
done
# not_root USER: sets $drop, words to run a command as USER who owns the data then; none where this is not root
not_root() {
    drop=
    [ "$(id -u)" = 0 ] || return 0
    id "$1" >/dev/null 2>&1 || fail "there is no user $1 here; name one by service.user"
    [ "$(stat -c %U "$data")" = "$1" ] || chown -R "$1" "$data"
    chmod go+x "$MESOS_SANDBOX"
    if command -v gosu >/dev/null; then drop="gosu $1"
    elif command -v su-exec >/dev/null; then drop="su-exec $1"
    else drop="setpriv --reuid=$1 --regid=$(id -g "$1") --init-groups"; fi
}
# a password of its own, where none was given: it stays with the data
password_or_own() {
    [ -z "$1" ] || { printf %s "$1"; return; }
    [ -s "$data/password" ] || od -An -N15 -tx1 /dev/urandom | tr -d ' \n' >"$data/password"
    cat "$data/password"
}
