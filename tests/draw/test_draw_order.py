"""Columns and the order in them: short edges, few crossings, and whatever it costs, arguments in their order."""

from __future__ import annotations

import random
from itertools import pairwise, product

import pytest

from dout.draw.layout.column_order import Network, put_in_order
from dout.draw.layout.crossings import Crossings
from dout.draw.layout.order_rules import ColumnRules
from dout.draw.layout.ranks import ranks

Links = list[tuple[int, int, int, int]]


def random_links(rng: random.Random, blocks: int) -> Links:
    """A graph in which every block but the first has one to three arguments, some of them the same."""
    return [(rng.randrange(t), 0, t, port) for t in range(1, blocks) for port in range(rng.randint(1, 3))]


def length(links: Links, rank: list[int]) -> int:
    return sum(rank[target] - rank[source] for source, _, target, _ in links)


def test_columns_make_the_edges_as_short_as_any_columns_do() -> None:
    rng = random.Random(0)
    for _ in range(60):
        count = rng.randint(2, 6)
        links = [link for link in random_links(rng, count) if rng.random() < 0.8]
        found = ranks([""] * count, [(s, t) for s, _, t, _ in links])
        assert all(found[s] < found[t] for s, _, t, _ in links)
        allowed = (r for r in product(range(count), repeat=count) if all(r[s] < r[t] for s, _, t, _ in links))
        assert length(links, found) == min(length(links, list(r)) for r in allowed)


def test_gates_stand_in_the_first_and_the_last_column() -> None:
    assert ranks(["first", "first", "", "", "last", "last"], [(0, 2), (2, 3), (1, 3), (3, 4), (2, 5)]) == [
        0, 0, 1, 2, 3, 3,
    ]  # fmt: skip


def test_parts_that_are_not_connected_all_start_at_the_left() -> None:
    assert ranks([""] * 5, [(0, 1), (1, 2), (3, 4)]) == [0, 1, 2, 0, 1]


def test_arguments_and_gates_keep_their_order_unless_that_is_impossible() -> None:
    rng = random.Random(1)
    for _ in range(60):
        count = rng.randint(3, 25)
        links = random_links(rng, count)
        network = Network([(False, "")] * count, links)
        _, refused = network.rules
        columns = put_in_order(network)
        place = {block: (i, j) for i, column in enumerate(columns) for j, block in enumerate(column)}
        assert sorted(place) == list(range(len(network.rank)))
        for target in {*range(count)} - refused:
            arriving = [s for s, _, t, _ in sorted(network.pieces, key=lambda p: p[3]) if t == target]
            assert all(place[a] <= place[b] for a, b in pairwise(arriving))


@pytest.mark.parametrize("links", [
    [(0, 0, 2, 0), (1, 0, 2, 1), (1, 0, 3, 0), (0, 0, 3, 1)],  # two nodes that take the same two the other way round
    [(0, 0, 2, 0), (1, 0, 2, 1), (0, 0, 2, 2), (1, 0, 3, 0)],  # a value twice with another one in between
    [(0, 1, 2, 0), (0, 0, 2, 1)],  # the second output before the first
])  # fmt: skip
def test_what_cannot_be_kept_is_said(links: Links) -> None:
    _, refused = Network([(False, "")] * 4, links).rules
    assert len(refused) == 1


def test_rules_hold_through_every_sort() -> None:
    rng = random.Random(2)
    for _ in range(100):
        column = list(range(8))
        rng.shuffle(column)
        rules = ColumnRules()
        kept = [chain for chain in (rng.sample(range(8), rng.randint(2, 4)) for _ in range(4)) if rules.add(chain)]
        for put in (rules.enforce, lambda c: rules.sort(c, {b: rng.random() for b in c})):  # noqa: B023
            put(column)
            assert sorted(column) == list(range(8))
            assert all(column.index(a) < column.index(b) for chain in kept for a, b in pairwise(chain))


def test_crossings_are_counted_exactly() -> None:
    rng = random.Random(3)
    for _ in range(50):
        pieces = [(rng.randrange(4), rng.randrange(2), rng.randrange(4, 8), rng.randrange(2)) for _ in range(7)]
        columns = [[0, 1, 2, 3], [4, 5, 6, 7]]
        crossings = Crossings(pieces, 8)
        for column in columns:
            crossings.note(column)
        apart = [((a[0], a[1]), (a[2], a[3]), (b[0], b[1]), (b[2], b[3])) for a in pieces for b in pieces]
        assert crossings.count(columns) == sum(s < s2 and t > t2 for s, t, s2, t2 in apart)
