"""Gives a task a terminal, and is gone into it: no process of ours stays but two ``cat``.

    python3 -I -S terminal.py BOX OUTPUT ROWS COLUMNS UID COMMAND...

Runs as the leader of a session without a terminal. One ``cat`` appends what the terminal shows to the file OUTPUT (which
is there already); the other types into it what comes out of the FIFO ``BOX/stdin``. ``BOX/reader`` is the first one's
process, ``BOX/tty`` a name of the terminal for as long as that one lives. Both end with the container, whoever else comes
and goes.
"""

import fcntl
import os
import signal
import struct
import sys
import termios

QUIET = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)
NAME = 3
"""The reader's descriptor that names the terminal and does not hold it open."""
TIOCGPTPEER = 0x5441


def put(box: str, name: str, value: str) -> None:
    temporary = os.path.join(box, "." + name)
    with open(temporary, "w") as file:
        file.write(value + "\n")
    os.rename(temporary, os.path.join(box, name))


OTHERS = 256
"""Descriptors from here on are ours alone."""


def above(descriptor: int, least: int = 10) -> int:
    """The same, so high that dup2 in a child cannot overwrite it before its use."""
    return fcntl.fcntl(descriptor, fcntl.F_DUPFD_CLOEXEC, least)


def peer(master: int) -> int:
    """The terminal of ``master``, whatever it is called in which mount namespace."""
    return int(fcntl.ioctl(master, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY))


def cat(source: int, sink: int, *more: int) -> int:
    """Start one that no polite signal ends; it is not our child, so that the task never waits for it.

    Returned once it is ``cat``, by which others know it.
    """
    end, begin = os.pipe()
    begun = above(begin, OTHERS)
    os.close(begin)
    child = os.fork()
    if child == 0:
        pid = os.fork()
        if pid:
            os.write(begun, b"%d" % pid)
            os._exit(0)
        for number in QUIET:
            signal.signal(number, signal.SIG_IGN)
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        nothing = os.open("/dev/null", os.O_WRONLY)
        for place, descriptor in enumerate((source, sink, nothing, *more)):
            os.dup2(descriptor, place)
        os.closerange(3 + len(more), OTHERS)
        os.execv("/bin/cat", ["cat"])
    os.waitpid(child, 0)
    os.close(begun)
    told = b""
    while piece := os.read(end, 32):
        # its end of the pipe is closed by exec
        told += piece
    os.close(end)
    return int(told)


def attend(box: str, output: str, master: int, slave: int) -> None:
    """Leave the two ``cat`` at a terminal. (Its other end must be high: ``above``.)"""
    fifo = os.path.join(box, "stdin")
    if not os.path.exists(fifo):
        os.mkfifo(fifo, 0o600)
    typed = above(os.open(fifo, os.O_RDWR))
    shown = above(os.open(output, os.O_WRONLY | os.O_APPEND | os.O_NOFOLLOW))
    name = above(os.open(f"/proc/self/fd/{slave}", os.O_PATH))
    reader = cat(master, shown, name)
    cat(typed, master)
    put(box, "reader", str(reader))
    put(box, "tty", f"/proc/{reader}/fd/{NAME}")


def main() -> None:
    box, output, rows, columns, owner = sys.argv[1:6]
    master, slave = map(above, os.openpty())
    fcntl.ioctl(slave, termios.TIOCSWINSZ, struct.pack("HHHH", int(rows), int(columns), 0, 0))
    if os.geteuid() == 0:
        os.chown(os.ttyname(slave), int(owner), -1)
    attend(box, output, master, slave)
    fcntl.ioctl(slave, termios.TIOCSCTTY, 0)
    for place in range(3):
        os.dup2(slave, place)
    os.closerange(3, OTHERS)
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    os.execv(sys.argv[6], sys.argv[6:])


if __name__ == "__main__":
    main()
