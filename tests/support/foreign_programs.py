"""Programs of strangers: files below a folder, a layer and its use, and what a recording of them says."""

from pathlib import Path

SCALE = """
import numpy as np
class Scale:
    def __init__(self, W):
        self.W = W
    def forward(self, x):
        self.x = x
        return x * self.W
    def backward(self, dout):
        self.dW = np.sum(dout * self.x, axis=0)
        return dout * self.W
"""


USED = "layer = Scale(np.ones(4))\ny = layer.forward(np.ones((3, 4)))\nlayer.backward(np.ones((3, 4)))\n"


def written(folder: Path, **files: str) -> Path:
    """Files below a folder, `a__b` for `a/b.py`; returns the last."""
    path = folder
    for name, text in files.items():
        path = folder / f"{name.replace('__', '/')}.py"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return path


def said(trace):
    return "\n".join(map(str, trace.events))
