"""Ends as a container does that runc starts: with its exit status, or by the signal that ended it.

    python3 -I -S reaper.py PIDFILE RUNC...

RUNC...: a command that starts a container, writes the pid of its first process to PIDFILE and leaves. Whoever waits for us
learns more than from runc itself, which says of both ends 128 + n. Polite signals are handed on.
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
POLITE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def end_as(status: int) -> None:
    """As a child that ended with this status of wait(2)."""
    if os.WIFSIGNALED(status):
        number = os.WTERMSIG(status)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if number in POLITE or number == signal.SIGPIPE:
            signal.signal(number, signal.SIG_DFL)
        os.kill(os.getpid(), number)
    os._exit(os.WEXITSTATUS(status))


def wait_for(wanted: int) -> int:
    """Its status; others whose parents are gone end here too."""
    while True:
        pid, status = os.waitpid(-1, 0)
        if pid == wanted:
            return status


def main() -> None:
    pid_file, words = sys.argv[1], sys.argv[2:]
    ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    first = 0
    early: list[int] = []

    def hand_on(number: int, _: object) -> None:
        if first:
            os.kill(first, number)
        else:
            early.append(number)

    for number in POLITE:
        signal.signal(number, hand_on)
    runc = os.fork()
    if runc == 0:
        for number in (*POLITE, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        os.execv(words[0], words)
    status = wait_for(runc)
    if status != 0:
        end_as(status)
    with open(pid_file) as file:
        first = int(file.read())
    for missed in early:
        os.kill(first, missed)
    end_as(wait_for(first))


if __name__ == "__main__":
    main()
