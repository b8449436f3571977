"""A row of a table of calls in: `sum(a, axis=None) -> torch.sum(a, dim=axis)`; a call written by it out."""

from __future__ import annotations

import ast
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from dout.explain.spelling.syntax_trees import filled_tree, parsed
from dout.explain.styles.seen_kinds import kind
from dout.run import deep_copy


class CannotBindError(Exception):
    """A call has an argument that its row has no word for."""


@dataclass(frozen=True)
class CallRow:
    """NumPy's name of a call, its parameters with their defaults, and the call that means the same.

    A parameter that is not given is left out of the call, or stands there with its default.
    """

    parameters: Mapping[str, ast.expr | None]
    template: ast.expr

    def bind(self, arguments: Sequence[ast.expr], keywords: Mapping[str, ast.expr]) -> dict[str, ast.expr]:
        """The arguments by parameter. Raises CannotBindError."""
        names = list(self.parameters)
        if len(arguments) > len(names) or any(isinstance(a, ast.Starred) for a in arguments):
            raise CannotBindError(f"{len(arguments)} arguments")
        found = dict(zip(names, arguments, strict=False))
        for name, value in keywords.items():
            if name not in self.parameters or name in found:
                raise CannotBindError(name)
            found[name] = value
        missing = [n for n, default in self.parameters.items() if default is None and n not in found]
        if missing:
            raise CannotBindError(f"no {missing[0]}")
        return {name: value for name, value in found.items() if not (_is_default(value, self.parameters[name]))}

    def filled(self, given: Mapping[str, ast.expr]) -> ast.expr:
        """The call with these arguments."""
        made = deep_copy(self.template)
        assert isinstance(made, ast.Call)
        made.keywords = [
            k for k in made.keywords if not (isinstance(k.value, ast.Name) and self._is_absent(k.value.id, given))
        ]
        defaults = {n: d for n, d in self.parameters.items() if d is not None and n not in given}
        return filled_tree(made, {**defaults, **given})

    def _is_absent(self, name: str, given: Mapping[str, ast.expr]) -> bool:
        default = self.parameters.get(name)
        is_none = isinstance(default, ast.Constant) and (default.value is None or default.value is False)
        return name in self.parameters and name not in given and is_none


def _is_default(value: ast.expr, default: ast.expr | None) -> bool:
    return default is not None and ast.dump(value) == ast.dump(default) and kind(value).what != "tensor"


def rows(text: str) -> dict[str, CallRow]:
    """A table: one row a line."""
    found = {}
    for line in text.strip().splitlines():
        left, _, right = line.partition("->")
        head = parsed(left.strip())
        assert isinstance(head, ast.Call)
        parameters: dict[str, ast.expr | None] = {a.id: None for a in head.args if isinstance(a, ast.Name)}
        parameters |= {k.arg: k.value for k in head.keywords if k.arg}
        found[ast.unparse(head.func)] = CallRow(parameters, parsed(right.strip()))
    return found
