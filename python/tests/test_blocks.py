"""`interruptible`: stretches of threads that are not ours; and never what comes after them."""

import collections
import functools
import operator
import pickle
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

import eintr

from conftest import LIMIT, Running, asleep, loops_are_covered, until


class Asked(Exception):
    pass


def test_a_pools_job_is_left_and_the_next_one_is_not():
    handles = []

    def job():
        with eintr.interruptible("job") as handle:
            handles.append(handle)
            time.sleep(1000)

    with ThreadPoolExecutor(1) as pool:
        first = pool.submit(job)
        until(lambda: handles)
        assert handles[0].name == "job"
        assert handles[0].interrupt().wait_caught(LIMIT)
        assert isinstance(first.exception(LIMIT), eintr.Interrupted)
        assert not handles[0].interrupt().wait_caught(LIMIT)
        assert pool.submit(lambda: time.sleep(0.01) or "next").result(LIMIT) == "next"


def test_the_main_thread():
    with pytest.raises(Asked):
        with eintr.interruptible() as handle:
            asker = Running(lambda: asleep(threading.main_thread().native_id) or handle.interrupt(Asked))
            time.sleep(1000)
    assert isinstance(asker.end(), eintr.Raise)


def test_itself():
    with pytest.raises(Asked, match="why"):
        with eintr.interruptible() as handle:
            handle.interrupt(Asked("why"))


def test_the_outer_block_is_left_through_the_inner_one():
    handles = []

    def body():
        with eintr.interruptible("outer") as outer:
            try:
                with eintr.interruptible("inner") as inner:
                    handles.extend([outer, inner])
                    time.sleep(1000)
            finally:
                assert inner.is_over and not outer.is_over

    running = Running(body)
    until(lambda: handles)
    assert handles[0].interrupt(Asked).wait_caught(LIMIT)
    assert isinstance(running.end(), Asked)


def test_what_is_not_an_exception_is_refused():
    with eintr.interruptible() as handle:
        for wrong in (int, object(), None, "Asked"):
            with pytest.raises(TypeError):
                handle.interrupt(wrong)
        with pytest.raises(TypeError, match="type"):
            handle.interrupt(Asked(), again=True)


def test_a_loop_that_swallows_exceptions_ends_on_request():
    handles, swallowed = [], []
    listener = socket.create_server(("127.0.0.1", 0))

    def body():
        with eintr.interruptible() as handle:
            handles.append(handle)
            while True:
                try:
                    listener.accept()
                except Exception as error:
                    swallowed.append(type(error))
                    del error

    running = Running(body)
    until(lambda: handles)
    running.asleep()
    assert handles[0].interrupt(Asked).wait_caught(LIMIT)
    running.asleep()
    handles[0].interrupt(Asked, again=True)
    assert isinstance(running.end(), eintr.Interrupted)
    assert set(swallowed) == {Asked}
    listener.close()


def test_two_are_raised_one_after_the_other():
    handles, seen = [], []
    lock = threading.Lock()
    lock.acquire()

    def body():
        with eintr.interruptible() as handle:
            handles.append(handle)
            for wait in (lock.acquire, lambda: time.sleep(1000)):
                try:
                    wait()
                except Exception as error:
                    seen.append(str(error))

    running = Running(body)
    until(lambda: handles)
    running.asleep()
    # A plain lock is not left: both are under way.
    raises = [handles[0].interrupt(Asked(number)) for number in (1, 2)]
    lock.release()
    for raising in raises:
        assert raising.wait_caught(LIMIT)
    assert running.end() is None
    assert seen == ["1", "2"]


def test_a_block_that_ends_on_another_thread():
    def generator():
        with eintr.interruptible() as handle:
            yield handle

    suspended = generator()
    handle = Running(lambda: next(suspended)).end()
    with pytest.raises(RuntimeError, match="the thread that has begun it"):
        next(suspended)
    assert handle.is_over


def test_a_thread_that_ends_in_a_suspended_block():
    def generator():
        with eintr.interruptible() as handle:
            yield handle

    suspended = generator()
    handle = Running(lambda: next(suspended)).end()
    others = [Running(lambda: time.sleep(0.05) or "slept") for _ in range(10)]
    assert not handle.interrupt(Asked).wait_caught(LIMIT)
    assert [other.end() for other in others] == ["slept"] * 10
    with pytest.raises(RuntimeError):
        suspended.close()


def sends(handle, *more):
    """What sends an exception when it is unpacked: one instruction, and no look behind it."""
    raising = eintr.Raise(handle, Asked)
    return map(operator.call, (*raising._calls(), *more))


def looks():
    """Often enough for what would be on its way."""
    for _ in range(100):
        len("")


def test_what_is_sent_by_the_last_instruction_is_raised_by_the_end():
    with pytest.raises(Asked):
        with eintr.interruptible() as handle:
            sent = sends(handle)
            [*sent]
    assert handle.is_over
    looks()


def test_what_is_sent_while_another_exception_leaves():
    error = KeyError()
    with pytest.raises(Asked):
        with eintr.interruptible() as handle:
            sent = sends(handle)
            [*sent]
            raise error
    assert handle.is_over
    looks()


def test_what_is_sent_to_the_outer_block_at_the_inner_ones_end():
    with pytest.raises(Asked):
        with eintr.interruptible() as outer:
            try:
                with eintr.interruptible() as inner:
                    sent = sends(outer)
                    [*sent]
            finally:
                assert inner.is_over and not outer.is_over
    assert outer.is_over
    looks()


def test_what_is_sent_together_with_ctrl_c():
    with pytest.raises(Asked):
        with eintr.interruptible() as handle:
            sent = sends(handle, functools.partial(signal.raise_signal, signal.SIGINT))
            [*sent]
    assert handle.is_over
    looks()


@loops_are_covered
def test_never_what_comes_after():
    """Blocks in blocks, asked at random times, at the shortest switch interval: whoever is raised in is in that block, or has
    been asked while it was."""
    handles = collections.deque(maxlen=20)
    strays, counts, raises = [], collections.Counter(), []
    enough = threading.Event()

    def job(number):
        outer = inner = None
        try:
            try:
                with eintr.interruptible() as outer:
                    handles.append(outer)
                    try:
                        if number % 3:
                            time.sleep(random.random() * 0.0004)
                        with eintr.interruptible() as inner:
                            handles.append(inner)
                            for _ in range(random.randrange(50)):
                                len("")
                            if number % 7 == 0:
                                time.sleep(random.random() * 0.0004)
                            len("")
                    except Asked as error:
                        counts["seen"] += 1
                        assert error.args[0] in (outer, inner)
            except Asked as error:
                counts["seen"] += 1
                assert error.args[0] in (outer, inner)
            for _ in range(50):
                len("")
        except BaseException as error:
            strays.append((number, error, error.__context__))

    def work():
        for number in range(1500):
            job(number)

    def ask():
        while not enough.is_set():
            if handles:
                handle = random.choice(list(handles))
                raises.append(handle.interrupt(Asked(handle)))
            time.sleep(random.random() * 0.0003)

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        askers = [Running(ask) for _ in range(2)]
        workers = [Running(work) for _ in range(2)]
        for worker in workers:
            assert worker.end() is None
        enough.set()
        for asker in askers:
            assert asker.end() is None
    finally:
        enough.set()
        sys.setswitchinterval(before)
    # Everyone is told.
    until(lambda: not any(raising._over.locked() for raising in raises))
    assert strays == []
    assert counts["seen"]


def test_one_that_comes_in_a_destructor_is_not_lost():
    class Slow:
        def __del__(self):
            in_it.append(1)
            while not handles[0]._last:
                time.sleep(0.001)
            time.sleep(1000)

    handles, in_it = [], []

    def body():
        with eintr.interruptible() as handle:
            handles.append(handle)
            Slow()
            time.sleep(1000)

    running = Running(body)
    until(lambda: in_it)
    handles[0].interrupt(Asked)
    assert isinstance(running.end(), Asked)


@pytest.mark.parametrize("again", [False, True])
def test_an_exception_can_be_sent_to_another_process(again):
    with pytest.raises(Asked) as caught:
        with eintr.interruptible() as handle:
            handle.interrupt(Asked, again=again)
    assert isinstance(pickle.loads(pickle.dumps(caught.value)), Asked)


@pytest.mark.parametrize(
    "program",
    [
        "from gevent import monkey; monkey.patch_all(); import eintr; body()",
        "import eintr, gevent; gevent.sleep(0); body()",
        "import eintr, gevent; gevent.spawn(body).join()",
        "import eintr, gevent, threading; threading.Thread(target=lambda: gevent.spawn(body).join()).start()",
    ],
)
def test_greenlets_are_refused(program):
    pytest.importorskip("gevent")
    body = """if True:
        def body():
            try:
                with eintr.timeout(1):
                    print("begun")
            except RuntimeError as error:
                print(error)
        """
    done = subprocess.run([sys.executable, "-c", body + program], timeout=60, capture_output=True, text=True)
    assert "gevent.Timeout" in done.stdout and "begun" not in done.stdout, done.stderr


def test_a_thread_beside_gevents_is_as_any_other():
    pytest.importorskip("gevent")
    program = """if True:
        import eintr, gevent, threading, time
        def body():
            try:
                with eintr.timeout(0.05):
                    time.sleep(1000)
            except eintr.TimeoutError:
                print("left")
        thread = threading.Thread(target=body)
        thread.start()
        while thread.is_alive():
            gevent.sleep(0.01)
        """
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert (done.stdout, done.stderr) == ("left\n", "")


@pytest.mark.skipif(sys.version_info < (3, 12), reason="this interpreter has no sys.monitoring")
def test_exceptions_elsewhere_cost_nothing_afterwards():
    thread = eintr.Thread(target=time.sleep, args=(1000,))
    thread.start()
    assert thread.interrupt().wait_caught(LIMIT)
    thread.join(LIMIT)
    [tool] = [number for number in range(6) if sys.monitoring.get_tool(number) == "eintr"]
    until(lambda: not eintr._entry._on_their_way)  # other tests' threads
    try:
        raise Asked
    except Asked:
        pass
    assert sys.monitoring.get_events(tool) == 0
