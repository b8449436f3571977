"""`dout show` as a whole process, and what a refusal looks like."""

import re
from pathlib import Path

from dout_commands import run_dout

HOME = Path(__file__).resolve().parents[2]


EXAMPLES = HOME / "examples"


LAYER = """
class MulLayer:
    def forward(self, x, y):
        self.x, self.y = x, y
        return x * y

    def backward(self, dout):
        return dout * self.y, dout * self.x
"""


def dout(*arguments, cwd=HOME, **options):
    return run_dout(*arguments, cwd=cwd, timeout=60, **options)


def script(folder, text, name="mine.py"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def refused(run, *said):
    """Exit code 2, one message, none of our traceback."""
    assert run.returncode == 2
    for text in said:
        assert re.search(text, run.stderr), run.stderr
    assert "dout/trace/" not in run.stderr.replace("\\", "/")
    assert "dout/cli/" not in run.stderr.replace("\\", "/")
    assert run.stderr.rstrip().splitlines()[-1].startswith("dout: ")
