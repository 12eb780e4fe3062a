"""Entering a Python function where a call of the target's fails: there the interpreter looks for what was left with it.

A blocking call that is refused comes back with an error, which the interpreter would raise as an OSError, without a look. On
CPython 3.11 the trace function of that one thread is entered then, which is set for as long as the exception is under way;
from 3.12 on it is a callback of sys.monitoring for exceptions, which is set for as long, too."""

import ctypes
import functools
import operator
import signal
import sys
from opcode import opmap

from ._library import Support, function, support as _support

# pytest shows the frame that waited.
__tracebackhide__ = True



def without_a_look(function):
    """The function, which does not look at its start: it begins with the RESUME of one that goes on after `await`."""
    code = function.__code__.co_code
    at = 2 * code[::2].index(opmap["RESUME"]) + 1
    function.__code__ = function.__code__.replace(co_code=code[:at] + b"\x02" + code[at + 1 :])
    return function


@without_a_look
def _looks(*_):
    """Entered: it looks where the loop jumps back. (Not at the start: there 3.13 looks before a tracer hears of the call, which then
    hears of a return, and coverage loses what it measures. Nor behind a call of C code: some are specialised, and do not look.)"""
    for _ in (1, 2):
        pass


_set_interrupt = function(ctypes.pythonapi, "PyErr_SetInterruptEx", ctypes.c_int, ctypes.c_int)
_set_interrupt.restype = operator.not_  # True for success


@functools.cache
def in_the_main_thread():
    """What ends its waits for a lock (Thread.join and SimpleQueue are such waits, too), for a semaphore of multiprocessing's, for what
    gRPC brings: such code asks for signals where it is woken, and has their handlers called. So one seems to have come, which
    nobody sends. Or nothing, where the interpreter's main thread is another. (A pending call is not made everywhere.)"""
    support = Support()
    _support(ctypes.byref(support))
    for number in range(signal.SIGRTMAX, signal.SIGRTMIN, -1):
        if number != support.signal and signal.getsignal(number) is signal.SIG_DFL:
            try:
                signal.signal(number, _looks)
            except ValueError:
                break
            return (functools.partial(_set_interrupt, number),)
    return ()


def make_known():
    """coverage asks a Python function about a file that it sees for the first time: there it would be raised, and end the measuring."""
    _looks()


if sys.version_info >= (3, 12):

    _monitoring = sys.monitoring
    _on_their_way = []

    def _on_raise(code, offset, exception):
        """Entered at every exception of every thread, while one of ours is on its way. The first one after that switches it off:
        between the question and the call no other thread runs."""
        if not _on_their_way:
            _monitoring.set_events(Entry._tool, 0)

    class Entry:
        """One for all threads."""

        _tool = None

        @classmethod
        def prepare(cls):
            if cls._tool is not None:
                return
            for tool in (4, 3, 2, 1, 0, 5):
                try:
                    _monitoring.use_tool_id(tool, "eintr")
                    break
                except ValueError:
                    continue
            else:
                raise RuntimeError("all of sys.monitoring's tools are in use")
            _monitoring.register_callback(tool, _monitoring.events.RAISE, _on_raise)
            cls._tool = tool
            # Calls of the asker's, and of the thread's own.
            cls.switch_on = (
                functools.partial(_on_their_way.append, None),
                functools.partial(_monitoring.set_events, tool, _monitoring.events.RAISE),
            )
            cls.switch_off = (_on_their_way.pop,)

else:

    class _Tracer:
        """A trace function for C, made of what there is: PyObject_RichCompareBool takes (object, object, int) and returns -1
        for an exception, as a trace function takes (object, frame, event, argument). The events are the comparisons."""

        def __le__(self, frame):  # an exception
            return False

        # A call, a line, a return: answered by C code, where no exception comes.
        __lt__ = __eq__ = __ne__ = __gt__ = __ge__ = [].__contains__

    _TRACER = _Tracer()
    _COMPARE = ctypes.cast(ctypes.pythonapi.PyObject_RichCompareBool, ctypes.c_void_p).value
    _set_trace = function(
        ctypes.pythonapi, "_PyEval_SetTrace", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object
    )
    _set_trace.restype = operator.not_  # True for success
    _thread_state = function(ctypes.pythonapi, "PyThreadState_Get", ctypes.c_void_p)

    class Entry:
        """Made by the thread itself. Another thread sets the trace function: the interpreter's own way, which wants the GIL
        held and a thread that is there."""

        @classmethod
        def prepare(cls):
            pass

        def __init__(self):
            self.switch_on = (functools.partial(_set_trace, _thread_state(), _COMPARE, _TRACER),)
            self.switch_off = (functools.partial(sys.settrace, sys.gettrace()),)
