"""The lines of a random program: each form is drawn so that it fits the arrays there are."""

import numpy as np


class NothingFitsError(ValueError):
    """There is nothing of which a line could be made: another line may fit."""


class Pick:
    """Draws the parts of a line: names of arrays that exist, keys and numbers that fit them.

    `choose` takes one of several options.
    """

    def __init__(self, choose, variables):
        self.choose = choose
        self.variables = variables

    def one_of(self, options):
        """One of the options; the first is the simplest."""
        options = list(options)
        if not options:
            raise NothingFitsError
        return self.choose(options)

    def array(self, wanted=lambda value: True):
        """The name of a float array."""
        found = [
            n for n, v in self.variables.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and wanted(v)
        ]
        return self.one_of(found[::-1])

    def fitting(self, shape):
        """The name of a float array or number that broadcasts to `shape`."""
        return self.array(lambda v: _broadcasts(v.shape, shape))

    def writable(self, wanted=lambda value: True):
        """The name of an array with elements that may be written."""
        return self.array(lambda v: v.flags.writeable and v.ndim > 0 and wanted(v))

    def mask(self, shape):
        """A condition of this shape: one that has a name, or written out."""
        named = [
            n for n, v in self.variables.items() if v.dtype == bool and v.shape == shape and isinstance(v, np.ndarray)
        ]
        other = self.array(lambda v: v.shape == shape)
        return self.one_of([f"({other} > {self.number()})", f"({other} <= {self.number()})", *named])

    def number(self):
        """A number that no dyadic input is equal to."""
        return self.one_of(["0.3", "-0.7", "1.1", "-1.9"])

    def key(self, shape):
        """A key for an array of this shape: a row, slices, reversed, with new axes."""
        last = f"{shape[-1] - 1}"
        keys = ["0", "1:", "::-1", "...", "-1", "::2", f"..., {last}", "..., ::-1", "None"]
        if len(shape) > 1:
            keys += [":, 0", ":, 1:", f"0, {last}", ":, ::2", ":, None"]
        return self.one_of([key for key in keys if _fits(shape, key)])

    def fancy(self, shape):
        """A key with arrays in it; elements may come twice."""
        n = shape[0] - 1
        keys = [f"[{n}, 0]", f"[0, {n}, 0]", f"np.arange({shape[0]})"]
        if len(shape) > 1:
            m = shape[1] - 1
            keys += [f"np.arange({shape[0]}), np.array({[i % (m + 1) for i in range(shape[0])]})", f":, [{m}, 0, {m}]"]
        return self.one_of(keys)


def _broadcasts(shape, to):
    try:
        return np.broadcast_shapes(shape, to) == to
    except ValueError:
        return False


def _fits(shape, key):
    try:
        return eval(f"x[{key}]", {"x": np.empty(shape), "np": np}).size > 0
    except IndexError:
        return False


def binary(pick, name):
    x, operator = pick.array(), pick.one_of(["+", "*", "-", "/"])
    shape = pick.variables[x].shape
    y = pick.array(lambda v: _broadcasts(v.shape, shape) or _broadcasts(shape, v.shape))
    return f"{name} = {x} / (1.5 + abs({y}))" if operator == "/" else f"{name} = {x} {operator} {y}"


def unary(pick, name):
    form = pick.one_of([
        "{x} * 2", "1 / (1 + np.exp(-{x}))", "{x} ** 2", "-{x}", "np.sqrt(1 + {x} * {x})", "np.log(1 + np.square({x}))",
        "abs({x})", "np.exp(-abs({x}))", "1 - {x}", "2 / (3 + {x} ** 2)", "0.5 * {x} + 1", "np.power(1.5, -abs({x}))",
        "np.tanh({x})", "np.sin({x})", "np.cos({x})", "np.arctan({x})", "np.log1p({x} * {x})", "np.expm1(-abs({x}))",
        "np.cbrt(1 + {x} * {x})", "np.log2(2 + {x} * {x})", "np.reciprocal(1.5 + {x} * {x})", "np.hypot({x}, 1.5)",
        "np.arctan2({x}, 2.5)", "np.arcsinh({x})", "np.clip({x}, -0.7, 1.1)", "np.clip({x}, None, 0.3)",
        "{x} * 1", "{x} / 1", "-(-{x})", "{x} - 0", "+{x}", "{x}[()]", "np.clip({x}, None, None)",
    ])  # fmt: skip
    return f"{name} = {form.format(x=pick.array())}"


def chosen(pick, name):
    x = pick.array()
    shape = pick.variables[x].shape
    other = pick.one_of([pick.fitting(shape), pick.number()])
    form = pick.one_of(["np.maximum({x}, {y})", "np.minimum({x}, {y})", "np.where({mask}, {x}, {y})"])
    return f"{name} = {form.format(x=x, y=other, mask=pick.mask(shape))}"


def condition(pick, name):
    x = pick.array()
    return f"{name} = {pick.mask(pick.variables[x].shape)}"


def reduced(pick, name):
    x = pick.array(lambda v: v.ndim)
    form = pick.one_of([
        "np.sum({x}, axis=0)", "{x}.sum(axis=-1, keepdims=True)", "np.sum({x})", "{x}.sum(axis=-1)", "sum({x})",
        "np.mean({x}, axis=0)", "{x}.mean(axis=-1, keepdims=True)", "np.mean({x})", "np.max({x}, axis=-1)", "{x}.min()",
        "np.var({x}, axis=0)", "np.sqrt(0.5 + {x}.var(keepdims=True))", "np.prod({x}, axis=-1)", "np.ptp({x}, axis=0)",
        "np.sum({x}, axis=-1, where={x} > 0.3)", "np.max({x}, axis=0, initial=0.3)", "np.add.reduce({x}, axis=-1)",
        "np.prod({x}, axis=0, keepdims=True)", "np.linalg.norm(np.hypot({x}, 1.5), axis=-1)",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x)}"


def moved(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    n = pick.variables[x].shape[0] - 1
    form = pick.one_of([
        "np.cumsum({x}, axis=0)", "np.cumsum({x})", "np.repeat({x}, 2, axis=0)", "np.tile({x}, 2)", "np.pad({x}, 1)",
        "np.roll({x}, 1, axis=0)", "np.roll({x}, 2)", "np.flip({x}, -1)", "np.diff({x}, axis=-1)", "np.tril({x})",
        "np.triu({x}, 1)", "np.expand_dims({x}, 0)", "np.swapaxes({x}, 0, -1)", "np.squeeze({x})",
        "np.sort({x}, axis=0)",
        "np.take({x}, [{n}, 0, {n}], axis=0)", "np.take_along_axis({x}, np.argmax({x}, axis=0, keepdims=True), axis=0)",
        "np.atleast_2d({x})", "np.repeat({x}, 2)", "np.moveaxis({x}, 0, -1)", "np.split({x}, [1])[0]",
        "{x}[np.where({x} > 0.3)]", "np.r_[{x}, {x}]", "np.array_split({x}, 2)[0]",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x, n=n)}"


def joined(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    y = pick.array(lambda v: v.shape == pick.variables[x].shape)
    form = pick.one_of([
        "np.concatenate([{x}, {y}])", "np.concatenate(({x}, {y}), axis=-1)", "np.stack([{x}, {y}], axis=-1)",
        "np.vstack([{x}, {y}])", "np.hstack([{x}, {y}])", "np.outer({x}, {y})", "np.append({x}, {y})",
        "np.inner({x}, {y})",
        "np.tensordot({x}, {y}, axes=(-1, -1))", "np.einsum('ij,ij->i', {x}, {y})",
        "np.einsum('i,i', {x}, {y})", "np.dot({x}.ravel(), {y}.ravel())", "np.vdot({x}, {y})", "np.c_[{x}, {y}]",
        "np.multiply.outer({x}, {y})",
    ])  # fmt: skip
    return f"{name} = {form.format(x=x, y=y)}"


def product(pick, name):
    x = pick.array(lambda v: v.ndim)
    width = pick.variables[x].shape[-1]
    y = pick.array(lambda v: v.ndim in (1, 2) and v.shape[-2:][0] == width)
    return f"{name} = {x} @ {y}"


def view(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    shape = pick.variables[x].shape
    key = pick.key(shape)
    flat = [f"{x}.reshape(-1)", f"np.ravel({x})", f"{x}.reshape({shape[::-1]})", f"np.reshape({x}, {(1, *shape)})"]
    return f"{name} = {pick.one_of([f'{x}[{key}]', f'{x}.T', *flat, f'{x}.transpose()'])}"


def copied(pick, name):
    x = pick.array(lambda v: v.ndim and v.size)
    mask, fancy = pick.mask(pick.variables[x].shape), pick.fancy(pick.variables[x].shape)
    forms = [
        f"{x}.copy()",
        f"{x}[{fancy}]",
        f"{x}[{mask}]",
        f"np.array([{x}, {x} * 2])",
        f"{x}.flatten()",
        f"np.copy({x})",
        f"np.asarray({x})",
        f"np.ascontiguousarray({x})",
        f"np.array([{x}.sum(), {x}[..., 0].sum() * 0.5])",
    ]
    return f"{name} = {pick.one_of(forms)}"


def filled(pick, name):
    x = pick.array(lambda v: v.ndim)
    create = pick.one_of(["np.zeros_like({x})", "np.ones_like({x})", "np.empty({x}.shape)", "np.zeros({x}.shape)"])
    return f"{name} = {create.format(x=x)}; {name}[...] = {x} * 0.5"


def in_place(pick, name):
    x = pick.writable()
    other = pick.one_of([pick.number(), pick.fitting(pick.variables[x].shape)])
    return f"{x} {pick.one_of(['+=', '*=', '-='])} {other}"


def written(pick, name):
    x = pick.writable(lambda v: v.size)
    shape = pick.variables[x].shape
    key = pick.one_of([pick.key(shape), pick.fancy(shape)])
    selected = eval(f"x[{key}]", {"x": pick.variables[x], "np": np}).shape
    other = pick.one_of([pick.number(), pick.fitting(selected)])
    return f"{x}[{key}] {pick.one_of(['=', '+=', '-=', '*='])} {other}"


def masked(pick, name):
    x = pick.writable()
    mask, operator = pick.mask(pick.variables[x].shape), pick.one_of(["=", "*=", "+=", "-="])
    return f"{x}[{mask}] {operator} {pick.one_of(['0', '0.5', '-1'])}"


def masked_values(pick, name):
    x = pick.writable()
    mask = pick.mask(pick.variables[x].shape)
    other = pick.array(lambda v: v.shape == pick.variables[x].shape)
    return f"{name} = {mask}; {x}[{name}] = {other}[{name}] * 2"


def written_through(pick, name):
    x = pick.writable(lambda v: v.size)
    number = pick.number()
    forms = [
        f"{x}.T[...] = {number}",
        f"{x}.reshape(-1)[0] = {number}",
        f"{x}[1:][::-1] += {number}",
        f"{x}[0][...] *= {number}",
        f"np.split({x}, [1])[0][...] += {number}",
        f"np.swapaxes({x}, 0, -1)[0] = {number}",
        f"np.flip({x}, 0)[0] *= {number}",
        f"np.add.at({x}, np.s_[{pick.fancy(pick.variables[x].shape)}], {number})",
        f"np.put_along_axis({x}, np.argmin({x}, axis=0, keepdims=True), {number}, axis=0)",
        f"{x}[1:] = {x}[:-1]",
        f"{x}.fill({number})",
    ]
    return pick.one_of(form for form in forms if "][" not in form or pick.variables[x].ndim > 1)


def into(pick, name):
    x = pick.writable()
    shape = pick.variables[x].shape
    y, z = pick.fitting(shape), pick.fitting(shape)
    form = pick.one_of(["np.add({y}, {z}, out={x})", "np.multiply({y}, {z}, out={x})", "np.tanh({y}, out={x})",
                        "np.copyto({x}, {y})", "np.clip({x}, -0.7, 1.1, out={x})"])  # fmt: skip
    return form.format(x=x, y=y, z=z)


STEPS = [binary, unary, written, view, masked, chosen, in_place, copied, reduced, product, condition, filled,
         masked_values, written_through, into, moved, joined, moved, joined]  # fmt: skip
