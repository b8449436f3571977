"""The writer of effects is broken on purpose, one effect at a time: the comparison with a plain twin catches each.

Nothing inside the engine could: the first call is the plain run, whose effects are the user's own. What a program
leaves out shows when it answers a call, beside a twin that runs plainly.
"""

from dataclasses import replace
from itertools import count

import numpy as np
import pytest
from compile_programs import leaves, make_case
from compile_twins import DifferenceError, World, compare

from dout.engine.codegen.driver import Following
from dout.trace.capture.templates import Spot
from dout.trace.model.replay import same_bits


class Saboteur:
    """Leaves out one effect of each program that is written, and looks at each call whether it makes a difference."""

    def __init__(self, number):
        self.number = number
        self.commit = Following._commit
        self.mattered = []  # what was left out, where it made a difference

    def written(self, following, writer):
        """Write what a run changed, but for one effect: an attribute, an entry, an item, or what is in an array."""
        run, memory = following.capture, writer.means.memory
        spots = [spot for spot in run.spots if spot.after is not None and not isinstance(spot.holder, tuple)]
        effects = [*spots, *memory.copies]
        if effects:
            lost = effects[self.number % len(effects)]
            if isinstance(lost, Spot):
                following.capture = replace(run, spots=tuple(spot for spot in run.spots if spot is not lost))
                now = following.text.place(lost) or following.text.constant(lost.holder)
                self.tell(following.text, lost.place.key, now, following._expression(lost.after, writer))
            else:
                copies = [copy for copy in memory.copies if copy is not lost]
                writer.means = replace(writer.means, memory=replace(memory, copies=copies))
                self.tell(following.text, "an array", *map(writer.value, lost))
        self.commit(following, writer)

    def tell(self, text, name, now, then):
        """Write a line that looks whether what is left out makes a difference."""
        text.line(f"{text.constant(self.look, 'look')}({name!r}, lambda: {now}, {then})")

    def look(self, name, now, then):
        """Remember an effect, if what stands there is something else. More elements for a list always are."""
        try:
            one, two = [item for _, item in leaves(now())], [item for _, item in leaves(then)]
        except (LookupError, AttributeError):
            self.mattered.append(name)
            return
        if len(one) != len(two) or not all(map(alike, one, two)):
            self.mattered.append(name)


def alike(one, two):
    """Whether two parts are the same, as far as the comparison of twins looks at them."""
    if type(one) is not type(two):
        return False
    if isinstance(one, np.ndarray | np.generic | float):
        return same_bits(one, two)
    return isinstance(one, dict | list | tuple) or type(one).__name__ == "Record" or one == two


class Keeping(World):
    """A world that also holds what the layer held before a call: an effect may be on what the call replaces."""

    before = ()

    def outcome(self, function, arguments, counted=True):
        self.before = [item for _, item in leaves(vars(self.layer))]
        return super().outcome(function, arguments, counted)

    def everything(self):
        return {**super().everything(), "before": self.before}


def differs(case, saboteur):
    """Whether a case and its plain twin are told apart, by the first effect that was left out and mattered."""
    theirs, ours = Keeping(case), Keeping(case, {"strict": True})
    for number, call in enumerate(case.calls):
        if number == case.ahead:
            ours.compile()
        with np.errstate(all="ignore"):
            for _ in zip(theirs.steps(call), ours.steps(call), strict=False):
                try:
                    compare(ours, theirs, strict=True)
                except DifferenceError:
                    return True
                if saboteur.mattered:
                    return False
    return False


@pytest.mark.parametrize("wanted", [8, pytest.param(1000, marks=pytest.mark.long)])
def test_a_lost_effect_is_seen(monkeypatch, wanted):
    caught = []
    for seed in count():
        if len(caught) == wanted:
            break
        case, saboteur = make_case(seed), Saboteur(seed % 9)
        with monkeypatch.context() as patch:
            patch.setattr(Following, "_commit", lambda *given, by=saboteur: by.written(*given))
            seen = differs(case, saboteur)
        if saboteur.mattered:
            assert seen, f"{saboteur.mattered[0]} was left out of {case}"
            caught.append(saboteur.mattered[0])
    assert len(set(caught)) > min(5, wanted // 2)  # of many kinds
