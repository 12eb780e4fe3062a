"""What others do in the process goes on: coverage, debuggers, faulthandler, fork; and subinterpreters are told."""

import bdb
import faulthandler
import os
import signal
import subprocess
import sys
import textwrap
import threading
import time

import pytest

import eintr

from conftest import LIMIT, Running, asleep, until


def script(text, *options):
    return subprocess.run([sys.executable, *options, "-c", textwrap.dedent(text)], timeout=60, capture_output=True, text=True)


MEASURED = """\
import threading, time, eintr

def waits():
    try:
        with eintr.timeout(0.05):
            time.sleep(1000)
            missed = 1
    except eintr.TimeoutError:
        late = 1
    return late

waits()
thread = threading.Thread(target=waits)
thread.start()
thread.join()
after = 1
"""


@pytest.mark.parametrize("core", ["ctrace", "sysmon"])
def test_coverage_measures_what_comes_after(core, tmp_path):
    pytest.importorskip("coverage")
    if core == "sysmon" and sys.version_info < (3, 12):
        pytest.skip("this interpreter has no sys.monitoring")
    program = tmp_path / "program.py"
    program.write_text(MEASURED)
    environment = {**os.environ, "COVERAGE_CORE": core, "COVERAGE_FILE": str(tmp_path / "data")}
    for command in (["run", f"--include={program}", str(program)], ["report", "-m"]):
        done = subprocess.run([sys.executable, "-m", "coverage", *command], env=environment, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr
    missing = done.stdout.splitlines()[2].split("%")[1].strip()
    assert missing == str(1 + MEASURED.splitlines().index("            missed = 1")), done.stdout


class Debugger(bdb.Bdb):
    """Stops at each line of a function, and goes on."""

    def __init__(self):
        super().__init__()
        self.lines = []

    def user_line(self, frame):
        if frame.f_code.co_name == "debugged":
            self.lines.append(frame.f_lineno - frame.f_code.co_firstlineno)
        self.set_step()


def test_a_debugger_sees_what_comes_after():
    def debugged():
        try:
            with eintr.timeout(0.1):
                time.sleep(1000)
        except eintr.TimeoutError:
            late = 1
        return late

    def body():
        debugger = Debugger()
        assert debugger.runcall(debugged) == 1
        return debugger.lines

    assert Running(body).end()[-3:] == [4, 5, 6]


def test_faulthandler_tells_where_a_thread_is(tmp_path):
    with open(tmp_path / "dump", "w+") as file:
        thread = eintr.Thread(target=time.sleep, args=(1000,))
        thread.start()
        asleep(thread.native_id)
        faulthandler.dump_traceback(file, all_threads=True)
        file.seek(0)
        assert "_run_in_a_block" in file.read()
    thread.interrupt()
    thread.join()


def test_faulthandlers_signal_is_its_own():
    done = script(
        """
        import eintr, faulthandler, signal, time
        faulthandler.register(signal.SIGUSR1, all_threads=False)
        try:
            with eintr.timeout(0.1):
                time.sleep(1000)
        except eintr.TimeoutError:
            signal.raise_signal(signal.SIGUSR1)
            print("left")
        """
    )
    assert (done.returncode, done.stdout) == (0, "left\n") and done.stderr.count("most recent call first") == 1, done


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_child_of_a_process_with_blocks_has_its_own():
    """It is forked where other threads are in blocks, and one is asked."""
    threads = [eintr.Thread(target=time.sleep, args=(1000,)) for _ in range(3)]
    for thread in threads:
        thread.start()
    with eintr.timeout(1000):
        threads[0].interrupt()
        pid = os.fork()
        if pid == 0:
            try:
                thread = eintr.Thread(target=time.sleep, args=(1000,))
                thread.start()
                thread.interrupt()
                thread.join()
                with eintr.timeout(0.05):
                    time.sleep(1000)
            except eintr.TimeoutError:
                os._exit(7)
            os._exit(1)
    with eintr.timeout(LIMIT):
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 7
    for thread in threads:
        if thread is not threads[0]:
            thread.interrupt()
        thread.join()


@pytest.mark.parametrize("first", ["", "import eintr"])
def test_a_subinterpreter_is_told(first):
    done = script(
        f"""
        {first}
        try:
            import _interpreters as interpreters
        except ImportError:
            import _xxsubinterpreters as interpreters
        import os
        reader, writer = os.pipe()
        interpreters.run_string(interpreters.create(), f'''if True:
            import os
            try:
                import eintr
            except ImportError as error:
                os.write({{writer}}, str(error).encode())
            ''')
        os.close(writer)
        print(os.read(reader, 1000).decode())
        """
    )
    assert "eintr is not for subinterpreters" in done.stdout, done


def test_a_free_threaded_build_is_told():
    done = script(
        """
        import sysconfig
        sysconfig.get_config_vars()["Py_GIL_DISABLED"] = 1
        try:
            import eintr
        except ImportError as error:
            print(error)
        """
    )
    assert "free-threaded" in done.stdout, done
