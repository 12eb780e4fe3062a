"""What is told, and what is chosen."""

import ctypes
import os
import sys
import threading
import traceback
from typing import NamedTuple, TextIO

from . import _library as lib
from ._blocks import clock

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
    """Writes where every thread of the process is, Python's or not: its Python frames, the system call that it is in, what that waits
    on and who holds it; where it runs a block, its native frames, too. To sys.stderr, or a text file."""
    file = file or sys.stderr
    header, reports = lib.dump()
    told = [header]
    ours, its_tid = clock.thread
    threads = {thread.ident: (thread.name, thread.native_id) for thread in threading.enumerate()}
    threads.setdefault(ours, ("eintr's clock", its_tid))
    for ident, frame in sys._current_frames().items():
        # (One that was started by _thread has neither for us.)
        name, tid = threads.get(ident, (ident, None))
        name = f"{name} (tid {tid})" if tid else name
        frames = "".join(traceback.format_stack(frame))
        told.append(f"Thread {name}:\n{frames}  {reports.pop(tid, 'not known to the kernel')}")
    # In one piece: the program may exit meanwhile.
    file.write("\n\n".join([*told, *reports.values()]) + "\n\n")
