"""The memory plan: every value is right when it is read, and what is left is right when the call is over."""

import numpy as np
import pytest
from engine_plans import Run, Steps, may_overwrite, random_steps
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from dout.engine.ir.aliasing import is_array, nbytes
from dout.engine.memory.memory_plan import Fresh, MemoryPlanner, MemorySlot, Over, Own, ResultView
from dout.engine.memory.pool import scratch

ORDINARY = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    report_multiple_bugs=False,
    suppress_health_check=list(HealthCheck),
    phases=[Phase.explicit, Phase.generate, Phase.shrink],
)
LONG = settings(ORDINARY, max_examples=3000, derandomize=False)


def same(a, b):
    """The same bits, any NaN being a NaN."""
    return np.asarray(a).dtype == np.asarray(b).dtype and np.array_equal(a, b, equal_nan=True)


class Situation:
    """Steps, which results leave, which of the user's arrays are written, and where the guards end."""

    def __init__(self, made, outputs, written, guards_end):
        self.made, self.outputs, self.written, self.guards_end = made, outputs, written, guards_end

    def __repr__(self):
        name = {n: f"v{k}" for k, n in enumerate(self.made.values)}.get
        written = ", ".join(f"{name(x)} := {name(n)}" for x, n in self.written.items())
        return f"\n{self.made}\nreturn {[*map(name, self.outputs)]}; {written}; guards until {self.guards_end}"


@st.composite
def situations(draw):
    """Steps, which results leave, which of the user's arrays are written, and where the guards end."""
    made = draw(random_steps())
    nodes = [n for n in made.values if n in made.inputs or any(n in _makes(s) for s in made.steps)]
    outputs = draw(st.lists(st.sampled_from(nodes), max_size=4, unique=True))
    written = {}
    for x in made.held:
        fits = [n for n in nodes if n is not x and (n.shape, n.dtype) == (x.shape, x.dtype) and n.shape]
        if fits and made.values[x].dtype.kind == "f" and draw(st.integers(0, 3)):
            late = fits[-1] if draw(st.booleans()) else draw(st.sampled_from(fits))
            written[x] = late
    return Situation(made, outputs, written, draw(st.integers(0, len(made.steps))))


def _makes(step):
    return step.outputs if hasattr(step, "outputs") else (step,)


@pytest.mark.long
@ORDINARY
@given(situations())
def test_planned_memory_gives_the_values_of_the_graph(situation):
    check(situation)


@pytest.mark.long
@LONG
@given(situations())
def test_planned_memory_gives_the_values_of_the_graph_often(situation):
    check(situation)


def check(situation):
    """Done as planned, twice: the right results, the user's arrays as they should be, and no more memory than alone."""
    made, outputs, written = situation.made, situation.outputs, situation.written
    memory = planned(made, outputs, written, situation.guards_end)
    made_anew = [n for n, place in memory.places.items() if is_array(n) and not isinstance(place, ResultView)]
    alone = sum(map(nbytes, [*made_anew, *memory.saved]))
    assert sum(memory.slots) <= memory.peak <= alone  # never more than without any reuse
    assert memory.fresh <= memory.peak
    temporaries = scratch(memory.slots, memory.arrays)
    run = Run(made, memory, temporaries)

    def look(i):
        for x, array in run.arrays.items():
            if x in written and i >= situation.guards_end:
                assert any(same(array, v) for v in made.values.values())
            elif x in made.held:
                assert same(array, made.values[x])

    values = run.whole(look)
    kept = {n: values[n] for n in outputs}
    for n, value in kept.items():
        assert same(value, made.values[n])
        for x in written:
            assert n is x or not np.shares_memory(value, run.arrays[x])
    for x in made.held:
        assert same(run.arrays[x], made.values[written.get(x, x)])
    again = Run(made, memory, temporaries).whole()
    assert all(same(kept[n], made.values[n]) and same(again[n], made.values[n]) for n in outputs)


def planned(made, outputs=(), written=None, guards_end=0):
    return MemoryPlanner(
        made.steps,
        outputs,
        made.held,
        written=written or {},
        guards_end=guards_end,
        contiguous=made.contiguous,
        may_overwrite=may_overwrite,
    ).memory()


# --- one fact each ----------------------------------------------------------------------------------------------------


def kernel(made, x, *names):
    """A group of operations of one input or two, one after another; None stands for the one before."""
    nodes = []
    for name, *rest in names:
        nodes.append(made.node(name, nodes[-1] if nodes else x, *rest))
    return made.group(nodes)


def ones(*shape):
    return np.ones(shape)


def test_a_result_that_leaves_is_fresh_and_one_in_between_has_a_slot():
    made = Steps()
    x = made.input(ones(2, 3))
    between = kernel(made, x, ("add", 1.0))
    column = made.single("sum", between, axis=1)
    memory = planned(made, [column])
    assert memory.places == {between: MemorySlot(0), column: Fresh()}
    assert (memory.slots, memory.fresh, memory.own, memory.peak) == ((48,), 16, 0, 64)


def test_a_slot_is_used_again_after_its_last_use():
    made = Steps()
    y = made.input(ones(4, 4))
    for _ in range(6):
        y = made.single("matmul", y, y)
    memory = planned(made, [y])
    assert memory.slots == (128, 128)


def test_small_values_share_a_slot_with_large_ones():
    made = Steps()
    x = made.input(ones(8, 8))
    total = made.single("sum", made.single("matmul", x, x), axis=0)
    again = made.single("add", total, total)
    memory = planned(made, [made.single("sum", again, axis=0)])
    assert memory.slots == (512, 64)
    assert memory.places[again] == Over(total)


def test_a_kernel_writes_over_a_value_that_dies():
    made = Steps()
    x = made.input(ones(2, 3))
    product = made.single("floor", x)
    y = kernel(made, product, ("add", 1.0))
    assert planned(made, [y]).places == {product: Fresh(), y: Over(product)}
    assert planned(made, [y, product]).places[y] == Fresh()


def test_the_users_arrays_are_not_written():
    made = Steps()
    x = made.input(ones(2, 3))
    y = kernel(made, x, ("add", 1.0))
    assert planned(made, [y]).places[y] == Fresh()


def test_an_array_of_draws_may_be_written_over():
    made = Steps()
    x = made.input(ones(2, 3), held=False)
    y = kernel(made, x, ("add", 1.0))
    assert planned(made, [y]).places[y] == Over(x)


def test_writes_into_zeros_go_on_in_the_same_memory():
    made = Steps()
    image = made.input(ones(4, 5))
    columns = first = made.single("zeros", shape=(4, 5, 3), dtype=np.dtype(float))
    for k in range(3):
        columns = made.write(columns, (slice(None), slice(None), k), image)
    memory = planned(made, [columns])
    assert memory.places[first] == Fresh()
    assert all(isinstance(memory.places[n], Over) for n in memory.places if n is not first)
    assert memory.fresh == memory.peak == 480


def test_a_write_copies_first_where_the_old_value_is_needed_later():
    made = Steps()
    x = made.single("add", made.input(ones(2, 3)), 1.0)
    y = made.write(x, 0, 5.0)
    both = made.single("add", x, y)
    memory = planned(made, [both])
    assert isinstance(memory.places[y], MemorySlot)
    assert memory.places[both] == Over(x)


def test_a_view_keeps_the_memory_beneath_it():
    made = Steps()
    x = made.input(ones(3, 3))
    beneath = made.single("matmul", x, x)
    view = made.single("transpose", beneath, axes=(1, 0))
    other = made.single("matmul", x, x)
    result = made.single("matmul", view, other)
    memory = planned(made, [result])
    assert memory.places[view] == ResultView()
    assert len(memory.slots) == 2
    assert planned(made, [view, result]).places[beneath] == Fresh()


def test_elements_taken_by_places_are_numpys():
    made = Steps()
    x = made.input(ones(3, 3))
    places = made.input(np.array([0, 2]))
    rows = made.take(x, places)
    assert planned(made, [rows]).places[rows] == Own()
    assert planned(made, [rows]).own == 48


def update(made):
    """`x -= 0.5 * dx`: the parameter, its gradient, its new value."""
    x, dx = made.input(ones(2, 3)), made.input(ones(2, 3))
    step = made.node("multiply", dx, 0.5)
    return x, dx, made.group([step, made.node("subtract", x, step)])


def test_a_parameter_is_updated_in_place():
    made = Steps()
    x, _, new = update(made)
    memory = planned(made, (), {x: new})
    assert memory.places[new] == Over(x)
    assert memory.copies == ()
    assert memory.peak == 0


def test_a_parameter_is_not_touched_before_the_last_guard():
    made = Steps()
    x, _, new = update(made)
    memory = planned(made, (), {x: new}, guards_end=1)
    assert isinstance(memory.places[new], MemorySlot)
    assert memory.copies == ((x, new),)


def test_a_parameter_that_is_needed_later_is_written_at_the_end():
    made = Steps()
    x, dx, new = update(made)
    later = made.single("matmul", x, made.single("transpose", dx, axes=(1, 0)))
    assert planned(made, [later], {x: new}).copies == ((x, new),)


def test_a_new_value_that_also_leaves_does_not_lie_in_the_users_array():
    made = Steps()
    x, _, new = update(made)
    memory = planned(made, [made.single("reshape", new, shape=(6,))], {x: new})
    assert (memory.places[new], memory.copies) == (Fresh(), ((x, new),))


def test_a_gradient_is_computed_in_the_users_array():
    made = Steps()
    x, buffer = made.input(ones(3, 3)), made.input(ones(3, 3))
    dx = made.single("matmul", x, x)
    assert planned(made, (), {buffer: dx}).places[dx] == Over(buffer)


def test_arrays_that_are_exchanged_are_saved_first():
    made = Steps()
    x, y = made.input(ones(2, 3)), made.input(ones(2, 3))
    memory = planned(made, (), {x: y, y: x})
    assert memory.saved == (y, x)
    run = Run(made, memory)
    run.arrays[y][...] = 7
    run.whole()
    assert run.arrays[x].sum() == 42
    assert run.arrays[y].sum() == 6


def test_an_old_value_that_leaves_is_saved_before_the_new_one_is_written():
    made = Steps()
    x, _, new = update(made)
    assert planned(made, [x], {x: new}).saved == (x,)


def test_a_long_program_is_planned_in_no_time():
    made = Steps()
    y = made.input(ones(2, 2))
    for _ in range(1500):
        y = made.single("matmul", y, y)
    assert len(planned(made, [y]).slots) == 2


def test_a_view_of_the_users_array_is_not_written_for_another_final_value():
    made = Steps()
    x = made.input(ones(2, 3))
    turned = made.take(x, np.s_[..., ::-1])
    new = made.write(turned, 0, 5.0)
    memory = planned(made, (), {x: new})
    assert (memory.places[new], memory.copies) == (Own(), ((x, new),))


def test_elements_taken_at_one_place_are_a_view_even_where_an_array_holds_the_place():
    made = Steps()
    x = made.input(ones(3, 3))
    place = made.input(np.array(1))
    beneath = made.single("matmul", x, x)
    row = made.take(beneath, place)
    memory = planned(made, [row])
    assert memory.places[beneath] == Fresh()
    Run(made, memory).whole()
