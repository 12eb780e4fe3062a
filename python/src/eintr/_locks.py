"""What is waited for in the kernel, in the place of what CPython waits for where no thread but the main one is let out.

`with lock:` is safe, as it is with threading's: between the instruction that takes it and the body there is no look (see _blocks.py), and
the end does not look before it has given the lock back."""

import functools
import operator
import os
import select
import threading
import time
import weakref
import _thread

from ._entry import without_a_look

_FREE = 2**64 - 2
"""What an eventfd can hold: more is refused."""


class Lock:
    """As threading.Lock, and its wait is left in any thread. It is a descriptor, which forked children share: so it is a lock
    between processes, too, where multiprocessing starts them by fork."""

    def __init__(self) -> None:
        self._fd = os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK)
        os.eventfd_write(self._fd, _FREE)

    def __del__(self):
        os.close(self._fd)

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As threading.Lock.acquire()."""
        if not blocking and timeout != -1:
            raise ValueError("can't specify a timeout for a non-blocking call")
        if timeout < 0 and timeout != -1:
            raise ValueError("timeout value must be a non-negative number")
        end = time.monotonic() + (threading.TIMEOUT_MAX if timeout == -1 else timeout)
        take = (functools.partial(os.eventfd_read, self._fd), *self._noted())
        while True:
            tried = map(operator.call, take)
            try:
                [*tried]
                return True  # No look on the way to the body of a `with`.
            except BlockingIOError:
                pass
            left = end - time.monotonic()
            if not blocking or left <= 0:
                return False
            poll = select.poll()
            poll.register(self._fd, select.POLLIN)
            poll.poll(min(left * 1000 + 1, 1 << 30))

    def _noted(self):
        return ()

    def release(self) -> None:
        """As threading.Lock.release()."""
        try:
            self.__exit__()
        except BlockingIOError:
            raise RuntimeError("release unlocked lock") from None

    def locked(self) -> bool:
        """As threading.Lock.locked()."""
        return not select.select([self._fd], [], [], 0)[0]

    def __enter__(self) -> bool:
        return self.acquire()

    @without_a_look
    def __exit__(self, *_: object) -> None:
        os.eventfd_write(self._fd, _FREE)


class RLock(Lock):
    """As threading.RLock, and its wait is left in any thread. Between processes it is none."""

    _owner = _count = 0

    def acquire(self, blocking: bool = True, timeout: float = -1) -> bool:
        """As threading.RLock.acquire()."""
        if self._is_owned():
            self._count += 1
            return True
        return super().acquire(blocking, timeout)

    def _noted(self):
        return functools.partial(setattr, self, "_count", 1), functools.partial(setattr, self, "_owner", _thread.get_ident())

    def release(self) -> None:
        """As threading.RLock.release()."""
        if not self._is_owned():
            raise RuntimeError("cannot release un-acquired lock")
        self.__exit__()

    @without_a_look
    def __exit__(self, *_: object) -> None:
        self._count -= 1
        if self._count == 0:
            self._owner = 0
            os.eventfd_write(self._fd, _FREE)

    # For threading.Condition.

    def _is_owned(self):
        return self._owner == _thread.get_ident()

    def _release_save(self):
        count, self._count = self._count, 1
        self.release()
        return count

    def _acquire_restore(self, count):
        super().acquire()
        self._count = count


_ends = weakref.WeakKeyDictionary()


def join(thread: threading.Thread, timeout: float | None = None) -> None:
    """As thread.join(), for any thread, and a wait that is left. (Another thread joins it, once, and tells.)"""
    if thread is threading.current_thread():
        raise RuntimeError("cannot join current thread")
    end = _ends.get(thread)
    if end is None and thread.is_alive():
        end = _ends[thread] = threading.Event()

        def body(join=thread.join, tell=end.set):
            join()
            tell()

        _thread.start_new_thread(body, ())
    if end is None or end.wait(timeout):
        thread.join()
