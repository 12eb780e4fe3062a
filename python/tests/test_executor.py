"""The executor, and asyncio's to_thread: what runs can be cancelled."""

import asyncio
import concurrent.futures
import socket
import subprocess
import sys
import threading
import time

import pytest

import eintr

from conftest import LIMIT, asleep, until


@pytest.fixture
def listener():
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def tells(seen, call):
    """The call, and where it runs."""

    def body():
        seen.append(threading.get_native_id())
        return call()

    return body


def test_a_running_job_is_cancelled_and_the_next_one_runs(listener):
    seen, called = [], []
    with eintr.ThreadPoolExecutor(1) as pool:
        future = pool.submit(tells(seen, listener.accept))
        future.add_done_callback(called.append)
        until(lambda: seen)
        asleep(seen[0])
        assert future.running() and future.cancel()
        assert future.cancelled() and future.done() and called == [future]
        with pytest.raises(concurrent.futures.CancelledError):
            future.result(LIMIT)
        assert future.cancel()
        following = pool.submit(lambda: time.sleep(0.01) or "next")
        assert following.result(LIMIT) == "next"
        assert not following.cancel()


def test_a_result_and_an_error_are_as_they_were():
    with eintr.ThreadPoolExecutor(2) as pool:
        assert list(pool.map(abs, [-1, 2])) == [1, 2]
        with pytest.raises(ZeroDivisionError):
            pool.submit(lambda: 1 / 0).result(LIMIT)


def test_shutdown_returns_also_if_submit_was_left_halfway(listener, monkeypatch):
    submit = concurrent.futures.ThreadPoolExecutor.submit

    def is_left(*args):
        submit(*args)
        raise SystemExit  # of a signal's handler, just there

    monkeypatch.setattr(concurrent.futures.ThreadPoolExecutor, "submit", is_left)
    seen = []
    pool = eintr.ThreadPoolExecutor(1)
    with pytest.raises(SystemExit):
        pool.submit(tells(seen, listener.accept))
    until(lambda: seen)
    asleep(seen[0])
    ended = threading.Thread(target=pool.shutdown, kwargs={"cancel_futures": True}, daemon=True)
    ended.start()
    ended.join(LIMIT)
    assert not ended.is_alive()


def test_shutdown_returns(listener):
    seen = []
    pool = eintr.ThreadPoolExecutor(2)
    futures = [pool.submit(tells(seen, listener.accept)) for _ in range(4)]
    until(lambda: len(seen) == 2)
    for tid in seen:
        asleep(tid)
    pool.shutdown(cancel_futures=True)
    assert all(future.cancelled() for future in futures)
    assert not any(thread.is_alive() for thread in pool._threads)


def test_the_interpreter_exits():
    program = """if True:
        import eintr, socket
        listener = socket.create_server(("127.0.0.1", 0))
        pool = eintr.ThreadPoolExecutor(1)
        pool.submit(listener.accept)
        print("bye")
        """
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "bye\n", "")


def test_to_thread_is_cancelled_and_leaves_no_thread(listener):
    async def main():
        seen = []
        task = asyncio.create_task(eintr.to_thread(tells(seen, listener.accept)))
        while not seen:
            await asyncio.sleep(0.001)
        asleep(seen[0])
        before = threading.active_count()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert threading.active_count() == before - 1

        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.02):
                await eintr.to_thread(listener.accept)
        assert await eintr.to_thread(divmod, 7, 2) == (3, 1)
        with pytest.raises(ZeroDivisionError):
            await eintr.to_thread(divmod, 7, 0)

    asyncio.run(main())
