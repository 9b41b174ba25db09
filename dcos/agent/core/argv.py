"""Which words a task runs: the command's rules, and how they meet an image's entrypoint and cmd.

Source: the command table of Mesos docker/runtime isolator, and CommandInfo's shell semantics.
"""

from __future__ import annotations

from dcos.model.v1.types import CommandInfo


class NoCommand(ValueError):
    """Nothing to run: says why."""


def command_argv(command: CommandInfo) -> tuple[str, tuple[str, ...]]:
    """Program and its whole argv, on the host.   Errors: NoCommand."""
    if command.shell:
        if command.value is None:
            raise NoCommand("a shell command needs a value")
        return "/bin/sh", ("sh", "-c", command.value)
    if command.value is None:
        raise NoCommand("a command without shell needs a value")
    return command.value, command.arguments or (command.value,)


def image_argv(command: CommandInfo, entrypoint: tuple[str, ...], cmd: tuple[str, ...]) -> tuple[str, ...]:
    """Whole argv in an image (its first word is the program).   Errors: NoCommand.

    With a value, ``arguments[0]`` is what the program sees as its name and is not repeated.
    """
    if command.shell:
        if command.value is None:
            raise NoCommand("a shell command needs a value")
        return ("/bin/sh", "-c", command.value)
    if command.value is not None:
        return (command.value, *command.arguments[1:])
    if command.arguments:
        if entrypoint:
            return entrypoint + command.arguments
        if cmd:
            return (cmd[0], *command.arguments)
        raise NoCommand("the image has neither entrypoint nor cmd, and the command no value")
    if not entrypoint and not cmd:
        raise NoCommand("the image has neither entrypoint nor cmd, and the command no value")
    return entrypoint + cmd
