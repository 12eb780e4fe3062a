"""Our locks and join: left in any thread, and as threading's otherwise."""

import gc
import multiprocessing
import os
import random
import sys
import threading
import time

import pytest

import eintr

from conftest import LIMIT, Running, until


@pytest.fixture(params=[eintr.Lock, eintr.RLock])
def lock(request):
    return request.param()


def test_its_wait_is_left(anywhere, lock):
    go = threading.Event()
    holder = Running(lambda: lock.acquire() and go.wait())
    until(lock.locked)

    def body():
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0.05):
                lock.acquire()
        with pytest.raises(eintr.TimeoutError):
            with eintr.timeout(0.05):
                with lock:
                    pass

    anywhere(body)
    go.set()
    holder.end()


def test_it_is_a_lock(lock):
    with lock:
        assert lock.locked()
        assert Running(lambda: lock.acquire(False)).end() is False
        assert Running(lambda: lock.acquire(timeout=0.01)).end() is False
        waits = Running(lambda: lock.acquire() and lock.release()).asleep()
    assert waits.end() is None
    assert not lock.locked()
    with pytest.raises(RuntimeError):
        lock.release()
    with pytest.raises(ValueError):
        lock.acquire(False, 1)
    with pytest.raises(ValueError):
        lock.acquire(timeout=-2)


def test_its_descriptor_goes_with_it():
    lock = eintr.Lock()
    fd = lock._fd
    del lock
    gc.collect()
    with pytest.raises(OSError):
        os.fstat(fd)


def test_an_rlock_is_taken_again_and_is_its_owners():
    lock = eintr.RLock()
    with lock, lock:
        assert isinstance(Running(lock.release).end(), RuntimeError)
    assert not lock.locked()


def test_a_condition_of_it(lock):
    condition, told = threading.Condition(lock), []

    def body():
        with condition:
            while not told:
                condition.wait()

    waits = Running(body).asleep()
    with condition:
        told.append(1)
        condition.notify()
    assert waits.end() is None


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_lock_between_processes():
    lock = eintr.Lock()
    with lock:
        child = multiprocessing.get_context("fork").Process(target=lock.acquire, daemon=True)
        child.start()
        child.join(0.05)
        assert child.is_alive()
    child.join(LIMIT)
    assert child.exitcode == 0 and lock.locked()


def test_what_comes_when_it_was_just_taken_finds_it_held(lock):
    """By `with`: it is raised in the body, or by the end."""
    noted = lock._noted

    with pytest.raises(KeyError):
        with eintr.interruptible() as handle:
            raising = eintr.Raise(handle, KeyError)
            lock._noted = lambda: (*noted(), *raising._calls())
            with lock:
                lock.locked()
    assert not lock.locked()


def test_at_any_moment_it_is_held_or_free(lock):
    """Two threads take it again and again, and are interrupted at random times. Nobody else is in it, and it is not lost."""
    owner, raises, faults, enough = [None], [], [], threading.Event()
    handles = [None, None]

    def body(number):
        while not enough.is_set():
            try:
                with eintr.interruptible() as handles[number]:
                    while True:
                        with lock:
                            owner[0] = number
                            for _ in range(10):
                                len("")
                            if owner[0] != number:
                                faults.append("two are in it")
            except eintr.Interrupted:
                pass

    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [Running(lambda number=number: body(number)) for number in range(2)]
        until(lambda: all(handles))
        for _ in range(1000):
            raises.append(random.choice(handles).interrupt())
            time.sleep(random.random() * 0.0005)
        enough.set()
        for thread in threads:
            until(lambda: [handle.interrupt() for handle in handles] and not thread.thread.is_alive())
            assert thread.end() is None
    finally:
        enough.set()
        sys.setswitchinterval(before)
    assert faults == []
    assert any(raising.caught for raising in raises)
    assert lock.acquire(timeout=LIMIT)


def test_a_join_of_any_thread_is_left(anywhere):
    go = threading.Event()
    running = Running(go.wait)

    def body():
        for _ in range(2):
            with pytest.raises(eintr.TimeoutError):
                with eintr.timeout(0.05):
                    eintr.join(running.thread)
        eintr.join(running.thread, 0.01)
        assert running.thread.is_alive()

    anywhere(body)
    go.set()
    eintr.join(running.thread)
    assert not running.thread.is_alive()
    eintr.join(running.thread)
    with pytest.raises(RuntimeError):
        eintr.join(threading.current_thread())
    with pytest.raises(RuntimeError):
        eintr.join(threading.Thread())
