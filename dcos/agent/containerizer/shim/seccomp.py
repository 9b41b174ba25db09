"""Limits its own system calls by a profile, then becomes another program: ``seccomp.py PROFILE WORDS...``.

PROFILE is ``linux.seccomp`` of the OCI runtime specification as JSON. libseccomp, which runc uses as well, makes the filter.
As runc does: names that this machine does not know are left out, and conditions on the same argument are alternatives.
Not a module of the agent: it runs alone, before the task does.   Exit status: 125 when there is no such filter.
"""

import ctypes
import json
import os
import sys

FAILED = 125
ACTIONS = {
    "SCMP_ACT_KILL": 0x00000000,
    "SCMP_ACT_KILL_THREAD": 0x00000000,
    "SCMP_ACT_KILL_PROCESS": 0x80000000,
    "SCMP_ACT_TRAP": 0x00030000,
    "SCMP_ACT_ERRNO": 0x00050000,
    "SCMP_ACT_TRACE": 0x7FF00000,
    "SCMP_ACT_LOG": 0x7FFC0000,
    "SCMP_ACT_ALLOW": 0x7FFF0000,
}
WITH_NUMBER = ("SCMP_ACT_ERRNO", "SCMP_ACT_TRACE")
COMPARISONS = ("", "NE", "LT", "LE", "EQ", "GE", "GT", "MASKED_EQ")
EPERM, EEXIST = 1, 17
NO_NEW_PRIVILEGES = 3
"""SCMP_FLTATR_CTL_NNP: off, for whether a task may gain privileges is another rule's to say."""


class Comparison(ctypes.Structure):
    _fields_ = (
        ("index", ctypes.c_uint),
        ("op", ctypes.c_int),
        ("value", ctypes.c_uint64),
        ("second", ctypes.c_uint64),
    )


def action(name: str, number: int | None) -> int:
    value = ACTIONS[name]
    return value | ((EPERM if number is None else number) & 0xFFFF) if name in WITH_NUMBER else value


def alternatives(arguments: list[dict[str, int | str]]) -> list[list[dict[str, int | str]]]:
    indexes = [one["index"] for one in arguments]
    return [arguments] if len(set(indexes)) == len(indexes) else [[one] for one in arguments]


def load(profile: dict) -> None:  # type: ignore[type-arg]
    library = ctypes.CDLL("libseccomp.so.2")
    library.seccomp_init.restype = ctypes.c_void_p
    library.seccomp_init.argtypes = (ctypes.c_uint32,)
    library.seccomp_attr_set.argtypes = (ctypes.c_void_p, ctypes.c_int, ctypes.c_uint32)
    library.seccomp_arch_add.argtypes = (ctypes.c_void_p, ctypes.c_uint32)
    library.seccomp_arch_resolve_name.restype = ctypes.c_uint32
    library.seccomp_rule_add_array.argtypes = (
        *(ctypes.c_void_p, ctypes.c_uint32, ctypes.c_int, ctypes.c_uint),
        ctypes.POINTER(Comparison),
    )
    library.seccomp_load.argtypes = (ctypes.c_void_p,)
    default = action(profile["defaultAction"], profile.get("defaultErrnoRet"))
    filter_ = library.seccomp_init(default)
    if not filter_:
        raise ValueError("the default action is not possible")
    check(library.seccomp_attr_set(filter_, NO_NEW_PRIVILEGES, 0), "no_new_privs")
    for name in profile.get("architectures", ()):
        word = library.seccomp_arch_resolve_name(name.removeprefix("SCMP_ARCH_").lower().encode())
        if word and (code := library.seccomp_arch_add(filter_, word)) != -EEXIST:
            check(code, name)
    for rule in profile["syscalls"]:
        wanted = action(rule["action"], rule.get("errnoRet"))
        if wanted == default:
            continue
        for name in rule["names"]:
            number = library.seccomp_syscall_resolve_name(name.encode())
            if number == -1:
                continue
            for arguments in alternatives(rule.get("args") or []):
                array = (Comparison * len(arguments))(*map(comparison, arguments))
                check(library.seccomp_rule_add_array(filter_, wanted, number, len(arguments), array), name)
    check(library.seccomp_load(filter_), "load")


def comparison(one: dict[str, int | str]) -> Comparison:
    op = COMPARISONS.index(str(one["op"]).removeprefix("SCMP_CMP_"))
    return Comparison(int(one["index"]), op, int(one.get("value", 0)), int(one.get("valueTwo", 0)))


def check(code: int, what: str) -> None:
    if code < 0:
        raise OSError(-code, f"{what}: {os.strerror(-code)}")


def main() -> None:
    _, path, *words = sys.argv
    try:
        with open(path, encoding="utf-8") as file:
            profile = json.load(file)
        load(profile)
        os.execvp(words[0], words)
    except (OSError, KeyError, ValueError) as error:
        print(f"seccomp: {error}", file=sys.stderr)
        # the interpreter's own end may need calls that are forbidden by now
        os._exit(FAILED)


main()
