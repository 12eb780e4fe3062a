"""Timeouts and interrupts for threads, also while they are stuck in a blocking call.

    with eintr.timeout(5):                          # any thread; raises eintr.TimeoutError
        connection.execute("select pg_sleep(100)")

    with eintr.interruptible() as handle:           # in a pool's job, a callback, the main thread
        listener.accept()
    handle.interrupt()                              # from another thread: raises eintr.Interrupted there

Times are in seconds. An exception may come at any bytecode of a block, as KeyboardInterrupt may in the main thread: in a `finally`,
between `lock.acquire()` and `try`. `with lock:` is safe.
"""

from ._asyncio import to_thread
from ._blocks import Handle, Interrupted, Raise, TimeoutError, interruptible, timeout
from ._executor import Future, ThreadPoolExecutor
from ._help import Support, dump, install, support
from ._locks import Lock, RLock, join
from ._threads import StoppableThread, Stopped, Thread, ThreadWithExc

__all__ = [
    "Future",
    "Handle",
    "Interrupted",
    "Lock",
    "RLock",
    "Raise",
    "StoppableThread",
    "Stopped",
    "Support",
    "Thread",
    "ThreadPoolExecutor",
    "ThreadWithExc",
    "TimeoutError",
    "dump",
    "install",
    "interruptible",
    "join",
    "support",
    "timeout",
    "to_thread",
]
