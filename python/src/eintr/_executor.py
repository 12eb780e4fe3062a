"""A pool of threads whose running jobs can be cancelled."""

import concurrent.futures
import threading
import weakref
from typing import Any, Callable
from concurrent.futures import _base

from ._blocks import Interrupted, Parameters, Result, interruptible


class _Job:
    """A call, in a block of its own."""

    handle = None
    is_cancelled = False

    def __init__(self, function):
        self._function = function

    def __call__(self, *args, **kwargs):
        with interruptible() as self.handle:
            # Who cancels says so first, and looks for the handle then.
            if self.is_cancelled:
                raise Interrupted
            return self._function(*args, **kwargs)

    def cancel(self):
        if self.is_cancelled:
            return
        self.is_cancelled = True
        if self.handle is not None:
            self.handle.interrupt()


class Future(concurrent.futures.Future[Result]):
    """What ThreadPoolExecutor.submit() returns."""

    def cancel(self) -> bool:
        """Cancels the call, also while it runs: an Interrupted is raised in it, and whatever it returns is dropped. The future
        is cancelled at once; the job may take a while to leave. False if the call is done."""
        if super().cancel():
            return True
        with self._condition:
            if self._state != _base.RUNNING:
                return False
            self._state = _base.CANCELLED_AND_NOTIFIED
            for waiter in self._waiters:
                waiter.add_cancelled(self)
            self._condition.notify_all()
        self._job.cancel()
        self._invoke_callbacks()
        return True

    def set_result(self, result):
        try:
            super().set_result(result)
        except concurrent.futures.InvalidStateError:
            if not self.cancelled():
                raise

    def set_exception(self, exception):
        try:
            super().set_exception(exception)
        except concurrent.futures.InvalidStateError:
            if not self.cancelled():
                raise


class ThreadPoolExecutor(concurrent.futures.ThreadPoolExecutor):
    """As concurrent.futures.ThreadPoolExecutor. But a job can be cancelled while it runs; so shutdown(cancel_futures=True) returns,
    and so does the interpreter, at whose exit all jobs are cancelled."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._futures = weakref.WeakSet()
        self._jobs = weakref.WeakSet()
        _executors.add(self)

    def submit(
        self, fn: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
    ) -> Future[Result]:
        job = _Job(fn)
        # Before a thread has it: a signal's handler may raise where its future is about to be noted.
        self._jobs.add(job)
        future = super().submit(job, *args, **kwargs)
        future._job = job
        future.__class__ = Future
        self._futures.add(future)
        return future

    def shutdown(self, wait: bool = True, *, cancel_futures: bool = False) -> None:
        """As concurrent.futures.ThreadPoolExecutor.shutdown(); cancel_futures cancels the running ones, too."""
        super().shutdown(wait=False, cancel_futures=cancel_futures)
        if cancel_futures:
            for future in list(self._futures):
                future.cancel()
            for job in list(self._jobs):
                job.cancel()
        if wait:
            super().shutdown(wait=True)


_executors = weakref.WeakSet()


def _at_exit():
    for executor in list(_executors):
        executor.shutdown(wait=False, cancel_futures=True)


# Run before concurrent.futures' own, which waits for the jobs: those that were registered last come first.
threading._register_atexit(_at_exit)
