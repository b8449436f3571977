"""Which methods of a class are its forward and its backward, and which prepare it first."""

from __future__ import annotations

import ast
import inspect
import re
import sys
from collections.abc import Mapping, Sequence
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_loss, names_upstream, taken_by
from dout.adapt.interface.function_pairs import forward_names
from dout.adapt.source.attribute_reads import own_attributes
from dout.adapt.source.empty_methods import is_template, is_unwritten
from dout.adapt.source.returned_names import gives_gradients, has_no_return, returned_by
from dout.adapt.source.switches import derivative_switch, switched
from dout.adapt.source.syntax import name_of, read, total, walk
from dout.run import is_class, mro_of, names_of, vars_of
from dout.trace.model.user_source import behind

_FORWARD = (
    r"forward|fwd", r"forward_?pass", r"_*forward_?propagat(e|ion)", r"f(orward_?)?prop", r"feed(_?forward)?",
    r"propagate",
    r"__call__", r"call", r"function", r"func?|f|fx", r"activat(e|ion)", r"apply",
    r"(compute_?|calc(ulate)?_?)?(loss|cost|error)",
    r"fn|value|evaluate|compute|calculate|calc|output", r"_forward", r"forward_.*|.*_forward",
    r"\w+forward_?(pass|prop\w*)",
)  # fmt: skip
_BACKWARD = (
    r"backward|bwd", r"backward_?pass", r"_*back(ward)?s?_?prop(agat(e|ion))?s?", r"back_?pass|b_?prop|bptt",
    r"(compute|calc(ulate)?|get)_?gradients?", r"gradients?", r"grad", r"(first_)?derivat(ive|e)|deriv|derivada",
    r"f?_?prime|f_prime|.*_prime", r"d|df|diff|dfn?|df?unc|d_?loss|deltas?", r"(input_)?grad(ient)?_?(input)?|dx",
    r"(loss|cost|error|activation|f)?_?(derivat(ive|e)|gradient|grad|deriv|der)", r"_backward",
    r"backward_.*|.*_backward",
)  # fmt: skip
_SETUPS = re.compile(
    r"_*(set_?up|out_?shape|build|init|initiali[sz]e|connect|compile|prepare|reset|create|"
    r"set_?(input|optim|weights|shape|in_?|prev)|(compute|infer|calc)_\w*shapes?)\w*|__call__",
    re.IGNORECASE,
)
PAIRS = "dout_pairs"  # of a class whose backward may be that of several forwards
_OF_OBJECT = frozenset(dir(object))
_PLAIN = (type(None), bool, int, float, str, dict, list, tuple)


def methods(cls: type, patterns: Sequence[str]) -> list[str]:
    """The methods of a class whose names match, in the order of `patterns`; none not implemented, and no tests."""
    order = {name: i for i, name in enumerate(_written_order(cls))}
    names = [name for name in sorted(order) if name not in _OF_OBJECT and inspect.isroutine(_static(cls, name))]
    found: dict[str, None] = {}
    for pattern in patterns:
        fitting = [name for name in names if re.fullmatch(rf"(?!test)({pattern})", name, re.IGNORECASE)]
        ranks = {n: (not required(getattr(cls, n), bound=True), _is_private(n), order[n]) for n in fitting}
        found.update(dict.fromkeys(sorted(fitting, key=ranks.__getitem__)))
    written = [name for name in found if not is_unwritten(cls, name)]
    return [name for name in written if patterns is not _FORWARD or not is_template(cls, name)]


def _is_private(name: str) -> bool:
    return name.startswith("_") and not name.endswith("__")


def setups_of(cls: type) -> list[str]:
    """The methods that are called as what prepares a layer before its first forward, as they are written."""
    names = [n for n in _written_order(cls) if _SETUPS.fullmatch(n) and (n == "__call__" or not n.endswith("__"))]
    return [n for n in names if inspect.isfunction(_static(cls, n))]


Used = Mapping[str, tuple[set[str], set[str]]]  # by method, the attributes that it reads, and that it writes


def attributes_used(cls: type, forward: str, backward: str) -> Used:
    """The attributes that forward and backward read and write, and those methods that are none, as they are written."""
    methods = [n for n in _written_order(cls) if inspect.isfunction(_static(cls, n)) and n not in (forward, backward)]
    methods = [name for name in methods if name == "__call__" or not name.endswith("__")]
    ahead = {name for name in forwards_of(cls) if name != "__call__" or returned_by(cls.__call__) != ("self",)}
    methods = [name for name in methods if name not in ahead]
    return {name: reads_and_writes(cls, name) for name in (*methods, forward, backward)}


def writers_for(known: Used, forward: str, backward: str, held: Mapping[str, Any]) -> list[str]:
    """The methods that write what forward and backward read and a new layer does not hold, as they are written.

    `known` are the `attributes_used`, `held` those of a new layer; what is None or empty in there is not held. So with
    what these read.
    """
    lacking = {n for reads, writes in known.values() for n in (*reads, *writes)} - {
        n for n in held if _is_filled(held[n])
    }
    written = known[forward][1] | known[backward][1]
    wanted = ((known[forward][0] | known[backward][0]) - written) & lacking
    found: set[str] = set()
    while more := {name for name in known if known[name][1] & wanted} - {*found, forward, backward}:
        found |= more
        wanted |= {n for name in more for n in known[name][0] if n not in written} & lacking
    return [name for name in known if name in found]


def reads_and_writes(cls: type, method: str) -> tuple[set[str], set[str]]:
    """The attributes that a method reads and writes: itself, above it, and in the methods of its own that it calls."""
    reads, writes, left = set[str](), set[str](), [method]
    while left:
        name = left.pop()
        for base in mro_of(cls):
            item = vars_of(base).get(name)
            more, kept = own_attributes(behind(item.fget if isinstance(item, property) else item))
            left += [other for other in more - reads if isinstance(_static(cls, other), FunctionType | property)]
            reads |= more
            writes |= kept
    return reads, writes


@total(bool)
def is_called_in_a_loop(cls: type, name: str) -> bool:
    """Whether a method of the class calls that of this name on what a loop gives: `for x, y in batch: self.g(x, y)`."""
    for own in filter(None, map(read, (item for base in mro_of(cls) for item in vars_of(base).values()))):
        for loop in (node for node in walk(own.node) if isinstance(node, ast.For)):
            given = {node.id for node in walk(loop.target) if isinstance(node, ast.Name)}
            for node in walk(loop):
                match node:
                    case ast.Call(func=ast.Attribute(attr=attr), args=[_, *_] as args) if attr == name:
                        if {name_of(argument) for argument in args} <= given:
                            return True
    return False


def _is_filled(item: Any) -> bool:
    return bool(item.size) if isinstance(item, np.ndarray) else not isinstance(item, _PLAIN) or bool(item)


def may_be_backward(name: str) -> bool:
    """Whether a method or function of this name may be a forward or a backward."""
    return any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in (*_FORWARD[:6], *_BACKWARD))


def names_backward(name: str) -> bool:
    """Whether a method or function of this name gives gradients: `mse_prime`, `loss_gradient`."""
    return any(re.fullmatch(pattern, name, re.IGNORECASE) for pattern in _BACKWARD)


def _written_order(cls: type) -> list[str]:
    return list(dict.fromkeys(name for base in mro_of(cls) for name in vars_of(base)))


def _static(cls: type, name: str) -> Any:
    found = inspect.getattr_static(cls, name, None)
    return found.__func__ if isinstance(found, staticmethod | classmethod) else found


def pairs_of(cls: type) -> list[tuple[str, str]]:
    """The pairs of a forward and a backward method that a class may mean, the likeliest first.

    >>> class Tanh:
    ...     def __call__(self, x): return np.tanh(x)
    ...     def gradient(self, x): return 1 - np.tanh(x) ** 2
    >>> pairs_of(Tanh)
    [('__call__', 'gradient')]
    """
    if hasattr(cls, "dout_interface"):  # adapted already
        return [("forward", "backward")]
    written: tuple[str, str] | None = getattr(cls, "dout_pair", None)
    if written is not None:
        return list(getattr(cls, PAIRS, [written]))
    ahead, behind = methods(cls, _FORWARD), methods(cls, _BACKWARD)
    behind = [name for name in behind if name not in ahead]
    ahead, behind = (([n for n in names if not _is_private(n)] or names) for names in (ahead, behind))
    order = _written_order(cls)
    found = [(a, b) for b in behind[:2] for a in ahead[:2]] or _renamed(cls)[:2]
    return found or [(n, n) for n in order if gives_gradients(_static(cls, n))][:1]


def _renamed(cls: type) -> list[tuple[str, str]]:
    """The pairs of methods of which one is called after the other, as pairs of functions are: `calc_dloss`."""
    functions = {n: _static(cls, n) for n in methods(cls, (r"\w+",)) if inspect.isfunction(_static(cls, n))}
    bound = {n: not isinstance(inspect.getattr_static(cls, n), staticmethod) for n in functions}
    takes = {n for n, f in functions.items() if len(taken_by(f)) > bound[n]}  # not `go_back()`, but that of a loss
    own = [n for n, f in functions.items() if not has_no_return(f)]
    found = [(a, name) for name in own for a in forward_names(name) if a in own and a in takes and a != name]
    return [(ahead, name) for ahead, name in found if name in takes or names_loss(ahead)]


def pair_classes(cls: type) -> dict[str, type]:
    """A class for each pair of a class that is a bag of functions, by the forward: `relu`, `relu_derivative`, `tanh` …

    None where it has one pair, or a forward and a backward of its own.
    """
    if hasattr(cls, "dout_pair") or hasattr(cls, "dout_interface"):
        return {}
    if methods(cls, _FORWARD) and methods(cls, _BACKWARD):
        return {}
    pairs = {ahead: (ahead, behind) for ahead, behind in reversed(_renamed(cls))}
    asked = {name: {**ways, "dout_pair": tuple(ways)} for name, ways in _switched(cls).items() if name not in pairs}
    if len(pairs) + 2 * len(asked) < 2:
        return {}
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    made = {ahead: {"dout_pair": pair} for ahead, pair in pairs.items()} | asked
    return {ahead: type(cls)(cls.__name__, (cls,), {**kept, **own}) for ahead, own in made.items()}


def pair_in_class(function: Any) -> type | None:
    """The class of a function and its derivative, where its class is a bag of functions: `Activation.relu`; else None.

    It is called as the function is.
    """
    plain = getattr(function, "__func__", function)
    if type(plain) is not FunctionType:
        return None
    owner, _, name = plain.__qualname__.rpartition(".")
    cls: Any = names_of(sys.modules.get(plain.__module__)).get(owner)
    pair = pair_classes(cls).get(name) if is_class(cls) and _static(cls, name) is plain else None
    if pair is not None:
        pair.__name__, pair.__qualname__ = name, plain.__qualname__
    return pair


def _switched(cls: type) -> dict[str, dict[str, Any]]:
    """The methods that give their own derivative when a switch is on, each as a forward and a backward, by name."""
    functions = {name: _static(cls, name) for name in _written_order(cls)}
    switches = {n: derivative_switch(f) for n, f in functions.items() if type(f) is FunctionType and n[:2] != "__"}
    return {
        name: {
            called: staticmethod(one) if is_static(cls, name) else one
            for called, is_on in ((name, False), (f"{name}_{switch}", True))
            for one in (switched(functions[name], switch, is_on),)
        }
        for name, switch in switches.items()
        if switch
    }


def as_static(cls: type) -> type:
    """The class with static methods, where none of its functions takes an instance, `MSE.loss(y, t)`; else itself."""
    functions = {name: item for name, item in vars_of(cls).items() if inspect.isfunction(item)}
    firsts = [next((p.name for p in taken_by(function)), "") for function in functions.values()]
    if (
        not functions
        or cls.__bases__ != (object,)
        or {"self", "this"} & {*firsts}
        or any(n[:2] == "__" for n in functions)
    ):
        return cls
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__}
    return type(cls)(cls.__name__, (cls,), {**kept, **{n: staticmethod(f) for n, f in functions.items()}})


def loss_names(cls: type) -> list[str]:
    """The methods that are called as a loss, and not as the derivative of one."""
    pattern = r"(compute_?|calc(ulate)?_?|get_?)?(\w+_)?(loss|cost|error|entropy)(_\w+|fn|function)?"
    return [name for name in methods(cls, (pattern,)) if not names_backward(name)]


def forwards_of(cls: type) -> list[str]:
    """The methods that may be the forward of a class, the likeliest first."""
    return methods(cls, _FORWARD)


def optional(function: Any) -> dict[str, Any]:
    """The arguments that have a default, and that."""
    return {p.name: p.default for p in taken_by(behind(function)) if p.default is not p.empty}


def is_static(cls: type, name: str) -> bool:
    """Whether a method takes no instance."""
    return isinstance(inspect.getattr_static(cls, name, None), staticmethod | classmethod)


def required(function: Any, bound: bool = False) -> list[str]:
    """The names of the arguments that must be given by place; without `self` where it is to be bound first."""
    parameters = taken_by(behind(function))[bound:]
    places = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    wanted = [p.name for p in parameters if p.kind in places and p.default is p.empty]
    if not wanted and any(p.kind in places or p.kind is p.VAR_POSITIONAL for p in parameters):
        first = next(p for p in parameters if p.kind in places or p.kind is p.VAR_POSITIONAL)
        wanted = [first.name] if names_upstream(first.name) or first.kind is first.VAR_POSITIONAL else []
    return wanted


def required_by(cls: type, name: str) -> list[str]:
    """The same of a method, without the instance that it takes."""
    return required(getattr(cls, name), bound=not is_static(cls, name))
