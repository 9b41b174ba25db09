#!/bin/sh
# Runs a script in new network, host name and mount namespaces, as root, once they have been set up.
#
#   networked.sh GATE FOLDER SCRIPT
#
# GATE: a pipe; a line in it says that the network is there. Empty: it is there already. FOLDER: the container's own hosts,
# hostname and resolv.conf, which are shown in /etc.
set -u
gate=$1 folder=$2 script=$3

if [ -n "$gate" ]; then
    read -r _ <"$gate" || exit 125
    ip link set lo up || exit 125
    # /proc/sys may be read-only in a machine that is a container itself
    hostname --file "$folder/hostname" || cat "$folder/hostname" >/proc/sys/kernel/hostname || exit 125
fi
for name in hosts hostname resolv.conf; do
    # a link (as resolv.conf often is) is followed: what it names is hidden, in here alone
    [ ! -e "/etc/$name" ] || mount --bind "$folder/$name" "/etc/$name" || exit 125
done
exec /bin/sh "$script"
