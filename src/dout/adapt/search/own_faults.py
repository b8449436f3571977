"""Whether an error is the fault of the code that raised it, whatever it is given: read from the error and the source.

A call with the wrong arguments, a local name that nothing binds before it, an attribute that nothing ever makes, a
size that is a quotient: each counts only where every run comes by, so that no other input could have led around it.
"""

from __future__ import annotations

import ast
import functools
import inspect
import linecache
import re
from collections.abc import Callable, Iterator, Sequence, Set
from contextlib import suppress
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from dout.adapt.interface.adapted_layer import is_adapted
from dout.adapt.interface.method_pairs import pairs_of
from dout.adapt.interface.users_forward import NoLossError
from dout.adapt.repository.project_files import files_below, repository_root, statements_of
from dout.adapt.search.raising_lines import (
    always_comes_by,
    around,
    function_at,
    lacking_library,
    lines_of,
    steps_of,
    way_of,
)
from dout.adapt.source.attribute_reads import (
    asks_for,
    attributes_set,
    may_write,
    own_attributes,
    reachable_methods,
    sets_by_name,
)
from dout.adapt.source.syntax import bindings, name_of
from dout.adapt.target import Target
from dout.run import attributes_of, quiet
from dout.trace.model.user_source import is_user_code

_OF_PYTHON_2 = ("iteritems", "itervalues", "iterkeys", "has_key")
_MISSING = (NameError, ImportError, SyntaxError)
_ARGUMENTS = re.compile(r"missing \d+ required|takes .*positional argument|unexpected keyword|multiple values for")
_ONE_NUMBER = re.compile(r"array element with a sequence|only (?:size-1|length-1|0-dim)")


def is_own_fault(error: BaseException | None) -> bool:
    """Whether an error would come of any input: it is the code's own."""
    if isinstance(error, UnboundLocalError):
        return _is_never_bound(error)
    if isinstance(error, AttributeError | TypeError) and (unset := unset_attribute(error)) is not None:
        return always_comes_by(error) and not unset.is_set_anywhere
    if error is not None and lacking_library(error):
        return always_comes_by(error)
    if isinstance(error, AttributeError) and isinstance(error.obj, np.ndarray):
        return _is_of_numpy(error.name or "", error) and always_comes_by(error)
    if isinstance(error, AttributeError):
        return always_comes_by(error) and _is_never_made(type(error.obj), error.name or "")
    if is_of_python_2(error):
        return True
    if makes_a_number_of(error):
        return always_comes_by(error)  # type: ignore[arg-type]
    if isinstance(error, TypeError) and 'must be passed as a "sequence" type' in str(error):
        return True  # `np.stack` of a generator, which NumPy took once
    if isinstance(error, TypeError) and "__init__() takes 0 positional arguments" in str(error):
        return True  # it has no place for the instance
    if isinstance(error, TypeError) and (_unpacks_a_number(error) or _is_never_callable(error)):
        return always_comes_by(error)
    if isinstance(error, TypeError):
        return bool(_ARGUMENTS.search(str(error))) and always_comes_by(error) and not _passes_any_number(error)
    return isinstance(error, _MISSING) and not not_imported(error)


def not_imported(error: BaseException | None) -> str:
    """The module of which a missing name is, where the file goes on if it cannot be imported; "" of other errors."""
    if not isinstance(error, NameError) or not (steps := steps_of(error)):
        return ""
    code = statements_of(steps[-1].tb_frame.f_code.co_filename)
    tries = (node for statement in code for node in ast.walk(statement) if isinstance(node, ast.Try) and node.handlers)
    for node in (part for one in tries for statement in one.body for part in ast.walk(statement)):
        match node:
            case ast.Import(names=names) if any(error.name in (one.asname, one.name) for one in names):
                return next(one.name for one in names if error.name in (one.asname, one.name))
            case ast.ImportFrom(names=names, module=module) if any(error.name in (n.asname, n.name) for n in names):
                return module or str(error.name)
    return ""


class UnsetAttribute(NamedTuple):
    """An attribute of an object that was None where something was done with it: `self.prev` of `self.prev.output`.

    `elsewhere` says that code sets it which does not run with forward and backward: other code, or a method of its own.
    """

    text: str
    elsewhere: bool
    in_its_class: bool

    @property
    def is_set_anywhere(self) -> bool:
        """Whether anything sets it to something else than None."""
        return self.elsewhere or self.in_its_class


def unset_attribute(error: BaseException) -> UnsetAttribute | None:
    """The attribute of None that an error is about, of an object of the user's; None for any other error."""
    if "'NoneType'" not in str(error) or not (way := steps_of(error)):
        return None
    frame, line = way[-1].tb_frame, way[-1].tb_lineno
    for text in re.findall(r"[A-Za-z_]\w*\.[\w.]+", linecache.getline(frame.f_code.co_filename, line)):
        first, *names = text.split(".")
        value = frame.f_locals.get(first)
        for number, name in enumerate(names):
            held = attributes_of(value)
            if name in held and held[name] is None:
                return _unset(value, name, ".".join((first, *names[: number + 1])))
            value = held.get(name)
    return None


def _unset(owner: Any, name: str, text: str) -> UnsetAttribute | None:
    theirs = [base for base in type(owner).__mro__[:-1] if not is_adapted(base)]
    files = [file for file in map(_file_of, theirs) if file]
    if not files:
        return None
    runs = {"__init__", *(method for pair in pairs_of(theirs[0]) for method in pair)}
    own = [method for base in theirs for method in vars(base).values() if inspect.isfunction(method)]
    setting = {method.__name__ for method in own if name in attributes_set(method)}
    roots = dict.fromkeys(map(repository_root, files))
    return UnsetAttribute(text, bool(setting - runs) or any(_is_given(root, name) for root in roots), bool(setting))


def is_left_empty(cls: type, name: str, beside: Set[str], is_array: bool) -> bool:
    """Whether a constructor makes an attribute, and neither other methods of the class nor other code write it.

    It makes one of those `beside` it, too: a base class may have a place for what a class has not. A method may write
    into an array that it hands on, or by a name that it computes; and what the file asks for may be None on purpose.
    """
    theirs = [base for base in cls.__mro__[:-1] if not is_adapted(base)]
    backwards = {backward for _, backward in pairs_of(theirs[0])}
    files = [*filter(None, map(_file_of, theirs))]
    made = [own_attributes(vars(base).get("__init__"))[1] for base in theirs]
    if not any(name in attributes and beside & attributes for attributes in made):
        return False
    for method in reachable_methods(theirs):
        reads, writes = own_attributes(method)
        written = may_write(method) if is_array else writes if method.__name__ in backwards else reads | writes
        if sets_by_name(method) or (method.__name__ != "__init__" and name in written):  # None stays None in a backward
            return False
    if any(asks_for([node for s in statements_of(file) for node in ast.walk(s)], name) for file in files):
        return False
    properties = [(key, item.fset) for base in theirs for key, item in vars(base).items() if isinstance(item, property)]
    names = {name, *(key for key, setter in properties if setter is not None and name in own_attributes(setter)[1])}
    return not any(_is_given(repository_root(file), one) for file in files for one in names)


def writer_of(cls: type, name: str) -> str:
    """The method of a class that may write an attribute, other than those that run with forward and backward, or ""."""
    theirs = [base for base in cls.__mro__[:-1] if not is_adapted(base)]
    run = {"__init__", *(method for pair in pairs_of(theirs[0]) for method in pair)}
    others = (method for method in reachable_methods(theirs) if method.__name__ not in run)
    return next((method.__name__ for method in others if name in may_write(method)), "")


def never_written(cls: type, is_meant: Callable[[str], bool]) -> Iterator[tuple[str, str]]:
    """Yield the meant attributes that a method reads, and that nothing but a constructor writes, with the method.

    What the file asks for may be None on purpose, and a method may write by a name that it computes.
    """
    theirs = [base for base in cls.__mro__[:-1] if not is_adapted(base)]
    methods = [*reachable_methods(theirs)]
    if any(map(sets_by_name, methods)):
        return
    written = {name for m in methods if m.__name__ != "__init__" for name in own_attributes(m)[1]}
    files = [*filter(None, map(_file_of, theirs))]
    nodes = [node for file in files for statement in statements_of(file) for node in ast.walk(statement)]
    for method in methods:
        for name in filter(is_meant, own_attributes(method)[0] - written):
            is_open = hasattr(cls, name) or asks_for(nodes, name)
            if not (is_open or any(_is_given(repository_root(file), name) for file in files)):
                yield name, method.__name__


def more_telling(error: Exception | None, before: Exception | None) -> Exception | None:
    """Of two errors the one that says more: a missing name is the layer's own matter, a shape may be the example's.

    Of two that may be the example's, that which came further in the same function: the other never got there.
    """
    if error is None or str(error) == str(before):
        return before
    own = (NameError, ImportError, NotImplementedError)
    tells = isinstance(before, own) or is_own_fault(before)
    if isinstance(error, own) or is_own_fault(error):
        return error
    return before if tells or (before is not None and _came_further(before, error)) else error


def _came_further(one: Exception, other: Exception) -> bool:
    """Whether an error was raised on a later line than another, of the function that both ran, or after it."""
    if isinstance(one, NoLossError):
        return True
    mine, theirs = way_of(one), way_of(other)
    if not (mine and theirs) or mine[0][1] is not theirs[0][1]:
        return False
    return [line for line, _ in mine] > [line for line, _ in theirs]


def lacks_attribute(message: str, target: Target) -> bool:
    """Whether an error says that a layer itself lacks an attribute, and nothing in its repository ever makes it."""
    found = re.search(r"'(\w+)' object has no attribute '(\w+)'", message)
    if found is None or found[1] not in {base.__name__ for base in target.cls.__mro__}:
        return False
    return _is_never_made(target.cls, found[2])


def completed_by(cls: type, error: BaseException | None) -> str:
    """The class derived from `cls` that makes an attribute which `cls` lacks; empty where it makes it itself."""
    found = re.search(r"'(\w+)' object has no attribute '(\w+)'", str(error))
    if not isinstance(error, AttributeError) or found is None or found[1] != cls.__name__:
        return ""
    if any(_makes(base, found[2]) for base in cls.__mro__):
        return ""
    below: list[type] = type.__subclasses__(cls)
    for one in below:
        below += type.__subclasses__(one)
    return next((one.__qualname__ for one in below if not is_adapted(one) and _makes(one, found[2])), "")


def _makes(cls: type, name: str) -> bool:
    """Whether a class defines an attribute, or one of its methods sets it."""
    return name in vars(cls) or any(name in attributes_set(item) for item in vars(cls).values() if callable(item))


def has_chosen_parts(values: Sequence[Any]) -> bool:
    """Whether something among chosen values decides what a layer is made of: a name, a function, an object."""
    items = ([*v.values()] if isinstance(v, dict) else v for v in values)
    return any(has_chosen_parts(v) if isinstance(v, list | tuple) else _is_part(v) for v in items)


def _is_part(value: Any) -> bool:
    return not (value is None or isinstance(value, bool | int | float | complex) or hasattr(value, "dtype"))


def _is_of_numpy(name: str, error: BaseException) -> bool:
    """Whether NumPy has a function of a name that no array has, nor any class of the repository: `x.maximum(0)`."""
    roots = {repository_root(step.tb_frame.f_code.co_filename) for step in steps_of(error)}
    written_ = (node.name for root in roots for node in _nodes_below(root) if isinstance(node, ast.FunctionDef))
    return callable(getattr(np, name, None)) and name not in written_


def _is_never_bound(error: UnboundLocalError) -> bool:
    """Whether the name is bound nowhere before the line that reads it."""
    name, lines = re.search(r"'(\w+)'", str(error)), lines_of(error)
    if name is None or not always_comes_by(error):
        return False
    nodes = [
        n for n in ast.walk(function_at(lines[-1][1]) or ast.Pass()) if isinstance(n, ast.Name) and n.id == name[1]
    ]
    return min((n.lineno for n in nodes if isinstance(n.ctx, ast.Store)), default=0) >= lines[-1][0]


def _is_never_made(cls: type, name: str) -> bool:
    """Whether nothing in the repository may set it of such an object, and no class of the object, or below, has it."""
    files = [_file_of(base) for base in cls.__mro__ if base.__module__ not in ("builtins", "abc", "typing")]
    own = [base for base in cls.__mro__[:-1] if not is_adapted(base)]
    below: list[type] = type.__subclasses__(own[0]) if own else []
    if not (files and all(files)) or any(name in vars(sub) for sub in below):  # a library's object, or a base's
        return False
    names = tuple(base.__name__ for base in own)
    return not any(_is_made(root, name, names) for root in dict.fromkeys(map(repository_root, files)))


@functools.lru_cache(maxsize=64)
def _is_made(root: Path, name: str, classes: tuple[str, ...]) -> bool:
    """Whether anything may set it on an object of a class, or nothing names it: then `getattr` made its name of others.

    `classes` are those of the object, its own first. What another class sets of itself says nothing of these.
    """
    others = {id(node) for node in _of_other_classes(root, classes)}
    nodes = [*_nodes_below(root)]
    is_named = any(isinstance(node, ast.Attribute) and node.attr == name for node in nodes)
    return not is_named or any(_sets(node, name) for node in nodes if id(node) not in others)


def _of_other_classes(root: Path, classes: tuple[str, ...]) -> Iterator[ast.AST]:
    """What other classes do with `self`: none of these, nor one derived from the first, nor a base of one."""
    written = [node for node in _nodes_below(root) if isinstance(node, ast.ClassDef)]
    bases: dict[str, set[str]] = {}
    for node in written:
        bases.setdefault(node.name, set()).update(map(name_of, node.bases))
    below = {classes[0]}
    while more := {name for name, theirs in bases.items() if theirs & below} - below:
        below |= more
    family = below | {*classes}
    while more := {base for name in family for base in bases.get(name, ())} - family:
        family |= more
    for part in (part for one in written if one.name not in family for part in ast.walk(one)):
        match part:
            case ast.Attribute(value=ast.Name(id="self")) | ast.FunctionDef(name="__getattr__"):
                yield part
            case ast.Call(func=ast.Name(id="setattr"), args=[ast.Name(id="self"), *_]):
                yield part


@functools.lru_cache(maxsize=64)
def _is_given(root: Path, name: str) -> bool:
    """Whether anything sets an attribute of this name on another object than its own, `layer.prev = …`."""
    return any(
        isinstance(node, ast.Attribute)
        and node.attr == name
        and isinstance(node.ctx, ast.Store)
        and not (isinstance(node.value, ast.Name) and node.value.id == "self")
        for node in _nodes_below(root)
    )


def _nodes_below(root: Path) -> Iterator[ast.AST]:
    """All that the code of a repository consists of."""
    return (node for path in files_below(root) for statement in statements_of(path) for node in ast.walk(statement))


def _file_of(cls: type) -> str:
    try:
        file = inspect.getsourcefile(cls) or ""
    except (TypeError, OSError):
        return ""
    return file if is_user_code(file) else ""


def _sets(node: ast.AST, name: str) -> bool:
    """Whether this sets an attribute of this name on anything, or one of a name that may be any."""
    match node:
        case ast.Attribute(attr=attribute, ctx=ast.Store()):
            return attribute == name
        case ast.Call(func=ast.Name(id="setattr"), args=[_, key, *_]):
            return not isinstance(key, ast.Constant) or key.value == name
        case ast.Attribute(attr="__dict__") | ast.FunctionDef(name="__getattr__"):
            return True
    return False


def is_of_python_2(error: BaseException | None) -> bool:
    """Whether Python 2 alone took this: `range` of a quotient, to which every run comes, or `iteritems` of a dict.

    No object that a layer is made of could change that.
    """
    if isinstance(error, AttributeError) and isinstance(error.obj, dict):
        return error.name in _OF_PYTHON_2
    return _counts_by_a_quotient(error)


def _counts_by_a_quotient(error: BaseException | None) -> bool:
    """Whether every run comes by a line that counts by a name which is only ever bound to a quotient."""
    if not isinstance(error, TypeError) or "'float' object cannot be interpreted as an integer" not in str(error):
        return False
    if not always_comes_by(error):
        return False
    line, code = lines_of(error)[-1]
    function = function_at(code)
    used = {n.id for s in around(function, line)[-1:] for n in ast.walk(s) if isinstance(n, ast.Name)}
    bound: dict[str, bool] = {}
    for target, value in (pair for node in ast.walk(function or ast.Pass()) for pair in bindings(node)):
        name = name_of(target)
        bound[name] = bound.get(name, True) and value is not None and _is_quotient(value)
    return any(bound.get(name, False) for name in used)


def makes_a_number_of(error: BaseException | None) -> str:
    """The array of one element of which the line that raised makes a number, which NumPy did until 2.4; else "".

    `out[i, j] = np.sum(window) + b[f]`, where `b[f]` has an axis; `float(b)`.
    """
    if not _ONE_NUMBER.search(str(error)) or error is None or not (steps := steps_of(error)):
        return ""
    frame, line = steps[-1].tb_frame, steps[-1].tb_lineno
    for node in (part for statement in around(function_at(frame.f_code), line)[-1:] for part in ast.walk(statement)):
        match node:
            case ast.Assign(targets=[ast.Subscript()], value=value) | ast.Call(func=ast.Name(id="float"), args=[value]):
                with suppress(Exception), quiet():  # the layer that raised is not used again
                    made = eval(compile(ast.Expression(value), "<raised>", "eval"), frame.f_globals, frame.f_locals)
                    if isinstance(made, np.ndarray) and made.ndim and made.size == 1:
                        return ast.unparse(value)
    return ""


def _is_quotient(node: ast.expr) -> bool:
    """Whether an expression is a float whatever its numbers are: `(H - 3) / stride + 1`."""
    match node:
        case ast.BinOp(op=ast.Div()):
            return True
        case ast.BinOp(left=left, op=ast.Add() | ast.Sub() | ast.Mult(), right=right):
            return _is_quotient(left) or _is_quotient(right)
    return False


def _unpacks_a_number(error: BaseException) -> bool:
    """Whether the line that raised unpacks a number that is written there: `dh, dc = 0`."""
    line, code = way_of(error)[-1] if way_of(error) else (0, None)
    statement = next(iter(around(function_at(code) if code else None, line)[-1:]), None)
    return isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)


def _is_never_callable(error: BaseException) -> bool:
    """Whether an object is called whose class is the user's, and has no `__call__`."""
    found, steps = re.search(r"'(\w+)' object is not callable", str(error)), steps_of(error)
    cls = steps[-1].tb_frame.f_globals.get(found[1]) if found and steps else None
    return inspect.isclass(cls) and bool(_file_of(cls))


def _passes_any_number(error: BaseException) -> bool:
    """Whether the line that raised passes on `*items`, whose number another input may change."""
    line, code = lines_of(error)[-1]  # it has some, where every run comes by
    return any(
        isinstance(n, ast.Starred) or (isinstance(n, ast.keyword) and n.arg is None)
        for statement in around(function_at(code), line)[-1:]
        for n in ast.walk(statement)
    )
