"""When each value and each gradient comes to be: one step forward for each item drawn, then one backward.

Step 0 shows the inputs. Backward runs through the items in reverse; a value that is used several times has its
gradient when the last of its uses has handed back its own.
"""

from __future__ import annotations

from functools import cached_property
from typing import Literal

from dout.draw.scene.backward_recording import Mirror
from dout.draw.scene.cards import Cards
from dout.draw.scene.edge_gradients import EdgeGradients
from dout.draw.scene.scene import Step
from dout.draw.scene.scene_drafts import Draft, LevelPlan, Strand, Wire
from dout.draw.scene.wiring import Wiring


class Timeline:
    """The steps of a wiring. `place` is the place of an item among those drawn, in the order of the run, from 1."""

    def __init__(self, wiring: Wiring) -> None:
        self._wiring = wiring
        leaves = [draft for plan in wiring.root.inward() for draft in plan.items if draft.kind in ("operator", "layer")]
        self.order = sorted(leaves, key=lambda draft: draft.when)
        self._place = {id(draft): i for i, draft in enumerate(self.order, 1)}
        self._users: dict[tuple[int, Wire], list[int]] = {}
        self.goes_back = any(value.gradient is not None for value in wiring.trace.values)

    def place(self, draft: Draft) -> int:
        """The place of an item; 0 for one without a step of its own: inputs, gates, open layers."""
        return self._place.get(id(draft), 0)

    def value(self, wire: Wire) -> int:
        """The step that makes a value; 0 where it is given."""
        maker = self._wiring.makers.get(wire)
        return 0 if maker is None else self.place(maker)

    def on_stem(self, plan: LevelPlan, wire: Wire) -> int:
        """The step at which the gradient of a value is complete, where it leaves its item on this level."""
        return self._back(min(self._used_by(plan, wire), default=len(self.order)))

    def on_strand(self, strand: Strand) -> int:
        """The step at which one use hands its gradient back."""
        return self._back(min(self._behind(strand), default=len(self.order)))

    def _back(self, place: int) -> int:
        return 2 * len(self.order) + 1 - place

    def _used_by(self, plan: LevelPlan, wire: Wire) -> list[int]:
        key = id(plan), wire
        if key not in self._users:
            self._users[key] = [place for strand in plan.leaving.get(wire, ()) for place in self._behind(strand)]
        return self._users[key]

    def _behind(self, strand: Strand) -> list[int]:
        """The places of the items that an edge leads to, through the gates of open layers."""
        if strand.beyond is not None:
            return self._used_by(strand.beyond, strand.wire)
        place = self.place(strand.target)
        return [place] if place else []

    def steps(self, gradients: EdgeGradients) -> tuple[Step, ...]:
        """Every step, with its card."""
        cards, digits = Cards(self._wiring, gradients), self._wiring.view.digits
        phase: Literal["forward", "backward"] = "backward" if isinstance(self._wiring.trace, Mirror) else "forward"
        ahead = [
            Step(i, phase, self.place(draft), cards.forward(draft).card(digits))
            for i, draft in enumerate(self.order, 1)
        ]
        if not self.goes_back:
            return tuple(ahead)
        back = [
            Step(i, "backward", self.place(draft), cards.backward(draft, self.completes(draft)).card(digits))
            for i, draft in enumerate(self.order[::-1], len(ahead) + 1)
        ]
        return (*ahead, *back)

    def completes(self, draft: Draft) -> list[tuple[LevelPlan, Wire]]:
        """The values of several uses whose gradient is complete when this item has handed back its own."""
        return self._completing.get(id(draft), [])

    @cached_property
    def _completing(self) -> dict[int, list[tuple[LevelPlan, Wire]]]:
        """The same of every item."""
        found: dict[int, list[tuple[LevelPlan, Wire]]] = {}
        for plan in self._wiring.root.inward():
            for wire, strands in plan.leaving.items():
                place = min(self._used_by(plan, wire), default=0) if len(strands) > 1 else -1
                for target in {id(strand.target): strand.target for strand in strands}.values():
                    if self.place(target) == place:
                        found.setdefault(id(target), []).append((plan, wire))
        return found
