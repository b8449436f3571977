"""A recorded run, asked for its values, edges and gradients."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Self

from dout.graph import Node
from dout.trace.model.edge_values import annotate
from dout.trace.model.recorded import Annotated, Gradient, LayerCall, RecordedRun, Use, Value


@dataclass(frozen=True, eq=False, repr=False)
class AnnotatedRun(RecordedRun):
    """A recorded run whose values have names, uses and gradients; they are computed when first asked for."""

    @cached_property
    def values(self) -> tuple[Value, ...]:
        """Every value, in the order in which they were made, with its uses and gradients."""
        return self._annotated[0]

    @cached_property
    def arguments(self) -> Mapping[LayerCall, tuple[Use, ...]]:
        """The edges into each layer call as a whole, one an input, with the gradient its backward returned."""
        return self._annotated[1]

    @cached_property
    def _annotated(self) -> Annotated:
        return self.stored() if self.stored else annotate(self)

    @cached_property
    def by_node(self) -> Mapping[Node, Value]:
        """Each value by the node that made it."""
        return {value.node: value for value in self.values}

    @cached_property
    def wrong(self) -> tuple[Gradient, ...]:
        """The wrong gradients, in the order in which a backward comes to them: first those nearest to the output.

        It comes to an edge with the node that uses the value, and to a whole value after the first of its uses.
        """
        place = {node: i for i, node in enumerate(self.graph.nodes)}

        def first(value: Value | None, call: LayerCall | None = None) -> int:
            """The place of the first node that uses a value, inside a layer call."""
            uses = () if value is None else value.uses
            inside = [use for use in uses if call is None or (use.call is not None and use.call.inside(call))]
            users = [use.node for use in inside if use.node is not None and use.node not in self.backward]
            return min((place[user] for user in users), default=0 if value is None else place[value.node])

        met = [(place[use.node], use.gradient) for value in self.values for use in value.uses if use.node]
        for call, uses in self.arguments.items():
            met += [(first(self.by_node.get(call.inputs[use.argument]), call), use.gradient) for use in uses]
        met += [(first(value), value.gradient) for value in self.values]
        wrong = [(i, gradient) for i, gradient in met if gradient is not None and gradient.expected is not None]
        return tuple({id(g): g for _, g in sorted(wrong, key=lambda one: -one[0])}.values())

    def told(self, **words: Any) -> Self:
        """The same run with other words about it, `printed` or `target`; what was computed of it stays."""
        run = replace(self, **words)
        vars(run).update({name: item for name, item in vars(self).items() if name not in vars(run)})
        return run

    def __getitem__(self, name: str) -> Value:
        """The value of this name; the last one where several have it.

        Raises KeyError with the names there are.
        """
        for value in reversed(self.values):
            if value.name == name:
                return value
        raise KeyError(f"no value is named {name!r}; there are {', '.join(sorted(set(self.names.values())))}")

    @property
    def gradients(self) -> dict[str, Any]:
        """Gradient of each named input that has one."""
        inputs = {name: self.by_node[node].gradient for name, node in self.graph.inputs.items()}
        return {name: gradient.value for name, gradient in inputs.items() if gradient is not None}
