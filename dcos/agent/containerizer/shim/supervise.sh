#!/bin/sh
# Runs one task in a session of its own and keeps its exit status on disk, whoever else comes and goes.
#
#   supervise.sh DIRECTORY
#
# DIRECTORY/launch is what to run; DIRECTORY/join, where it is there, names the control groups (their cgroup.procs, one a
# line) to go into before. Written here, each by rename: supervisor (our pid), pid (the task's), exit ("exited" and its
# status, or "killed" and the status that wait(2) gives of a signal). A shell cannot tell these apart, but setsid, which
# waits for the task, complains of the latter. Nobody needs to wait for us: we leave the caller's session at once. A signal to
# us does not end the task; we only go after it.
set -u
directory=$1

put() {
    printf '%s\n' "$2" >"$directory/.$1" && mv -f "$directory/.$1" "$directory/$1"
}

umask 077
case "${2:-}" in
'') exec setsid --fork /bin/sh "$0" "$directory" supervisor </dev/null >/dev/null 2>&1 ;;
task)
    # what was meant for us is setsid's complaint alone
    exec 2>/dev/null
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

LC_ALL=C setsid --fork --wait /bin/sh "$0" "$directory" task 2>"$directory/complaint" &
waiter=$!

while :; do
    wait "$waiter"
    status=$?
    # a trapped signal ends the wait early: then the waiter, or its zombie, is still there
    kill -0 "$waiter" 2>/dev/null || break
done
if [ -s "$directory/complaint" ]; then
    put exit "killed $status"
elif [ "$status" -gt 128 ] && [ -e "$directory/pid" ] && kill -0 "$(cat "$directory/pid")" 2>/dev/null; then
    # the waiter was killed, not the task: nobody will know how that ends
    exit 1
else
    put exit "exited $status"
fi
