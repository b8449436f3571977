"""The simple layers: ×, +, ReLU, Sigmoid, and the exp and / nodes a Sigmoid is made of.

They keep the interface and the names of Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5, and every
one of them keeps these promises:

- A value is a Python number, a NumPy scalar or an array of any shape, 0-d and empty ones included.
- `backward(dout)` returns one gradient per input of `forward`, each with the shape of its input. `dout` has the shape
  that `forward` returned; a single number counts for every element.
- Nothing that comes in is written into, and every array that goes out is fresh: it shares no memory with `dout`, with
  an input, or with what the layer keeps.
- NaN passes through, and float32 (or float16) in is float32 (or float16) out.
- `backward` before `forward` is a RuntimeError; a `dout` of another shape is a ValueError.

A layer keeps what its backward needs from the latest `forward`, so one layer stands for one place in the graph.
"""

import numpy as np

from dout.layers.form import Value, arriving, either, fresh, keep_form, sum_back


class MulLayer:
    """Multiply two values; backward swaps them: `dx = dout * y`, `dy = dout * x`. PyTorch: `torch.mul`.

    Python numbers stay Python numbers. Arrays broadcast, and each gradient is summed back to the shape of its input.
    The layer keeps `x` and `y` themselves: do not write into them before `backward`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> layer = MulLayer()
    >>> layer.forward(100, 2)  # the price of an apple, and how many
    200
    >>> layer.backward(1.1)
    (2.2, 110.00000000000001)
    """

    def __init__(self) -> None:
        self.x: Value = None
        self.y: Value = None

    def forward(self, x: Value, y: Value) -> Value:
        """Return `x * y`."""
        out = x * y
        self.x = x
        self.y = y
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)
        dx = sum_back(dout * self.y, np.shape(self.x))
        dy = sum_back(dout * self.x, np.shape(self.y))

        return dx, dy


class AddLayer:
    """Add two values; backward hands `dout` to both: `dx = dout * 1`, `dy = dout * 1`. PyTorch: `torch.add`.

    Python numbers stay Python numbers. Arrays broadcast, and each gradient is summed back to the shape of its input.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> import numpy as np
    >>> layer = AddLayer()
    >>> layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]]), np.array([10.0, 20.0]))
    array([[11., 22.],
           [13., 24.]])
    >>> dx, db = layer.backward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    >>> db  # each bias was used in every row
    array([4., 6.])
    """

    def forward(self, x: Value, y: Value) -> Value:
        """Return `x + y`."""
        out = x + y
        self.x_shape = np.shape(x)
        self.y_shape = np.shape(y)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, Value]:
        """Return `dx` and `dy`, shaped like `x` and `y`."""
        dout = arriving(self, dout)
        dx = sum_back(dout * 1, self.x_shape)
        dy = sum_back(dout * 1, self.y_shape)

        return dx, dy


class Relu:
    """Let `x` through above 0, and block it elsewhere: a switch that `dout` meets again. PyTorch: `torch.nn.ReLU`.

    At 0 the switch is off, as in the slides. NaN is not `<= 0`, so NaN passes, and so does the gradient there.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> import numpy as np
    >>> layer = Relu()
    >>> layer.forward(np.array([[1.0, -0.5], [-2.0, 3.0]]))
    array([[1., 0.],
           [0., 3.]])
    >>> dout = np.array([[1.0, 2.0], [3.0, 4.0]])
    >>> layer.backward(dout)
    array([[1., 0.],
           [0., 4.]])
    >>> dout  # the slides' Relu would have written its zeros here
    array([[1., 2.],
           [3., 4.]])
    """

    def __init__(self) -> None:
        self.mask: Value = None

    def forward(self, x: Value) -> Value:
        """Return `x` where `x > 0` or NaN, and 0 where `x <= 0`."""
        self.mask = x <= 0
        out = either(self.mask, 0, x)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` where `forward` let `x` through, and 0 elsewhere."""
        dout = arriving(self, dout)
        dx = either(self.mask, 0, dout)

        return dx


class Sigmoid:
    """Squash `x` into 0 … 1 by `y = 1 / (1 + exp(-x))`; `dx = dout * (1 - y) * y`. PyTorch: `torch.nn.Sigmoid`.

    `exp` is only ever taken of a number that is not positive, so nothing overflows at either end and small results
    keep all their digits. `1 - y` does not: far out on the positive side the gradient is right to about 1e-16, not
    to 16 digits.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> import numpy as np
    >>> layer = Sigmoid()
    >>> layer.forward(np.array([-1000.0, 0.0, 1000.0]))
    array([0. , 0.5, 1. ])
    >>> layer.backward(np.array([1.0, 1.0, 1.0]))
    array([0.  , 0.25, 0.  ])
    """

    def __init__(self) -> None:
        self.out: Value = None

    def forward(self, x: Value) -> Value:
        """Return `1 / (1 + exp(-x))`."""
        # Both branches have the slope of the whole curve, at 0 too; abs(x) would have none there. And -1.0 * x, not
        # -x: unsigned integers have no negatives.
        positive = x >= 0
        small = np.exp(np.where(positive, -1.0 * x, x))
        self.out = np.where(positive, 1, small) / (1 + small)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * (1 - y) * y`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)
        dx = dout * (1.0 - self.out) * self.out

        return dx


class ExpLayer:
    """The exp node: `y = exp(x)`; backward multiplies by `y` again: `dx = dout * y`. PyTorch: `torch.exp`.

    Domain: all numbers. Above about 709.78 (float32: 88.7, float16: 11.1) the result is beyond the dtype's largest
    number: NumPy warns of an overflow and returns inf.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> layer = ExpLayer()
    >>> print(layer.forward(0.0), layer.backward(3.0))
    1.0 3.0
    """

    def __init__(self) -> None:
        self.out: Value = None

    def forward(self, x: Value) -> Value:
        """Return `exp(x)`."""
        self.out = np.exp(x)
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * y`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)
        dx = dout * self.out

        return dx


class ReciprocalLayer:
    """The "/" node: `y = 1 / x`; backward needs only `y`: `dx = dout * (-y**2)`. PyTorch: `torch.reciprocal`.

    Domain: all numbers but 0. There an array gives inf with NumPy's warning, and a Python number raises
    ZeroDivisionError, as `1 / x` does.
    `x` has any shape, and so has `dx`.
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 5.

    >>> layer = ReciprocalLayer()
    >>> layer.forward(4)
    0.25
    >>> layer.backward(1)
    -0.0625
    """

    def __init__(self) -> None:
        self.out: Value = None

    def forward(self, x: Value) -> Value:
        """Return `1 / x`."""
        self.out = 1 / x
        keep_form(self, self.out)

        return fresh(self.out)

    def backward(self, dout: Value) -> Value:
        """Return `dout * (-y**2)`, where `y` is what `forward` returned."""
        dout = arriving(self, dout)
        dx = dout * -(self.out * self.out)

        return dx
