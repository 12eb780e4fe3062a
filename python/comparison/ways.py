"""The ways to end a call: one of them, and one call, in a process of its own.

    VERDICT=FILE python -m comparison.ways WAY CALL SECONDS

A watch waits until the kernel shows the thread asleep in the call (or computing), and then sees what becomes of it: it asks, or time is
up by then. The verdict is written to the file."""

import concurrent.futures
import contextlib
import ctypes
import os
import signal
import sys
import tempfile
import threading
import time

from .calls import CALLS

PATIENCE = 1
"""Seconds after which a call that has not been left is stuck. (A process waits that long only for who loses.)"""
OURS = 30
"""What it may take us, on a machine that is busy."""
TOO_SOON = 75
"""The status of a process in which the time was up before the call had begun."""


class Asked(BaseException):
    """What is raised: no client takes it for a fault of its own."""


class Trial:
    """A call, and what became of it."""

    tid = ident = began_at = left_at = None
    __name__ = "trial"
    saw = ()

    def __init__(self, call, stack):
        self.call, self.made = call, call.make(stack)

    def __call__(self):
        """Makes the call, in the thread that is to be freed of it."""
        self.began_at = time.monotonic()
        self.ident, self.tid = threading.get_ident(), threading.get_native_id()
        try:
            self.made()
            self.saw += ("it came back",)
        except BaseException as error:
            self.saw += (error,)
            raise
        finally:
            self.left_at = time.monotonic()

    def wait_begun(self):
        """Until it sleeps, in one place, while it could run; or has computed for a while."""
        looks, end = [], time.monotonic() + 60
        while time.monotonic() < end:
            time.sleep(0.003)
            if self.tid is None:
                continue
            if self.left_at is not None:
                verdict(f"not even begun: {self.saw}")
            with open(f"/proc/self/task/{self.tid}/stat") as stat, open(f"/proc/self/task/{self.tid}/syscall") as syscall:
                fields, where = stat.read().rsplit(") ", 1)[1].split(), syscall.read()
            looks.append((fields[0] == "S" and where, int(fields[11])))
            if self.call.computes and looks[-1][1] - looks[0][1] >= 5:
                return
            if not self.call.computes and looks[-1][0] and len(looks) >= 5 and len({where for where, _ in looks[-5:]}) == 1:
                return
        verdict("it has never begun")

    def watch(self, asked, patience=PATIENCE, more=lambda: None):
        """The verdict: whether the call is left in time."""
        while self.left_at is None and time.monotonic() < asked + patience:
            time.sleep(0.002)
        if self.left_at is None:
            verdict("stuck")
        verdict(more() or f"{max(0, self.left_at - asked) * 1000:.0f} ms")


def verdict(text):
    with open(os.environ["VERDICT"], "w") as file:
        file.write(text)
    os._exit(0)


def watched(trial, seconds):
    """What becomes of it is seen by a thread of its own."""
    threading.Thread(target=lambda: trial.watch(in_time(trial, seconds)), daemon=True).start()


def in_a_thread(body):
    def quietly():
        with contextlib.suppress(BaseException):
            body()

    threading.Thread(target=quietly, daemon=True).start()


def in_time(trial, seconds):
    """Sees it asleep before the time is up; when it is."""
    trial.wait_begun()
    if time.monotonic() >= trial.began_at + seconds - 0.05:
        os._exit(TOO_SOON)
    return trial.began_at + seconds


# ---- Those that circulate ------------------------------------------------------------------------------------------------


def recipe(trial, seconds):
    in_a_thread(trial)
    trial.wait_begun()
    asked = time.monotonic()
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(trial.ident), ctypes.py_object(Asked))
    trial.watch(asked)


def stopit(trial, seconds):
    import stopit

    def body():
        with stopit.ThreadingTimeout(seconds, swallow_exc=False):
            trial()

    in_a_thread(body)
    trial.watch(in_time(trial, seconds))


def func_timeout(trial, seconds):
    import func_timeout

    watched(trial, seconds)
    with contextlib.suppress(func_timeout.FunctionTimedOut):
        func_timeout.func_timeout(seconds, trial)
    stays_behind(trial)


def futures(trial, seconds):
    future = concurrent.futures.ThreadPoolExecutor(1).submit(trial)
    watched(trial, seconds)
    with contextlib.suppress(concurrent.futures.TimeoutError):
        future.result(seconds)
    future.cancel()
    stays_behind(trial)


def stays_behind(trial):
    """The caller goes on. Does the call?"""
    time.sleep(PATIENCE / 2)
    if trial.left_at is None:
        verdict("stays behind")
    time.sleep(PATIENCE)


def alarm(trial, seconds):
    def handler(*_):
        raise Asked

    signal.signal(signal.SIGALRM, handler)
    watched(trial, seconds)
    signal.setitimer(signal.ITIMER_REAL, seconds)
    with contextlib.suppress(Asked):
        trial()
    time.sleep(PATIENCE)


def pytest_timeout(trial, seconds):
    import pytest

    with tempfile.NamedTemporaryFile("w", prefix="test_", suffix=".py") as file:
        file.write("import sys\ndef test_it():\n    sys.modules['__main__'].TRIAL()\n")
        file.flush()
        watched(trial, seconds)
        pytest.main(["-q", "-s", "-p", "no:cacheprovider", "-p", "no:eintr", f"--timeout={seconds}", "--rootdir=/", file.name])
        time.sleep(PATIENCE)


# ---- Ours ----------------------------------------------------------------------------------------------------------------


def ours(trial, run):
    """In a block, which another thread interrupts. It is also asked that the thread saw that and nothing else, once, and can wait again."""
    import eintr

    handles, rest = [], threading.Event()

    def body():
        try:
            with eintr.interruptible() as handle:
                handles.append(handle)
                trial()
        except Asked:
            pass
        try:
            reader, writer = os.pipe()
            threading.Timer(0.001, os.close, (writer,)).start()
            os.read(reader, 1)
            time.sleep(0.001)
        except BaseException as error:
            trial.saw += (error,)
        rest.set()
        time.sleep(OURS)

    def watch():
        trial.wait_begun()
        patience = PATIENCE if trial.call.stuck else OURS
        asked = time.monotonic()
        raising = handles[0].interrupt(Asked)

        def more():
            if not (rest.wait(OURS) and raising.caught and [*map(type, trial.saw)] == [Asked]):
                return f"caught: {raising.caught}, saw: {trial.saw}"

        trial.watch(asked, patience, more)

    threading.Thread(target=watch, daemon=True).start()
    run(body)
    time.sleep(OURS)


def eintr_any(trial, seconds):
    ours(trial, in_a_thread)


def eintr_main(trial, seconds):
    ours(trial, lambda body: body())


WAYS = {
    "the recipe": recipe,
    "stopit": stopit,
    "func_timeout": func_timeout,
    "futures": futures,
    "alarm, main": alarm,
    "pytest-timeout, main": pytest_timeout,
    "eintr, any": eintr_any,
    "eintr, main": eintr_main,
}


if __name__ == "__main__":
    way, name, seconds = sys.argv[1:]
    with contextlib.ExitStack() as stack:
        TRIAL = Trial(CALLS[name], stack)
        WAYS[way](TRIAL, float(seconds))
    verdict("?")
