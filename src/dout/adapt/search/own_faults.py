"""Whether an error is the fault of the code that raised it, whatever it is given: read from the error and the source.

A call with the wrong arguments, a local name that nothing binds before it, an attribute that nothing ever makes, a
size that is a quotient: each counts only where every run comes by, so that no other input could have led around it.
"""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Sequence
from contextlib import suppress
from typing import Any

import numpy as np

from dout.adapt.interface.users_forward import NoLossError
from dout.adapt.repository.project_files import repository_root, statements_of
from dout.adapt.search.raising_lines import (
    always_comes_by,
    around,
    function_at,
    lacking_library,
    lines_of,
    steps_of,
    way_of,
)
from dout.adapt.search.unset_attributes import file_of, is_never_made, nodes_below, unset_attribute
from dout.adapt.source.syntax import bindings, name_of
from dout.run import quiet

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
        return always_comes_by(error) and is_never_made(type(error.obj), error.name or "")
    if is_of_python_2(error):
        return True
    if makes_a_number_of(error):
        return always_comes_by(error)  # type: ignore[arg-type]
    if isinstance(error, TypeError) and "__init__() takes 0 positional arguments" in str(error):
        return True  # it has no place for the instance
    if isinstance(error, TypeError) and _is_never_callable(error):
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


def has_chosen_parts(values: Sequence[Any]) -> bool:
    """Whether something among chosen values decides what a layer is made of: a name, a function, an object."""
    items = ([*v.values()] if isinstance(v, dict) else v for v in values)
    return any(has_chosen_parts(v) if isinstance(v, list | tuple) else _is_part(v) for v in items)


def _is_part(value: Any) -> bool:
    return not (value is None or isinstance(value, bool | int | float | complex) or hasattr(value, "dtype"))


def _is_of_numpy(name: str, error: BaseException) -> bool:
    """Whether NumPy has a function of a name that no array has, nor any class of the repository: `x.maximum(0)`."""
    roots = {repository_root(step.tb_frame.f_code.co_filename) for step in steps_of(error)}
    written_ = (node.name for root in roots for node in nodes_below(root) if isinstance(node, ast.FunctionDef))
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


def _is_never_callable(error: BaseException) -> bool:
    """Whether an object is called whose class is the user's, and has no `__call__`."""
    found, steps = re.search(r"'(\w+)' object is not callable", str(error)), steps_of(error)
    cls = steps[-1].tb_frame.f_globals.get(found[1]) if found and steps else None
    return inspect.isclass(cls) and bool(file_of(cls))


def _passes_any_number(error: BaseException) -> bool:
    """Whether the line that raised passes on `*items`, whose number another input may change."""
    line, code = lines_of(error)[-1]  # it has some, where every run comes by
    return any(
        isinstance(n, ast.Starred) or (isinstance(n, ast.keyword) and n.arg is None)
        for statement in around(function_at(code), line)[-1:]
        for n in ast.walk(statement)
    )
