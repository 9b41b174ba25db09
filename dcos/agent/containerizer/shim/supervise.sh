#!/bin/sh
# Runs one task in a session of its own and keeps its exit status on disk, whoever else comes and goes.
#
#   supervise.sh DIRECTORY
#
# DIRECTORY/launch is what to run; DIRECTORY/join, where it is there, names the control groups (their cgroup.procs, one a
# line) to go into before. Written here, each by rename: supervisor (our pid), pid (the task's), exit (its status
# as the shell tells it: above 128 means ended by signal status-128). Nobody needs to wait for us: we leave the caller's
# session at once. A signal to us does not end the task; we only go after it.
set -u
directory=$1

put() {
    printf '%s\n' "$2" >"$directory/.$1" && mv -f "$directory/.$1" "$directory/$1"
}

umask 077
case "${2:-}" in
'') exec setsid --fork /bin/sh "$0" "$directory" supervisor </dev/null >/dev/null 2>&1 ;;
task)
    # told by the task itself, which leads its session by now: who knows its pid can signal all of it
    put pid "$$"
    # a shell lets background children ignore INT and QUIT: env gives every signal its default back
    exec env --default-signal -i /bin/sh "$directory/launch"
    ;;
esac

if [ -f "$directory/join" ]; then
    while read -r group; do
        echo "$$" >"$group" || exit 1
    done <"$directory/join"
fi
put supervisor "$$"
trap : HUP INT TERM QUIT

setsid /bin/sh "$0" "$directory" task &
task=$!

while :; do
    wait "$task"
    status=$?
    # a trapped signal ends the wait early: then the task, or its zombie, is still there
    kill -0 "$task" 2>/dev/null || break
done
put exit "$status"
