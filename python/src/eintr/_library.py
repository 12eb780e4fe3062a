"""The shared library, by calls that keep the GIL: none of them waits."""

import os
import re
import sys
import sysconfig

if sys.implementation.name != "cpython":
    raise ImportError("eintr is for CPython: it leaves exceptions with its interpreter")
if sysconfig.get_config_var("Py_GIL_DISABLED"):
    raise ImportError("eintr is not for free-threaded builds of CPython: it relies on the GIL")

try:
    import _interpreters
except ImportError:  # before 3.13
    import _xxsubinterpreters as _interpreters
if _interpreters.get_current() != _interpreters.get_main():
    raise ImportError("eintr is not for subinterpreters: a thread belongs to the main one")

# Not before: where it is refused in a subinterpreter, it says so in its own words.
import ctypes

_beside = os.path.join(os.path.dirname(__file__), "libeintr.so")
_lib = ctypes.PyDLL(os.environ.get("EINTR_LIBRARY") or _beside)


def function(library, name, result, *arguments):
    return ctypes.PYFUNCTYPE(result, *arguments)((name, library))


class Support(ctypes.Structure):
    _fields_ = [("signal", ctypes.c_int), ("own_calls", ctypes.c_int), ("reach", ctypes.c_int)]


_handle = ctypes.c_uint64
task_new = function(_lib, "eintr_task_new", _handle, ctypes.c_char_p, ctypes.c_uint)
task_interrupter = function(_lib, "eintr_task_interrupter", _handle, _handle)
task_begin = function(_lib, "eintr_task_begin", ctypes.c_int, _handle)
task_end = function(_lib, "eintr_task_end", ctypes.c_int, _handle)
interrupter_free = function(_lib, "eintr_interrupter_free", ctypes.c_int, _handle)
interrupt = function(_lib, "eintr_interrupt", ctypes.c_int64, _handle)
take = function(_lib, "eintr_take", ctypes.c_int, ctypes.c_void_p)
reach_begin = function(_lib, "eintr_reach_begin", _handle, ctypes.c_int)
reach_end = function(_lib, "eintr_reach_end", ctypes.c_int, _handle)
_report = function(_lib, "eintr_report", ctypes.c_ssize_t, _handle, ctypes.c_char_p, ctypes.c_size_t)
# It waits for other threads to answer: the GIL is given away.
_dump = ctypes.CDLL(_lib._name).eintr_dump
_dump.argtypes, _dump.restype = (ctypes.c_char_p, ctypes.c_size_t), ctypes.c_ssize_t
support = function(_lib, "eintr_support", ctypes.c_int, ctypes.POINTER(Support))
version = function(_lib, "eintr_version", ctypes.c_char_p)
# With errno, which tells what stood in the way.
install = ctypes.CDLL(_lib._name, use_errno=True).eintr_install
ROOT = 1
REACH_LOOPS = 2

set_async_exc = function(ctypes.pythonapi, "PyThreadState_SetAsyncExc", ctypes.c_int, ctypes.c_ulong, ctypes.py_object)
clear_async_exc = function(ctypes.pythonapi, "PyThreadState_SetAsyncExc", ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)


def report(interrupter):
    """Where a task is: a line of text."""
    text = ctypes.create_string_buffer(512)
    _report(interrupter, text, len(text))
    return text.value.decode(errors="replace")


def dump():
    """The thread dump: its header, and what is told of each thread, by the threads' ids."""
    text, length = b"", 1 << 20
    while length >= len(text):
        text = ctypes.create_string_buffer(length + 4096)
        length = _dump(text, len(text))
    header, *reports = text.value.decode(errors="replace").rstrip().split("\n\n")
    found = {}
    for report in reports:
        tid = re.match(r".* \(tid (\d+)\): ", report)
        if tid:
            found.setdefault(int(tid[1]), report)
    return header, found
