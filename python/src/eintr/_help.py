"""What is told, and what is chosen."""

import ctypes
import os
import sys
import threading
import traceback
from typing import NamedTuple, TextIO

from . import _library as lib

_ROADS = ("absent", "second best", "exact")


class Support(NamedTuple):
    """What works here. See support()."""

    version: str
    """The library's."""
    signal: int
    """The number of the signal in use; 0: none was free, and no call is left."""
    reach: str
    """How blocking calls are reached: "exact" (none is missed), "second best" (a signal, repeated; before Linux 5.11, on aarch64,
    under valgrind), "absent"."""


def support() -> Support:
    """What works here. Chooses and installs the signal, if that has not been done."""
    found = lib.Support()
    lib.support(ctypes.byref(found))
    return Support(lib.version().decode(), found.signal, _ROADS[found.reach])


def install(signal: int) -> None:
    """Chooses the signal by which calls are left, before the first block: for a program that uses SIGUSR1 for something else. The
    signal's own handler goes on to be called for what is not ours.

    OSError: EINVAL for no such signal, EBUSY if one is in use already."""
    if lib.install(signal) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def dump(file: TextIO | None = None) -> None:
    """Writes where every thread is: its Python frames; where it runs a block, its native ones, too, the system call that it is in,
    and what that waits on. (Of other threads the kernel tells the function in which they sleep.) To sys.stderr, or a text file."""
    file = file or sys.stderr
    reports = lib.dump()
    threads = {thread.ident: thread for thread in threading.enumerate()}
    for ident, frame in sys._current_frames().items():
        thread = threads.get(ident)
        tid = thread.native_id if thread else None
        file.write(f"Thread {thread.name if thread else ident}" + (f" (tid {tid}):\n" if tid else ":\n"))
        traceback.print_stack(frame, file=file)
        file.write(f"  {reports.get(tid) or _asleep_in(tid)}\n\n")


def _asleep_in(tid):
    try:
        with open(f"/proc/self/task/{tid}/wchan") as wchan:
            return f"in the kernel: {wchan.read()}"
    except OSError:
        return "not known to the kernel"
