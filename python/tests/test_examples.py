"""Each example ends by itself, and prints what it is to show."""

import pathlib
import subprocess
import sys

import pytest

EXAMPLES = pathlib.Path(__file__).parents[1] / "examples"
PRINTS = {
    "http_limit": ["/fast 200 done", "/slow 504 not done in 0.2 s"],
    "job_queue": [
        "sums up returned 45",
        "waits for nobody failed: not done in 0.2 s",
        "divides failed: division by zero",
        "the worker has ended",
    ],
    "service": ["stops", "the client was told: hello bye"],
    "stop_this_cell": [
        "import time; time.sleep(1000) -> KeyboardInterrupt()",
        "x = 1 -> done",
        "while x: x += 1 -> KeyboardInterrupt()",
    ],
}


def test_all_are_here():
    assert sorted(PRINTS) == sorted(path.stem for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("name", PRINTS)
def test_it_ends_and_prints(name):
    program = EXAMPLES / f"{name}.py"
    done = subprocess.run([sys.executable, program], timeout=60, capture_output=True, text=True)
    assert (done.returncode, done.stderr, sorted(done.stdout.splitlines())) == (0, "", sorted(PRINTS[name]))
