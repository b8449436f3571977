"""Static methods with a context."""

import numpy as np


class SavesForBackward:
    @staticmethod
    def forward(ctx, x, w):
        ctx.save_for_backward(x, w)
        return x @ w

    @staticmethod
    def backward(ctx, grad_output):
        x, w = ctx.saved_tensors
        return grad_output @ w.T, x.T @ grad_output


class KeepsOnTheContext:
    @staticmethod
    def forward(ctx, x):
        ctx.y = 1 / (1 + np.exp(-x))
        return ctx.y

    @staticmethod
    def backward(ctx, grad):
        return grad * ctx.y * (1 - ctx.y)
