"""Losses."""

import numpy as np


class LossWithBoth:
    def forward(self, pred, target):
        return np.mean((pred - target) ** 2)

    def backward(self, pred, target):
        return 2 * (pred - target) / pred.size


class LossWithTarget:
    def forward(self, pred, target):
        self.pred = pred
        return 0.5 * np.sum((pred - target) ** 2)

    def backward(self, target):
        return self.pred - target


class LossWithNothing:
    def forward(self, pred, target):
        self.diff = pred - target
        return np.mean(self.diff**2)

    def backward(self):
        return 2 * self.diff / self.diff.size


class LossTargetFirst:
    def forward(self, y_true, y_pred):
        return np.mean(np.power(y_true - y_pred, 2))

    def backward(self, y_true, y_pred):
        return 2 * (y_pred - y_true) / np.size(y_true)


class SquareLoss:
    def loss(self, y, y_pred):
        return 0.5 * np.power((y - y_pred), 2)

    def gradient(self, y, y_pred):
        return -(y - y_pred)


class CrossEntropyLoss:
    def forward(self, logits, labels):
        shifted = np.exp(logits - logits.max(axis=1, keepdims=True))
        self.probs = shifted / shifted.sum(axis=1, keepdims=True)
        self.labels = labels
        return -np.mean(np.log(self.probs[np.arange(len(labels)), labels]))

    def backward(self):
        grad = self.probs.copy()
        grad[np.arange(len(self.labels)), self.labels] -= 1
        return grad / len(self.labels)


class QuadraticCost:
    @staticmethod
    def fn(a, y):
        return 0.5 * np.linalg.norm(a - y) ** 2

    @staticmethod
    def delta(z, a, y):
        s = 1 / (1 + np.exp(-z))
        return (a - y) * s * (1 - s)
