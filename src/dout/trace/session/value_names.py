"""The names of values in the user's source; looked up when first asked for."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TYPE_CHECKING

from dout.graph import CONSTANT, INPUT, Node
from dout.trace.model.user_source import assigned_name

if TYPE_CHECKING:
    from dout.trace.tracer.tracer import Tracer


class ValueNames(Mapping[Node, str]):
    """Names by node: those given at layer calls, and otherwise the variable a result was assigned to."""

    def __init__(self, tracer: Tracer, nodes: tuple[Node, ...]) -> None:
        self.given = dict(tracer.names)
        self._hints = tracer.hints
        self._nodes = nodes
        self._site_of = tracer.site_of

    @cached_property
    def _all(self) -> dict[Node, str]:
        found: dict[int, str | None] = {}
        names = dict(self.given)
        for node in self._nodes:
            if node in names or node.primitive is CONSTANT or node.where is None:
                continue
            key = id(node.where)
            if key not in found:
                name = assigned_name(self._site_of[key]) if key in self._site_of else None
                found[key] = name if isinstance(name, str) else None
            if found[key] and not (node.primitive is INPUT and node.shape == ()):
                names[node] = found[key]  # type: ignore[assignment]
        return {**names, **{node: name for node, name in self._hints.items() if _is_better(name, names.get(node))}}

    def __getitem__(self, node: Node) -> str:
        return self._all[node]

    def __iter__(self) -> Iterator[Node]:
        return iter(self._all)

    def __len__(self) -> int:
        return len(self._all)


def _is_better(hint: str, name: str | None) -> bool:
    """Whether a hint tells more than a name: of `params['W' + str(i)]` it has the key that was computed."""
    return name is None or (name.endswith("]") and hint.endswith("]"))
