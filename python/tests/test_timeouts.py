"""`timeout`: in any thread, nested, once, and never outside of its block."""

import builtins
import contextlib
import functools
import multiprocessing
import os
import queue
import random
import signal
import socket
import subprocess
import sys
import threading
import time

import pytest

import eintr

from conftest import Running, loops_are_covered


def computes():
    while True:
        len("")


def receives(stack):
    here, there = map(stack.enter_context, socket.socketpair())
    return lambda: here.recv(1)


def waits_for_a_child(stack):
    child = stack.enter_context(subprocess.Popen(["sleep", "1000"]))
    stack.callback(child.kill)
    return child.wait


CALLS = {
    "sleep": lambda stack: lambda: time.sleep(1000),
    "accept": lambda stack: stack.enter_context(socket.create_server(("127.0.0.1", 0))).accept,
    "recv": receives,
    "queue": lambda stack: queue.Queue().get,
    "event": lambda stack: functools.partial(threading.Event().wait, 1000),
    "child": waits_for_a_child,
    "computing": lambda stack: computes,
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_is_left(anywhere, name):
    def body():
        with contextlib.ExitStack() as stack:
            call = CALLS[name](stack)
            with pytest.raises(eintr.TimeoutError) as caught:
                with eintr.timeout(0.05):
                    call()
        assert isinstance(caught.value, builtins.TimeoutError)
        assert caught.value.__cause__ is None
        time.sleep(0.001)  # it can wait again
        os.stat("/")

    anywhere(body)


def held_by_another(lock):
    Running(lock.acquire).end()
    return lock


WAITS = {
    "Lock": lambda go: held_by_another(threading.Lock()).acquire,
    "Lock, with a timeout": lambda go: functools.partial(held_by_another(threading.Lock()).acquire, timeout=1000),
    "RLock": lambda go: held_by_another(threading.RLock()).acquire,
    "join": lambda go: Running(go.wait).thread.join,
    "SimpleQueue": lambda go: queue.SimpleQueue().get,
    "a lock of multiprocessing's": lambda go: held_by_another(multiprocessing.Lock()).acquire,
}


@pytest.mark.parametrize("name", WAITS)
def test_the_main_threads_wait_for_a_lock_is_left(name):
    go = threading.Event()
    wait = WAITS[name](go)
    with pytest.raises(eintr.TimeoutError):
        with eintr.timeout(0.02):
            wait()
    assert not go.is_set()
    go.set()


def test_a_plain_call_of_grpcs_in_the_main_thread_is_left():
    grpc = pytest.importorskip("grpc")
    with socket.create_server(("127.0.0.1", 0)) as listener:
        method = grpc.insecure_channel("127.0.0.1:%d" % listener.getsockname()[1]).unary_unary("/a/b")
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0.2):
                method(b"", wait_for_ready=True)


def test_a_join_of_our_own_threads_is_left(anywhere):
    go = threading.Event()
    thread = eintr.Thread(target=go.wait)
    thread.start()

    def body():
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0.02):
                thread.join()
        thread.join(0)
        assert thread.is_alive()

    anywhere(body)
    go.set()
    thread.join()
    assert not thread.is_alive()


def test_what_is_done_in_time_is_left_alone(anywhere):
    def body():
        with eintr.timeout(1000):
            return 1

    assert anywhere(body) == 1


def test_no_limit(anywhere):
    def body():
        with eintr.timeout(None):
            time.sleep(0.001)
            return 1

    assert anywhere(body) == 1


def test_what_others_make_of_it(anywhere):
    """A client that wraps errors, and one that swallows them and tries again."""

    def wraps():
        try:
            time.sleep(1000)
        except BaseException as error:
            raise RuntimeError("it failed") from error

    def tries_again():
        while True:
            try:
                time.sleep(1000)
            except Exception:
                pass

    def body():
        with pytest.raises(eintr.TimeoutError) as caught:
            with eintr.timeout(0.02):
                wraps()
        assert str(caught.value.__cause__) == "it failed"
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0.02):
                tries_again()
        with pytest.raises(KeyError):
            with eintr.timeout(1000):
                raise KeyError

    anywhere(body)


def test_the_traceback_shows_where_it_was_stuck(anywhere):
    def is_stuck():
        time.sleep(1000)

    def body():
        with pytest.raises(eintr.TimeoutError) as caught:
            with eintr.timeout(0.02):
                is_stuck()
        assert "is_stuck" in [entry.name for entry in caught.traceback]

    anywhere(body)


def test_none_is_left_at_once(anywhere):
    def body():
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0):
                time.sleep(1000)

    anywhere(body)


def test_the_inner_one_passes(anywhere):
    def body():
        with eintr.timeout(1000):
            with pytest.raises(eintr.TimeoutError, match="0.02"):
                with eintr.timeout(0.02):
                    time.sleep(1000)
            time.sleep(0.001)
            return 1

    assert anywhere(body) == 1


def test_the_outer_one_passes(anywhere):
    def body():
        with pytest.raises(eintr.TimeoutError, match="0.02"):
            with eintr.timeout(0.02):
                with eintr.timeout(1000):
                    time.sleep(1000)

    anywhere(body)


def test_both_pass_one_after_the_other(anywhere):
    def body():
        seen = []
        with pytest.raises(eintr.TimeoutError, match="0.04"):
            with eintr.timeout(0.04):
                try:
                    with eintr.timeout(0.02):
                        time.sleep(1000)
                except eintr.TimeoutError as error:
                    seen.append(str(error))
                time.sleep(1000)
        assert seen in (["not done in 0.02 s"], [])

    anywhere(body)


def test_a_function(anywhere):
    @eintr.timeout(0.02)
    def recurses(depth):
        """Docs."""
        return recurses(depth - 1) if depth else time.sleep(1000)

    assert recurses.__doc__ == "Docs."
    with pytest.raises(eintr.TimeoutError):
        anywhere(lambda: recurses(3))


def test_what_returns_before_its_body_has_run_is_refused():
    async def coroutine():
        pass

    def generator():
        yield

    for function in (coroutine, generator):
        with pytest.raises(TypeError, match="before its body"):
            eintr.timeout(1)(function)


def test_not_a_number():
    with pytest.raises(ValueError):
        eintr.timeout(float("nan"))
    with pytest.raises(TypeError):
        with eintr.timeout("1"):
            pass


def test_a_block_begins_once():
    block = eintr.timeout(1000)
    with block:
        with pytest.raises(RuntimeError, match="begun already"):
            with block:
                pass
    with block:
        pass


@loops_are_covered
def test_once_and_never_outside():
    """At any moment around the block's end: each is raised in its block, or by the with statement, or not at all."""
    strays, raised = [], []

    def body():
        for _ in range(2000):
            here = "before"
            try:
                try:
                    limit = random.random() * 0.0004
                    with eintr.timeout(limit):
                        here = "in it"
                        end = time.perf_counter() + limit
                        while time.perf_counter() < end:
                            len("")
                        len("")
                except eintr.TimeoutError:
                    raised.append(here)
                here = "after"
                for _ in range(30):
                    len("")
            except BaseException as error:
                strays.append((here, error))

    threads = [Running(body) for _ in range(2)]
    for thread in threads:
        assert thread.end() is None
    assert strays == []
    assert raised


def test_ctrl_c_in_the_main_thread_ends_the_block():
    timer = threading.Timer(0.02, signal.raise_signal, [signal.SIGINT])
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        with eintr.timeout(1000) as handle:
            while True:
                len("")
            len("")
    assert handle.is_over
    timer.join()


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_keeps_its_limit():
    parent, pid = os.getpid(), None
    try:
        with eintr.timeout(3):  # enough to fork in
            pid = os.fork()
            time.sleep(1000)
    except eintr.TimeoutError:
        if os.getpid() != parent:
            os._exit(7)
    with eintr.timeout(60):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7


def test_the_clock_ends_when_it_has_nothing_to_do():
    program = """if True:
        import contextlib, eintr, os, time
        with contextlib.suppress(eintr.TimeoutError), eintr.timeout(0.01):
            pass
        while len(os.listdir("/proc/self/task")) > 1:
            time.sleep(0.01)
        """
    subprocess.run([sys.executable, "-c", program], check=True, timeout=60)
