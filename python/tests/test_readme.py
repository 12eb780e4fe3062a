"""The examples of the README files, as they stand there."""

import pathlib
import re
import subprocess
import sys

import pytest

HERE = pathlib.Path(__file__).parents[1]
EXAMPLES = [
    pytest.param(example, id=f"{path.parent.name}-{number}")
    for path in (HERE / "README.md", HERE.parent / "README.md")
    if path.exists()
    for number, example in enumerate(re.findall(r"^```python\n(.*?)^```", path.read_text(), re.DOTALL | re.MULTILINE))
]


@pytest.mark.parametrize("example", EXAMPLES)
def test_it_prints_what_its_comments_say(example):
    done = subprocess.run([sys.executable, "-W", "error", "-c", example], timeout=60, capture_output=True, text=True)
    assert done.stderr.count("Traceback") == 0, done.stderr
    printed = [line.split("#")[1].split(":")[0].strip() for line in example.splitlines() if "print(" in line and "#" in line]
    assert [line for line in done.stdout.splitlines() if line in printed] == printed
