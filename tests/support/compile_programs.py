"""Random layers and functions as source text, and the calls of them.

A case is source text, so a failing example reads like a file of a user: a class with `forward` and `backward`, and for
each call the lines that make its arguments. The lines are those of `program_steps`, and those of `compile_steps`, which
only objects have.
"""

import random
import re
import warnings
from dataclasses import dataclass, field

import numpy as np
from compile_arguments import BY_HAND, DTYPES, GIVEN, GRADIENT, LAYOUTS, SHAPES, TWICE, Numbers
from compile_steps import ALL_STEPS, PREAMBLE, PickAny

LARGEST = 400  # elements of one array
MOST = 1e4  # values of programs that are compared within rounding

# --- what programs are made of ----------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Call:
    """One call, or two: what is done by hand before it, its numbers, and what becomes of the arguments."""

    seed: int
    by_hand: tuple[str, ...] = ()
    given: tuple[str, ...] = ()
    gradient: tuple[str, ...] = ()
    methods: tuple[str, ...] = ("forward", "backward")
    options: dict = field(default_factory=dict)

    def __str__(self):
        options = "".join(f", {key}={value!r}" for key, value in self.options.items() if value)
        parts = [*self.by_hand, f"setup(Numbers({self.seed}{options}))", *self.given, *self.gradient]
        return f"# {'; '.join(parts)}: {', '.join(self.methods)}"


@dataclass(frozen=True)
class Case:
    """A class, how its arguments are made, and the calls; `ahead` of them are made before it is compiled.

    The twins hold the last `holds` results: memory of earlier ones may be used again.
    """

    state: tuple[str, ...]  # lines of __init__
    setup: tuple[str, ...]  # lines that make the arguments
    arguments: tuple[str, ...]
    forward: tuple[str, ...]
    result: str
    backward: tuple[str, ...] | None
    back: str
    calls: tuple[Call, ...]
    ahead: int = 0
    holds: int = 12

    @property
    def source(self):
        """The file."""
        methods = [("__init__", ["self", "draw"], self.state, None)]
        methods += [("forward", ["self", *self.arguments], self.forward, self.result)]
        if self.backward is not None:
            methods += [("backward", ["self", "dout"], self.backward, self.back)]
        text = f"{PREAMBLE}\nclass Layer:\n"
        for name, parameters, lines, result in methods:
            body = [*lines, *([f"return {result}"] if result is not None else [])] or ["pass"]
            text += f"    def {name}({', '.join(parameters)}):\n" + "".join(f"        {line}\n" for line in body)
        body = [*self.setup, f"return {', '.join(self.arguments)},"]
        return text + "\ndef setup(draw):\n" + "".join(f"    {line}\n" for line in body)

    def __repr__(self):
        calls = [f"{call}\n" for call in self.calls]
        calls.insert(self.ahead, f"# dout.compile, with {self.holds} results held\n")
        return f"\n{self.source}{''.join(calls)}"


def leaves(item, path=""):
    """Everything inside containers, objects and generators, with where it is."""
    yield path, item
    if isinstance(item, dict):
        for key, part in item.items():
            yield from leaves(part, f"{path}[{key!r}]")
    elif isinstance(item, list | tuple):
        for i, part in enumerate(item):
            yield from leaves(part, f"{path}[{i}]")
    elif type(item).__name__ == "Record":
        yield from leaves(vars(item), f"{path}.")


def arrays_in(result):
    """The arrays and numbers of NumPy's in what a call gave."""
    return [item for _, item in leaves(result) if isinstance(item, np.ndarray | np.generic)]


def gradient_for(result, seed=3):
    """A gradient for what forward gave: for its first array."""
    first = next(iter(arrays_in(result)), np.zeros(()))
    rng = np.random.default_rng(seed)
    dtype = first.dtype if first.dtype.kind == "f" else np.dtype(float)
    return np.asarray(rng.integers(-8, 8, size=first.shape) / 8, dtype)


# --- drawing ----------------------------------------------------------------------------------------------------------


class Scratch:
    """Runs lines while they are drawn."""

    def __init__(self, state, setup):
        self.state, self.setup = state, setup

    def after(self, lines):
        """The arrays that have a name after these lines."""
        names = {"np": np, "self": type("Layer", (), {})(), "draw": Numbers(0)}
        for line in (PREAMBLE, *self.state, *self.setup, *lines):
            exec(line, names)
        return self.named(names)

    @staticmethod
    def named(names):
        """Arrays by the text that names them."""
        found = {n: v for n, v in names.items() if re.fullmatch(r"[xvd]\d+|dout", n) and hasattr(v, "dtype")}
        for key, value in vars(names["self"]).items():
            if isinstance(value, np.ndarray):
                found[f"self.{key}"] = value
        found.update((f"self.params[{k!r}]", v) for k, v in names["self"].params.items() if isinstance(v, np.ndarray))
        return found


def _lines(choose, scratch, before, prefix, most, edges):
    """Lines that run, over what is there, and the arrays after them."""
    lines = []
    variables = scratch.after(before)
    for i in range(choose(range(1, most + 1))):
        try:
            line = choose(ALL_STEPS)(PickAny(choose, variables), f"{prefix}{i}")
            after = scratch.after([*before, *lines, line])
        except Exception:  # shapes that do not fit: another line
            continue
        if all(_fine(value, edges) for value in after.values()):
            lines.append(line)
            variables = after
    return tuple(lines), variables


def _fine(value, edges):
    if value.dtype.kind not in "fbiu" or value.size > LARGEST:
        return False
    return edges or bool(np.all(np.abs(np.asarray(value, float)) < MOST))


def _result(choose, variables):
    """What is returned: an array, several, or containers of them."""
    one, two, three = (choose([*variables, *list(variables)[-3:]]) for _ in range(3))
    return choose([
        one, one, one, one, f"{one}, {two}", f"{{'W': {one}, 'b': {two}}}", f"[{one}, ({two}, {three})]",
        f"({one}, None, {one})", f"{one}[...]", f"{one}.sum()", f"{one}.reshape(-1), self.rate", f"{one}, self.last",
        f"{one} if self.train else {two}", f"{one}, self.mode, self.n", f"self.log, {one}", f"{one}, self.record",
        f"float({one}.sum())",
    ])  # fmt: skip


def make_case(seed, edges=False):
    """A class with a few lines in its methods, and some calls: for each seed another."""
    with warnings.catch_warnings(), np.errstate(all="ignore"):
        warnings.simplefilter("ignore")
        return _case(random.Random(f"{seed} {edges}").choice, edges)


def _case(choose, edges):
    dtype = choose(["f8", "f4"])

    def array(dtype=dtype):
        return f"draw({choose(SHAPES)}, {dtype!r}, {choose(LAYOUTS)!r})"

    state = (
        f"self.W = {array()}", f"self.params = {{'W': {choose(['self.W', array()])}, 'b': {array()}}}",
        "self.n = 2; self.rate = 0.5; self.train = True; self.mean = 0.0; self.out = None; self.mode = Mode.TRAIN",
        "self.rng = np.random.default_rng(1); self.old = np.random.RandomState(2)",
        f"self.view = {choose([array(), array(), array(), 'self.W[...]', 'self.W.T'])}",
        "self.last = None; self.other = 1; self.log = [0.5, None]; self.stats = {'n': 2, 'kind': None}",
        "self.params['n'] = 2",
        "self.record = Record()",
    )  # fmt: skip
    setup, arguments = [f"x0 = {array(choose([dtype, dtype, dtype, choose(DTYPES)]))}"], ["x0"]
    for i in range(1, choose([1, 2, 3])):
        views = ["x0", "x0.T", "x0[...]", *([] if "draw(()" in setup[0] else ["x0[1:]", "x0[::-1]", "x0[:1]"])]
        setup.append(f"x{i} = {choose([array(), array(), array(choose(DTYPES)), choose(views)])}")
        arguments.append(f"x{i}")
    setup.append(f"n0 = {choose(['1.5', '2', 'np.float32(0.5)', 'True'])}")
    arguments.append("n0")
    scratch = Scratch(state, tuple(setup))
    forward, variables = _lines(choose, scratch, (), "v", 7, edges)
    result = _result(choose, variables)
    backward, back = _backward(choose, scratch, forward, result, edges) if choose([True, False]) else (None, "")
    calls = _calls(choose, len(arguments) - 1, edges)
    ahead, holds = choose([0, 0, 0, 1, 2]), choose([12, 12, 3])
    return Case(state, tuple(setup), tuple(arguments), forward, result, backward, back, calls, ahead, holds)


def _backward(choose, scratch, forward, result, edges):
    """A backward over the object that forward left."""
    done = (*forward, f"result = {result}", "dout = gradient_for(result)", *_FORGET)
    inner = Scratch((*_IMPORT, *scratch.state), scratch.setup)
    try:
        lines, variables = _lines(choose, inner, done, "d", 4, edges)
    except Exception:
        return None, ""
    return ("n0 = self.rate", *lines), _result(choose, variables)


_IMPORT = ("from compile_programs import gradient_for",)
_FORGET = ("for name in [n for n in globals() if n[0] in 'xv']: del globals()[name]", "n0 = self.rate")


def _calls(choose, arrays, edges):
    """Calls of some kinds, each made several times: one after the other, or in turns."""
    kinds = [_kind(choose, arrays, edges and choose([True, False])) for _ in range(choose([1, 1, 2, 3]))]
    turns = choose([True, False])
    times = choose([2, 2, 3, 5])
    order = kinds * times if turns else [kind for kind in kinds for _ in range(times)]
    return tuple(
        Call(choose([i, i, i, 0]), by_hand if turns or i % times == 0 else (), *others)
        for i, (by_hand, *others) in enumerate(order[:6])
    )


def _kind(choose, arrays, edges):
    """What is done by hand, what becomes of arguments and gradient, which methods are called, options of numbers."""

    def one_in(many, lines):
        return (choose(lines),) if choose(range(many)) == 0 else ()

    given = one_in(4, GIVEN)
    if arrays > 1:
        given += one_in(5, [line.format(i=1) for line in TWICE])
    methods = choose([("forward", "backward")] * 6 + [("forward",), ("backward",), ("forward", "backward", "backward")])
    options = dict(choose([(), (), (), (), (), [("dtype", "f4")], [("dtype", "f8")], [("longer", 1)], [("longer", 1)],
                           [("layout", "F")], [("layout", "stepped")], [("layout", "unaligned")],
                           [("layout", "fixed")]]))  # fmt: skip
    return one_in(2, BY_HAND), given, one_in(5, GRADIENT), methods, {**options, "edges": edges}
