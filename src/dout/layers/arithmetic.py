"""The nodes of arithmetic beside × and +: −, /, powers, roots, logarithms, and the larger and smaller of two values.

With `dout.layers.basic` they are the nodes that a formula is drawn with, in Saito's "Deep Learning from Scratch"
(O'Reilly Japan), chapter 5, and they keep the promises that stand there: numbers and arrays of any shape, gradients in
the shapes of the inputs, nothing written into, fresh arrays out, NaN passed on, the dtype of floats kept.
"""

import numpy as np

from dout.layers.form import Value, arriving, either, fresh, keep_form, sum_back


class NegLayer:
    """Turn the sign: `y = -x`, `dx = -dout`. PyTorch: `torch.neg`.

    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 22.
    """

    def forward(self, x: Value) -> Value:
        """Return `-x`."""
        out = -x
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `-dout`."""
        dout = arriving(self, dout)

        return -dout


class SubLayer:
    """Subtract: `z = x - y`, `dx = dout`, `dy = -dout`. PyTorch: `torch.sub`.

    Arrays broadcast, and each gradient is summed back to the shape of its input.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 22.

    >>> layer = SubLayer()
    >>> layer.forward(220, 200)
    20
    >>> layer.backward(3)
    (3, -3)
    """

    def forward(self, x: Value, y: Value) -> Value:
        """Return `x - y`."""
        self.x_shape = np.shape(x)
        self.y_shape = np.shape(y)
        out = x - y
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)
        dx = sum_back(dout * 1, self.x_shape)
        dy = sum_back(-dout, self.y_shape)

        return dx, dy


class DivLayer:
    """Divide: `z = x / y`, `dx = dout / y`, `dy = -dout * z / y`. PyTorch: `torch.div`.

    Domain: `y` is not 0. There an array gives inf or NaN with NumPy's warning, and a Python number raises
    ZeroDivisionError.
    `x` and `y` have shapes that broadcast.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 22.

    >>> layer = DivLayer()
    >>> layer.forward(6.0, 4.0)
    1.5
    >>> layer.backward(8.0)
    (2.0, -3.0)
    """

    def forward(self, x: Value, y: Value) -> Value:
        """Return `x / y`."""
        self.x_shape = np.shape(x)
        self.y = y
        self.out = x / y
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)
        share = dout / self.y
        dx = sum_back(share, self.x_shape)
        dy = sum_back(-share * self.out, np.shape(self.y))

        return dx, dy


class SquareLayer:
    """Square: `y = x**2`, `dx = dout * 2 * x`. PyTorch: `torch.square`.

    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 2.

    >>> layer = SquareLayer()
    >>> layer.forward(3)
    9
    >>> layer.backward(1)
    6
    """

    def forward(self, x: Value) -> Value:
        """Return `x**2`."""
        self.x = x
        out = x * x
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout * 2 * x`."""
        dout = arriving(self, dout)

        return dout * (2 * self.x)


class PowLayer:
    """Raise to a constant power: `y = x**p`, `dx = dout * p * x**(p - 1)`. PyTorch: `torch.pow`.

    Domain: where `p` is no whole number, `x` is positive; where `p` is below 1, `x` is not 0.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 22.

    >>> layer = PowLayer(3)
    >>> layer.forward(2.0)
    8.0
    >>> layer.backward(1.0)
    12.0
    """

    def __init__(self, power: float = 2.0) -> None:
        self.power = power

    def forward(self, x: Value) -> Value:
        """Return `x**p`."""
        self.x = x
        out = x**self.power
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout * p * x**(p - 1)`."""
        dout = arriving(self, dout)

        return dout * self.power * self.x ** (self.power - 1)


class SqrtLayer:
    """Take the square root: `y = √x`, and backward needs only `y`: `dx = dout / (2 * y)`. PyTorch: `torch.sqrt`.

    Domain: `x` is positive. At 0 the slope is infinite.
    `x` has any shape, and so has `dx`.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return `√x`."""
        self.out = np.sqrt(x)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout / (2 * y)`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)

        return dout / (2 * self.out)


class LogLayer:
    """Take the natural logarithm: `y = log(x)`, `dx = dout / x`. PyTorch: `torch.log`.

    Domain: `x` is positive.
    `x` has any shape, and so has `dx`.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return `log(x)`."""
        self.x = x
        out = np.log(x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout / x`."""
        dout = arriving(self, dout)

        return dout / self.x


class AbsLayer:
    """Drop the sign: `y = |x|`, `dx = dout * sign(x)`, which is 0 at 0. PyTorch: `torch.abs`.

    `x` has any shape, and so has `dx`.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return `|x|`."""
        self.sign = np.sign(x)
        out = np.abs(x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout * sign(x)`."""
        dout = arriving(self, dout)

        return dout * self.sign


class SinLayer:
    """The sine: `y = sin(x)`, `dx = dout * cos(x)`. PyTorch: `torch.sin`.

    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 27.
    """

    def forward(self, x: Value) -> Value:
        """Return `sin(x)`."""
        self.x = x
        out = np.sin(x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout * cos(x)`."""
        dout = arriving(self, dout)

        return dout * np.cos(self.x)


class CosLayer:
    """The cosine: `y = cos(x)`, `dx = -dout * sin(x)`. PyTorch: `torch.cos`.

    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 34.
    """

    def forward(self, x: Value) -> Value:
        """Return `cos(x)`."""
        self.x = x
        out = np.cos(x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `-dout * sin(x)`."""
        dout = arriving(self, dout)

        return -dout * np.sin(self.x)


class MaximumLayer:
    """Take the larger of two: it gets all of `dout`, of two equal ones each a half. PyTorch: `torch.maximum`.

    Arrays broadcast, and each gradient is summed back to the shape of its input.
    Source: the table of derivatives.

    >>> import numpy as np
    >>> layer = MaximumLayer()
    >>> layer.forward(np.array([1.0, 5.0, 2.0]), np.array([4.0, 3.0, 2.0]))
    array([4., 5., 2.])
    >>> layer.backward(np.array([1.0, 1.0, 1.0]))
    (array([0. , 1. , 0.5]), array([1. , 0. , 0.5]))
    """

    def forward(self, x: Value, y: Value) -> Value:
        """Return the larger of `x` and `y`."""
        self.x, self.y = x, y
        out = np.maximum(x, y)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)

        return _shared_out(dout, self.x, self.y, self.x > self.y)


class MinimumLayer:
    """Take the smaller of two: it gets all of `dout`, of two equal ones each a half. PyTorch: `torch.minimum`.

    Arrays broadcast, and each gradient is summed back to the shape of its input.
    Source: the table of derivatives.
    """

    def forward(self, x: Value, y: Value) -> Value:
        """Return the smaller of `x` and `y`."""
        self.x, self.y = x, y
        out = np.minimum(x, y)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)

        return _shared_out(dout, self.x, self.y, self.x < self.y)


def _shared_out(dout: Value, x: Value, y: Value, is_x: Value) -> tuple[Value, Value]:
    """Return what `x` and `y` get of `dout`: all or nothing, and each a half where they are equal."""
    tie = x == y
    dx = either(tie, dout / 2, either(is_x, dout, 0))
    dy = either(tie, dout / 2, either(is_x, 0, dout))

    return sum_back(dx, np.shape(x)), sum_back(dy, np.shape(y))
