"""`dout check` as a whole process, on files that a test writes."""

import json
import os
from pathlib import Path

from dout_commands import run_dout

HOME = Path(__file__).resolve().parents[2]


PLAIN = {key: value for key, value in os.environ.items() if key not in ("GITHUB_ACTIONS", "NO_COLOR", "COLUMNS")}


SQUARE = """
class Square:
    def forward(self, x):
        self.x = x
        return x * x

    def backward(self, dout):
        return dout * {factor} * self.x
"""


RIGHT, WRONG = SQUARE.format(factor=2), SQUARE.format(factor=3)


TRIPLE = """
class Triple:
    def forward(self, x):
        return 3 * x
    def backward(self, dout):
        return 3 * dout
"""


WRITES = """
import numpy as np
class Relu:
    def forward(self, x):
        self.mask = x <= 0
        return np.where(self.mask, 0, x)
    def backward(self, dout):{}
        dout[self.mask] = 0{}
        return dout
"""


def dout(*arguments, cwd=HOME, env=PLAIN, **options):
    return run_dout("check", *arguments, cwd=cwd, env=env, **options)


def document(*arguments, **options):
    run = dout(*arguments, "--json", **options)
    return json.loads(run.stdout)


def layers(shown):
    return {layer["layer"]: layer for file in shown["files"] for layer in file["layers"]}


def codes(shown, layer="Square"):
    return [finding["code"] for finding in layers(shown)[layer]["findings"]]


def write(folder, text, name="mine.py"):
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path
