"""Optimizers beside PyTorch's: the largest difference of a parameter after random gradients, in float64.

    PYTHONPATH=src python -m benchmarks.training.optimizers

Lion is not in PyTorch.
"""

import numpy as np
import torch

from dout import train

DECAY = {"weight_decay": 0.03}
SGD, T = torch.optim.SGD, torch.optim
ROWS = {
    "SGD": (train.SGD(0.1, **DECAY), lambda p: SGD([p], 0.1, **DECAY)),
    "Momentum": (train.Momentum(0.1, **DECAY), lambda p: SGD([p], 0.1, momentum=0.9, **DECAY)),
    "Nesterov": (train.Nesterov(0.1, **DECAY), lambda p: SGD([p], 0.1, momentum=0.9, nesterov=True, **DECAY)),
    "AdaGrad": (train.AdaGrad(0.1, **DECAY), lambda p: T.Adagrad([p], 0.1, **DECAY)),
    "RMSprop": (train.RMSprop(0.1, **DECAY), lambda p: T.RMSprop([p], 0.1, **DECAY)),
    "Adam": (train.Adam(0.1, **DECAY), lambda p: T.Adam([p], 0.1, **DECAY)),
    "AdamW": (train.AdamW(0.1, **DECAY), lambda p: T.AdamW([p], 0.1, **DECAY)),
}


def main() -> None:
    """Print a line an optimizer."""
    generator = np.random.default_rng(0)
    start, grads = generator.standard_normal((5, 4)), generator.standard_normal((100, 5, 4))
    for name, (optimizer, make) in ROWS.items():
        W, p = start.copy(), torch.tensor(start, requires_grad=True)
        other = make(p)
        for grad in grads:
            optimizer.update({"W": W}, {"W": grad})
            p.grad = torch.tensor(grad)
            other.step()
        print(f"{name:10}{np.abs(W - p.detach().numpy()).max():.1e}")


main()
