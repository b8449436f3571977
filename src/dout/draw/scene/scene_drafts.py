"""Items, edges and levels while they grow; `wiring` fills them, `build` freezes them into a scene."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from dout.draw.scene.scene import ItemKind
from dout.graph import Node
from dout.trace.model.recorded import LayerCall, Use, Value

# A value on its way: the node that made it, and the layer that handed it on unchanged, if one did. What forward kept
# enters a backward anew beside each item that takes it.
Wire = tuple[Node, "LayerCall | Draft | None"]


def data_of(node: Node, by_node: Mapping[Node, Value]) -> Any:
    """The number or array of a node; that of a constant that is no value of the trace stands in its row."""
    value = by_node.get(node)
    return value.data if value is not None else node.static.get("value")


@dataclass(eq=False)
class Draft:
    """An item. `when` is its place in the order of the run; `inside` the level in an open layer."""

    kind: ItemKind
    level: LevelPlan
    when: float
    node: Node | None = None
    call: LayerCall | None = None
    constants: list[Node] = field(default_factory=list)
    ports: int = 0
    stems: list[Wire] = field(default_factory=list)
    inside: LevelPlan | None = None

    @property
    def variable(self) -> str:
        """The name of the variable that holds a layer; "" if it is called by its class."""
        return self.call.name if self.call is not None and self.call.name != self.call.cls else ""

    def port(self) -> int:
        """Add a port below the others and return its place."""
        self.ports += 1
        return self.ports - 1

    def stem(self, wire: Wire) -> int:
        """The number of the stem on which a value leaves; a new value gets a stem below the others."""
        if wire not in self.stems:
            self.stems.append(wire)
        return self.stems.index(wire)


@dataclass(eq=False)
class Strand:
    """An edge. `use` is the use of the value that it stands for; None at a gate."""

    wire: Wire
    source: Draft
    stem: int
    target: Draft
    port: int
    use: Use | None = None

    @property
    def beyond(self) -> LevelPlan | None:
        """The level on which the value goes on, if the edge ends at the border of an open layer."""
        return self.target.level.parent if self.target.kind == "exit" else self.target.inside


@dataclass(eq=False)
class LevelPlan:
    """A level. `sources` is where each value leaves from here, `leaving` on which strands."""

    call: LayerCall | None = None
    parent: LevelPlan | None = None
    item: Draft | None = None
    items: list[Draft] = field(default_factory=list)
    sources: dict[Wire, tuple[Draft, int]] = field(default_factory=dict)
    leaving: dict[Wire, list[Strand]] = field(default_factory=dict)

    def add(self, draft: Draft) -> Draft:
        """Put an item on this level."""
        self.items.append(draft)
        return draft

    def inward(self) -> list[LevelPlan]:
        """This level and those inside open layers."""
        found = [self]
        for plan in found:
            found += [draft.inside for draft in plan.items if draft.inside is not None]
        return found

    def outward(self) -> Iterator[LevelPlan]:
        """This level and those around it, up to the whole picture."""
        plan: LevelPlan | None = self
        while plan is not None:
            yield plan
            plan = plan.parent

    def child_towards(self, inner: LevelPlan) -> LevelPlan:
        """The level just inside this one on the way to `inner`."""
        return next(plan for plan in inner.outward() if plan.parent is self)
