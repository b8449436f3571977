"""How the result of an operation on a tape goes back, by the syntax of the operation."""

from __future__ import annotations

import ast
from collections.abc import Container, Iterator, Mapping
from typing import NamedTuple

from dout.adapt.argument_names import names_plain_upstream
from dout.adapt.interface.method_pairs import names_backward
from dout.adapt.source.syntax import name_of, total

OWN = ("__class__", "cls", "")  # `self.__class__(…)`, `type(self)(…)`


class Closure(NamedTuple):
    """The attribute with the closure, that with the gradient, and what the class of the result is called."""

    held_in: str
    slot: str
    made_by: str


@total(lambda: None)
def closure_in(function: ast.AST, known: str = "") -> Closure | None:
    """How a function's result goes back, by its syntax; None of others: `out._backward = _backward`.

    `known` is where the class has gradients: a closure may forget to read what arrives.
    """
    nodes = [*ast.walk(function)]
    inner = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef) and n is not function}
    results = {t.id: n.value for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    for node in nodes:
        match node:
            case ast.Assign(targets=[ast.Attribute(value=ast.Name(result), attr=held_in)], value=ast.Name(name)):
                back, made = inner.get(name), results.get(result)
                if back is not None and isinstance(made, ast.Call):
                    slot = next(_slots(back, result, known), "")
                    return Closure(held_in, slot, name_of(made.func)) if slot else None
    return None


def _slots(back: ast.FunctionDef, result: str, known: str) -> Iterator[str]:
    """The attributes that are read of the result, or known, and changed of something else."""
    read_ = {n.attr for n in ast.walk(back) if isinstance(n, ast.Attribute) and name_of(n.value) == result} | {known}
    for node in ast.walk(back):
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        if isinstance(node, ast.Call) and getattr(node.func, "attr", "") == "at":  # `np.add.at(self.grad, index, …)`
            targets = node.args[:1]
        for target in (part.value if isinstance(part, ast.Subscript) else part for part in targets):
            if isinstance(target, ast.Attribute) and target.attr in read_ and name_of(target.value) != result:
                yield target.attr


@total(bool)
def is_made_with_operands(function: ast.FunctionDef, cls: str) -> bool:
    """Whether a method makes another object of its class that is given itself: `Tensor(…, creators=[self, other])`."""
    me = function.args.args[0].arg
    made = [n for n in ast.walk(function) if isinstance(n, ast.Call) and name_of(n.func) in (cls, *OWN[:2])]
    given = [item for call in made for item in (*call.args, *(keyword.value for keyword in call.keywords))]
    return any(isinstance(part, ast.Name) and part.id == me for item in given for part in _items(item))


def _items(node: ast.expr) -> list[ast.expr]:
    return node.elts if isinstance(node, ast.List | ast.Tuple | ast.Set) else [node]


@total(list)
def closures_handed_on(function: ast.AST) -> list[str]:
    """The arguments of functions of its own that a function hands on: `grad` of `Dependency(tensor, lambda grad: …)`.

    Of those that take one argument, and are neither called here nor returned.
    """
    nodes = [*ast.walk(function)]
    inner = {n.name: n for n in nodes if isinstance(n, ast.FunctionDef) and n is not function}
    used = {id(n.func) for n in nodes if isinstance(n, ast.Call)} | {
        id(n.value) for n in nodes if isinstance(n, ast.Return)
    }
    names = (inner.get(n.id) for n in nodes if isinstance(n, ast.Name) and id(n) not in used)
    handed: list[ast.FunctionDef | ast.Lambda] = [*filter(None, names)]
    handed += [n for n in nodes if isinstance(n, ast.Lambda) and id(n) not in used]
    return [one.args.args[0].arg for one in handed if len(one.args.args) == 1]


@total(lambda: "")
def way_back(methods: Mapping[str, ast.FunctionDef]) -> str:
    """The method of a class that takes the upstream gradient if there is one, `backward(self, grad=None)`; else ""."""
    for name, method in methods.items():
        taken = [argument.arg for argument in method.args.args[1:2]]
        if names_backward(name) and any(map(names_plain_upstream, taken)) and len(method.args.defaults) > 0:
            return name
    return ""


def may_keep_a_tape(cls: ast.ClassDef) -> bool:
    """Whether a class has operations of either kind, by its syntax."""
    methods = {item.name: item for item in cls.body if isinstance(item, ast.FunctionDef)}
    return bool(way_back(methods)) and any(is_made_with_operands(one, cls.name) for one in methods.values())


@total(bool)
def goes_on(function: ast.FunctionDef, operations: Container[str]) -> bool:
    """Whether a result goes through another operation, `return out + self.b`: it goes back in two steps then."""
    inner = {id(n) for part in function.body if isinstance(part, ast.FunctionDef) for n in ast.walk(part)}
    nodes = [node for node in ast.walk(function) if id(node) not in inner]
    results = {t.id: n.value for n in nodes if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)}
    for node in nodes:
        if isinstance(node, ast.Return):
            value = results.get(node.value.id) if isinstance(node.value, ast.Name) else node.value
            called = name_of(value.func) if isinstance(value, ast.Call) else ""
            if isinstance(value, ast.BinOp) or called in operations:
                return True
    return False


@total(bool)
def changes_own(function: ast.FunctionDef, slot: str) -> bool:
    """Whether a method's closure changes the gradient of its own instance: that is an operand then."""
    me = function.args.args[0].arg
    nodes = [node for node in ast.walk(function) if isinstance(node, ast.Attribute) and node.attr == slot]
    return any(name_of(node.value) == me for node in nodes)
