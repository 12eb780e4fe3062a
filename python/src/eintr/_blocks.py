"""Blocks: stretches of a thread in which an exception can be raised from outside, also while it is stuck in a call.

How an exception comes
----------------------

PyThreadState_SetAsyncExc leaves an exception with the interpreter, in the one place that a thread has for it. The thread
takes it where it *looks*: where a Python function begins, where a call of C code has returned without an error, where a loop
jumps back. Nowhere else; in particular not between `__enter__`'s return and the body of `with`, nor between the body and the
call of `__exit__`. A thread that sits in a call does not look. So libeintr interrupts the call, and where that comes back with
an error, a Python function is entered (see _entry.py).

What holds
----------

1. An exception is raised once, in its block, or by the `with` statement at the block's end; never after that.
2. An exception that was accepted is raised, unless one of a block further out has left the block before.
3. The thread can wait again when it is raised.

Why
---

All of this runs under the GIL, which a thread gives away only where it looks (or waits). *Unpacking an iterator* of C calls,
`[*calls]`, is one instruction: between its calls, and after the last of them, no thread looks and no other runs.

Sending is one such instruction (Raise._send): the block's gate is closed, or its thread has another exception on its way, or
the exception is left with the interpreter and the call is interrupted. So the place that a thread has is never overwritten, and
what is on its way belongs to a block that is open.

Raising: the interpreter is left a class, and makes an instance of it (`__new__`), in the thread. Its one instruction takes the
request back from libeintr (3), tells the asker, and frees the place. The next exception finds the thread where it looks next:
not before this one is raised, for there is no look between. (On 3.11 there is one: the trace function is entered with the
exception. If another thread gets the GIL there and sends, its exception takes the place of this one.)

The end: `__exit__` closes the gate, by its first call, and then looks. What was on its way is raised there (2), and nothing
can come afterwards (1). Where may `__exit__` itself be raised in?

- At its start, before anything of it has run: there it does not look (without_a_look). Up to its first call there is no place
  to look, and all that follows is in a `try`.
- After the gate was closed: then it is the exception that was on its way, to this block or to one around it, and it is the last.
- By a KeyboardInterrupt: it may come where our exception would, and first. So there is a second look; two of them, at two
  places that follow each other, would be one too many.

A `timeout` raises an Interrupted in its block, and a TimeoutError by its end. Where that is left by what came of the Interrupted (its
cause, its context), it is the same.

Where an exception cannot be raised (in a `__del__`, or a weak reference's callback), the interpreter tells sys.unraisablehook, and we
send it once more.

The beginning: until the gate is open nothing comes for this block. Exceptions for a block around it may come at any place, and
leave nothing that has begun.

Where the interpreter does not call `__exit__` (3.13.0 has a fault: a loop that is the last thing in a `with` or `try`, and is
raised in where it jumps back, is not covered by it), the manager goes when its frame does, and a weak reference closes the gate,
by C code. The thread's end does the same for a generator that is never resumed.
"""

import builtins
import collections
import functools
import gc
import heapq
import inspect
import itertools
import operator
import os
import sys
import threading
import time
import weakref
import _thread
from queue import Empty, SimpleQueue
from typing import Callable, ParamSpec, TypeVar

from . import _library as lib
from ._entry import Entry, in_the_main_thread, make_known, without_a_look


Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


class Interrupted(BaseException):
    """What Handle.interrupt() raises, unless it is told otherwise. Not an Exception, as KeyboardInterrupt is none: `except
    Exception` lets it pass."""


class TimeoutError(builtins.TimeoutError):
    """The time of a `timeout` was up."""


class _TimeIsUp(Interrupted):
    """What a `timeout` raises in its block. A TimeoutError is an OSError: urllib would wrap it, and a client that tries again would
    swallow it."""


# ---- One instruction ----------------------------------------------------------------------------------------------------


_until_zero = functools.partial(itertools.takewhile, functools.partial(operator.ne, 0))


def _without_a_switch(*calls):
    """Makes these C calls in one instruction, until one returns 0 or False; how many did not."""
    collects = gc.isenabled()
    gc.disable()  # before 3.12 it runs inside such a call, and Python code with it
    try:
        return len([*_until_zero(map(operator.call, calls))])
    finally:
        if collects:
            gc.enable()


def look():
    """Entered: the interpreter looks for what was left with it."""


# ---- The thread ---------------------------------------------------------------------------------------------------------


def has_greenlets():
    """Whether this thread is one of gevent's making, or has a hub: what is left with a thread is raised in whichever greenlet runs."""
    patched, hubs = map(sys.modules.get, ("gevent.monkey", "gevent._hub_local"))
    return (
        patched is not None
        and patched.is_module_patched("threading")
        or hubs is not None
        and hubs.get_hub_if_exists() is not None
    )


class _Life:
    """Goes with its thread."""


class _Here(threading.local):
    outermost = life = None


_here = _Here()


class _Target:
    """A thread from the beginning of its outermost block to its end: a task of libeintr."""

    interrupter = _task = _reach = 0

    def __init__(self, name):
        global _unraisable_before
        if has_greenlets():
            raise RuntimeError("this thread runs gevent's greenlets: eintr cannot tell them apart (use gevent.Timeout)")
        Entry.prepare()
        if _unraisable_before is None:
            _unraisable_before, sys.unraisablehook = sys.unraisablehook, _unraisable
        self.ident = threading.get_ident()
        # Held while the thread is there.
        self.living = _thread.allocate_lock()
        self.living.acquire()
        _here.life = life = _Life()
        self._net = weakref.ref(life, self.living.__exit__)
        # Held while an exception is on its way to it.
        self.place = _thread.allocate_lock()
        self.entry = Entry()
        is_main = self.ident == threading.main_thread().ident
        self.in_waits = in_the_main_thread() if is_main else ()
        make_known()
        self._task = lib.task_new(name.encode(), lib.ROOT)
        self.interrupter = lib.task_interrupter(self._task)
        lib.task_begin(self._task)
        self._reach = lib.reach_begin(lib.REACH_LOOPS)

    def end(self):
        task, self._task = self._task, 0
        if task:
            lib.reach_end(self._reach)
            lib.task_end(task)

    def wake_condition(self, wanted):
        """A wait of threading.Condition's sleeps on a lock of its own. That is released, as notify() would."""
        frame = sys._current_frames().get(self.ident)
        if frame is not None and frame.f_code is threading.Condition.wait.__code__:
            waiter = frame.f_locals.get("waiter")
            try:
                if waiter is not None:
                    _without_a_switch(wanted, waiter.release)
            except RuntimeError:
                pass  # notify() was quicker

    def __del__(self):
        self.end()
        lib.interrupter_free(self.interrupter)


# ---- The exception ------------------------------------------------------------------------------------------------------


class Raise:
    """An exception that was asked for."""

    def __init__(self, handle: "Handle", exception: type[BaseException] | BaseException, again: bool = False):
        # Made here: a type that cannot be made without arguments is the asker's error.
        self._exception = exception() if isinstance(exception, type) else exception
        if not isinstance(self._exception, BaseException):
            raise TypeError("exceptions must derive from BaseException")
        self.exctype: type[BaseException] = type(self._exception)
        self._handle = handle
        self._again = again
        self._over = _thread.allocate_lock()
        self._over.acquire()
        self.caught: bool = False
        """Whether it was raised in the block's body. If not, the `with` statement has raised it, or nobody."""

    def _carrier(self):
        """What the interpreter is left with: a class, which it makes an instance of in the thread, where it raises."""
        handle, target = self._handle, self._handle._target
        raised = map(
            operator.call,
            (
                handle._gate.locked,
                functools.partial(lib.take, None),
                *target.entry.switch_off,
                self._over.release,
                target.place.release,
            ),
        )

        @without_a_look
        def __new__(cls, *made):  # 3.11 may come back with what was made
            exception = made[0] if made else self._exception
            try:
                # What holds an exception holds the frames that it has come through: nobody does.
                self._exception = None
                exception.__dict__["_block"] = handle
                if self._again and not made:
                    following = Interrupted if issubclass(self.exctype, Exception) else self.exctype
                    exception.__dict__["_again"] = _Again(Raise(handle, following, True))
            finally:
                answers = [*raised]
                if answers:
                    self.caught = answers[0]
            return exception

        try:
            # Of the exception's type: C code that looks for that before the instance is made finds it.
            return type(self.exctype.__name__, (self.exctype,), {"__new__": __new__})
        except TypeError:
            return type(self.exctype.__name__, (BaseException,), {"__new__": __new__})

    def _calls(self):
        target = self._handle._target
        return (
            self._handle._gate.locked,
            target.living.locked,
            functools.partial(target.place.acquire, False),
            *target.entry.switch_on,
            functools.partial(lib.set_async_exc, target.ident, self._carrier()),
            *target.in_waits,
            functools.partial(lib.interrupt, target.interrupter),
        )

    def _send(self):
        """Whether it is on its way, or has come too late; False if it has to wait, for another one is."""
        target, calls = self._handle._target, self._calls()
        made = _without_a_switch(*calls)
        if made >= len(calls) - 1:
            target.wake_condition(self._over.locked)
        elif made == 2:
            return False
        else:
            # The block is over; or the interpreter does not know the thread, which has not come through a fork.
            self._over.release()
            if made > 2:
                _without_a_switch(target.place.release, *target.entry.switch_off)
        return True

    def wait_caught(self, timeout: float | None = None) -> bool:
        """Waits until the exception was raised, for so many seconds at most (None: for ever); whether it was, in the block's
        body. False if the time is up, or the block ended without."""
        if self._over.acquire(timeout=-1 if timeout is None else timeout):
            self._over.release()
        return self.caught

    def __repr__(self):
        return f"<Raise {self.exctype.__name__} in {self._handle.name}: {'caught' if self.caught else 'not caught'}>"


class _Mark:
    """What an exception carries, in this process only."""

    def __reduce__(self):
        return type(None), ()


class _Again(_Mark):
    """Sends the next exception where the one that holds it goes: where the handler ends that has swallowed it."""

    def __init__(self, following):
        self._send = _until_zero(map(operator.call, following._calls()))

    @without_a_look
    def __del__(self):
        [*self._send]


def block_of(exception):
    """The handle of the block in which we have raised it; or none."""
    return getattr(exception, "__dict__", {}).get("_block")


@without_a_look
def _unraisable(unraisable):
    """sys.unraisablehook: what was raised in a `__del__` or a weak reference's callback was not raised in the block."""
    handle = block_of(unraisable.exc_value)
    if handle is None or handle.is_over:
        return _unraisable_before(unraisable)
    again = Raise(handle, unraisable.exc_value)
    [*_until_zero(map(operator.call, again._calls()))]


_unraisable_before = None


class _Clock:
    """A thread that sends what is due, and what had to wait for another exception. It ends when it has had nothing to do for a
    while: a program may fork, and be warned of threads."""

    LINGERS = 1
    """Seconds."""

    def __init__(self):
        self._wake = SimpleQueue()
        self._running = _thread.allocate_lock()
        self._added = collections.deque()
        self._due = []
        self._next = 0
        self.thread = (0, 0)

    def add(self, when, raising):
        """Has it sent at that time of time.monotonic()'s."""
        self._added.append((when, next(_numbers), raising))
        if self._running.acquire(False):
            try:
                _thread.start_new_thread(self._run, ())
            except BaseException:
                self._running.release()
                raise
        # It looks at what was added after it has said until when it sleeps.
        elif when < self._next or len(self._added) > 1000:
            self._wake.put(None)

    def _run(self):
        self.thread = (_thread.get_ident(), _thread.get_native_id())
        waiting, pause, due = [], 0, self._due
        while True:
            while self._added:
                heapq.heappush(due, self._added.popleft())
            now = time.monotonic()
            while due and due[0][0] <= now:
                waiting.append(heapq.heappop(due)[2])
            waiting = [raising for raising in waiting if not raising._send()]
            if len(due) > 1000:
                due[:] = [entry for entry in due if entry[2]._handle._gate.locked()]
                heapq.heapify(due)
            # Nobody tells when a place becomes free: that is rare, and soon, unless a thread computes.
            pause = min(2 * pause + 0.001, 0.05) if waiting else 0
            self._next = min(due[0][0] if due else now + self.LINGERS, now + (pause or threading.TIMEOUT_MAX))
            if self._added:
                continue
            try:
                self._wake.get(timeout=max(self._next - now, 0))
            except Empty:
                if not due and not waiting:
                    self.thread = (0, 0)
                    self._running.release()
                    if not self._added or not self._running.acquire(False):
                        return
                    self.thread = (_thread.get_ident(), _thread.get_native_id())

    def after_fork(self):
        entries = [*self._due, *self._added]
        self.__init__()
        for when, _, raising in entries:
            if raising._handle._target.ident == threading.get_ident() and not raising._handle.is_over:
                self.add(when, raising)


_numbers = itertools.count()
clock = _Clock()
os.register_at_fork(after_in_child=clock.after_fork)


# ---- The block ----------------------------------------------------------------------------------------------------------


class Handle(_Mark):
    """A block, for who wants to interrupt it. From any thread, at any time, also when the block is over."""

    def __init__(self, target, name):
        self._target = target
        self.name: str = name
        # Held while the block is open.
        self._gate = _thread.allocate_lock()
        self._gate.acquire()
        self._last = None

    def interrupt(self, exc: type[BaseException] | BaseException = Interrupted, *, again: bool = False) -> Raise:
        """Raises an exception, a type or an instance, in the block: in the call that it waits in, or at its next bytecode. When
        the block is over, nothing happens.

        Returns at once, with a Raise whose wait_caught(timeout) tells whether it was caught. Asked again while the same type
        is on its way, it is the same Raise. Where another exception is on its way to the thread, this one comes after it.

        With `again`, one that was swallowed is followed by another (exc must be a type) where its handler ends, until the block
        does; by an Interrupted if it was an Exception, so that a loop with `try: ... except Exception: pass` ends. What keeps the
        exception puts that off. A loop with `except BaseException: pass` may go on for ever.

        TypeError: what is not an exception; a type that needs arguments."""
        last = self._last
        if last is not None and last.exctype is exc and last._over.locked():
            return last
        if again and not isinstance(exc, type):
            raise TypeError("what is raised again has to be a type")
        self._last = raising = Raise(self, exc, again)
        if not raising._send():
            clock.add(0, raising)
        return raising

    @property
    def is_over(self) -> bool:
        """Whether the block has ended."""
        return not self._gate.locked()

    def report(self) -> str:
        """Where the thread is, as libeintr sees it: a line of text."""
        return lib.report(self._target.interrupter)

    def __repr__(self):
        return f"<Handle {self.name}{': over' if self.is_over else ''}>"


class interruptible:
    """`with interruptible(name=None) as handle:` makes a stretch of this thread interruptible, by handle.interrupt(). Any thread:
    a pool's, the main one, one that C code has made. A request never hits what comes after the block. Blocks nest.

    RuntimeError: the block has begun already, or ends on another thread (as in a generator that changes threads)."""

    _net = _handle = _owns = None

    def __init__(self, name: str | None = None):
        self._name = name

    def __enter__(self) -> Handle:
        if self._net is not None:
            raise RuntimeError("the block has begun already")
        outermost = _here.outermost
        self._owns = outermost is None or outermost.is_over
        if self._owns:
            if outermost is not None:
                outermost._target.end()
            target = _Target(self._name or threading.current_thread().name)
        else:
            target = outermost._target
        self._handle = handle = Handle(target, self._name or threading.current_thread().name)
        if self._owns:
            _here.outermost = handle
        self._net = weakref.ref(self, handle._gate.__exit__)
        try:
            self._arm(handle)
        except BaseException as error:
            self.__exit__(None, error)
            raise
        return handle

    def _arm(self, handle):
        pass

    @without_a_look
    def __exit__(self, *_: object) -> None:
        try:
            try:
                self._handle._gate.release()
            finally:
                look()
        finally:
            self._net = None
            look()
            if self._owns:
                self._end()

    def _end(self):
        target = self._handle._target
        if target.ident != threading.get_ident():
            raise RuntimeError("a block ends on the thread that has begun it")
        _here.outermost = None
        target.end()


class timeout(interruptible):
    """`with timeout(seconds):` or `@timeout(seconds)`: the block, or each call of the function, has so much time (None: as much
    as it takes). Then an Interrupted is raised in it, in the call that it waits in, or at its next bytecode; and the `with`
    statement makes it a TimeoutError, also of another exception that came of it. What has ended well before that stays so. Any
    thread. Timeouts nest. As with `interruptible`, its handle is what `as` gives.

    A call of C code that computes, and does not let other threads run, is not left; the error comes when it returns.

    TypeError: a function that returns before its body has run (a coroutine, a generator). ValueError: not a number (NaN)."""

    def __init__(self, seconds: float | None):
        super().__init__()
        if seconds is not None and seconds != seconds:
            raise ValueError("seconds must be a number")
        self.seconds = seconds

    def _arm(self, handle):
        if self.seconds is not None:
            clock.add(time.monotonic() + self.seconds, Raise(handle, self._inside()))

    def _inside(self):
        return _TimeIsUp()

    def _error(self):
        return TimeoutError(f"not done in {self.seconds} s")

    @without_a_look
    def __exit__(self, *raised: object) -> None:
        try:
            interruptible.__exit__(self)
        except _TimeIsUp as late:
            if block_of(late) is not self._handle:
                raise
            raise self._error() from None
        error = came = raised[1] if raised else None
        while came is not None:
            if isinstance(came, _TimeIsUp) and block_of(came) is self._handle:
                raise self._error().with_traceback(came.__traceback__) from (None if came is error else error)
            came = came.__cause__ or came.__context__

    def __call__(self, function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
        if inspect.iscoroutinefunction(function) or inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
            raise TypeError(f"{function!r} returns before its body has run: use `with timeout(...)` in it")

        @functools.wraps(function)
        def within(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
            with timeout(self.seconds):
                return function(*args, **kwargs)

        return within
