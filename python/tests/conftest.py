"""What the tests share."""

import sys
import threading
import time

import pytest

pytest_plugins = ["pytester"]
LIMIT = 60


def until(condition):
    end = time.monotonic() + LIMIT
    while not condition():
        assert time.monotonic() < end, "not in time"
        time.sleep(0.001)


def asleep(tid):
    """Waits until the kernel shows the thread asleep, in one place, while it could run."""
    seen = []

    def is_asleep():
        with open(f"/proc/self/task/{tid}/stat") as stat, open(f"/proc/self/task/{tid}/syscall") as syscall:
            seen.append(stat.read().rsplit(") ", 1)[1][0] == "S" and syscall.read())
        return seen[-1] and len(seen) >= 5 and len(set(seen[-5:])) == 1

    until(is_asleep)


# CPython 3.13.0 compiles loops whose jump back is not covered by the `try` or `with` around it.
loops_are_covered = pytest.mark.skipif(sys.version_info[:3] == (3, 13, 0), reason="this interpreter's loops are not covered")


class Running:
    """A call in a plain thread, and what became of it."""

    def __init__(self, call):
        self.outcome = None

        def body():
            try:
                self.outcome = call()
            except BaseException as error:
                self.outcome = error

        self.thread = threading.Thread(target=body, daemon=True)
        self.thread.start()

    def asleep(self):
        asleep(self.thread.native_id)
        return self

    def end(self):
        self.thread.join(LIMIT)
        assert not self.thread.is_alive()
        return self.outcome


@pytest.fixture(params=["main", "another"])
def anywhere(request):
    """Calls a function in the main thread, or in a plain one."""

    def call(function):
        if request.param == "main":
            return function()
        outcome = Running(function).end()
        if isinstance(outcome, BaseException):
            raise outcome
        return outcome

    return call
