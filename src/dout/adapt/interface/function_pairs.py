"""Pairs of functions that are a layer together: `affine_forward` and `affine_backward`, `sigmoid` and `sigmoid_prime`.

The first is the manner of Stanford's course CS231n: forward returns `(out, cache)`, and backward takes the cache.
"""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial, partialmethod, update_wrapper, wraps
from types import CellType, CodeType, FunctionType, ModuleType
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_loss, taken_by
from dout.adapt.interface.learned_gradients import is_float_array
from dout.adapt.source.empty_methods import gives_nothing, is_stub
from dout.adapt.source.returned_names import gives_gradients, returned_by
from dout.adapt.source.switches import derivative_switch, switched
from dout.adapt.source.syntax import bindings, name_of, read, total, walk
from dout.run import attributes_of, copied, deep_copy, filled_cells, function_copy, names_of
from dout.run.reached_functions import codes_in, reached_functions
from dout.trace.session.pairing import stem

PAIR = "dout_pair"
_CALLED = "dout_called"

_RENAMED = (  # what a backward is called, and what its forward is called then
    (r"(.*)backward(.*)", (r"\1forward\2", r"\1\2", r"\1forward")),
    (r"back_?(prop\w*|)", (r"forward_\1", r"forward\1", r"forward", r"feed_forward", r"feedforward")),
    (r"(.*)Backward(.*)", (r"\1Forward\2", r"\1\2")),
    (r"(.*)bprop(.*)", (r"\1fprop\2", r"\1\2")),
    (r"(.*)_(?:bwd|back|bp|back_?prop|back_?propagation)", (r"\1_fwd", r"\1_forward", r"\1_fp", r"\1_for", r"\1")),
    (r"back_?([a-z].*)", (r"for_\1", r"for\1")),
    (r"(.*?)_?(?:primes?|derivative|derivate|derivada|deriv|derv|der|gradient|grad|diff|dx|dz|d|backprop)", (r"\1",)),
    (r"(.*)(?:Prime|Derivative|Deriv|Grad|Gradient|Diff|Der|Backprop)", (r"\1",)),
    (r"(?:d|deriv|derivative|derivative_of|derivada|der|grad|gradient|prime|diff|backprop|back)_(.*)", (r"\1",)),
    (r"d(?=[a-zA-Z])(.*)", (r"\1",)),
    (r"(.*_)d_?(?=[a-z])(.*)", (r"\1\2",)),
)  # fmt: skip
_GRADIENT = frozenset({"gradient", "gradients", "grad", "grads"})
_LOSS = frozenset(
    {"cost", "loss", "error", "objective", "function", "func", "fn", "compute", "calc", "calculate", "get"}
)
_NONE = re.compile(
    r"_*test|bench|_*check|.*numeric|.*_check|.*(model|network|propagation)_(back|for)ward|main|_*plot|.*_test_?case",
    re.IGNORECASE,
)


def function_pairs(names: Mapping[str, Any]) -> dict[str, type]:
    """The pairs of functions that a module with these names has written itself, each as a class, by the forward."""
    functions = {
        name: item
        for name, item in names.items()
        if type(item) is FunctionType and item.__module__ == names.get("__name__") and not _NONE.match(name)
    }
    found: dict[str, type] = {}
    losses = [item for name, item in functions.items() if names_loss(name)]
    for name, backward in functions.items():
        ahead = next((n for n in forward_names(name) if n in functions and n != name), None)
        if ahead is None:
            continue
        forward = functions[ahead]
        if any(not _takes_something(f) or is_stub(f) or gives_nothing(f) for f in (forward, backward)):
            continue
        made = _with_locals(forward, backward) if _takes_lost_values(forward, backward) else backward
        if made is not None:
            found[ahead if ahead not in found else name] = pair_class(forward, made, losses, (ahead, name))
    found |= {ahead: pair for ahead, pair in _of_same_arguments(functions).items() if ahead not in found}
    both = {f for pair in found.values() for f in getattr(pair, PAIR)}
    rest = {n: f for n, f in functions.items() if n not in both and not is_stub(f)}
    asked = {n: _by_switch(n, f, switch) for n, f in rest.items() if (switch := derivative_switch(f))}
    return (
        found
        | asked
        | {n: pair_class(f, f, (), (n, n)) for n, f in rest.items() if n not in asked and gives_gradients(f)}
    )


def _of_same_arguments(functions: Mapping[str, FunctionType]) -> dict[str, type]:
    """Losses and their gradients that take the same: `compute_cost(X, y, w, b)`, `compute_gradient(X, y, w, b)`.

    What else their names say is the same, too: `huber_cost` and `gradient_huber`.
    """
    slopes = {name: function for name, function in functions.items() if _GRADIENT & _words(name)}
    losses = {_meant(name): name for name in [*functions][::-1] if names_loss(name) and name not in slopes}
    found: dict[str, type] = {}
    for name, function in slopes.items():
        ahead = losses.get(_meant(name), "")
        if ahead in found or not ahead or is_stub(function) or gives_nothing(function):
            continue
        takes = [{p.name for p in taken_by(functions[one])} for one in (ahead, name)]
        if takes[0] == takes[1] != set():
            found[ahead] = pair_class(functions[ahead], function, (), (ahead, name))
        elif (made := _with_locals(functions[ahead], function)) is not None:
            found[ahead] = pair_class(functions[ahead], made, (), (ahead, name))
    return found


@total(bool)
def _takes_lost_values(loss: FunctionType, backward: FunctionType) -> bool:
    """Whether a backward takes by name what a loss computes on its way, and gives to nobody."""
    own = read(loss)
    if own is None or not names_loss(loss.__name__):
        return False
    bound = {name_of(target) for statement in walk(own.node) for target, _ in bindings(statement)}
    given = {name_of(part) for n in walk(own.node) if isinstance(n, ast.Return) and n.value for part in _parts(n.value)}
    taken = {p.name for p in taken_by(backward)} - {p.name for p in taken_by(loss)}
    return bool(taken & bound - given)


def _parts(node: ast.expr) -> list[ast.expr]:
    """What stands in a tuple, a list or a dict, and in those in it; the expression itself of others."""
    inner = node.elts if isinstance(node, ast.Tuple | ast.List) else node.values if isinstance(node, ast.Dict) else None
    return [node] if inner is None else [part for item in inner for part in _parts(item)]


@total(lambda: None)
def _with_locals(forward: FunctionType, backward: FunctionType) -> FunctionType | None:
    """The backward with forward's arguments, where what else it takes is what forward computes of these by that name.

    As the probabilities `P = evaluate(X, W, b)` that the cost computes, and `gradients(X, Y, P, W)` is given.
    """
    own, names = read(forward), [p.name for p in taken_by(forward)]
    wanted = [p.name for p in taken_by(backward) if p.default is p.empty]
    more = [name for name in wanted if name not in names]
    if own is None or forward.__closure__ or not more or len(more) == len(wanted):
        return None
    node: Any = ast.parse(ast.unparse(own.node)).body[0]
    bound = [name_of(target) for statement in walk(node) for target, _ in bindings(statement)]
    top = {name_of(target) for statement in node.body for target, _ in bindings(statement)}
    owners = [stem(name) for name in returned_by(backward)]
    if not owners or not {*owners} <= {*map(stem, names)}:  # whose they are nothing else tells
        return None
    if not top.issuperset(more) or any(bound.count(name) > 1 for name in more):
        return None
    if [n for n in walk(node) if isinstance(n, ast.Return)] != node.body[-1:]:
        return None
    given = [ast.keyword(name, ast.Name(name, ast.Load())) for name in wanted]
    node.body[-1] = ast.Return(ast.Call(ast.Name(_CALLED, ast.Load()), [], given))
    node.args.kwonlyargs.append(ast.arg(_CALLED))
    node.args.kw_defaults.append(None)
    node.decorator_list = []
    module = compile(ast.fix_missing_locations(ast.Module([node], [])), __file__, "exec")
    code = next(item for item in module.co_consts if isinstance(item, CodeType))
    function = FunctionType(code, forward.__globals__, backward.__name__, forward.__defaults__)
    function.__kwdefaults__ = {**(forward.__kwdefaults__ or {}), _CALLED: backward}
    update_wrapper(function, backward)
    vars(function)["__signature__"] = inspect.Signature(taken_by(forward))
    return function


def _words(name: str) -> frozenset[str]:
    """The words of a name, in small letters: `costFunctionReg`, `cost_function_reg`."""
    return frozenset(word.lower() for word in re.findall(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+", name))


def _meant(name: str) -> frozenset[str]:
    """What a name says besides that it is a loss, or the gradient of one."""
    return _words(name) - _GRADIENT - _LOSS


def _by_switch(name: str, function: FunctionType, switch: str) -> type:
    """The class of a function that gives its own derivative when a switch is on."""
    off, on = (switched(function, switch, is_on) for is_on in (False, True))
    return pair_class(off, on, (), (name, f"{name}_{switch}"))


def given_pair(forward: FunctionType, backward: FunctionType) -> type:
    """The class of a function and its backward; each instance has what they close over for itself, and holds it."""
    made_in = forward.__qualname__.partition(".<locals>")[0] if forward.__closure__ else "pair"
    is_named = not forward.__closure__ and forward.__name__ != backward.__name__  # two lambdas have one name
    cls = pair_class(forward, backward, called=None if is_named else (made_in, f"{made_in}_backward"))
    if forward.__closure__ and backward.__closure__:
        functions = dict(zip(getattr(cls, PAIR), (forward, backward), strict=True))
        for name, function in functions.items():
            setattr(cls, name, OfInstance(name, function))
        cls.__init__ = partialmethod(_close_over_copies, functions)  # type: ignore[misc]
        cls.__deepcopy__ = _copy_of_closures  # type: ignore[attr-defined]
    return cls


class OfInstance(staticmethod):  # type: ignore[type-arg]
    """A static method of which each instance holds one of its own; `super()` finds that, too."""

    def __init__(self, name: str, function: FunctionType) -> None:
        super().__init__(function)
        self.name = name

    def __get__(self, layer: Any, cls: Any = None) -> Any:
        return vars(layer).get(self.name, self.__func__) if layer is not None else self.__func__


class OnOwnArrays(staticmethod):  # type: ignore[type-arg]
    """A static method that finds its layer's arrays where its module has some, for as long as it runs."""

    def __init__(self, function: FunctionType, names: Sequence[str]) -> None:
        super().__init__(function)
        self.names = names

    def __get__(self, layer: Any, cls: Any = None) -> Any:
        return self.__func__ if layer is None else _on_arrays_of(layer, self.__func__, self.names)


def _on_arrays_of(layer: Any, function: Any, names: Sequence[str]) -> Callable[..., Any]:
    """The function, with a layer's arrays in its module; what code binds to their names is the layer's then."""

    @wraps(function)
    def called(*args: Any, **named: Any) -> Any:
        own, space = attributes_of(layer), function.__globals__
        before = {name: space[name] for name in names}
        space.update({name: own[name] for name in names})
        try:
            return function(*args, **named)
        finally:
            own.update({name: space[name] for name in names})
            space.update(before)

    return called


def _hold_copies(layer: Any, space: Mapping[str, Any], names: Sequence[str]) -> None:
    """Give a layer its own of each of these arrays of a module."""
    attributes_of(layer).update({name: copied(space[name]) for name in names})


def _arrays_read(functions: Sequence[FunctionType]) -> list[str]:
    """The arrays of floats that functions, and those that they call, read in the module of the first."""
    space = functions[0].__globals__
    codes = (code for f in reached_functions(functions) if f.__globals__ is space for code in codes_in(f.__code__))
    read = dict.fromkeys(name for code in codes for name in code.co_names)
    return [name for name in read if is_float_array(space.get(name))]


def _close_over_copies(layer: Any, functions: Mapping[str, FunctionType]) -> None:
    """Give a layer copies of functions, and of those that they close over, on copies of all their cells.

    Arrays in there, and what may hold some, are the layer's attributes, too, by their names.
    """
    reached = [f for f in reached_functions(functions.values()) if f.__closure__]
    cells = {id(cell): CellType() for f in reached for cell in f.__closure__ or ()}
    made = {id(f): _on_cells(f, cells) for f in reached}
    held = {id(cell): (name, cell.cell_contents) for f in reached for name, cell in filled_cells(f)}
    kept = {key: item for key, (_, item) in held.items() if not isinstance(item, FunctionType | ModuleType)}
    copies = deep_copy(kept)  # at once: what two cells share, their copies share
    for key, (name, item) in held.items():
        cells[key].cell_contents = copies.get(key, made.get(id(item), item))
        if isinstance(item, np.ndarray | dict | list) and name not in functions:
            setattr(layer, name, copies[key])
    for name, f in functions.items():
        setattr(layer, name, made[id(f)])


def _copy_of_closures(layer: Any, memo: dict[int, Any]) -> Any:
    """A copy of such a layer, whose functions close over what it holds."""
    new = memo[id(layer)] = object.__new__(type(layer))
    attributes = vars(layer)
    _close_over_copies(new, {name: attributes[name] for name in getattr(layer, PAIR)})
    vars(new).update(deep_copy({name: item for name, item in attributes.items() if name not in vars(new)}))
    return new


def arrays_in_cells(layer: Any) -> dict[str, Any]:
    """The arrays that the two functions of such a layer close over, by their names: each a `nonlocal` may replace."""
    functions = [f for name in getattr(layer, PAIR, ()) if isinstance(f := vars(layer).get(name), FunctionType)]
    cells = (cell for f in functions for cell in filled_cells(f))
    return {name: item for name, cell in cells if is_float_array(item := cell.cell_contents)}


def _on_cells(f: FunctionType, cells: Mapping[int, CellType]) -> FunctionType:
    return function_copy(f, tuple(cells[id(cell)] for cell in f.__closure__ or ()))


def pair_of(forward: Any) -> type | None:
    """The class of a function and its backward, where its module has that beside it, or of two; else None."""
    if isinstance(forward, tuple) and [type(item) for item in forward] == [FunctionType] * 2:
        return given_pair(*forward)
    module = sys.modules.get(forward.__module__) if isinstance(forward, FunctionType) else None
    known = names_of(module)
    name = next((name for name, item in known.items() if item is forward), None)
    return function_pairs(known).get(name) if module is not None and name is not None else None


def forward_names(name: str) -> Iterator[str]:
    """What the forward of a backward function of this name may be called.

    >>> list(forward_names("conv_backward_naive"))[0], list(forward_names("sigmoid_prime"))
    ('conv_forward_naive', ['sigmoid'])
    """
    for pattern, names in _RENAMED:
        match = re.fullmatch(pattern, name)
        if match:
            for other in names:
                made = re.sub(r"__+", "_", match.expand(other)).strip("_")
                if made:
                    yield made
                    if made[0].isupper():
                        yield made[0].lower() + made[1:]


def pair_class(
    forward: FunctionType, backward: FunctionType, losses: Sequence[FunctionType] = (),
    called: tuple[str, str] | None = None,
) -> type:  # fmt: skip
    """A class whose static methods are the two functions, and losses beside them; those that take `self` are plain.

    The two are `called` as their module calls them: after a decorator every function may be named `wrapper`.
    """
    ahead, behind = called or (forward.__name__, backward.__name__)
    functions = {**{f.__name__: f for f in losses}, ahead: forward, behind: backward}
    place: Any = {"__module__": forward.__module__, "__doc__": forward.__doc__, PAIR: (ahead, behind)}
    static: Callable[[FunctionType], Any] = staticmethod
    if names := _arrays_read([forward, backward]):
        static = partial(OnOwnArrays, names=names)
        place["__init__"] = partialmethod(_hold_copies, forward.__globals__, names)
    return type(ahead, (), {**place, **{n: f if _takes_self(f) else static(f) for n, f in functions.items()}})


def _takes_self(function: FunctionType) -> bool:
    return function.__code__.co_varnames[: function.__code__.co_argcount][:1] == ("self",)


def _takes_something(function: FunctionType) -> bool:
    return function.__code__.co_argcount + function.__code__.co_kwonlyargcount > 0 or bool(
        function.__code__.co_flags & 4
    )
