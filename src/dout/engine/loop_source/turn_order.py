"""Contractions of a loop in; a refusal where its turns have to follow each other out."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

from dout.engine.loop_source.contraction_terms import Contraction
from dout.engine.loop_source.loop_refusal import LoopRefusal


def refuse_order_dependence(found: Sequence[Contraction]) -> None:
    """LoopRefusal where the turns have to follow each other. Contractions are done one after the other as a whole."""
    for i, one in enumerate(found):
        _reads_own_turn(one, found[:i], found[i:])
        if not one.adds:
            _sets_each_element_once(one)
    for place in {one.target.place for one in found}:
        first, *others = (one for one in found if one.target.place == place)
        if not all(one.adds and (first.adds or _after(one, first)) for one in others):
            raise LoopRefusal("it writes elements in two ways")


def _reads_own_turn(one: Contraction, before: Sequence[Contraction], after: Sequence[Contraction]) -> None:
    """What a contraction reads may have been written before, by each writer in the same turn of each common loop."""
    for factor in one.term.factors:
        if any(other.target.place == factor.place for other in after):
            raise LoopRefusal("it reads what it writes later")
        for other in (other for other in before if other.target.place == factor.place):
            alike = [at for at, read in zip(other.target.at, factor.at, strict=True) if at == read]
            common = [counter for counter in one.counters if counter in other.counters]
            if not all(any([c for c, _ in at.multiples] == [counter] for at in alike) for counter in common):
                raise LoopRefusal("it reads what another turn writes")


def _sets_each_element_once(one: Contraction) -> None:
    """Each counter of a loop is that of one axis."""
    counters = [[counter for counter, _ in at.multiples] for at in one.target.at]
    own = list(itertools.chain(*counters))
    if len(set(own)) < len(own) or not set(one.counters) <= set(own) or any(len(axis) > 1 for axis in counters):
        raise LoopRefusal("it writes an element several times")


def _after(one: Contraction, first: Contraction) -> bool:
    """Whether every addition to an element runs after the assignment of that element.

    Along an axis that `first` fills in each turn anything may be added; along others both write in the same turn.
    """
    filled = set(first.target.free)
    pairs = zip(first.target.at, one.target.at, strict=True)
    return all(begun == at or {counter for counter, _ in begun.multiples} <= filled for begun, at in pairs)
