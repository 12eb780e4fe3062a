"""Each call, and each way to end it that circulates, beside ours.

    python3 table.py [--short] [--here] [CALL...]

Installs what it needs: Debian's packages of the peers (PostgreSQL, redis, openssl), and the rest into a virtual environment. Each cell is
a process, with a watchdog. In it, a thread is put into the call. Once the kernel shows it asleep there, it is to be ended:

    12 ms           it was left, so long after that
    stays behind    the caller goes on, and a thread is still in the call
    stuck           nobody goes on

`main`: in the main thread alone. `any`: in a thread that others have made. --short: of the others, few calls. --here: in this
interpreter's environment. Exits with 0 if in our columns nothing is stuck but what the README tells."""

import argparse
import concurrent.futures
import contextlib
import os
import pathlib
import signal
import subprocess
import sys
import tempfile

from comparison import peers
from comparison.calls import CALLS
from comparison.ways import TOO_SOON, WAYS

HERE = pathlib.Path(__file__).resolve().parent
WATCHDOG = 60
FEW = ["time.sleep", "socket.accept", "urllib: https, the answer stalls", "psycopg: a query (PostgreSQL)", "redis: BLPOP"]
FEW += ["sqlite3: busy, with a timeout", "input() at a terminal", "threading.Lock.acquire"]


def anew():
    """The same, in an environment of its own, with what the table needs."""
    venv = HERE.parent / "target" / ("table-%d.%d" % sys.version_info[:2])
    python = venv / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", venv], check=True)
    pip = [python, "-m", "pip", "install", "-q", "--disable-pip-version-check"]
    subprocess.run([*pip, "--force-reinstall", "--no-deps", HERE], check=True)
    subprocess.run([*pip, f"{HERE}[table]"], check=True)
    os.execv(python, [python, __file__, "--here", *sys.argv[1:]])


def cell(way, name, environment):
    """The verdict."""
    for seconds in (0.5, 2, 8, 32):
        with tempfile.NamedTemporaryFile("r") as verdict, tempfile.TemporaryFile("w+", errors="replace") as said:
            child = subprocess.Popen(
                [sys.executable, "-m", "comparison.ways", way, name, str(seconds)],
                cwd=HERE,
                env={**os.environ, **environment, "VERDICT": verdict.name, "PYTHONDONTWRITEBYTECODE": "1"},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=said,
                start_new_session=True,
            )
            try:
                status = child.wait(WATCHDOG)
            except subprocess.TimeoutExpired:
                status = "ended by the watchdog"
            with contextlib.suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
            child.wait()
            if status != TOO_SOON:
                said.seek(0)
                return verdict.read() or f"{status}: {said.read()[-200:]}"
    return "never begun in time"


def judge(call, way, verdict):
    """What is wrong with a cell of ours; or none."""
    if not way.startswith("eintr"):
        return None
    told = call.told and way.removeprefix("eintr, ") in call.stuck
    if told and call.told not in " ".join((HERE / "README.md").read_text().split()):
        return f"the README does not tell: {call.told}"
    if told and verdict == "stuck":
        return None
    return None if verdict.endswith(" ms") and not told else f"{call.name} | {way} | {verdict}"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--short", action="store_true")
    parser.add_argument("--here", action="store_true")
    parser.add_argument("calls", nargs="*", metavar="CALL")
    chosen = parser.parse_args()
    peers.install()
    if not chosen.here:
        anew()
    calls = [CALLS[name] for name in chosen.calls or CALLS]
    print(f"| CPython {sys.version.split()[0]} | " + " | ".join(WAYS) + " |\n" + "|---" * (1 + len(WAYS)) + "|")
    faults = []
    with peers.running() as environment, concurrent.futures.ThreadPoolExecutor(2 * (os.cpu_count() or 1)) as pool:
        def begin(call, way):
            if way.startswith("eintr") or not chosen.short or call.name in FEW:
                return pool.submit(cell, way, call.name, environment)

        rows = [(call, {way: begin(call, way) for way in WAYS}) for call in calls]
        for call, cells in rows:
            verdicts = {way: cell.result() if cell else "" for way, cell in cells.items()}
            print(f"| {call.name} | " + " | ".join(verdicts.values()) + " |", flush=True)
            faults += filter(None, (judge(call, way, verdict) for way, verdict in verdicts.items() if verdict))
    print(*faults, sep="\n")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
