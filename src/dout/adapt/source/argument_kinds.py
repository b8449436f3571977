"""What kind of thing an argument is: by its annotation, by what is done with it, by its document."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.source.documents import annotation_of, head_of, told
from dout.adapt.source.scopes import Scope, nodes_with
from dout.adapt.source.string_keys import strings_at
from dout.adapt.source.syntax import bound_in, items_of, name_of, total, walk

_IN_CODE = {  # what an annotation or isinstance calls a kind
    "int": "int integer",
    "float": "float",
    "bool": "bool boolean",
    "str": "str string Literal",
    "tuple": "tuple Tuple",
    "list": "list List Sequence Iterable",
    "dict": "dict Dict Mapping",
    "array": "array ndarray NDArray ArrayLike",
    "callable": "callable function Callable",
    "class": "type",
}
_KIND_OF = {name: kind for kind, names in _IN_CODE.items() for name in names.split()}
_IN_DOCUMENTS = {  # what a document calls it
    "int": r"\b(?:ints?|integers?)\b|整数",
    "float": r"\bfloats?\b|浮点",
    "bool": r"\b(?:bools?|booleans?)\b|布尔",
    "str": r"\b(?:str|strings?)\b|字符串",
    "tuple": r"\btuple\b|元组",
    "list": r"\blist\b|列表",
    "dict": r"\b(?:dict|dictionary)\b|字典|辞書",
    "array": r"\b(?:ndarray|array|matrix|tensor)\b|数组|配列",
    "callable": r"\b(?:callable|function)\b",
}
_MOST_TOLD = 120  # of a document: further on it speaks of other things
_ONLY = {  # the attributes that one kind alone has
    "array": re.compile(r"shape|T|dot|ndim|dtype|reshape|transpose|astype|flatten|ravel|sum|mean|clip|max|min"),
    "dict": re.compile(r"keys|items|values|get|setdefault"),
    "str": re.compile(r"lower|upper|startswith|casefold"),
    "generator": re.compile(r"(standard_)?normal|uniform|integers|binomial|permutation|randn|rand|randint"),
}
_TAKE_SIZES = frozenset({"randn", "rand"})  # as their arguments
_TAKE_A_SHAPE = frozenset({"zeros", "ones", "empty", "random", "random_sample", "standard_normal"})
_KEYWORDS = {"axis": "axis", "keepdims": "bool", "dtype": "dtype"}
_ALONG = frozenset({"sum", "mean", "max", "min", "prod", "std", "var", "argmax", "concatenate", "stack", "expand_dims"})
_MAKE_ALIKE = frozenset({"zeros_like", "ones_like", "empty_like", "full_like"})
_TAKE_ARRAYS = frozenset({"dot", "matmul", "exp", "maximum", "tanh", "sum", "einsum"})


@total(tuple)
def kinds_for(function: Any, name: str, cls: type | None = None, *, key: str | None = None) -> tuple[str, ...]:
    """What an argument is: int float bool str tuple list dict array callable shape dtype generator index table class.

    Of indices a `mask` is made of booleans, and a `permutation` has each place once.

    Or what shapes an array: `form` is a shape of as many numbers, `order` one of axes, `axis` a place among them.

    The surest first: by its annotation, then by what is done with it, then by its document. Of its item `key` by what
    is done with that alone.
    """
    used: dict[str, None] = {}
    forwards = {p.name for p in taken_by(function)}
    for node, scope in nodes_with(function, name, cls, f"[{key!r}]" if key is not None else ""):
        used |= dict.fromkeys(_kinds_at(node, scope))
        used |= dict.fromkeys(_kinds_of_an_index(node, scope, forwards))
    by_use = sorted(used, key=lambda kind: kind == "bool")  # `if padding:` says little
    if key is not None:
        return tuple(by_use)
    told_ = _kinds_annotated(function, name)
    sure = [kind for kind in told_ if kind in _IN_CODE]  # before classes of the user's: `dim: Tensor`
    found = [*sure, *by_use, *told_, *_kinds_told(told(function, name, cls)[:_MOST_TOLD])]
    return tuple(dict.fromkeys(found))


@total(bool)
def picks_rows(function: Any, name: str, cls: type | None = None) -> bool:
    """Whether an argument picks a row for each column, `p[y, np.arange(n)]`: the classes are rows there."""
    for node, scope in nodes_with(function, name, cls):
        match node:
            case ast.Subscript(slice=ast.Tuple(elts=[first, ast.Call() | ast.Name() as column])):
                one = first.value if isinstance(first, ast.Subscript) else first  # in a loop: `p[y[i], i]`
                if scope.holds(one) and not scope.holds(column):
                    return True
    return False


def _kinds_annotated(function: Any, name: str) -> list[str]:
    annotation = annotation_of(function, name)
    either = [annotation.left, annotation.right] if isinstance(annotation, ast.BinOp) else [annotation]
    return [_KIND_OF.get(head, head) for head in map(head_of, either) if head not in ("", "Any")]


def _kinds_told(document: str) -> list[str]:
    """The kind that a document names first."""
    matches = ((kind, re.search(words, document, re.IGNORECASE)) for kind, words in _IN_DOCUMENTS.items())
    return [kind for _, kind in sorted((match.start(), kind) for kind, match in matches if match)[:1]]


def _kinds_at(node: ast.AST, scope: Scope) -> list[str]:
    """The kinds of which an argument must be at a node."""
    holds = scope.holds
    match node:
        case ast.Call(func=ast.Name(id="isinstance"), args=[value, kind]) if holds(value):
            kinds = kind.elts if isinstance(kind, ast.Tuple) else [kind]
            return [_KIND_OF.get(name, name) for name in map(name_of, kinds) if name]
        case ast.Call():
            return _kinds_in_a_call(node, scope)
        case ast.Attribute(value=value, attr=attribute) if holds(value):
            return [kind for kind, names in _ONLY.items() if names.fullmatch(attribute)]
        case ast.BinOp(left=left, op=ast.MatMult() | ast.FloorDiv() as op, right=right) if holds(left) or holds(right):
            return ["array" if isinstance(op, ast.MatMult) else "int"]
        case ast.Slice(lower=lower, upper=upper, step=step):
            ends = [end for end in (lower, upper, step) if not isinstance(end, ast.Call)]
            return ["int"] if any(_has(end, scope) for end in ends) else []
        case ast.Subscript(value=ast.Attribute(attr="shape"), slice=index) if holds(index):
            return ["int"]
        case ast.Subscript(value=value, slice=index) if holds(value):
            return _kinds_of_indexed(index, scope)
        case ast.Subscript(slice=index) if holds(index):
            return ["index"]
        case ast.For(target=ast.Name(id=item), iter=value) if holds(value) and _is_index(item, node):
            return ["index"]
        case ast.For(iter=value) | ast.comprehension(iter=value) if holds(value):
            return ["list"]
        case ast.Assign(targets=[ast.Tuple() | ast.List()], value=value) if holds(value):
            return ["tuple"]
        case ast.IfExp(body=one, orelse=other) if any(_repeats(side, scope) for side in (one, other)):
            return ["int"]  # one number for each side: `k if isinstance(k, tuple) else (k, k)`
        case ast.If(test=test) | ast.IfExp(test=test) | ast.UnaryOp(op=ast.Not(), operand=test):
            tests = test.values if isinstance(test, ast.BoolOp) else [test]
            return ["bool"] if any(_is_named(test) and holds(test) for test in tests) else []
        case ast.Compare() if strings_at(node, scope):
            return ["str"]
    return []


def _kinds_of_an_index(node: ast.AST, scope: Scope, taken: Collection[str]) -> list[str]:
    """What an index is by the array into which it writes: one of its own shape, or one of that of what arrives.

    `taken` are the arguments of forward: backward is given others. And by what turns it around.
    """
    match node:
        case ast.UnaryOp(op=ast.Invert(), operand=value) if scope.holds(value):
            return ["mask"]
        case ast.Call(func=function, args=[value, *_]) if name_of(function) == "argsort" and scope.holds(value):
            return ["permutation"]
        case ast.Assign(targets=[ast.Subscript(value=ast.Name(id=written), slice=index)]) if [
            scope.holds(item) for item in items_of(index) if not _is_whole(item)
        ] == [True]:
            made = [value for _, target, value in bound_in(scope.function.node) if name_of(target) == written]
            return [kind for value in made for kind in _kinds_by_shape(value, scope, taken)]
    return []


def _is_whole(index: ast.expr) -> bool:
    """Whether an index leaves an axis as it is."""
    return isinstance(index, ast.Slice) or getattr(index, "value", None) is ...


def _kinds_by_shape(made: ast.expr | None, scope: Scope, taken: Collection[str]) -> list[str]:
    """What an index is that writes into a new array: `np.zeros(mask.shape)`, `np.empty_like(dout)`."""
    match made:
        case ast.Call(func=function, args=[value, *_]) if name_of(function) in _MAKE_ALIKE:
            like = value
        case ast.Call(func=function, args=[ast.Attribute(value=value, attr="shape"), *_]) if (
            name_of(function) in _TAKE_A_SHAPE
        ):
            like = value
        case _:
            return []
    arrives = isinstance(like, ast.Name) and like.id in scope.function.arguments and like.id not in taken
    is_whole = name_of(made.func) == "empty_like"  # what is left unwritten is no number
    return ["mask"] if scope.holds(like) else ["permutation"] if arrives and is_whole else []


def _is_index(name: str, within: ast.AST) -> bool:
    """Whether a variable is taken as an index there."""
    return any(isinstance(node, ast.Subscript) and name_of(node.slice) == name for node in walk(within))


def _repeats(node: ast.expr, scope: Scope) -> bool:
    return isinstance(node, ast.Tuple) and len(node.elts) > 1 and all(map(scope.holds, node.elts))


def _kinds_in_a_call(call: ast.Call, scope: Scope) -> list[str]:
    if scope.holds(call.func):
        return ["callable"]
    verb, args = name_of(call.func), call.args
    if verb == "item" and not args and isinstance(call.func, ast.Attribute) and scope.holds(call.func.value):
        return ["int"]  # one number of an object that holds some: `int(dim.item())`
    given = any(map(scope.holds, args))
    if verb == "range":
        counted = [arg for arg in args if isinstance(arg, ast.Call) and name_of(arg.func) == "len"]
        if any(_has(arg, scope) for arg in counted):
            return ["list"]
        return ["int"] if any(_has(arg, scope) for arg in args) else []
    for keyword in call.keywords:
        if keyword.arg in _KEYWORDS and scope.holds(keyword.value):
            return [_KEYWORDS[keyword.arg]]  # of NumPy's functions and methods
    if verb == "astype" and any(map(scope.holds, args[:1])):
        return ["dtype"]
    is_method = isinstance(call.func, ast.Attribute) and not isinstance(call.func.value, ast.Name)
    if verb in _ALONG and any(map(scope.holds, args[:1] if is_method else args[1:2])):
        return ["axis"]
    if args and verb in ("reshape", "transpose") and _is_named(last := _unpacked(args[-1])) and scope.holds(last):
        return ["order"] if verb == "transpose" else ["form"] if len(args) == 1 else []
    if verb in _TAKE_A_SHAPE and any(_is_named(arg) and scope.holds(arg) for arg in args[:1]):
        return ["shape"]  # a tuple or a whole number
    named = [k.value for k in call.keywords if k.arg in ("size", "shape")]
    sizes = [*named, *(args if verb in _TAKE_SIZES | _TAKE_A_SHAPE else ())]
    if any(scope.holds(size) for arg in sizes for size in items_of(arg)):
        return ["int"]
    if given and verb in _TAKE_ARRAYS:
        return ["array"]
    return ["list"] if given and verb in ("enumerate", "zip") else []


def _unpacked(node: ast.expr) -> ast.expr:
    """What stands in `*shape` or `tuple(shape)`."""
    match node:
        case ast.Starred(value=value) | ast.Call(func=ast.Name(id="tuple" | "list"), args=[value]):
            return value
    return node


def _is_named(node: ast.expr) -> bool:
    return isinstance(node, ast.Name | ast.Attribute)


def _has(node: ast.expr | None, scope: Scope) -> bool:
    """Whether the argument is part of an expression."""
    return node is not None and any(map(scope.holds, walk(node)))


def _kinds_of_indexed(index: ast.expr, scope: Scope) -> list[str]:
    """The kind of what has an item at this index: of one that is an argument, too, it is a table."""
    match index:
        case ast.Constant(value=str()):
            return ["dict"]
        case ast.Constant(value=int(place)) if not isinstance(place, bool):
            return ["tuple"]
        case ast.Tuple():
            return ["array"]
        case ast.Name(id=name) if name in scope.function.arguments:
            return ["table"]
    return []
