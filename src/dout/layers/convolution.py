"""Convolution, and the way back as a layer of its own: transposed convolution. One, two or three axes of places alike.

A kernel of 3 × 3 has nine places. Seen from one place alone, a convolution is a product of matrices, the same for every
pixel, of an image that is moved by the place; the whole is the sum over the places. That is how it is computed here:

    forward:   out += W[place] · x[moved]
    backward:  dW[place] = dout · x[moved]ᵀ,  dx[moved] += W[place]ᵀ · dout

`W` has a kernel axis for each axis of places: (F, C, K) for signals, (F, C, KH, KW) for images. `stride`, `pad`,
`dilation` are a number for all axes, or one for each. Parameters `W` and `b`, gradients `dW` and `db`.
"""

from collections.abc import Iterator
from typing import Any, TypeAlias

import numpy as np

from dout.layers.form import Value, arriving, keep_form

Sizes: TypeAlias = int | tuple[int, ...]
Place: TypeAlias = tuple[Any, ...]  # an index


class Convolution:
    """Slide a kernel over the places of an image. PyTorch: `torch.nn.Conv1d`, `Conv2d`, `Conv3d`.

    `out[n, f, i] = b[f] + Σ W[f, c, k] · x[n, c, s·i + d·k - p]`, over all channels c and kernel places k, with s the
    `stride`, d the `dilation` and p the `pad`: so many zeros on each side. `x` has shape (N, C, …), `W` (F, C, …), `b`
    (F,), and `out` (N, F, …) with `(L + 2p - d·(K - 1) - 1) // s + 1` places for L.

    With `groups` the channels are parted, and each group has filters of its own: `W` has shape (F, C / groups, …).
    Source: Saito, "Deep Learning from Scratch" (O'Reilly Japan), chapter 7.

    >>> import numpy as np
    >>> edge = Convolution(np.array([[[1.0, -1.0]]]), np.zeros(1))
    >>> edge.forward(np.array([[[0.0, 0.0, 5.0, 5.0]]]))
    array([[[ 0., -5.,  0.]]])
    >>> edge.backward(np.array([[[0.0, 1.0, 0.0]]]))
    array([[[ 0.,  1., -1.,  0.]]])
    """

    def __init__(
        self, W: Value, b: Value, stride: Sizes = 1, pad: Sizes = 0, dilation: Sizes = 1, groups: int = 1
    ) -> None:
        _check_filters(self, W, b, len(W), groups)
        check_sizes(self, stride=stride, pad=pad, dilation=dilation)
        self.W, self.b = W, b
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)
        axes = W.ndim - 2
        self.stride, self.pad, self.dilation = each(stride, axes), each(pad, axes), each(dilation, axes)
        self.groups = groups

    def forward(self, x: Value) -> Value:
        """Return what the kernel sees at each place."""
        _check_image(self, x, self.W.shape[1] * self.groups)
        self.x, x = x, padded(x, self.pad, 0)
        self.sizes = places_of(self, x.shape[2:], self.W.shape[2:], self.stride, self.dilation)
        out = np.zeros((len(x), len(self.W), *self.sizes), np.result_type(x, self.W, self.b))
        for place, moved in places(self.W.shape[2:], self.stride, self.dilation, self.sizes):
            out += mixed(self.W[place], x[moved], self.groups)
        out += over_channels(self.b, out)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dW` and `db` in the layer."""
        dout = arriving(self, dout)
        x = padded(self.x, self.pad, 0)
        self.dW = np.zeros_like(self.W)
        dx = np.zeros(x.shape, np.result_type(dout, self.W))
        for place, moved in places(self.W.shape[2:], self.stride, self.dilation, self.sizes):
            self.dW[place] = pairs(dout, x[moved], self.groups)
            dx[moved] += mixed_back(self.W[place], dout, self.groups)
        self.db = np.sum(dout, axis=(0, *range(2, dout.ndim)))

        return unpadded(dx, self.pad).copy()


class TransposedConvolution:
    """Spread each place over a kernel: a Convolution's backward, as a layer. PyTorch: `torch.nn.ConvTranspose2d`, ….

    `out[n, f, s·i + d·k - p] += x[n, c, i] · W[c, f, k]`, and `b[f]` once. `x` has shape (N, C, …), `W` (C, F, …), `b`
    (F,), and `out` (N, F, …) with `(L - 1)·s - 2p + d·(K - 1) + 1` places for L, and `extra` more (PyTorch's
    `output_padding`). With `groups` `W` has shape (C, F / groups, …).
    Source: Dumoulin and Visin (2016), "A guide to convolution arithmetic for deep learning".
    """

    def __init__(
        self, W: Value, b: Value, stride: Sizes = 1, pad: Sizes = 0, dilation: Sizes = 1, groups: int = 1,
        extra: Sizes = 0,
    ) -> None:  # fmt: skip
        _check_filters(self, W, b, np.shape(W)[1] * groups, groups)
        check_sizes(self, stride=stride, pad=pad, dilation=dilation, extra=extra)
        self.W, self.b = W, b
        self.dW, self.db = np.zeros_like(W), np.zeros_like(b)
        axes = W.ndim - 2
        self.stride, self.pad, self.dilation = each(stride, axes), each(pad, axes), each(dilation, axes)
        self.extra, self.groups = each(extra, axes), groups

    def forward(self, x: Value) -> Value:
        """Return the sum of what all places spread."""
        _check_image(self, x, len(self.W))
        self.x = x
        whole = [
            (n - 1) * s + d * (k - 1) + 1 + e
            for n, s, d, k, e in zip(x.shape[2:], self.stride, self.dilation, self.W.shape[2:], self.extra, strict=True)
        ]
        out = np.zeros((len(x), self.W.shape[1] * self.groups, *whole), np.result_type(x, self.W, self.b))
        for place, moved in places(self.W.shape[2:], self.stride, self.dilation, x.shape[2:]):
            out[moved] += mixed_back(self.W[place], x, self.groups)
        out = unpadded(out, self.pad) + over_channels(self.b, out)
        keep_form(self, out)

        return out

    def backward(self, dout: Value) -> Value:
        """Return `dx`, and leave `dW` and `db` in the layer."""
        dout = padded(arriving(self, dout), self.pad, 0)
        self.dW = np.zeros_like(self.W)
        dx = np.zeros(self.x.shape, np.result_type(dout, self.W))
        for place, moved in places(self.W.shape[2:], self.stride, self.dilation, self.x.shape[2:]):
            self.dW[place] = pairs(self.x, dout[moved], self.groups)
            dx += mixed(self.W[place], dout[moved], self.groups)
        self.db = np.sum(unpadded(dout, self.pad), axis=(0, *range(2, dout.ndim)))

        return dx


def dout_example() -> dict[str, Any]:
    """What `dout check` builds a layer with, if names do not say it: `b` is as long as `W`'s second axis."""
    W, b = np.linspace(-1.0, 2.0, 5 * 4 * 3 * 2).reshape(5, 4, 3, 2), np.linspace(0.5, 1.5, 4)
    x = np.linspace(-2.0, 1.0, 2 * 5 * 3 * 4).reshape(2, 5, 3, 4)
    return {"TransposedConvolution": {"init": {"W": W, "b": b}, "inputs": {"x": x}}}


# One place of a kernel: a product of matrices over the channels, for every pixel.


def mixed(W: Value, x: Value, groups: int) -> Value:
    """Return `W · x` over the channels: from (F, C / groups) and (N, C, …) an array (N, F, …)."""
    grouped = W.reshape(groups, -1, W.shape[1]) @ _parted(x, groups)
    return grouped.reshape(len(x), len(W), *x.shape[2:])


def mixed_back(W: Value, dout: Value, groups: int) -> Value:
    """Return `Wᵀ · dout` over the filters: from (F, C / groups) and (N, F, …) an array (N, C, …)."""
    grouped = W.reshape(groups, -1, W.shape[1]).swapaxes(1, 2) @ _parted(dout, groups)
    return grouped.reshape(len(dout), -1, *dout.shape[2:])


def pairs(dout: Value, x: Value, groups: int) -> Value:
    """Return `dout · xᵀ`, summed over samples and pixels: from (N, F, …) and (N, C, …) an array (F, C / groups)."""
    products = _parted(dout, groups) @ _parted(x, groups).swapaxes(2, 3)
    total = np.sum(products, axis=0)
    return total.reshape(-1, total.shape[-1])


def _parted(x: Value, groups: int) -> Value:
    """Return (N, C, …) as (N, groups, C / groups, pixels)."""
    return x.reshape(len(x), groups, x.shape[1] // groups, int(np.prod(x.shape[2:])))


# The places of a kernel, and the axes of an image: also what pooling is made of.


def places(
    kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...], sizes: tuple[int, ...]
) -> Iterator[tuple[Place, Place]]:
    """Yield each place of a kernel as an index of `W`, and the index of the pixels that it meets in an image."""
    for place in np.ndindex(*kernel):
        starts = [d * k for d, k in zip(dilation, place, strict=True)]
        spans = [slice(at, at + s * (n - 1) + 1, s) for at, s, n in zip(starts, stride, sizes, strict=True)]
        yield (slice(None), slice(None), *place), (slice(None), slice(None), *spans)


def places_of(
    layer: Any, lengths: tuple[int, ...], kernel: tuple[int, ...], stride: tuple[int, ...], dilation: tuple[int, ...]
) -> tuple[int, ...]:
    """Return how often a kernel fits along each axis. Raises ValueError where it does not fit once."""
    spans = [d * (k - 1) + 1 for d, k in zip(dilation, kernel, strict=True)]
    if any(span > n for span, n in zip(spans, lengths, strict=True)):
        raise ValueError(
            f"{type(layer).__name__}.forward: a kernel of {tuple(spans)} does not fit into {tuple(lengths)}: "
            "pad more, or take a smaller kernel"
        )
    return tuple((n - span) // s + 1 for n, span, s in zip(lengths, spans, stride, strict=True))


def each(sizes: Sizes, axes: int) -> tuple[int, ...]:
    """Return a number for each axis. Raises ValueError for another count of them."""
    if isinstance(sizes, int):
        return (sizes,) * axes
    if len(sizes) != axes:
        raise ValueError(f"{tuple(sizes)} for {axes} axes of places: give one number, or one for each axis")
    return tuple(sizes)


def check_sizes(layer: Any, **sizes: Sizes) -> None:
    """Raise ValueError where a size is no whole number, or too small: a stride moves on, a pad may be 0."""
    for name, size in sizes.items():
        least = 0 if name in ("pad", "extra") else 1
        numbers = size if isinstance(size, tuple | list) else (size,)
        if not all(isinstance(number, int | np.integer) and number >= least for number in numbers):
            raise ValueError(f"{type(layer).__name__}: {name} is {size}: give whole numbers, at least {least}")


def padded(x: Value, pad: tuple[int, ...], value: float) -> Value:
    """Return `x` with so many numbers of one value on each side of its axes of places."""
    return np.pad(x, ((0, 0), (0, 0), *((p, p) for p in pad)), constant_values=value) if any(pad) else x


def unpadded(x: Value, pad: tuple[int, ...]) -> Value:
    """Return `x` without them."""
    return x[(slice(None), slice(None), *(slice(p, n - p) for p, n in zip(pad, x.shape[2:], strict=True)))]


def over_channels(b: Value, x: Value) -> Value:
    """Return one number a channel, so that it is repeated along all axes of `x` but axis 1."""
    return b.reshape(-1, *(1,) * (x.ndim - 2))


def _check_filters(layer: Any, W: Value, b: Value, filters: int, groups: int) -> None:
    shapes = f"{type(layer).__name__}: W has shape {np.shape(W)}, b has shape {np.shape(b)}"
    if np.ndim(W) < 3:
        raise ValueError(f"{shapes}: W must have axes for the kernel, as (F, C, K) or (F, C, KH, KW)")
    if np.shape(b) != (filters,):
        raise ValueError(f"{shapes}: b must have shape ({filters},)")
    if len(W) % groups:
        raise ValueError(f"{shapes}: {len(W)} cannot be parted into {groups} groups")


def _check_image(layer: Any, x: Value, channels: int) -> None:
    if np.ndim(x) != layer.W.ndim or np.shape(x)[1] != channels:
        axes = ", ".join(["N", str(channels), *"DHW"[-(layer.W.ndim - 2) :]])
        raise ValueError(
            f"{type(layer).__name__}.forward: x has shape {np.shape(x)}, W has shape {layer.W.shape}: give ({axes})"
        )
