"""Random layers and functions as source text, and the calls of them.

A case is source text, so a failing example reads like a file of a user: a class with `forward` and `backward`, and for
each call the lines that make its arguments. The lines are those of `program_steps`, and some that only objects have.
"""

import re
from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st
from program_steps import STEPS, Pick

SHAPES = [(2, 3), (3,), (2, 1), (3, 3), (1, 3), (4,), (2, 2, 3), (), (0,), (0, 3), (2, 0)]
LAYOUTS = ["C", "C", "F", "stepped", "part", "reversed", "turned"]
EDGES = [0.0, -0.0, np.nan, np.inf, -np.inf, 1e-30, -1e30]
LARGEST = 400  # elements of one array
MOST = 1e4  # values of programs that are compared within rounding

# --- what programs are made of ----------------------------------------------------------------------------------------


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
        return laid_out(np.asarray(value, self.dtype or dtype), self.layout or layout)


def laid_out(value, layout):
    """The array in another memory order."""
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
    return np.moveaxis(np.moveaxis(value, 0, -1).copy(), -1, 0)


@dataclass(frozen=True)
class Call:
    """One call: of which method, with which numbers, and what happens to the object before it."""

    seed: int
    before: tuple[str, ...] = ()
    options: dict = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    """A class, how its arguments are made, and the calls."""

    state: tuple[str, ...]  # lines of __init__
    setup: tuple[str, ...]  # lines that make the arguments
    arguments: tuple[str, ...]
    forward: tuple[str, ...]
    result: str
    backward: tuple[str, ...] | None
    back: str
    calls: tuple[Call, ...]

    @property
    def source(self):
        """The file."""
        methods = [("__init__", ["self", "draw"], self.state, None)]
        methods += [("forward", ["self", *self.arguments], self.forward, self.result)]
        if self.backward is not None:
            methods += [("backward", ["self", "dout"], self.backward, self.back)]
        text = "noise = np.random.default_rng(7)\n\nclass Layer:\n"
        for name, parameters, lines, result in methods:
            body = [*lines, *([f"return {result}"] if result is not None else [])] or ["pass"]
            text += f"    def {name}({', '.join(parameters)}):\n" + "".join(f"        {line}\n" for line in body)
        body = [*self.setup, f"return {', '.join(self.arguments)},"]
        return text + "\ndef setup(draw):\n" + "".join(f"    {line}\n" for line in body)

    def __repr__(self):
        calls = "".join(f"# {call}\n" for call in self.calls)
        return f"\n{self.source}{calls}"


def leaves(item, path=""):
    """Everything inside containers and generators, with where it is."""
    yield path, item
    if isinstance(item, dict):
        for key, part in item.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(item, list | tuple):
        for i, part in enumerate(item):
            yield from leaves(part, f"{path}[{i}]")


def gradient_for(result):
    """A gradient for what forward gave: for its first array."""
    first = next((item for _, item in leaves(result) if isinstance(item, np.ndarray | np.generic)), np.zeros(()))
    rng = np.random.default_rng(3)
    dtype = first.dtype if first.dtype.kind == "f" else np.dtype(float)
    return np.asarray(rng.integers(-8, 8, size=first.shape) / 8, dtype)


# --- drawing ----------------------------------------------------------------------------------------------------------


def stored(pick, name):
    x, y = pick.any_array(), pick.any_array()
    return pick.one_of([f"self.out = {x}", f"self.kept = {x}", f"self.params['b'] = {x}",
                        f"self.cache = ({x}, {y})", f"self.grads = {{'W': {x}, 'b': {y}}}",
                        f"self.out = {x}.copy()", f"self.n += 1; {name} = {x} * self.n"])  # fmt: skip


def with_number(pick, name):
    x = pick.array()
    form = pick.one_of(["{x} * self.rate", "{x} + self.n", "{x} * n0", "self.rate * (1 - n0) * {x}", "{x} ** self.n",
                        "{x} / (self.n + 1)", "n0 - {x}", "{x} * float(n0)", "np.float32(n0) * {x}"])  # fmt: skip
    return f"{name} = {form.format(x=x)}"


def branched(pick, name):
    x, number = pick.array(), pick.number()
    y = pick.writable()
    return pick.one_of([
        f"{name} = {x} * 2 if self.train else {x} - 1",
        f"if self.train: {y} += 1",
        f"{name} = {x} * 2 if np.sum({x}) > {number} else {x} + 1",
        f"if {x}.sum() > {number}: {y} *= 0.5",
        f"{name} = {x} - 1 if n0 > 1 else -{x}",
        f"{name} = {x} * 2 if {x}.sum() > 0 else {x} + 1",
        f"{name} = {x}[: 1 + int({x}.sum() > 0)]",
        f"{name} = {x}.copy(); {name}[{x} < 0] = 0; self.out = {x}.copy()",
        f"if {y}.shape[0] > 2: {y}[1] = 0",
        f"for i in range(len({y})): {y}[i] *= i",
        f"if ({x} > {number}).any(): self.rate = self.rate * 0.5",
    ])  # fmt: skip


def drawn(pick, name):
    x = pick.array()
    return f"{name} = " + pick.one_of([
        f"{x} + self.rng.normal(size={x}.shape)", f"{x} * (noise.random({x}.shape) < 0.5)",
        f"{x} + noise.integers(0, 3, size={x}.shape)", f"{x} * np.random.randn(*{x}.shape)",
        f"{x} + self.old.rand(*{x}.shape)", f"{x}[noise.permutation(len({x}))]",
    ])  # fmt: skip


def updated(pick, name):
    x = pick.array()
    return pick.one_of([
        "for key in self.params: self.params[key] -= self.rate * self.params[key]",
        "for key, value in self.params.items(): value *= 0.5",
        f"self.params['W'] -= self.rate * {x}",
        f"self.params['W'][...] = {x}",
        f"self.mean = 0.9 * self.mean + 0.1 * {x}.sum()",
        f"self.W += 0.1 * {x}",
        f"self.view[...] = {x}.sum()",
        f"self.rate = self.rate * 0.9; {name} = {x} * self.rate",
    ])  # fmt: skip


OBJECT_STEPS = [stored, with_number, branched, drawn, updated, stored, branched]


class PickAny(Pick):
    """Also arrays of conditions."""

    def any_array(self):
        """The name of any array."""
        return self.one_of([n for n, v in self.variables.items() if isinstance(v, np.ndarray)][::-1])


class Scratch:
    """Runs lines while they are drawn."""

    def __init__(self, state, setup):
        self.state, self.setup = state, setup

    def after(self, lines, more=None):
        """The arrays that have a name after these lines."""
        layer = type("Layer", (), {})()
        names = {"np": np, "self": layer, "draw": Numbers(0), "noise": np.random.default_rng(0)}
        for line in (*self.state, *self.setup, *lines):
            exec(line, names)
        return self.named(names), names

    @staticmethod
    def named(names):
        """Arrays by the text that names them."""
        found = {n: v for n, v in names.items() if re.fullmatch(r"[xvd]\d+|dout", n) and hasattr(v, "dtype")}
        for key, value in vars(names["self"]).items():
            if isinstance(value, np.ndarray):
                found[f"self.{key}"] = value
        found.update((f"self.params[{k!r}]", v) for k, v in names["self"].params.items() if isinstance(v, np.ndarray))
        return found


def _lines(draw, scratch, before, prefix, most, edges):
    """Lines that run, over what is there, and the arrays after them."""
    lines = []
    variables, _ = scratch.after(before)
    steps = STEPS + OBJECT_STEPS + OBJECT_STEPS
    for i in range(draw(st.integers(1, most))):
        line = draw(st.sampled_from(steps))(PickAny(draw, variables), f"{prefix}{i}")
        if "np.squeeze(" in line:
            continue  # gives the very array where there is nothing to squeeze, and a view when it is traced
        try:
            with np.errstate(all="ignore"):
                after, _ = scratch.after([*before, *lines, line])
        except Exception:  # shapes that do not fit: another line
            continue
        if all(_fine(value, edges) for value in after.values()):
            lines.append(line)
            variables = after
    return tuple(lines), variables


def _fine(value, edges):
    if value.dtype.kind not in "fbi" or value.size > LARGEST:
        return False
    return edges or bool(np.all(np.abs(np.asarray(value, float)) < MOST))


def _result(draw, variables):
    """What is returned: an array, several, or containers of them."""
    names = st.sampled_from(list(variables)[::-1])
    one, two, three = draw(names), draw(names), draw(names)
    return draw(st.sampled_from([
        one, one, f"{one}, {two}", f"{{'W': {one}, 'b': {two}}}", f"[{one}, ({two}, {three})]", f"({one}, None, {one})",
        f"{one}[...]", f"{one}.sum()", f"{one}.reshape(-1), self.rate", f"{one} if self.train else {two}",
    ]))  # fmt: skip


@st.composite
def cases(draw, edges=False):
    """A class with a few lines in its methods, and some calls."""
    dtype = draw(st.sampled_from(["f8", "f4"]))
    shape = st.sampled_from(SHAPES)
    layout = st.sampled_from(LAYOUTS)

    def array():
        return f"draw({draw(shape)}, {dtype!r}, {draw(layout)!r})"

    state = (
        f"self.W = {array()}", f"self.params = {{'W': {draw(st.sampled_from(['self.W', array()]))}, 'b': {array()}}}",
        "self.n = 2; self.rate = 0.5; self.train = True; self.mean = 0.0; self.out = None",
        "self.rng = np.random.default_rng(1); self.old = np.random.RandomState(2)",
        f"self.view = {draw(st.sampled_from([array(), array(), array(), 'self.W[...]', 'self.W.T']))}",
    )  # fmt: skip
    setup, arguments = [f"x0 = {array()}"], ["x0"]
    for i in range(1, draw(st.integers(1, 3))):
        setup.append(f"x{i} = {draw(st.sampled_from([array(), array(), array(), 'x0', 'x0.T', 'x0[...]']))}")
        arguments.append(f"x{i}")
    setup.append(f"n0 = {draw(st.sampled_from(['1.5', '2', 'np.float32(0.5)', 'True']))}")
    arguments.append("n0")
    scratch = Scratch(state, tuple(setup))
    forward, variables = _lines(draw, scratch, (), "v", 7, edges)
    result = _result(draw, variables)
    backward, back = None, ""
    if draw(st.booleans()):
        backward, back = _backward(draw, scratch, forward, result, edges)
    return Case(state, tuple(setup), tuple(arguments), forward, result, backward, back, _calls(draw, edges))


def _backward(draw, scratch, forward, result, edges):
    """A backward over the object that forward left."""
    done = (*forward, f"result = {result}", "dout = gradient_for(result)", *_FORGET)
    inner = Scratch((*_IMPORT, *scratch.state), scratch.setup)
    try:
        lines, variables = _lines(draw, inner, done, "d", 4, edges)
    except Exception:
        return None, ""
    return ("n0 = self.rate", *lines), _result(draw, variables)


_IMPORT = ("from compile_programs import gradient_for",)
_FORGET = ("for name in [n for n in globals() if n[0] in 'xv']: del globals()[name]", "n0 = self.rate")


def _calls(draw, edges):
    """Calls of some kinds, each made twice: the second has a program where one can be made."""
    calls = []
    for i in range(draw(st.integers(1, 3))):
        options = dict(draw(st.sampled_from([(), (), (), (), [("dtype", "f4")], [("dtype", "f8")], [("longer", 1)],
                                             [("layout", "F")], [("layout", "stepped")]])))  # fmt: skip
        before = draw(st.sampled_from([(), (), (), (), ("self.train = not self.train",), ("self.rate = 0.25",),
                                       ("self.n = 3",), ("self.W = self.W * 1",), ("self.params = {**self.params}",),
                                       ("self.params['b'] = draw((3,), 'f8', 'C')",)]))  # fmt: skip
        for seed, lines in ((draw(st.sampled_from([i, i, i, 0])), before), (i + 5, ())):
            calls.append(Call(seed, lines, {**options, "edges": edges and draw(st.booleans())}))
    return tuple(calls)
