"""Entering a Python function where a call of the target's fails: there the interpreter looks for what was left with it.

A blocking call that is refused comes back with an error, which the interpreter would raise as an OSError, without a look. On
CPython 3.11 the trace function of that one thread is entered then, which is set for as long as the exception is under way;
from 3.12 on it is a callback of sys.monitoring for exceptions."""

import ctypes
import functools
import operator
import sys

from ._library import function

if sys.version_info >= (3, 12):

    def _on_raise(code, offset, exception):
        """Entered at every exception of every thread. That is all."""

    class Entry:
        """The same for all threads, and for good: code that runs already would not see it switched on."""

        _tool = None

        @classmethod
        def prepare(cls):
            if cls._tool is not None:
                return
            for tool in (4, 3, 2, 1, 0, 5):
                try:
                    sys.monitoring.use_tool_id(tool, "eintr")
                    break
                except ValueError:
                    continue
            else:
                raise RuntimeError("all of sys.monitoring's tools are in use")
            sys.monitoring.register_callback(tool, sys.monitoring.events.RAISE, _on_raise)
            sys.monitoring.set_events(tool, sys.monitoring.events.RAISE)
            cls._tool = tool

        switch_on = switch_off = ()
        """The calls that do it: of another thread, and of its own."""

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
