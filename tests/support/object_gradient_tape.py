"""Operations on a tape whose gradients stand in objects of its class, too."""

import numpy as np


class Node:
    def __init__(self, data, requires_grad=False, children=()):
        self.data = np.asarray(data)
        self.requires_grad = requires_grad
        self.grad = None
        self.back = None
        self.children = children

    def cubed(self):
        out = Node(self.data**3, self.requires_grad, (self,))

        def back():
            grad = out.grad.data * (3 * self.data**2)
            self.grad = Node(grad) if self.grad is None else Node(self.grad.data + grad)

        out.back = back
        return out


def sine(x: Node):
    out = Node(np.sin(x.data), x.requires_grad, (x,))

    def back():
        grad = out.grad.data.copy() * np.cos(x.data)
        if x.grad is None:
            x.grad = Node(grad)
        else:
            x.grad = Node(x.grad.data + grad)

    out.back = back
    return out


def wrong_sine(x: Node):
    out = Node(np.sin(x.data), x.requires_grad, (x,))

    def back():
        grad = out.grad.data.copy() * np.sin(x.data)
        if x.grad is None:
            x.grad = Node(grad)
        else:
            x.grad = Node(x.grad.data + grad)

    out.back = back
    return out
