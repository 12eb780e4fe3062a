"""What is told: dump, support, install; and the pytest plugin."""

import errno
import io
import os
import re
import subprocess
import sys

import pytest

import eintr
from eintr._blocks import clock

from conftest import Running, asleep, until


def test_support():
    found = eintr.support()
    assert found.signal > 0 and found.reach in ("exact", "second best")
    assert eintr.Thread(name="x").report() == "x: not started"


def test_a_dump_has_every_thread_with_both_kinds_of_frames():
    reader, writer = os.pipe()
    thread = eintr.Thread(target=os.read, args=(reader, 1), name="reads")
    thread.start()
    other_reader, other_writer = os.pipe()
    plain = Running(lambda: os.read(other_reader, 1)).asleep()
    asleep(thread.native_id)
    text = io.StringIO()
    with eintr.timeout(60):  # So that there is its clock.
        until(lambda: clock.thread[0])
        eintr.dump(text)
    text = text.getvalue()
    assert "Thread eintr's clock (tid " in text and "not known to the kernel" not in text
    assert text.startswith("eintr ") and f", process {os.getpid()} (" in text.splitlines()[0]
    header, *threads = text.rstrip().split("\n\n")
    of = {int(re.search(r" \(tid (\d+)\):", told)[1]): told for told in threads}
    assert of.keys() == {int(tid) for tid in os.listdir("/proc/self/task")}
    main, reads, of_plain = (of[tid] for tid in (os.getpid(), thread.native_id, plain.thread.native_id))
    assert "Thread MainThread" in main and "test_a_dump_has_every_thread" in main and "running" in main
    assert "Thread reads" in reads and "in read of fd" in reads and "pipe" in reads
    assert "stack:" in reads and "libc" in reads
    assert "os.read(other_reader, 1)" in of_plain and "plain thread" in of_plain and "in read of fd" in of_plain
    assert thread.interrupt().wait_caught(60)
    thread.join(60)
    os.write(other_writer, b"x")
    plain.end()
    os.close(other_reader)
    os.close(other_writer)
    os.close(reader)
    os.close(writer)


def test_the_signal_is_chosen_before_the_first_block():
    program = """if True:
        import eintr, signal, time
        try:
            eintr.install(999)
        except OSError as error:
            print(error.errno)
        eintr.install(signal.SIGUSR2)
        print(eintr.support().signal == signal.SIGUSR2)
        try:
            eintr.install(signal.SIGUSR1)
        except OSError as error:
            print(error.errno)
        try:
            with eintr.timeout(0.01):
                time.sleep(1000)
        except TimeoutError:
            print("left")
        """
    done = subprocess.run([sys.executable, "-c", program], timeout=60, capture_output=True, text=True)
    assert done.stdout.split() == [str(errno.EINVAL), "True", str(errno.EBUSY), "left"], done.stderr


def test_a_test_that_is_stuck_fails_and_the_run_goes_on(pytester):
    pytester.makepyfile(
        """
        import socket, time
        import pytest

        torn_down = []

        @pytest.fixture
        def listener():
            with socket.create_server(("127.0.0.1", 0)) as sock:
                yield sock
            torn_down.append(1)

        def test_is_stuck(listener):
            try:
                listener.accept()
            except Exception:
                pass

        @pytest.mark.eintr_timeout(1)
        def test_is_marked():
            time.sleep(1000)

        @pytest.fixture
        def never():
            time.sleep(1000)

        def test_has_a_fixture_that_is_stuck(never):
            pass

        @pytest.fixture
        def does_not_end(listener):
            yield
            time.sleep(1000)

        def test_has_a_fixture_that_does_not_end(does_not_end):
            pass

        def test_goes_on():
            assert torn_down == [1, 1]
        """
    )
    result = pytester.runpytest_subprocess("--eintr-timeout=2", *plugin())
    result.assert_outcomes(passed=2, failed=2, errors=2)
    result.stdout.fnmatch_lines(["*listener.accept()*", "*not done in 2 s*", "*not done in 1 s*"])


def test_a_limit_that_passes_in_pytests_own_code(pytester):
    """Within a phase it is the test's; between them there is none. No fixture is left, and the run goes on."""
    pytester.makeconftest(
        """
        import time
        from _pytest.runner import SetupState

        def is_stuck_once(name, first, of):
            of_pytest = getattr(SetupState, name)

            def method(self, argument):
                if first in list(stuck) and of(self, argument) == first:
                    stuck.remove(first)
                    if first == "test_before":
                        time.sleep(1000)
                    of_pytest(self, argument)
                    time.sleep(1000)
                return of_pytest(self, argument)

            setattr(SetupState, name, method)

        stuck = ["test_setup", "test_before", "test_after"]
        is_stuck_once("setup", "test_setup", lambda state, item: item.name)
        for name in ("test_before", "test_after"):
            is_stuck_once("teardown_exact", name, lambda state, nextitem: list(state.stack)[-1].name)

        def pytest_runtest_logreport(report):
            if "test_between" in report.nodeid:
                time.sleep(1.2)
        """
    )
    pytester.makepyfile(
        """
        import pytest

        there = []

        @pytest.fixture
        def fixture():
            assert there == []
            there.append(1)
            yield
            there.pop()

        def test_setup(fixture): pass
        def test_between(fixture): pass
        def test_before(fixture): pass
        def test_after(fixture): pass
        def test_goes_on(fixture): pass
        """
    )
    result = pytester.runpytest_subprocess("--eintr-timeout=1", *plugin())
    result.assert_outcomes(passed=4, errors=3)
    result.stdout.fnmatch_lines(["*ERROR at setup of test_setup*", "*ERROR at teardown of test_before*", "*ERROR at teardown of test_after*"])
    assert "there == []" not in result.stdout.str()


def plugin():
    """The plugin by name, where eintr is not installed."""
    import importlib.metadata

    try:
        importlib.metadata.version("eintr")
        return []
    except importlib.metadata.PackageNotFoundError:
        return ["-p", "eintr._pytest"]
