"""What the calls of random layers are given: arrays of every layout and dtype, and what users do between calls."""

import numpy as np

SHAPES = [(2, 3), (3,), (2, 1), (3, 3), (1, 3), (4,), (2, 2, 3), ()] * 3 + [(0,), (0, 3), (2, 0)]
LAYOUTS = ["C", "C", "C", "F", "stepped", "part", "reversed", "turned", "unaligned", "fixed", "wide", "windows"]
DTYPES = ["f8"] * 8 + ["f4"] * 8 + ["f2", "i8", "i4", "u1", "?", ">f8", ">f4", ">i4"]
EDGES = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e30]


class Numbers:
    """Makes the arrays of one call: dyadic numbers, so that many sums are exact and conditions are met exactly."""

    def __init__(self, seed, edges=False, dtype=None, longer=0, layout=None):
        self.rng = np.random.default_rng(seed)
        self.edges, self.dtype, self.longer, self.layout = edges, dtype, longer, layout

    def __call__(self, shape, dtype, layout):
        """An array; the call may ask for others than usual."""
        if shape and self.longer:
            shape = (shape[0] + self.longer, *shape[1:])
        value = self.rng.integers(-24, 25, size=shape) / 8
        if self.edges:
            at = self.rng.random(shape) < 0.2
            value = np.where(at, self.rng.choice(EDGES, size=shape), value)
        dtype = np.dtype(dtype if self.dtype is None or np.dtype(dtype).kind != "f" else self.dtype)
        with np.errstate(all="ignore"):
            return laid_out(np.asarray(value).astype(dtype), self.layout or layout)


def laid_out(value, layout):
    """The array in another memory order; "wide" and "windows" repeat elements, so their values are others."""
    if layout == "fixed":
        value = value.copy()
        value.flags.writeable = False
        return value
    if layout == "unaligned":
        moved = np.empty(value.nbytes + 1, "u1")[1:].view(value.dtype).reshape(value.shape)
        moved[...] = value
        return moved
    if layout == "F":
        return np.asfortranarray(value) if value.ndim else value
    if not value.ndim or layout == "C":
        return value.copy()
    if layout == "stepped":
        return np.repeat(value, 2, axis=-1)[..., ::2]
    if layout == "part":
        return np.concatenate([value, value], axis=-1)[..., value.shape[-1] :]
    if layout == "reversed":
        return value[::-1].copy()[::-1]
    if layout == "wide":
        return np.broadcast_to(value[:1].copy(), value.shape) if len(value) else value.copy()
    if layout == "windows":
        return windows(value)
    return np.moveaxis(np.moveaxis(value, 0, -1).copy(), -1, 0)


def windows(value):
    """An array of this shape whose rows overlap in memory, and may be written."""
    line = np.concatenate([value.ravel(), value.ravel()[:1]])
    strides = [value.itemsize] * value.ndim
    return np.lib.stride_tricks.as_strided(line, value.shape, strides) if value.size else value.copy()


# --- what is done between calls ---------------------------------------------------------------------------------------

# To the layer, by hand. `last` is the first array that the call before gave.
BY_HAND = [
    "self.train = not self.train", "self.rate = 0.25", "self.n = 3", "self.n = 2.0", "self.n = np.int64(2)",
    "self.W = self.W * 1", "self.W = np.asfortranarray(self.W)", "self.W[...] = 0.25", "self.W = self.W.T",
    "self.W.flags.writeable = False", "self.W = self.W.astype('f4')", "self.view = self.W", "self.out = None",
    "self.params = {**self.params}", "self.params['b'] = draw((3,), 'f8', 'C')", "self.params['n'] = 3",
    "self.params['b'] = self.W", "self.params['new'] = 1.5", "self.params = dict(reversed(self.params.items()))",
    "self.params['W'] *= 0.5", "self.rng = np.random.default_rng(3)", "self.last = None", "self.last = 2.5",
    "self.last = 1", "self.last = True", "self.last = self.W.sum()", "self.mode = Mode.TEST", "self.mode = Mode.TRAIN",
    "self.params['n'] = None", "self.stats['n'] = 3", "self.stats['n'] = 'many'", "self.stats['kind'] = Mode.TEST",
    "self.log[1] = 1", "self.log[1] = 2.5", "self.other = 2", "self.other = None", "self.record.last = 1",
    "self.log.append(1.5)", "self.log.clear()", "self.log[0] = np.float32(2)", "self.log = [*self.log]",
    "self.record = Record()", "self.record.best = 3", "self.record.best = self.last", "self.record.best = self.W",
    "last *= 2", "last[...] = 0.5", "last.flags.writeable = False", "self.W = last", "self.out = last",
]  # fmt: skip

# To the arguments: views of the layer's own state, the same array twice, other types, and some that do not fit.
GIVEN = [
    "x0 = self.W", "x0 = self.W[...]", "x0 = self.W.T", "x0 = self.view", "x0 = self.params['b']", "x0 = self.out",
    "x0 = last", "x0 = x0[...]", "x0 = x0[::-1]", "x0 = np.stack([x0, x0], -1)[..., 0]", "x0.flags.writeable = False",
    "x0 = x0.astype('f4')", "x0 = x0.astype('i8')", "x0 = x0 > 0", "x0 = x0.astype('f2')", "x0 = x0.astype('>f8')",
    "x0 = x0[:1]", "x0 = x0[None]", "x0 = x0.ravel()", "x0 = x0[..., :2]", "x0 = x0[:0]", "x0 = x0.tolist()",
    "x0 = x0.sum()", "x0 = float(x0.sum())", "x0 = None", "x0 = 'x'", "n0 = 0", "n0 = 3", "n0 = -1.0", "n0 = 2.0",
    "n0 = False", "n0 = np.float64(1.5)", "n0 = np.int32(2)", "n0 = np.bool_(True)", "n0 = None", "n0 = 'two'",
    "n0 = x0", "n0 = x0.max()", "n0 = np.array(2.0)",
]  # fmt: skip
TWICE = ["x{i} = x0", "x{i} = x0[...]", "x{i} = x0.T", "x{i} = x0[::-1]", "x{i} = self.W", "x{i} = x0[:1]",
         "x{i} = x0.copy()", "x0 = x{i}"]  # fmt: skip

# To the gradient that backward is given.
GRADIENT = [
    "dout = np.asfortranarray(dout)", "dout = dout.astype('f4')", "dout = dout.astype('f8')", "dout = dout[...]",
    "dout = last", "dout = self.W", "dout = 1.0", "dout = 1", "dout = None", "dout.flags.writeable = False",
    "dout = np.stack([dout, dout], -1)[..., 0]", "dout = dout[:1]", "dout = dout.sum()",
]  # fmt: skip
