"""A call in a thread of its own, for asyncio."""

import asyncio
import contextvars
import functools
import threading
from typing import Callable

from ._blocks import Parameters, Result
from ._executor import _Job


async def to_thread(
    func: Callable[Parameters, Result], /, *args: Parameters.args, **kwargs: Parameters.kwargs
) -> Result:
    """As asyncio.to_thread(). But when the task is cancelled (also by asyncio.timeout), the call is left, by an Interrupted that is
    raised in it; and when this returns, the thread has ended."""
    loop = asyncio.get_running_loop()
    ended = loop.create_future()
    job = _Job(functools.partial(contextvars.copy_context().run, func, *args, **kwargs))

    def body():
        try:
            tell, what = ended.set_result, job()
        except BaseException as error:
            tell, what = ended.set_exception, error
        try:
            loop.call_soon_threadsafe(tell, what)
        except RuntimeError:
            pass  # the loop is closed: nobody waits

    thread = threading.Thread(target=body, name=getattr(func, "__name__", None), daemon=True)
    thread.start()
    cancelled = None
    while True:
        try:
            # `ended` itself is not cancelled: it tells when the thread has left the call.
            await asyncio.wait([ended])
            break
        except asyncio.CancelledError as error:
            cancelled = error
            job.cancel()
    thread.join()
    if cancelled is not None:
        ended.exception()
        raise cancelled
    return ended.result()
