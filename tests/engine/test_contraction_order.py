"""Loops that look like products of matrices and depend on the order of their turns give what they give."""

import linecache

import numpy as np
import pytest

import dout
from dout.engine.loop_source.contraction_runs import ContractedLoop
from dout.engine.loops import loop_sites, looped_function
from dout.engine.loops.compiled_parts import CompiledParts


def running_sum(x, out):
    total = 0.0
    for i in range(x.shape[0]):
        total = total + x[i, 0]
        out[i, 0] = total


def sum_read_while_it_grows(x, out):
    for i in range(x.shape[0]):
        total = 0.0
        for j in range(x.shape[1]):
            total += x[i, j]
            out[i, j] = total


def the_last_turn_counts(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            found = 2.0 * x[i, j]
        out[i, 0] = found


def each_row_of_the_one_before(x, out):
    for i in range(1, x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = out[i - 1, j] * x[i, j]


def written_over(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[0, j] = x[i, j] * x[i, j]


def read_before_it_is_written(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            old = out[i, j]
            out[i, j] = x[i, j]
            x[i, j] += old


def a_row_changed_in_place(x, out):
    for i in range(x.shape[0]):
        row = x[i]
        row += 1.0
        for j in range(x.shape[1]):
            out[i, j] = row[j] * 2.0


def rows_from_the_end(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[-1 - i, j] * 1.5


def slices_cut_at_the_border(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = np.sum(x[i : i + 3, j : j + 2])


def read_in_the_next_turn(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] += x[i, j]
        x[i, 0] = out[i - 1, 0] + out[i, 1]


def a_number_read_before_it_changes(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            old = out[i, j]
            out[i, j] += 2.0
            x[i, j] = old


def a_product_of_what_changes(x, out):
    for i in range(x.shape[0]):
        row = out[i] * 2.0
        for j in range(x.shape[1]):
            out[i, j] += 1.0
        x[i] += row


def a_view_of_what_changes(x, out):
    for i in range(x.shape[0]):
        row = out[i]
        for j in range(x.shape[1]):
            out[i, j] += 1.0
        x[i] += row


def set_then_added_in_other_places(x, out):
    for i in range(x.shape[0]):
        for j in range(x.shape[1]):
            out[i, j] = x[i, j]
            out[0, j] += x[i, j]


LOOKALIKES = [
    running_sum, sum_read_while_it_grows, the_last_turn_counts, each_row_of_the_one_before, written_over,
    read_before_it_is_written, a_row_changed_in_place, rows_from_the_end, slices_cut_at_the_border,
    set_then_added_in_other_places, read_in_the_next_turn,
    a_number_read_before_it_changes, a_product_of_what_changes, a_view_of_what_changes,
]  # fmt: skip


@pytest.mark.one_in(2)
@pytest.mark.parametrize("form", LOOKALIKES, ids=lambda form: form.__name__)
def test_a_loop_that_depends_on_its_order_gives_what_it_gives_also_after_a_first_call_that_does_not_show_it(form):
    fast = dout.compile(form)
    for size, scale in ((9, 0.0), (9, 1.0), (12, 1.0)):
        rng = np.random.default_rng(size)
        x, out = scale * rng.normal(size=(size, 8)), scale * rng.normal(size=(size, 8))
        ours, theirs = (x.copy(), out.copy()), (x.copy(), out.copy())
        fast(*ours)
        form(*theirs)
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine, other, rtol=1e-13)


class RandomNest:
    """The source of loops over three counters with a few statements that set, add, multiply and keep elements."""

    def __init__(self, seed):
        self.rng = np.random.default_rng(seed)
        self.names = []
        self.lines = ["def program(x, y, p, q, r):"]
        self.block(1, [])

    def one(self, items):
        return items[self.rng.integers(len(items))]

    def index(self, counters):
        usual = [*counters, *counters, "0", "1"]
        return f"{self.one(usual)}, {self.one([*usual, f'{self.one(usual)} + 1'])}"

    def element(self, counters):
        if self.names and self.rng.random() < 0.3:
            return self.one(self.names)
        return f"{self.one('xyxypqr')}[{self.index(counters)}]"

    def value(self, counters):
        way = self.rng.random()
        if way < 0.3:
            return self.element(counters)
        if way < 0.7:
            return f"{self.element(counters)} * {self.element(counters)}"
        return f"{self.element(counters)} - 0.5 * {self.element(counters)}"

    def statement(self, depth, counters):
        way = self.rng.random()
        if way < 0.25:
            name = f"v{len(self.names)}"
            line = f"{name} = {self.value(counters)}"
            self.names.append(name)
        elif way < 0.35 and self.names:
            line = f"{self.one(self.names)} += {self.element(counters)}"
        else:
            line = f"{self.one('pqr')}[{self.index(counters)}] {self.one(['=', '+=', '+='])} {self.value(counters)}"
        self.lines.append("    " * depth + line)

    def block(self, depth, counters):
        counter, kept = "ijk"[len(counters)], list(self.names)
        self.lines.append(
            "    " * depth + f"for {counter} in {self.one(['range(6)', 'range(1, 6)', 'range(5, 0, -1)'])}:"
        )
        for _ in range(self.rng.integers(0, 2)):
            self.statement(depth + 1, [*counters, counter])
        if len(counters) < 2:
            self.block(depth + 1, [*counters, counter])
        for _ in range(self.rng.integers(len(counters) == 2, 3)):
            self.statement(depth + 1, [*counters, counter])
        self.lines.append("    " * (depth + 1) + "pass")
        self.names = kept


def compare_nest(seed):
    """Whether a random nest is a product of matrices; it gives what it gives, also after a first call with zeros."""
    source, file = "\n".join(RandomNest(seed).lines) + "\n", f"<nest {seed}>"
    linecache.cache[file] = (len(source), None, source.splitlines(keepends=True), file)
    namespace = {}
    exec(compile(source, file, "exec"), namespace)
    plain = namespace["program"]
    looped = looped_function.looped_function(plain, CompiledParts(lambda function: None), strict=False)
    for scale in (0.0, 1.0, 1.0):
        rng = np.random.default_rng(seed)
        given = scale * rng.uniform(-1, 1, size=(5, 7, 7)).round(2)
        ours, theirs = given.copy(), given.copy()
        failed = [None, None]
        for k, (function, arrays) in enumerate(((looped.run, ours), (plain, theirs))):
            try:
                with np.errstate(all="ignore"):
                    function(*(one.copy() for one in arrays[:2]), *arrays[2:])
            except UnboundLocalError as error:
                failed[k] = str(error)
        assert failed[0] == failed[1], source
        np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-9 * (1 + np.abs(theirs).max()), err_msg=source)
    return any(isinstance(one.run, ContractedLoop) for site in looped.sites for one in site.ready.values() if one)


@pytest.fixture
def no_kernels(monkeypatch):
    """What is no product of matrices runs plainly; what is one does, and no matter how slowly."""
    monkeypatch.setattr(loop_sites.LoopSite, "_made", lambda self, told: None)
    monkeypatch.setattr(loop_sites, "thread_time", lambda: 0.0)
    monkeypatch.setattr(loop_sites, "_ASKING", 0.0)


@pytest.mark.one_in(6)
@pytest.mark.parametrize("first", range(0, 400, 100))
def test_random_nests_give_what_they_give(first, no_kernels):
    assert sum(compare_nest(seed) for seed in range(first, first + 100)) >= 5


@pytest.mark.long
@pytest.mark.parametrize("first", range(400, 20_400, 500))
def test_many_more_random_nests_give_what_they_give(first, no_kernels):
    for seed in range(first, first + 500):
        compare_nest(seed)
