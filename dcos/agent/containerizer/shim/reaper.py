"""Starts a container by runc, and is gone into a perl of a few lines (``ends_as.pl``) that ends as the container does.

    python3 -I -S reaper.py PIDFILE RUNC...
    python3 -I -S reaper.py --on-terminal BOX OUTPUT PIDFILE RUNC...

RUNC...: a command that starts a container, writes the pid of its first process to PIDFILE and leaves. Whoever waits for us
learns more than from runc itself, which says of both ends 128 + n. Polite signals that come before it runs are handed on.
A start that failed ends with 1, as upstream's does. On a terminal, which runc makes in the container and hands over, two
``cat`` stay as well (``terminal.py``); the working folder is then a private one.
"""

import array
import ctypes
import os
import signal
import socket
import sys

PR_SET_CHILD_SUBREAPER = 36
PERL = "/usr/bin/perl"
CONSOLE = "console"
"""In the working folder: where runc hands a terminal over."""
POLITE = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


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

    def start(self, words: list[str]) -> int:
        """Let runc start it: its pid. We end where nothing was started."""
        # for runc alone: the container's first process may have ended before it, which ends_as.pl has to see
        if os.waitpid(spawn(words), 0)[1] != 0:
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


def stay_for(first: int) -> None:
    """Children, and who inherits those of the container, are kept over exec."""
    for polite in POLITE:
        # whoever signals the container reaches its processes themselves from now on
        signal.signal(polite, signal.SIG_IGN)
    os.execv(PERL, [PERL, os.path.join(os.path.dirname(os.path.abspath(__file__)), "ends_as.pl"), str(first)])


def on_terminal(box: str, output: str, pid_file: str, words: list[str]) -> None:
    sys.path.insert(0, os.path.abspath(__file__).partition("/dcos/agent/")[0])
    from dcos.agent.containerizer.shim import terminal  # takes time to load, and only terminals need it

    messenger = Messenger(pid_file)
    with socket.socket(socket.AF_UNIX) as door:
        door.bind(CONSOLE)
        door.listen(1)
        first = messenger.start([*words[:-1], "--console-socket", CONSOLE, words[-1]])
        os.unlink(CONSOLE)
        with door.accept()[0] as runc:
            _, control, _, _ = runc.recvmsg(256, socket.CMSG_SPACE(4))
    master = array.array("i", control[0][2][:4])[0]
    os.set_blocking(master, True)
    terminal.attend(box, output, terminal.above(master), terminal.peer(master))
    stay_for(first)


if __name__ == "__main__":
    if sys.argv[1] == "--on-terminal":
        on_terminal(sys.argv[2], sys.argv[3], sys.argv[4], sys.argv[5:])
    else:
        stay_for(Messenger(sys.argv[1]).start(sys.argv[2:]))
