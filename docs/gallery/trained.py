"""Trains the nets of the examples and draws them: `python docs/gallery/trained.py [FOLDER]`.

Each picture is one step of a trained net, forward and backward, on samples that it has learned from. Training takes a
minute, and its last digits depend on the machine: tests hold the layers and the shapes of these pictures alone.
"""

from __future__ import annotations

import os
import runpy
import sys
from pathlib import Path
from typing import Any

import dout
from dout.train import fit

HERE = Path(__file__).resolve().parent
PROJECT = HERE.parents[1]
EXAMPLES = PROJECT / "examples"
TRAINED = {"trained-digits": "digits", "trained-filters": "filters", "trained-mnist": "mnist",
           "trained-zen": "zen", "trained-reverse": "reverse"}  # fmt: skip
HOW = ("loss", "optimizer", "epochs", "batch", "seed", "schedule", "clip")
SAMPLES = 20


class Net:
    """The layers of an example, one after the other, and their loss."""

    def __init__(self, layers: list[Any], loss: Any) -> None:
        self.layers, self.loss = layers, loss

    def forward(self, x: Any, t: Any) -> Any:
        """The loss of some samples."""
        for layer in self.layers:
            x = layer.forward(x)
        return self.loss.forward(x, t)

    def backward(self, dout: Any = 1) -> Any:
        """The gradient of the samples, by way of all parameters."""
        dout = self.loss.backward(dout)
        for layer in reversed(self.layers):
            dout = layer.backward(dout)
        return dout


def draw(figure: str, folder: Path) -> None:
    """Train the net of a figure, and draw it."""
    names = runpy.run_path(str(EXAMPLES / f"{TRAINED[figure]}.py"))
    how = {name: names[name] for name in HOW if name in names}
    x, t = names["x_train"], names["t_train"]
    history = fit(names["net"], x, t, **how, progress=False)
    print(f"{figure}: loss {history['loss'][-1]:.3g}")  # noqa: T201 - whoever draws wants to know that it has learned
    net = Net(names["net"], names["loss"])
    dout.trace(net, x[:SAMPLES], t[:SAMPLES]).draw(digits=3).save(folder / f"{figure}.svg")


if __name__ == "__main__":
    folder = Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else HERE
    os.chdir(PROJECT)  # places in a picture are told from the folder in which it is drawn
    for figure in TRAINED:
        draw(figure, folder)
