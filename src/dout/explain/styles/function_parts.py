"""The parts of a layer in; the arguments, saved values, local names and gradients of a pair of functions out."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from dout.explain.spelling.syntax_trees import items_of
from dout.explain.styles.layer_parts import Given, LayerParts, NoStyleError
from dout.explain.styles.local_names import local_names
from dout.explain.styles.seen_kinds import SeenKind


@dataclass(frozen=True)
class Saved:
    """A value that backward reads: kept by forward, or given to it."""

    path: str
    kind: SeenKind

    def path_is_given(self, given: Iterable[Given]) -> bool:
        """Whether forward was given it."""
        return any(one.path == self.path for one in given)


@dataclass(eq=False)
class FunctionParts:
    """What a pair of functions, forward and backward, consists of."""

    name: str
    source: str
    layer: LayerParts

    @property
    def given(self) -> tuple[Given, ...]:
        """The arguments of forward."""
        return self.layer.given

    @cached_property
    def docstring(self) -> list[str]:
        """That of the class."""
        text = ast.get_docstring(self.layer.seen.tree, clean=False)
        return [f'"""{text}"""', ""] if text and "\n" not in text and "\\" not in text else []

    @cached_property
    def forward_names(self) -> dict[str, str]:
        """Local names in forward for held values and for written ones."""
        held = [g.path for g in self.given if g.is_held]
        return local_names(self.layer, self.layer.forward, [*held, *self.layer.written])

    @cached_property
    def saved(self) -> tuple[Saved, ...]:
        """The values that backward reads."""
        kept = [Saved(path, kind) for path, kind in self.layer.kept.items()]
        read = {p for p, writes, _ in self.layer.uses(self.layer.backward.body) if not writes}
        held = [Saved(g.path, g.kind) for g in self.given if g.is_held and _is_read(g.path, read)]
        return (*kept, *held)

    @cached_property
    def backward_names(self) -> dict[str, str]:
        """Local names in backward for saved values and for the gradients of held ones."""
        wishes = {g.gradient: f"d{self.forward_names[g.path]}" for g in self.given if isinstance(g.gradient, str)}
        paths = [*(one.path for one in self.saved), *self.layer.gradients]
        return local_names(self.layer, self.layer.backward, paths, wishes)

    @cached_property
    def like(self) -> str:
        """The argument whose dtype and device new tensors take."""
        for one in self.given:
            if one.kind.is_float:
                return self.forward_names.get(one.path, one.path)
        raise NoStyleError("forward is given no array of floats")

    def gradients(self, value: ast.expr, names: Mapping[str, str]) -> Iterator[str]:
        """The gradients that backward returns: those in `value`, then those of held arrays; None for no gradient."""
        returned = items_of(value)
        for given in self.given:
            if given.gradient is None:
                yield "None"
            elif isinstance(given.gradient, int):
                yield ast.unparse(returned[given.gradient])
            else:
                item = self.layer.listed.get(given.gradient)
                yield names[given.gradient] if item is None else ast.unparse(item)


def _is_read(path: str, read: set[str]) -> bool:
    return path in read or path.partition("[")[0] in read
