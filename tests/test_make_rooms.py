import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ([], "--out"),
        (["--out=x", "--count=0"], "--count"),
        (["--out=x", "--widht=3"], "widht"),
    ],
)
def test_bad_flags_are_answered_in_one_line(flags, message):
    command = [sys.executable, "-m", "alsem.make_rooms", *flags]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 2
    assert message in done.stderr
    assert len(done.stderr.strip().splitlines()) == 1
    assert not done.stdout
