"""Threads that can be raised in, also while they are stuck in a call.

The recipe that circulates for this (PyThreadState_SetAsyncExc) is ignored by a thread that sits in time.sleep, accept,
recv, select, waitpid: the exception comes when the call returns, which may be never. Here the call returns:

    class Worker(ThreadWithExc):
        def run(self):
            try:
                sock.accept()
            except SystemExit:
                print("asked to leave")

    worker = Worker()
    worker.start()
    worker.raise_exc(SystemExit).wait_caught(5)     # True

How it works: the thread runs as a task of libeintr. raise_exc leaves the exception with the interpreter, as the recipe
does, and interrupts the task. The blocking call is refused by the kernel's gate (Syscall User Dispatch), and returns to
the interpreter: with success (a sleep), or with an error, which would be raised as an OSError. To have it replaced, a
Python function has to be entered at that moment, for there the interpreter looks for exceptions that were left with it:
on CPython 3.11 the trace function of that one thread, which is set for as long as the exception is under way; from 3.12
on a callback of sys.monitoring for exceptions. When the exception is raised, the request is taken back, and the thread
can wait again.

So the thread sees that exception, once, and no OSError. It may come at any bytecode, as KeyboardInterrupt may in the main
thread: in a `finally`, in `__del__` (where it is printed and lost), between `acquire()` and `try`. `with` is safe.

Waits that are woken: what the kernel waits for (files, sockets, pipes, children, timers, file locks, select, poll, epoll),
and what is built on threading.Condition (queue.Queue, Event, Semaphore, Barrier, Future.result). Not woken: a plain Lock or
RLock that somebody else holds, Thread.join, queue.SimpleQueue, multiprocessing's locks, a C library that computes. There
the exception is raised when the wait is over. See table.py.
"""

import collections
import ctypes
import ctypes.util
import functools
import gc
import itertools
import operator
import os
import sys
import threading
import _thread

__all__ = ["ThreadWithExc", "StoppableThread", "Raise", "Stopped"]


def _load():
    """The library, by calls that keep the GIL: none of them waits."""
    beside = os.path.join(sys.prefix, "lib", "libeintr.so.0.1")
    for name in (os.environ.get("EINTR_LIBRARY"), beside, "libeintr.so.0.1"):
        try:
            if name:
                return ctypes.PyDLL(name)
        except OSError:
            pass
    found = ctypes.util.find_library("eintr")
    if found is None:
        raise ImportError("libeintr is not installed (or set EINTR_LIBRARY to its path)")
    return ctypes.PyDLL(found)


def _function(library, name, result, *arguments):
    return ctypes.PYFUNCTYPE(result, *arguments)((name, library))


_lib = _load()
_handle = ctypes.c_uint64
_task_new = _function(_lib, "eintr_task_new", _handle, ctypes.c_char_p, ctypes.c_uint)
_task_interrupter = _function(_lib, "eintr_task_interrupter", _handle, _handle)
_task_begin = _function(_lib, "eintr_task_begin", ctypes.c_int, _handle)
_task_end = _function(_lib, "eintr_task_end", ctypes.c_int, _handle)
_task_free = _function(_lib, "eintr_task_free", ctypes.c_int, _handle)
_interrupter_free = _function(_lib, "eintr_interrupter_free", ctypes.c_int, _handle)
_interrupt = _function(_lib, "eintr_interrupt", ctypes.c_int64, _handle)
_take = _function(_lib, "eintr_take", ctypes.c_int, ctypes.c_void_p)
_reach_begin = _function(_lib, "eintr_reach_begin", _handle, ctypes.c_int)
_reach_end = _function(_lib, "eintr_reach_end", ctypes.c_int, _handle)
_report = _function(_lib, "eintr_report", ctypes.c_ssize_t, _handle, ctypes.c_char_p, ctypes.c_size_t)
_ROOT = 1
_REACH_LOOPS = 2

_set_async_exc = _function(ctypes.pythonapi, "PyThreadState_SetAsyncExc", ctypes.c_int, ctypes.c_ulong, ctypes.py_object)
_clear_async_exc = _function(ctypes.pythonapi, "PyThreadState_SetAsyncExc", ctypes.c_int, ctypes.c_ulong, ctypes.c_void_p)


_is_one = functools.partial(operator.eq, 1)


def _without_a_switch(*calls):
    """Makes C calls one after the other, as long as each returns 1 (the last may return anything); how many did. All of it is
    one call of C code: no other thread runs between them, and no exception comes."""
    collects = gc.isenabled()
    gc.disable()  # before 3.12 it runs inside such a call, and Python code with it
    try:
        return len(list(itertools.takewhile(_is_one, map(operator.call, calls))))
    finally:
        if collects:
            gc.enable()


def _look():
    """Entered: the interpreter looks for exceptions that were left with it."""


def _tidy_up():
    """Before 3.13 an exception that was taken back has the interpreter look for it for ever, in all threads; 3.11 hangs over
    it in a thread that is traced. One that is found ends that."""
    if sys.version_info < (3, 13):
        try:
            _set_async_exc(threading.get_ident(), KeyboardInterrupt)
            _look()
        except KeyboardInterrupt:
            pass


# ---- Entering a Python function where a call of the target's fails ------------------------------------------------------

if sys.version_info >= (3, 12):

    def _on_raise(code, offset, exception):
        """Entered at every exception of every thread. That is all."""

    class _Entry:
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
        """The calls that do it from another thread."""

        def end(self):
            pass

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
    _set_trace = _function(
        ctypes.pythonapi, "_PyEval_SetTrace", ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p, ctypes.py_object
    )
    _set_trace.restype = operator.not_  # True for success
    _thread_state = _function(ctypes.pythonapi, "PyThreadState_Get", ctypes.c_void_p)

    class _Entry:
        """Made by the thread itself. Another thread sets the trace function: the interpreter's own way, which wants the GIL
        held and a thread that is there."""

        @classmethod
        def prepare(cls):
            pass

        def __init__(self):
            state = _thread_state()
            self._before = sys.gettrace()
            self.switch_on = (functools.partial(_set_trace, state, _COMPARE, _TRACER),)
            self.switch_off = (functools.partial(_set_trace, state, None, None),)

        def end(self):
            sys.settrace(self._before)


# ---- One exception on its way -------------------------------------------------------------------------------------------


class Raise:
    """An exception that was asked for. See ThreadWithExc.raise_exc."""

    def __init__(self, thread, exctype):
        self.exctype = exctype
        self._thread = thread
        # Made here: a type that cannot be made without arguments is the asker's error.
        self._exception = exctype()
        self._over = _thread.allocate_lock()
        self._over.acquire()
        self._open = True
        self.caught = False
        """Whether it was raised in the thread."""

    def _carrier(self):
        """What the interpreter is left with: a class, which it makes an instance of in the thread, where it raises."""

        def __new__(cls, *_):
            self._finish()
            return self._exception

        try:
            # Of the exception's type: C code that looks for that before the instance is made finds it.
            return type(self.exctype.__name__, (self.exctype,), {"__new__": __new__})
        except TypeError:
            return type(self.exctype.__name__, (BaseException,), {"__new__": __new__})

    def _finish(self):
        """On the thread itself: it can wait again."""
        if not self._open:
            return
        self._open = False
        self._thread._pending = None
        while _take(None) == 1:
            pass
        self._thread._entry.end()
        self.caught = self._thread._living.locked()
        self._over.release()

    def wait_caught(self, timeout=None):
        """Waits until the exception was raised in the thread; whether it was. False if the time is up, or the thread ended
        without."""
        if self._over.acquire(timeout=-1 if timeout is None else timeout):
            self._over.release()
        return self.caught

    def __repr__(self):
        return f"<Raise {self.exctype.__name__} in {self._thread.name}: {'caught' if self.caught else 'not caught'}>"


# ---- Threads ------------------------------------------------------------------------------------------------------------


class ThreadWithExc(threading.Thread):
    """A thread in which another thread can raise an exception, also while it is stuck in a call."""

    _task = _interrupter = 0
    _pending = _last = _entry = None

    def start(self):
        if self._task:
            raise RuntimeError("threads can only be started once")
        _Entry.prepare()
        self._children = []
        # Held from when the task has begun until it ends: what is raised in between is raised in run().
        self._living = _thread.allocate_lock()
        self._not_ready = _thread.allocate_lock()
        self._not_ready.acquire()
        self._run = self.run
        self.run = self._run_as_task
        self._task = _task_new(self.name.encode(), _ROOT)
        self._interrupter = _task_interrupter(self._task)
        parent = threading.current_thread()
        if isinstance(parent, ThreadWithExc):
            parent._children.append(self)
        try:
            super().start()
        except BaseException:
            _task_free(self._task)
            raise

    def _run_as_task(self):
        _task_begin(self._task)
        reach = _reach_begin(_REACH_LOOPS)
        self._entry = _Entry()
        self._living.acquire()
        try:
            self._not_ready.release()
            self._run()
        finally:
            # From here on none is left with the interpreter. One that was is raised here, at the latest, and was not caught.
            try:
                self._living.release()
                _look()
            except BaseException as error:
                if self._last is None or error is not self._last._exception:
                    raise
            _reach_end(reach)
            _task_end(self._task)
            del self._run, self.run

    def raise_exc(self, exctype, children=False):
        """Raises an exception of that type in the thread; with `children`, in those that it has started, too, and in theirs.

        Returns at once, with a Raise whose wait_caught(timeout) tells whether it was caught. Asked again while the same type
        is on its way, it is the same Raise. In the thread itself it is raised here and now.

        TypeError: only types can be raised, not instances. threading.ThreadError (RuntimeError): the thread has not been
        started, or has ended; or another type is on its way. ValueError: the interpreter does not know the thread.
        SystemError: it has found more than one, and the exception was taken back from them."""
        if not (isinstance(exctype, type) and issubclass(exctype, BaseException)):
            raise TypeError("Only types can be raised (not instances)")
        if children:
            for child in tuple(getattr(self, "_children", ())):
                try:
                    child.raise_exc(exctype, children=True)
                except threading.ThreadError:
                    pass
        if self is threading.current_thread():
            raise exctype
        if not self.is_alive():
            raise threading.ThreadError("the thread is not active")
        with self._not_ready:
            pass  # start() returns a little before run() begins
        pending = self._pending
        if pending is not None:
            if pending.exctype is exctype:
                return pending
            raise threading.ThreadError(f"{pending.exctype.__name__} is on its way to the thread")
        before, raising = self._last, Raise(self, exctype)
        self._pending = self._last = raising
        calls = (
            self._living.locked,
            *self._entry.switch_on,
            functools.partial(_set_async_exc, self.ident, raising._carrier()),
            functools.partial(_interrupt, self._interrupter),
        )
        done = _without_a_switch(*calls)
        if done < len(calls) - 1:
            self._pending, self._last = None, before
            self._take_back(done)
        self._wake_condition()
        return raising

    def _take_back(self, done):
        if done == 0:
            raise threading.ThreadError("the thread is not active")
        # "if it returns a number greater than one, you're in trouble, and you should call it again with exc=NULL"
        hit = _clear_async_exc(self.ident, None)
        _tidy_up()
        _without_a_switch(self._living.locked, *self._entry.switch_off)
        if hit == 0:
            raise ValueError("invalid thread id")
        raise SystemError("PyThreadState_SetAsyncExc failed")

    def wait_caught(self, timeout=None):
        """Waits until the last exception that was asked for was caught; whether it was."""
        return self._last is not None and self._last.wait_caught(timeout)

    def report(self):
        """Where the thread is, as libeintr sees it."""
        text = ctypes.create_string_buffer(512)
        _report(self._interrupter, text, len(text))
        return text.value.decode(errors="replace")

    def _wake_condition(self):
        """A wait of threading.Condition's sleeps on a lock of its own. That is released, as notify() would."""
        frame = sys._current_frames().get(self.ident)
        if frame is not None and frame.f_code is threading.Condition.wait.__code__:
            waiter = frame.f_locals.get("waiter")
            try:
                if waiter is not None:
                    waiter.release()
            except RuntimeError:
                pass  # notify() was quicker

    def __del__(self):
        if self._interrupter:
            _interrupter_free(self._interrupter)


class Stopped(BaseException):
    """What StoppableThread.stop() raises in the thread. Not an Exception: `except Exception` lets it pass."""


class StoppableThread(ThreadWithExc):
    """A thread that can be told to stop. It may look at stopped() from time to time; a blocking call it leaves at once, by a
    Stopped that ends the thread in silence."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._stop_event = threading.Event()

    def _run_as_task(self):
        try:
            super()._run_as_task()
        except Stopped:
            pass

    def stop(self, children=False):
        self._stop_event.set()
        return self.raise_exc(Stopped, children)

    def stopped(self):
        return self._stop_event.is_set()
