"""Layers that move numbers and change none: other shapes, sums over axes, parts put together and taken apart.

What goes one way in `forward` goes the same way back in `backward`: a reshape is undone, what was repeated is summed,
and what was summed is repeated. Nothing is written into, and float32 stays float32. `Flatten` and `Reshape` return
views of what they are given, as in PyTorch; the other arrays go out fresh.
"""

from typing import Any

import numpy as np

from dout.layers.form import Value, arriving, keep_form


class Flatten:
    """Lay each sample flat: (N, …) becomes (N, D). PyTorch: `torch.nn.Flatten`.

    `dx` is `dout` in the shape of `x`. Both are views: copy them before you write into one.
    Source: Chollet et al. (2015), Keras.
    """

    def forward(self, x: Value) -> Value:
        """Return `x` with one axis in the place of all but the first."""
        self.shape = np.shape(x)
        out = np.reshape(x, (self.shape[0], int(np.prod(self.shape[1:]))))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` in the shape of `x`."""
        dout = arriving(self, dout)

        return np.reshape(dout, self.shape)


class Reshape:
    """Give each sample another shape: (N, …) becomes (N, *shape). PyTorch: `torch.nn.Unflatten` of a flat sample.

    `dx` is `dout` in the shape of `x`. One length in `shape` may be -1: it is what is left.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 38.

    >>> import numpy as np
    >>> Reshape(2, -1).forward(np.zeros((5, 6))).shape
    (5, 2, 3)
    """

    def __init__(self, *shape: int) -> None:
        if not all(isinstance(length, int | np.integer) for length in shape):
            raise TypeError(f"Reshape: the lengths are {shape}: give whole numbers, Reshape(2, 3)")
        self.shape = shape or (-1,)

    def forward(self, x: Value) -> Value:
        """Return `x` with each sample in the shape."""
        self.x_shape = np.shape(x)
        try:
            out = np.reshape(x, (self.x_shape[0], *self.shape))
        except ValueError:
            raise ValueError(
                f"Reshape.forward: x has shape {self.x_shape}, {int(np.prod(self.x_shape[1:]))} numbers a sample: "
                f"they do not fill {self.shape}"
            ) from None
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` in the shape of `x`."""
        dout = arriving(self, dout)

        return np.reshape(dout, self.x_shape)


class Transpose:
    """Put the axes in another order; without one, in the reverse. PyTorch: `torch.permute`.

    `out` has axis `axes[i]` of `x` as its axis i; backward puts them back.
    `x` has any shape.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 38.
    """

    def __init__(self, *axes: int) -> None:
        self.axes = axes

    def forward(self, x: Value) -> Value:
        """Return `x` with its axes in the order."""
        if self.axes and sorted(axis % np.ndim(x) for axis in self.axes) != list(range(np.ndim(x))):
            raise ValueError(
                f"Transpose.forward: x has shape {np.shape(x)}, and the order is {self.axes}: name each of its "
                f"{np.ndim(x)} axes once"
            )
        out = np.transpose(x, self.axes or None).copy()
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` with its axes as they were in `x`."""
        dout = arriving(self, dout)
        back = np.argsort([axis % dout.ndim for axis in self.axes]) if self.axes else None

        return np.transpose(dout, back).copy()


class SumLayer:
    """Add up along an axis; each number gets the whole `dout` of its sum. PyTorch: `torch.sum`.

    `out = Σ x` along `axis`, of all numbers without one, and `dx` is `dout`, repeated. The sum node of Saito, "Deep
    Learning from Scratch 2" (O'Reilly Japan), chapter 1.
    `x` has any shape.
    Source: Saito, "Deep Learning from Scratch 3" (O'Reilly Japan), step 39.

    >>> import numpy as np
    >>> layer = SumLayer(axis=0)
    >>> layer.forward(np.array([[1.0, 2.0], [3.0, 4.0]]))
    array([4., 6.])
    >>> layer.backward(np.array([10.0, 20.0]))
    array([[10., 20.],
           [10., 20.]])
    """

    def __init__(self, axis: int | None = None) -> None:
        self.axis = axis

    def forward(self, x: Value) -> Value:
        """Return the sums."""
        self.shape = np.shape(x)
        out = np.sum(x, axis=self.axis)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: `dout`, repeated along the axis."""
        dout = arriving(self, dout)
        dout = dout if self.axis is None else np.expand_dims(dout, self.axis)

        return np.broadcast_to(dout, self.shape).copy()


class MeanLayer(SumLayer):
    """Take the mean along an axis; each number gets its share of `dout`. PyTorch: `torch.mean`.

    `out = Σ x / N` along `axis`, of all numbers without one, and `dx` is `dout / N`, repeated.
    `x` has any shape.
    Source: the table of derivatives.
    """

    def forward(self, x: Value) -> Value:
        """Return the means."""
        self.number = np.size(x) if self.axis is None else np.shape(x)[self.axis]

        return super().forward(x) / self.number

    def backward(self, dout: Value) -> Value:
        """Return `dx`: the share of `dout`, repeated along the axis."""
        return super().backward(dout) / self.number


class RepeatLayer:
    """Repeat along a new axis; the gradients of all copies add up. PyTorch: `torch.Tensor.expand`.

    `out[i] = x` for each i below `times`, and `dx = Σ dout[i]`. The repeat node of Saito, "Deep Learning from Scratch
    2" (O'Reilly Japan), chapter 1.
    `x` has any shape.
    Source: Saito, "Deep Learning from Scratch 2" (O'Reilly Japan), chapter 1.
    """

    def __init__(self, times: int = 2, axis: int = 0) -> None:
        self.times, self.axis = times, axis

    def forward(self, x: Value) -> Value:
        """Return `x`, so many times."""
        out = np.repeat(np.expand_dims(x, self.axis), self.times, axis=self.axis)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return the sum over the copies."""
        dout = arriving(self, dout)

        return np.sum(dout, axis=self.axis)


class Concat:
    """Put arrays together along an axis; each gets its part of `dout`. PyTorch: `torch.cat`.

    The arrays have one shape but for the length along `axis`. `backward` returns as many gradients.
    Source: Szegedy et al. (2015), "Going deeper with convolutions".

    >>> import numpy as np
    >>> layer = Concat()
    >>> layer.forward(np.array([1.0, 2.0]), np.array([3.0]))
    array([1., 2., 3.])
    >>> layer.backward(np.array([10.0, 20.0, 30.0]))
    (array([10., 20.]), array([30.]))
    """

    def __init__(self, axis: int = -1) -> None:
        self.axis = axis

    def forward(self, *xs: Value) -> Value:
        """Return the arrays, one after the other along the axis."""
        self.lengths = [np.shape(x)[self.axis] for x in xs]
        try:
            out = np.concatenate(xs, axis=self.axis)
        except ValueError:
            shapes = ", ".join(str(np.shape(x)) for x in xs)
            raise ValueError(
                f"Concat.forward: the inputs have shapes {shapes}: all lengths but that along axis {self.axis} "
                "must be the same"
            ) from None
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> tuple[Value, ...]:
        """Return the part of `dout` of each array."""
        dout = arriving(self, dout)
        parts = np.split(dout, np.cumsum(self.lengths)[:-1], axis=self.axis)

        return tuple(part.copy() for part in parts)


class Split:
    """Part an array along an axis into equal pieces; their gradients are put together. PyTorch: `torch.chunk`.

    `forward` returns a tuple of `parts` arrays, and `backward` takes one of as many gradients.
    `x` has any shape.
    Source: Szegedy et al. (2015), "Going deeper with convolutions", backward.
    """

    def __init__(self, parts: int = 2, axis: int = -1) -> None:
        if parts < 2:
            raise ValueError(f"Split: parts is {parts}: it must be at least 2")
        self.parts, self.axis = parts, axis

    def forward(self, x: Value) -> tuple[Value, ...]:
        """Return the pieces."""
        if np.shape(x)[self.axis] % self.parts:
            raise ValueError(
                f"Split.forward: x has shape {np.shape(x)}: {np.shape(x)[self.axis]} along axis {self.axis} cannot be "
                f"parted into {self.parts}"
            )
        return tuple(part.copy() for part in np.split(x, self.parts, axis=self.axis))

    def backward(self, douts: tuple[Value, ...]) -> Value:
        """Return the gradients of all pieces, one after the other."""
        return np.concatenate(douts, axis=self.axis)


class Residual:
    """Add what a layer makes of `x` to `x` itself: gradients have a way around it. PyTorch: `x + layer(x)`.

    `out = x + layer(x)`, and `dx = dout + layer.backward(dout)`. `layer` is any layer whose output has the shape of its
    input; its parameters and their gradients stay in it.
    Source: He, Zhang, Ren and Sun (2016), "Deep residual learning for image recognition".
    """

    def __init__(self, layer: Any) -> None:
        self.layer = layer

    def forward(self, x: Value) -> Value:
        """Return `x` and what the layer makes of it, added."""
        change = self.layer.forward(x)
        if np.shape(change) != np.shape(x):
            raise ValueError(
                f"Residual.forward: x has shape {np.shape(x)}, {type(self.layer).__name__} makes {np.shape(change)} "
                "of it: they must be the same"
            )
        out = x + change
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dout` and what the layer makes of it, added: `x` was used twice."""
        dout = arriving(self, dout)

        return dout + self.layer.backward(dout)
