"""Pooling: of the numbers in a window take the largest, or the mean. One, two or three axes of places alike.

`x` has shape (N, C, …). As in a convolution, the places of a window are gone through one by one, and each meets all
windows at once. `kernel`, `stride`, `pad`, `dilation` are a number for all axes, or one for each; `stride` is the
kernel where none is given, so that windows lie side by side. There are no parameters.
"""

from typing import Any

import numpy as np

from dout.layers.convolution import Place, Sizes, check_sizes, each, padded, places, places_of, unpadded
from dout.layers.form import Value, arriving, keep_form


class MaxPool:
    """Take the largest number of each window; `dout` goes to where it came from. PyTorch: `torch.nn.MaxPool1d`, ….

    `out[n, c, i] = max x[n, c, s·i + d·k - p]` over the places k of the window; of equal numbers the first is taken.
    The pad is less than all numbers, so it is never taken.
    `x` has shape (N, C, L) or (N, C, H, W).
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 7.

    >>> import numpy as np
    >>> layer = MaxPool(2)
    >>> layer.forward(np.array([[[1.0, 5.0, 2.0, 3.0]]]))
    array([[[5., 3.]]])
    >>> layer.backward(np.array([[[10.0, 20.0]]]))
    array([[[ 0., 10.,  0., 20.]]])
    """

    def __init__(self, kernel: Sizes = 2, stride: Sizes | None = None, pad: Sizes = 0, dilation: Sizes = 1) -> None:
        self.kernel, self.pad, self.dilation = kernel, pad, dilation
        self.stride = kernel if stride is None else stride
        check_sizes(self, kernel=kernel, stride=self.stride, pad=pad, dilation=dilation)

    def forward(self, x: Value) -> Value:
        """Return the largest number of each window."""
        axes = _axes_of(self, x)
        kernel, self.pads = each(self.kernel, axes), each(self.pad, axes)
        stride, dilation = each(self.stride, axes), each(self.dilation, axes)
        whole = padded(x, self.pads, np.iinfo(x.dtype).min if x.dtype.kind in "iu" else -np.inf)
        self.shape, sizes = whole.shape, places_of(self, whole.shape[2:], kernel, stride, dilation)
        self.moved = [moved for _, moved in places(kernel, stride, dilation, sizes)]
        out = whole[self.moved[0]].copy()
        self.taken = np.zeros(out.shape, int)
        for number, moved in enumerate(self.moved[1:], 1):
            larger = _is_taken(whole[moved], out)
            self.taken[larger] = number
            out[larger] = whole[moved][larger]
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: `dout` where a window took its number, added up where several took the same."""
        dout = arriving(self, dout)
        dx = np.zeros(self.shape, dout.dtype)
        for number, moved in enumerate(self.moved):
            dx[moved] += np.where(self.taken == number, dout, 0)

        return unpadded(dx, self.pads).copy()


class AvgPool:
    """Take the mean of each window; all of it get the same share of `dout`. PyTorch: `torch.nn.AvgPool1d`, ….

    `out[n, c, i] = Σ x[n, c, s·i + k - p] / K` over the K places of the window, and `dx` at each is `dout / K`. The pad
    is 0, and counts as a number, unless `count_pad` is False: then K is what a window has of `x`.
    `x` has shape (N, C, L) or (N, C, H, W).
    Source: LeCun, Bottou, Bengio and Haffner (1998), "Gradient-based learning applied to document recognition".
    """

    def __init__(
        self, kernel: Sizes = 2, stride: Sizes | None = None, pad: Sizes = 0, *, count_pad: bool = True
    ) -> None:
        self.kernel, self.pad, self.count_pad = kernel, pad, count_pad
        self.stride = kernel if stride is None else stride
        check_sizes(self, kernel=kernel, stride=self.stride, pad=pad)

    def forward(self, x: Value) -> Value:
        """Return the mean of each window."""
        axes = _axes_of(self, x)
        kernel, stride, self.pads = each(self.kernel, axes), each(self.stride, axes), each(self.pad, axes)
        whole = padded(x, self.pads, 0)
        self.shape, sizes = whole.shape, places_of(self, whole.shape[2:], kernel, stride, (1,) * axes)
        self.moved = [moved for _, moved in places(kernel, stride, (1,) * axes, sizes)]
        self.number: Value = len(self.moved)
        if not self.count_pad:
            own = padded(np.ones((1, 1, *x.shape[2:]), x.dtype), self.pads, 0)
            self.number = sum(own[moved] for moved in self.moved)
        out: Value = sum(whole[moved] for moved in self.moved) / self.number
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: the shares of all windows, added up."""
        dout = arriving(self, dout)
        share = dout / self.number
        dx = np.zeros(self.shape, share.dtype)
        for moved in self.moved:
            dx[moved] += share

        return unpadded(dx, self.pads).copy()


class GlobalAvgPool:
    """Take the mean over all places: one number a channel. PyTorch: `torch.nn.AdaptiveAvgPool2d(1)`, laid flat.

    `out[n, c] = Σ x[n, c, i] / L` over the L places, and `dx` at each is `dout / L`. `out` has shape (N, C).
    Source: Lin, Chen and Yan (2014), "Network in network".
    """

    def forward(self, x: Value) -> Value:
        """Return the mean of each channel."""
        _axes_of(self, x)
        self.shape = x.shape
        out = np.mean(x, axis=tuple(range(2, x.ndim)))
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: the same share for all places."""
        dout = arriving(self, dout)
        share = dout / int(np.prod(self.shape[2:]))

        return np.ones(self.shape, share.dtype) * share.reshape(*share.shape, *(1,) * (len(self.shape) - 2))


class GlobalMaxPool:
    """Take the largest number over all places: one a channel. PyTorch: `torch.nn.AdaptiveMaxPool2d(1)`, laid flat.

    `out[n, c] = max x[n, c, i]`, and `dout` goes to the place it came from, of equal ones the first. `out` has shape
    (N, C).
    Source: Oquab, Bottou, Laptev and Sivic (2015), "Is object localization for free?".
    """

    def forward(self, x: Value) -> Value:
        """Return the largest number of each channel."""
        _axes_of(self, x)
        self.shape = x.shape
        flat = x.reshape(*x.shape[:2], -1)
        self.taken = np.argmax(flat, axis=2)[..., np.newaxis]
        out = np.take_along_axis(flat, self.taken, axis=2)[..., 0]
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: `dout` at the place that was taken."""
        dout = arriving(self, dout)
        number = int(np.prod(self.shape[2:]))
        dx = np.where(np.arange(number) == self.taken, dout[..., np.newaxis], 0)

        return dx.reshape(self.shape)


class AdaptiveAvgPool:
    """Take means so that so many places come out, whatever comes in. PyTorch: `torch.nn.AdaptiveAvgPool1d`, ….

    Place i of n is the mean of `x` from `⌊i·L/n⌋` to `⌈(i + 1)·L/n⌉`: windows may overlap by one. Means are taken
    along one axis after the other. `sizes` is the number of places along all axes, or one for each.
    `x` has shape (N, C, L) or (N, C, H, W).
    Source: He, Zhang, Ren and Sun (2014), "Spatial pyramid pooling in deep convolutional networks".
    """

    def __init__(self, sizes: Sizes = 1) -> None:
        check_sizes(self, sizes=sizes)
        self.sizes = sizes

    def forward(self, x: Value) -> Value:
        """Return the means."""
        sizes = each(self.sizes, _axes_of(self, x))
        self.shape, out = x.shape, x
        for axis, size in enumerate(sizes, 2):
            means = [np.mean(out[span], axis=axis) for span in _spans(axis, x.shape[axis], size)]
            out = np.stack(means, axis=axis)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: the shares of all windows, added up."""
        dx = arriving(self, dout)
        for axis in reversed(range(2, len(self.shape))):
            parts, length, size = dx, self.shape[axis], dx.shape[axis]
            dx = np.zeros((*parts.shape[:axis], length, *parts.shape[axis + 1 :]), parts.dtype)
            for place, span in zip(_spans(axis, size, size), _spans(axis, length, size), strict=True):
                dx[span] += parts[place] / (span[axis].stop - span[axis].start)

        return dx


class AdaptiveMaxPool:
    """Take the largest numbers so that so many places come out. PyTorch: `torch.nn.AdaptiveMaxPool1d`, ….

    Place i of n is the largest of `x` from `⌊i·L/n⌋` to `⌈(i + 1)·L/n⌉`, and `dout` goes to where it came from, of
    equal ones to the first. `sizes` is the number of places along all axes, or one for each.
    `x` has shape (N, C, L) or (N, C, H, W).
    Source: He, Zhang, Ren and Sun (2014), "Spatial pyramid pooling in deep convolutional networks".

    >>> import numpy as np
    >>> layer = AdaptiveMaxPool(2)
    >>> layer.forward(np.array([[[1.0, 5.0, 2.0]]]))  # the windows share the second place
    array([[[5., 5.]]])
    >>> layer.backward(np.array([[[10.0, 20.0]]]))
    array([[[ 0., 30.,  0.]]])
    """

    def __init__(self, sizes: Sizes = 1) -> None:
        check_sizes(self, sizes=sizes)
        self.sizes = sizes

    def forward(self, x: Value) -> Value:
        """Return the largest numbers, taken along the last axis first: of equal ones that is the first of a window."""
        sizes = each(self.sizes, _axes_of(self, x))
        self.taken: list[Value] = []
        self.shape, out = x.shape, x
        for axis in reversed(range(2, x.ndim)):
            there = np.arange(x.shape[axis]).reshape(-1, *(1,) * (x.ndim - axis - 1))
            first, *later = _numbers(axis, x.shape[axis], sizes[axis - 2])
            whole, out = out, out[first].copy()
            taken = there[first[axis:]] + np.zeros(out.shape, int)
            for number in later:
                larger = _is_taken(whole[number], out)
                taken = np.where(larger, there[number[axis:]], taken)
                out = np.where(larger, whole[number], out)
            self.taken = [taken, *(np.take_along_axis(other, taken, axis=axis) for other in self.taken)]
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`: `dout` where each window took its number, added up where several took the same."""
        dout = arriving(self, dout)
        dx = np.zeros(self.shape, dout.dtype)
        samples, channels, *_ = np.indices(dout.shape, sparse=True)
        np.add.at(dx, (samples, channels, *self.taken), dout)

        return dx


def _axes_of(layer: object, x: Value) -> int:
    """Return how many axes of places there are."""
    if np.ndim(x) < 3:
        raise ValueError(f"{type(layer).__name__}.forward: x has shape {np.shape(x)}: give (N, C, L) or (N, C, H, W)")
    return int(np.ndim(x) - 2)


def _is_taken(x: Value, known: Value) -> Value:
    """Return where a number comes in the place of the largest one so far: a larger one, or the first NaN."""
    return ~(x <= known) & (known == known)


def _spans(axis: int, length: int, size: int) -> list[Place]:
    """Return the index of each of so many windows along an axis."""
    return [(*(slice(None),) * axis, slice(begin, end)) for begin, end in _ends(length, size)]


def _ends(length: int, size: int) -> list[tuple[int, int]]:
    """Return where each of so many windows begins and ends."""
    return [(i * length // size, -(-(i + 1) * length // size)) for i in range(size)]


def _numbers(axis: int, length: int, size: int) -> list[tuple[Any, ...]]:
    """Return the index of the first number of every window, of the second, …; a short window's last one comes again."""
    ends, before = _ends(length, size), (slice(None),) * axis
    widest = max(end - begin for begin, end in ends)
    if length % size == 0:
        return [(*before, slice(number, None, widest)) for number in range(widest)]
    return [(*before, [min(begin + number, end - 1) for begin, end in ends]) for number in range(widest)]
