"""Ends as the process does that it starts: with its exit status, or by the signal that ended it.

    python3 -I -S reaper.py --started PIDFILE RUNC...
    python3 -I -S reaper.py --on-terminal PIDFILE RUNC...
    python3 -I -S reaper.py --inside NAMESPACE COMMAND...

RUNC...: a command that starts a container, writes the pid of its first process to PIDFILE and leaves. Whoever waits for us
learns more than from runc itself, which says of both ends 128 + n. Polite signals that come before it runs are handed on.
A start that failed ends with 1, as upstream's does. On a terminal (``relay.py``) the container has one of its own, and ours
is its window; the working folder is then a private one.

COMMAND... runs in a process namespace. What is typed at a terminal reaches us too, and is not for us (nsenter, which does
the same, could then not end by such a signal).
"""

import ctypes
import os
import resource
import signal
import sys

PR_SET_CHILD_SUBREAPER = 36
CLONE_NEWPID = 0x20000000
PERL = "/usr/bin/perl"
WAIT = (
    "1 while ($p = waitpid(-1, 0)) > 0 && $p != $ARGV[0]; $s = $?; exit 125 if $p < 0; exit $s >> 8 unless $s & 127;"
    " $SIG{$_} = 'DEFAULT' for qw(HUP INT QUIT TERM PIPE); kill $s & 127, $$; exit 128 + ($s & 127)"
)
"""What ``end_as(wait_for(pid))`` does: children, and who inherits those of the container, are kept over exec."""
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


def spawn(words: list[str]) -> int:
    pid = os.fork()
    if pid == 0:
        for number in (*POLITE, signal.SIGPIPE):
            signal.signal(number, signal.SIG_DFL)
        try:
            os.execvp(words[0], words)
        except OSError as error:
            print(f"{words[0]}: {error.strerror}", file=sys.stderr)
            os._exit(125)
    return pid


class Messenger:
    """Hands polite signals on to the container's first process: also those that come before there is one."""

    def __init__(self, pid_file: str) -> None:
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
        self.first = 0
        self._pid_file = pid_file
        self._early: list[int] = []
        for polite in POLITE:
            signal.signal(polite, self._hand_on)

    def started(self, status: int) -> int:
        """runc ended with that status. The pid of what it started; we end where it started nothing."""
        if status != 0:
            os._exit(1)
        with open(self._pid_file) as file:
            self.first = int(file.read())
        for missed in self._early:
            self._hand_on(missed, None)
        return self.first

    def _hand_on(self, number: int, _: object) -> None:
        if not self.first:
            self._early.append(number)
            return
        try:  # noqa: SIM105 - an import less in every container
            os.kill(self.first, number)
        except ProcessLookupError:
            pass


def started(pid_file: str, words: list[str]) -> None:
    messenger = Messenger(pid_file)
    first = messenger.started(wait_for(spawn(words)))
    for polite in POLITE:
        # whoever signals the container reaches its processes themselves from now on
        signal.signal(polite, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    try:
        # it stays as long as the container does, and takes a third of the memory that we take
        os.execv(PERL, [PERL, "-e", WAIT, str(first)])
    except OSError:
        end_as(wait_for(first))


def inside(namespace: str, words: list[str]) -> None:
    handle = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(handle, CLONE_NEWPID) != 0:
        sys.exit(f"{namespace}: {os.strerror(ctypes.get_errno())}")
    for number in (signal.SIGINT, signal.SIGQUIT):
        signal.signal(number, signal.SIG_IGN)
    for number in (signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_DFL)
    end_as(wait_for(spawn(words)))


def on_terminal(pid_file: str, words: list[str]) -> None:
    sys.path.insert(0, os.path.abspath(__file__).partition("/dcos/agent/")[0])
    from dcos.agent.containerizer.shim import relay  # takes time to load, and only terminals need it

    messenger = Messenger(pid_file)
    with relay.Relay() as window:
        runc = spawn([*words[:-1], "--console-socket", relay.SOCKET, words[-1]])
        messenger.started(window.until(runc))
        status = window.until(messenger.first)
    end_as(status)


if __name__ == "__main__":
    {"--started": started, "--on-terminal": on_terminal, "--inside": inside}[sys.argv[1]](sys.argv[2], sys.argv[3:])
