"""The command says in a line what is wrong with a file, and never shows a traceback of ours."""

import re

import pytest
from dout_commands import run_dout

FILES = {
    "a constructor that raises": (
        "def __init__(self): self.w = open('no such file')\n    def forward(self, x): return x",
        "no such file",
    ),
    "a forward that gives nothing": ("def forward(self, x): pass", "forward returned None.*return its result"),
    "a masked array": (
        "def forward(self, x): return x * np.ma.array([[1.0]], mask=[[0]])",
        r"a MaskedArray cannot be traced, at .*mine\.py:\d+; keep the numbers",
    ),
    "a result without end": (
        "def forward(self, x):\n        out = [x]\n        out.append(out)\n        return out",
        "holds itself, or lies too deep|RecursionError",
    ),
    "an exit": ("def forward(self, x): raise SystemExit(3)", "ended with exit code 3"),
    "recursion": ("def forward(self, x): return self.forward(x)", "RecursionError"),
}


@pytest.mark.one_in(2)
@pytest.mark.parametrize("what", FILES)
def test_the_command_says_in_a_line_what_is_wrong(what, tmp_path):
    forward, said = FILES[what]
    path = tmp_path / "mine.py"
    path.write_text(f"import numpy as np\nclass Mine:\n    {forward}\n    def backward(self, dout): return dout\n")
    run = run_dout("show", f"{path}:Mine", timeout=60)
    assert run.returncode == 2
    assert re.search(f"^dout: .*{said}", run.stderr, re.MULTILINE), run.stderr
    assert "/dout/trace/" not in run.stderr
