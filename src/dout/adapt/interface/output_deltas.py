"""A cost and the error of an output layer, `fn(a, y)` and `delta(z, a, y)`: the gradient of `z`, which makes `a`.

As in Nielsen's "Neural Networks and Deep Learning" (2015), chapter 3. By which function it is made, the network's code
says where it asks for the error.
"""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Callable, Iterator, Mapping
from functools import update_wrapper
from types import FunctionType
from typing import Any

import numpy as np

from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.interface.method_pairs import is_static, pairs_of, required_by
from dout.adapt.repository.calling_code import CodeScope, called, calling_files
from dout.adapt.source.syntax import name_of, total
from dout.run import quiet
from dout.trace.model.user_source import behind


@total(lambda: None)
def of_activated(cls: type) -> type | None:
    """The class with a cost of `z`, and its gradient of the same arguments; None where the code does not say so."""
    forward, backward = next((pair for pair in pairs_of(cls) if pair[0] != pair[1]), ("", ""))
    taken, asked = (required_by(cls, name) for name in (forward, backward)) if forward else ([], [])
    more = [name for name in asked if name not in taken]
    if len(taken) != 2 or len(more) != 1 or len(asked) != 3:
        return None
    function = behind(getattr(cls, backward))
    for made, activation in _activations(function, backward, asked, more[0]):
        return _class_with(cls, (forward, backward), (more[0], made), activation)
    return None


def _activations(
    function: FunctionType, backward: str, asked: list[str], more: str
) -> Iterator[tuple[str, Callable[[Any], Any]]]:
    """What the calls of a backward are given that is made of what it is given as `more`, and by which function."""
    own = function.__code__.co_filename
    for calling in calling_files(own, f"{backward}("):
        names = function.__globals__ if str(calling.path) == own else {}
        for scope in calling.scopes:
            for call in (node for node in scope.nodes if isinstance(node, ast.Call) and called(node) == backward):
                given = dict(zip(asked, call.args, strict=False)) | {k.arg: k.value for k in call.keywords if k.arg}
                if {*given} == {*asked}:
                    yield from (
                        (name, activation)
                        for name in asked
                        if name != more and (activation := _maker(scope, given[more], given[name], names)) is not None
                    )


def _maker(scope: CodeScope, of: ast.expr, made: ast.expr, names: Mapping[str, Any]) -> Callable[[Any], Any] | None:
    """The function, the user's or NumPy's, that makes one of these of the other; None where none does."""
    before = {ast.unparse(one) for one in _kept_in(scope, of)}
    for one in _kept_in(scope, made):
        values = [value for _, value in scope.bound.get(one.id, ())] if isinstance(one, ast.Name) else [one]
        for value in values:
            match value:
                case ast.Call(func=function, args=[argument], keywords=[]) if ast.unparse(argument) in before:
                    found = names.get(name_of(function)) or scope.told(function, sys.maxsize)
                    if isinstance(found, FunctionType | np.ufunc) and _keeps_shape(found):
                        return found
    return None


@total(bool)
def _keeps_shape(function: Callable[[Any], Any]) -> bool:
    """Whether a function gives numbers in the shape of what it is given, as an activation, and no network, does."""
    with quiet():
        shape: tuple[int, ...] = np.shape(function(np.array([[0.5], [-0.25], [1.0]])))
    return shape == (3, 1)


def _kept_in(scope: CodeScope, item: ast.expr) -> list[ast.expr]:
    """An expression, and what is appended to the list of which it is an item: `z` of `zs[-1]` after `zs.append(z)`."""
    holder = item.value if isinstance(item, ast.Subscript) else None
    appended = (
        node.args[0]
        for node in scope.nodes
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"
        if holder is not None and ast.unparse(node.func.value) == ast.unparse(holder) and len(node.args) == 1
    )
    return [item, *appended]


def _class_with(cls: type, pair: tuple[str, str], names: tuple[str, str], activation: Callable[[Any], Any]) -> type:
    """The class whose two methods take what the activation is given, in the place of what it makes."""
    of, made = names
    methods: dict[str, Any] = {}
    inputs = [of if name == made else name for name in required_by(cls, pair[0])]
    for name in pair:
        methods[name] = _given_more(cls, name, inputs, names, activation)
    kept = {"__module__": cls.__module__, "__qualname__": cls.__qualname__, "__doc__": cls.__doc__, PAIR: pair}
    return type(cls)(cls.__name__, (cls,), {**kept, **methods})


def _given_more(
    cls: type, name: str, inputs: list[str], names: tuple[str, str], activation: Callable[[Any], Any]
) -> Any:
    """A method of these inputs that gives the user's what the activation makes of one of them."""
    of, made = names
    asked, static, own = required_by(cls, name), is_static(cls, name), behind(getattr(cls, name))

    def method(*given: Any) -> Any:
        me, values = given[: not static], dict(zip(inputs, given[not static :], strict=True))
        values[made] = activation(values[of])
        return own(*me, *(values[one] for one in asked))

    update_wrapper(method, own)
    places = [*([] if static else ["self"]), *inputs]
    kind = inspect.Parameter.POSITIONAL_OR_KEYWORD
    vars(method)["__signature__"] = inspect.Signature([inspect.Parameter(one, kind) for one in places])
    return staticmethod(method) if static else method
