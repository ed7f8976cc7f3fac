"""Runs a command under a filter that answers EPERM to named system calls, as containers' seccomp profiles do.

``python refuse_calls.py pidfd_open,close_range command …``
"""

from __future__ import annotations

import ctypes
import errno
import os
import platform
import struct
import sys

ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
# Not clone3: the C library makes threads with it, and falls back only where the answer is ENOSYS.
NUMBERS: dict[str, int | dict[str, int]] = {
    "memfd_create": {"x86_64": 319, "aarch64": 279},
    "pidfd_send_signal": 424,
    "pidfd_open": 434,
    "close_range": 436,
    "epoll_pwait2": 441,
}
PR_SET_NO_NEW_PRIVS, PR_SET_SECCOMP, SECCOMP_MODE_FILTER = 38, 22, 2
LOAD, EQUAL, ANSWER = 0x20, 0x15, 0x06
ALLOW, REFUSE = 0x7FFF0000, 0x00050000 | errno.EPERM


def number_of(call: str) -> int:
    """What the kernel knows the call by, on this machine."""
    known = NUMBERS[call]
    return known[platform.machine()] if isinstance(known, dict) else known


def program(calls: list[str]) -> bytes:
    """The filter, in the kernel's form: an array of (code, jump if true, jump if false, operand)."""
    machine = platform.machine()
    numbers = [number_of(call) for call in calls]
    lines = [(LOAD, 0, 0, 4), (EQUAL, 1, 0, ARCHITECTURES[machine]), (ANSWER, 0, 0, ALLOW), (LOAD, 0, 0, 0)]
    for left, number in zip(range(len(numbers), 0, -1), numbers, strict=True):
        lines.append((EQUAL, left, 0, number))
    lines += [(ANSWER, 0, 0, ALLOW), (ANSWER, 0, 0, REFUSE)]
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def refuse(calls: list[str]) -> None:
    lines = program(calls)
    kept = ctypes.create_string_buffer(lines, len(lines))
    told = struct.pack("HP", len(lines) // 8, ctypes.addressof(kept))
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) or libc.prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, told, 0, 0):
        raise OSError(ctypes.get_errno(), "no filter can be set here")


if __name__ == "__main__":
    refuse(sys.argv[1].split(","))
    os.execvp(sys.argv[2], sys.argv[2:])
