#!/bin/sh
# Prepares the namespaces of a task without an image, as root in a mount namespace of their own, then becomes the task.
#
#   inside.sh PIDS SHM MOUNTS WORDS...
#
# PIDS: a folder for marks, where the task gets a process namespace; empty for none. SHM: bytes of a /dev/shm of its own,
# empty for none. MOUNTS: a script that mounts volumes, empty for none.
#
# The first process of a process namespace cannot be ended by most signals, so that is not the task: a sleeping one is, whose
# adopted children vanish at their end. Our process stays outside, as the parent of the task, and ends as that does.
set -u
pids=$1 shm=$2 mounts=$3
shift 3

if [ -n "$shm" ]; then
    mount -t tmpfs -o "nosuid,nodev,noexec,mode=1777,size=$shm" shm /dev/shm || exit 125
    if [ -d /dev/mqueue ]; then
        mount -t mqueue -o nosuid,nodev,noexec mqueue /dev/mqueue || exit 125
    fi
fi
if [ -n "$mounts" ]; then
    . "$mounts"
fi
[ -n "$pids" ] || exec "$@"

unshare --pid --fork true || exit 125
rm -f "$pids/up" "$pids/go"
mkfifo -m 600 "$pids/up" "$pids/go" && : >"$pids/namespace" || exit 125
unshare --pid --fork --kill-child /bin/sh -c '
    echo up >"$1/up"
    read -r _ <"$1/go"
    mount -t proc -o nosuid,nodev,noexec proc /proc && word=mounted || word=failed
    echo "$word" >"$1/up"
    exec env --ignore-signal=CHLD sleep infinity' first "$pids" &
first=$!
read -r _ <"$pids/up"
# the name of the namespace has to be taken before /proc is that of the namespace
mount --bind "/proc/$first/ns/pid_for_children" "$pids/namespace" || exit 125
echo go >"$pids/go"
read -r word <"$pids/up"
[ "$word" = mounted ] || exit 125
# what is typed at a terminal reaches us too, and is not for us: nsenter would then not end by such a signal
[ ! -t 0 ] || exec nsenter --no-fork --pid="$pids/namespace" -- /usr/bin/perl "${0%/*}/ends_as.pl" run "$@"
exec nsenter --pid="$pids/namespace" -- "$@"
