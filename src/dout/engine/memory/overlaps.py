"""Memory that two arrays share: which inputs of a program must not lie where one of them is written into."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np

from dout.graph import Node

_MANY = 32  # pairs of arrays that may share memory


def are_apart(written: Sequence[Any], others: Sequence[Any]) -> bool:
    """Whether no array that is written into shares memory with another one, or with one of the others.

    Arrays of different owners do not; where some have one owner, or one that is no array, all are compared.
    """
    owners = set(map(_owner, written))
    if len(owners) == len(written) and None not in owners:
        owners_of_others = set(map(_owner, others))
        if None not in owners_of_others and owners.isdisjoint(owners_of_others):
            return True
    pairs = [*combinations(written, 2), *product(written, others)]
    return not any(np.may_share_memory(one, other) for one, other in pairs)


def _owner(array: Any) -> int | None:
    """The identity of the array that owns an array's memory; None where that is another kind of object."""
    owner = array if array.base is None else array.base
    return id(owner) if type(owner) is np.ndarray and owner.flags.owndata else None


@dataclass(frozen=True)
class Overlaps:
    """Conditions that arrays which are written into share no memory with another input.

    `names` are the inputs, `arrays` those that are arrays, as the run was given them. `owns` and `shares` are how a
    driver asks it; `may_be_same` says whether two arrays that own their memory may be one array at another call.
    `all_at_once` names `are_apart`, for very many pairs.
    """

    names: Mapping[Node, str]
    arrays: Mapping[Node, np.ndarray[Any, Any]]
    owns: str
    shares: str
    may_be_same: Callable[[Node, Node], bool]
    all_at_once: Callable[[], str] | None = None

    def conditions(self, written: Sequence[Node]) -> Iterator[str]:
        """Each condition, as the text of an expression."""
        if self.all_at_once and len(written) * len(self.arrays) > _MANY:
            others = [node for node in self.arrays if node not in written]
            each, rest = (", ".join(map(self.names.__getitem__, nodes)) for nodes in (written, others))
            yield f"{self.all_at_once()}(({each},), ({rest}{',' if rest else ''}))"
            return
        for node in written:
            if self.arrays[node].flags.owndata:
                yield self.owns.format(self.names[node])
            for other in self.arrays:
                if other is not node:
                    yield self._are_apart(node, other)

    def _are_apart(self, node: Node, other: Node) -> str:
        """Of two arrays that own their memory it is enough to know that they are two; but the other may be a view."""
        name, its = self.names[node], self.names[other]
        apart = f"not {self.shares.format(its, name)}"
        if not (self.arrays[node].flags.owndata and self.arrays[other].flags.owndata):
            return apart
        two = f"{its} is not {name} and " if self.may_be_same(node, other) else ""
        return f"{two}({self.owns.format(its)} or {apart})"
