"""The statements of a module, one by one: their code, and the names that each makes and needs."""

from __future__ import annotations
import __future__

import ast
import dis
import itertools
import operator
from collections.abc import Iterator, Sequence
from functools import reduce
from types import CodeType

_FUTURES: int = reduce(operator.or_, (getattr(__future__, n).compiler_flag for n in __future__.all_feature_names))


def future_flags(tree: ast.Module) -> int:
    """What a module imports from the future, as flags for the compiler."""
    ahead: list[ast.stmt] = [n for n in tree.body if isinstance(n, ast.ImportFrom) and n.module == "__future__"]
    return compile(ast.Module(ahead, []), "", "exec", dont_inherit=True).co_flags & _FUTURES


def statements(text: str, name: str) -> Iterator[CodeType]:
    """The code of each statement of a module. Raises SyntaxError."""
    compile(text, name, "exec", dont_inherit=True)  # says what is wrong with the whole
    tree = ast.parse(text, name)
    flags = future_flags(tree)
    for statement in tree.body:
        yield compile(ast.Module([statement], []), name, "exec", flags, dont_inherit=True)


def made_by(code: CodeType) -> set[str]:
    """The names that a statement makes in its module."""
    return _names(code, "STORE_NAME")


def needed(codes: Sequence[CodeType], name: str) -> list[CodeType]:
    """These statements up to the last one that makes what `name` needs, and functions and classes behind it.

    All where none makes it. An import with a star may make anything.
    """
    made = [made_by(code) | ({name} if ("*",) in code.co_consts else set()) for code in codes]
    wanted, chosen, found = {name}, list[int](), -1
    while len(wanted) > found:
        found = len(wanted)
        chosen = [i for i, names in enumerate(made) if names & wanted]
        wanted.update(*(_names(part, "LOAD_NAME", "LOAD_GLOBAL") for i in chosen for part in _inside(codes[i])))
    end = chosen[-1] + 1 if chosen else len(codes)
    defines = (any(part.co_name in made[i] for part in _inside(codes[i])) for i in range(end, len(codes)))
    return [*codes[:end], *itertools.compress(codes[end:], defines)]


def _names(code: CodeType, *operations: str) -> set[str]:
    """The names in these operations of a code."""
    return {step.argval for step in dis.get_instructions(code) if step.opname in operations}


def _inside(code: CodeType) -> Iterator[CodeType]:
    """A code, and those of the functions and classes in it."""
    yield code
    for part in code.co_consts:
        if isinstance(part, CodeType):
            yield from _inside(part)
