"""What a function returns, by the names that it has there."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from functools import partial
from itertools import takewhile
from typing import Any

from dout.adapt.argument_names import names_loss, names_plain_upstream
from dout.adapt.source.syntax import bindings, calls_in, items_of, name_of, read, total, unread_names, walk
from dout.run import filled_cells
from dout.trace.session.pairing import is_named_as_gradient


@total(tuple)
def returned_by(function: Any) -> tuple[str, ...]:
    """The names in a function's only `return`: ("dx", "dh"); empty where there are several, or it computes there.

    Of what it keeps as well, `return self.dW, dx`, the name without `self`.
    """
    found = _returned(function)
    return _plain_names(items_of(found[0]) if len(found) == 1 and found[0] is not None else [])


@total(tuple)
def names_told(function: Any) -> tuple[str, ...]:
    """The names in a function's only `return` of a tuple, "" for what it computes there: `return d @ W.T, dW`."""
    found = _returned(function)
    items = items_of(found[0]) if len(found) == 1 and isinstance(found[0], ast.Tuple) else []
    return tuple(next(iter(_plain_names([item])), "") for item in items)


def _returned(function: Any) -> list[ast.expr | None]:
    """What each `return` of a function gives; none without its source.

    Of a decorator's, `return f(self, dout)`, what the function that it was given does.
    """
    own, held = read(function), dict(filled_cells(function)) if inspect.isfunction(function) else {}
    found: list[ast.expr | None] = []
    for value in [node.value for node in walk(own.node) if isinstance(node, ast.Return)] if own else []:
        cell = held.get(name_of(value.func)) if isinstance(value, ast.Call) else None
        inner = cell.cell_contents if cell is not None else None
        found += _returned(inner) if inspect.isfunction(inner) and inner is not function else [value]
    return found


def _plain_names(items: Sequence[ast.expr]) -> tuple[str, ...]:
    """The names of items that are names or attributes; empty if one is something else."""
    plain = [isinstance(item.value if isinstance(item, ast.Attribute) else item, ast.Name) for item in items]
    return tuple(map(name_of, items)) if all(plain) else ()


@total(int)
def items_returned(function: Any) -> int:
    """How many items a function returns as a tuple that it writes out; 0 where there are other returns too."""
    counts = {len(value.elts) if isinstance(value, ast.Tuple) else 0 for value in _returned(function)}
    return counts.pop() if len(counts) == 1 else 0


@total(bool)
def hands_back(function: Any, name: str) -> bool:
    """Whether a function returns an argument beside its output: `return out, cache, running_mean`."""
    tuples = (value for value in _returned(function) if isinstance(value, ast.Tuple))
    return any(name in map(name_of, value.elts[1:]) for value in tuples)


@total(bool)
def gives_gradients(function: Any) -> bool:
    """Whether a function returns its gradients with what they are of: `return loss, dx`."""
    own = read(function)
    return own is not None and returns_gradients(own.node)


@total(bool)
def returns_gradients(function: ast.AST) -> bool:
    """The same of a function's syntax."""
    return bool(_gradients_returned(function))


@total(int)
def gradients_given(function: Any) -> int:
    """How many gradients a function returns after what they are of; a state at the end is none."""
    own = read(function)
    return len(_gradients_returned(own.node)) if own is not None else 0


@total(tuple)
def gradients_returned(function: Any) -> tuple[str, ...]:
    """The names of the gradients that a function returns, alone or after what they are of; empty if it computes one."""
    own = read(function)
    given = _gradients_returned(own.node) if own is not None else ()
    return _plain_names(given) if given else returned_by(function)


@total(tuple)
def _gradients_returned(function: ast.AST) -> tuple[ast.expr, ...]:
    """The items after the first that are called as gradients, or made of such: all of them, or those of a loss.

    After those of a loss a state may follow: `return loss, dWx, dWh, h`. What a function was given is not what it
    makes: `def merged(params, grads): … return params, grads`, nor is the object that it only writes into,
    `return neuron, dv`. One that is given an upstream gradient is a backward.
    """
    nodes = walk(function)
    arguments = {node.arg for node in nodes if isinstance(node, ast.arg)}
    bound = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}
    if any(name.startswith(("d_", "grad_")) and is_named_as_gradient(name) for name in arguments):
        return ()

    def is_gradient(item: ast.expr, of_loss: bool = False) -> bool:
        names = set(map(name_of, walk(item)))
        if name_of(item) in arguments:
            return False
        called = any(is_named_as_gradient(name) or names_plain_upstream(name) for name in names)
        return called or bool(names & ({f"d{name}" for name in arguments} | ({"d", "g"} if of_loss else set())))

    for node in nodes:
        items = node.value.elts if isinstance(node, ast.Return) and isinstance(node.value, ast.Tuple) else []
        first = items[0].id if items and isinstance(items[0], ast.Name) else ""
        if first in arguments - bound:
            continue
        if len(items) < 2 or is_gradient(items[0]):
            continue
        gradients = tuple(takewhile(partial(is_gradient, of_loss=names_loss(first)), items[1:]))
        if len(gradients) == len(items) - 1 or names_loss(first):
            return gradients
    return ()


@total(bool)
def clips_gradients(function: Any) -> bool:
    """Whether a function clips in place, or what it returns, or something that is named as a gradient."""
    own = read(function)
    if own is None:
        return False
    given = [id(item) for value in _returned(function) if value is not None for item in items_of(value)]
    for call in (call for call in calls_in(own.node) if name_of(call.func) == "clip"):
        in_place = any(one.arg == "out" for one in call.keywords)
        operands = [*call.args[:1], *([call.func.value] if isinstance(call.func, ast.Attribute) else [])]
        if in_place or id(call) in given or any(is_named_as_gradient(name_of(one)) for one in operands):
            return True
    return False


@total(bool)
def returns_what_it_makes_of(function: Any, name: str) -> bool:
    """Whether each result is a pair of the value of this name and what is computed of it: `return z, np.tanh(z)`."""
    own, returned = read(function), _returned(function)
    made: dict[str, list[ast.expr]] = {}
    for node in walk(own.node) if own is not None else ():
        for target, value in bindings(node):
            if isinstance(target, ast.Name) and value is not None:
                made.setdefault(target.id, []).append(value)

    def uses(node: ast.expr, seen: frozenset[str] = frozenset()) -> bool:
        names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name)} - seen
        return name in names or any(uses(value, seen | names) for other in names for value in made.get(other, ()))

    for value in returned:
        match value:
            case ast.Tuple(elts=[ast.Name(id=first), last]) if first == name and uses(last):
                continue
        return False
    return bool(returned)


@total(bool)
def has_no_return(function: Any) -> bool:
    """Whether a function ends without a `return` of anything, be it None."""
    return read(function) is not None and not any(value is not None for value in _returned(function))


@total(frozenset)
def names_unread(function: Any) -> frozenset[str]:
    """The local names of a function that it binds and never reads; one that is declared global is none of them."""
    own = read(function)
    return unread_names(walk(own.node) if own else ()) - names_declared(function)


@total(frozenset)
def names_declared(function: Any) -> frozenset[str]:
    """The names that a function declares `global` or `nonlocal`: what it binds to them is kept."""
    own = read(function)
    nodes = walk(own.node) if own else ()
    return frozenset(name for node in nodes if isinstance(node, ast.Global | ast.Nonlocal) for name in node.names)


_LIST = re.compile(r"\w+(?:(?:\s*,\s*(?:and\s+)?|\s+and\s+)\w+)+")  # `dx, dw and db`
_HEAD = re.compile(r"^\s*(?:[-*]\s*)?(\w+)\s*(?::|--)", re.MULTILINE)  # `- dx: with respect to x`


@total(tuple)
def returned_as_told(function: Any, names: Sequence[str]) -> tuple[str, ...]:
    """These names in the order in which the documentation of a function lists the gradients of them that it returns.

    Empty without a list of exactly these, `(dx, dw)` or `- dx: …, - dw: …`, or with two in different orders.
    """
    own = read(function)
    _, _, text = re.split(r"(returns?\b)", (own.doc or "") if own else "", maxsplit=1, flags=re.IGNORECASE)
    lists = [re.split(r"\s*,\s*(?:and\s+)?|\s+and\s+", found) for found in _LIST.findall(text)]
    orders = {
        tuple(name for word in words for name in names if names_gradient_of(word, name))
        for words in (*lists, _HEAD.findall(text))
        if len(words) == len(names)
    }
    told = [order for order in orders if sorted(order) == sorted(names)]
    return told[0] if len(told) == 1 else ()


def names_gradient_of(word: str, name: str) -> bool:
    """Whether a word is a name for the gradient of an argument: `dw`, `grad_w`, `w_grad`."""
    own = re.escape(name)
    return re.fullmatch(rf"(d|g|grad|delta)_?{own}|{own}_?grad", word, re.IGNORECASE) is not None
