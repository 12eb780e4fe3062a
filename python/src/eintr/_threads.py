"""Threads that can be raised in: a thread whose body is a block."""

import functools
import threading
import time
import _thread

from ._entry import Entry
from ._blocks import Interrupted, Raise, block_of, interruptible


class ThreadWithExc(threading.Thread):
    """A thread in which another thread can raise an exception, also while it is stuck in a call.

        thread = ThreadWithExc(target=sock.accept)
        thread.start()
        thread.raise_exc(SystemExit).wait_caught(5)     # True
    """

    _block = None

    def start(self) -> None:
        """As threading.Thread.start()."""
        Entry.prepare()
        if self.ident is None and "run" not in self.__dict__:
            self._children = []
            self._not_ready = _thread.allocate_lock()
            self._not_ready.acquire()
            self._ends = threading.Event()
            self.run = functools.partial(self._run_in_a_block, self.run)
        parent = threading.current_thread()
        super().start()
        if isinstance(parent, ThreadWithExc):
            parent._children.append(self)

    def _run_in_a_block(self, run):
        try:
            with interruptible(self.name) as self._block:
                self._not_ready.release()
                run()
        except BaseException as error:
            # It came when run() had returned.
            if self._block is None or block_of(error) is not self._block or self._block._last.caught:
                raise
        finally:
            del self.run
            self._ends.set()

    def join(self, timeout: float | None = None) -> None:
        """As threading.Thread.join(), and a wait that is left: so a thread that waits for its own can be stopped."""
        if not self.is_alive() or self is threading.current_thread():
            return super().join(timeout)
        began = time.monotonic()
        if self._ends.wait(timeout):
            super().join(None if timeout is None else max(0, timeout - (time.monotonic() - began)))

    def raise_exc(self, exctype: type[BaseException], children: bool = False) -> Raise:
        """Raises an exception of that type in the thread; with `children`, in those that it has started, too, and in theirs.

        Returns at once, with a Raise whose wait_caught(timeout) tells whether it was caught. Asked again while the same type
        is on its way, it is the same Raise. In the thread itself it is raised here and now.

        TypeError: only types can be raised, not instances. threading.ThreadError (RuntimeError): the thread has not been
        started, or has ended; or another type is on its way."""
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
        handle = self._open_handle()
        last = handle._last
        if last is not None and last.exctype is not exctype and last._over.locked():
            raise threading.ThreadError(f"{last.exctype.__name__} is on its way to the thread")
        return handle.interrupt(exctype)

    def _open_handle(self):
        if self.is_alive():
            with self._not_ready:
                pass  # start() returns a little before run() begins
            if not self._block.is_over:
                return self._block
        raise threading.ThreadError("the thread is not active")

    def wait_caught(self, timeout: float | None = None) -> bool:
        """Waits until the last exception that was asked for was caught, for so many seconds at most; whether it was."""
        last = self._block and self._block._last
        return last is not None and last.wait_caught(timeout)

    def report(self) -> str:
        """Where the thread is, as libeintr sees it: a line of text."""
        return self._block.report() if self._block else f"{self.name}: not started"


class Thread(ThreadWithExc):
    """A thread that can be interrupted. An Interrupted that ends it does so in silence."""

    def _run_in_a_block(self, run):
        try:
            super()._run_in_a_block(run)
        except Interrupted:
            pass

    def interrupt(self, exc: type[BaseException] | BaseException = Interrupted, *, again: bool = False) -> Raise:
        """As Handle.interrupt(), for the thread's whole body. threading.ThreadError (RuntimeError): the thread has not been started,
        or has ended."""
        return self._open_handle().interrupt(exc, again=again)


class Stopped(BaseException):
    """What StoppableThread.stop() raises in the thread. Not an Exception: `except Exception` lets it pass."""


class StoppableThread(ThreadWithExc):
    """A thread that can be told to stop. It may look at stopped() from time to time; a blocking call it leaves at once, by a
    Stopped that ends the thread in silence."""

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._stop_event = threading.Event()

    def _run_in_a_block(self, run):
        try:
            super()._run_in_a_block(run)
        except Stopped:
            pass

    def stop(self, children: bool = False) -> Raise:
        """Has it stop, as raise_exc() does. threading.ThreadError (RuntimeError): it has not been started, or has ended."""
        self._stop_event.set()
        return self.raise_exc(Stopped, children)

    def stopped(self) -> bool:
        """Whether it was told to."""
        return self._stop_event.is_set()
