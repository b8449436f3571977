"""Draws the figures of the gallery anew: `python docs/gallery/make.py [FOLDER]`.

Each figure is one `dout show`, run from the folder of the project, so that its line can be typed by anyone.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
PROJECT = HERE.parents[1]

ONE = ["--input", "dout=1"]  # as in the slides

# figure, what is shown, and how
FIGURES: dict[str, tuple[str, list[str]]] = {
    "buy-apple": ("examples/buy_apple.py", []),
    "buy-fruits": ("examples/buy_fruits.py", []),
    "mul-layer": ("MulLayer", ["--input", "x=100", "--input", "y=2", *ONE]),
    "add-layer": ("AddLayer", ["--input", "x=200", "--input", "y=450", *ONE]),
    "relu": ("examples/two_layer_net.py:Relu", ["--input", "x=[[1.0, -0.5], [-2.0, 3.0]]", *ONE]),
    "reciprocal-node": ("ReciprocalLayer", ["--input", "x=4.0", *ONE]),
    "exp-node": ("ExpLayer", ["--input", "x=1.0", *ONE]),
    "sigmoid": ("examples/slide_layers.py:Sigmoid", ["--input", "x=1.5", *ONE]),
    "sigmoid-closed": ("examples/slide_layers.py:Sigmoid", ["--input", "x=1.5", *ONE, "--open", "none"]),
    "two-layer-net": ("examples/two_layer_net.py", []),
    "sigmoid-backward": ("examples/slide_layers.py:Sigmoid", ["--input", "x=1.5", *ONE, "--backward"]),
    "convolution": ("examples/convolution.py", ["--open", "none"]),
    "lstm-step": ("examples/lstm_step.py", []),
    "lstm-step-down": ("examples/lstm_step.py", ["--direction", "down"]),
    "attention-block": ("examples/attention_block.py", ["--open", "all"]),
    "named-layers": ("examples/named_layers.py", []),
    "deep-net": ("examples/deep_net.py", []),
    "loop": ("examples/recurrent.py", []),
    "residual": ("examples/residual.py", []),
    "training": ("examples/train_clusters.py", ["--rounds", "1,10,200"]),
    "training-plays": ("examples/train_clusters.py", ["--rounds", "1,2,3,5,10,20,50,200", "--steps"]),
}


def command(figure: str, folder: Path) -> list[str]:
    """The command that draws one figure."""
    target, options = FIGURES[figure]
    return [sys.executable, "-m", "dout", "show", target, *options, "-o", str(folder / f"{figure}.svg")]


def main(folder: Path) -> None:
    """Draw every figure into a folder."""
    folder.mkdir(parents=True, exist_ok=True)
    for figure in FIGURES:
        subprocess.run(command(figure, folder), cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)


if __name__ == "__main__":
    main(Path(sys.argv[1]).absolute() if len(sys.argv) > 1 else HERE)
