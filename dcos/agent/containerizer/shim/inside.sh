#!/bin/sh
# The first process in namespaces of a task without an image, as root: shows the namespaces' own files, then runs the task.
#
#   inside.sh PROC SHM MOUNTS WORDS...
#
# PROC: "own" in a process namespace of its own, whose first process this is then and stays: it waits for the task and for
# orphans, and passes the task's exit status on (above 128 means ended by signal status-128). SHM: bytes of a /dev/shm of its
# own, empty for none. MOUNTS: a script that mounts volumes, empty for none.
set -u
proc=$1 shm=$2 mounts=$3
shift 3

if [ "$proc" = own ]; then
    mount -t proc -o nosuid,nodev,noexec proc /proc || exit 125
fi
if [ -n "$shm" ]; then
    mount -t tmpfs -o "nosuid,nodev,noexec,mode=1777,size=$shm" shm /dev/shm || exit 125
    if [ -d /dev/mqueue ]; then
        mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue || exit 125
    fi
fi
if [ -n "$mounts" ]; then
    . "$mounts"
fi
[ "$proc" = own ] || exec "$@"

trap : HUP INT TERM QUIT
# a shell takes its input from background children, and lets them ignore INT and QUIT: they get both back
exec 3<&0
env --default-signal "$@" <&3 3<&- &
task=$!
exec 3<&-
while :; do
    wait "$task"
    status=$?
    # a trapped signal ends the wait early: then the task, or its zombie, is still there
    kill -0 "$task" 2>/dev/null || exit "$status"
done
