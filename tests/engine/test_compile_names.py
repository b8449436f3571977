"""`dout.compile` on code that is seen through other names: ids as keys, NumPy in attributes, functions of Numba's."""
# ruff: noqa: NPY002 - as people write it

import math
import sys
import warnings
from enum import IntEnum
from typing import Literal, TypeAlias

import numba
import numpy as np
import pytest
from compiled_alike import alike

import dout


class Momentum:
    """Its velocities have the identities of the parameters as keys."""

    def __init__(self, parameters):
        self.parameters = parameters
        self.velocities = {}

    def step(self, gradients):
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            key = id(parameter)
            if key not in self.velocities:
                self.velocities[key] = np.zeros_like(parameter)
            self.velocities[key] *= 0.5
            self.velocities[key] -= gradient
            parameter += self.velocities[key]


def test_what_is_kept_by_the_id_of_an_array_is_found_again():
    optimizer = Momentum([np.zeros(2), np.ones(3)])
    step = dout.compile(optimizer.step)
    for _ in range(3):
        step([np.ones(2), np.zeros(3)])
    assert list(optimizer.velocities) == [id(parameter) for parameter in optimizer.parameters]
    assert optimizer.parameters[0].tolist() == [-1 - 1.5 - 1.75] * 2
    assert step.plan().programs
    optimizer.parameters[0] = np.zeros(2)  # another array, which has moved by nothing yet
    step([np.ones(2), np.zeros(3)])
    assert len(optimizer.velocities) == 3
    assert optimizer.parameters[0].tolist() == [-1, -1]


def test_an_array_made_in_the_call_has_its_own_id_as_its_key():
    def kept(x):
        y = x * 2
        return {id(y): y}

    fast = dout.compile(kept)
    results = [fast(np.ones(3)) for _ in range(3)]  # all there at once, so that no two have one id
    assert all(id(y) == key for result in results for key, y in result.items())
    assert len({key for result in results for key in result}) == 3


@numba.njit
def scattered(weights, rows, gradients):
    for i in range(rows.shape[0]):
        for j in range(weights.shape[1]):
            weights[rows[i], j] -= gradients[i, j]


class Embedding:
    """Part of it is compiled by Numba already."""

    def __init__(self):
        self.weights = np.zeros((3, 2))
        self.rows = None
        self.scatter = scattered

    def forward(self, rows):
        self.rows = rows
        return self.weights[rows] + 1.0

    def backward(self, dout):
        scattered(self.weights, self.rows, dout)
        self.scatter(self.weights, self.rows, dout)


def test_functions_that_numba_compiled_are_called_with_real_arrays():
    rows, dout = np.array([0, 2, 0]), np.ones((3, 2))
    fast = alike(Embedding, [("forward", rows), ("backward", dout)] * 3)
    assert fast.weights.tolist() == [[-12, -12], [0, 0], [-6, -6]]
    why, *_ = fast.backward.plan().functions[0].plainly
    assert why.startswith("it calls scattered, compiled by Numba, which dout does not see into, at ")
    assert fast.forward.plan().programs


def test_nothing_is_said_of_a_file_that_was_not_said_when_it_was_imported(tmp_path, monkeypatch):
    text = "import numpy as np\n\n\ndef half(x):\n    'as in \\\\d'\n    return np.exp(x) / 2\n"
    (tmp_path / "halves.py").write_text(text.replace("\\\\", "\\"))
    monkeypatch.syspath_prepend(tmp_path)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        import halves

        count = len(said)
        dout.compile(halves.half)(np.ones(2))
    assert count == 1
    assert len(said) == count


class Backend:
    """It has its functions from a module in an attribute, as those that may run on another device."""

    def __init__(self, module):
        self.xp = module
        self.start = module.zeros
        self.scale = math.exp
        self.rate = 0.5

    def forward(self, x):
        out = self.xp.zeros(x.shape)
        out[0] = x[1]
        other = self.start(x.shape)
        other[1] = x[0] * self.scale(self.rate)
        return out + other

    def backward(self, dout):
        return dout


def test_numpy_and_its_functions_in_attributes_are_seen_as_by_their_names():
    x = np.arange(6.0).reshape(2, 3)
    fast = alike(lambda: Backend(np), [("forward", x), ("forward", x + 1), ("backward", x)])
    assert fast.forward.plan().programs
    assert fast.xp is np
    assert fast.start is np.zeros


class Alternating:
    def __init__(self):
        self.act = np.tanh

    def forward(self, x):
        out = self.act(x)
        self.act = np.sin if self.act is np.tanh else np.tanh
        return out

    def backward(self, dout):
        return dout


def test_a_function_of_numpys_in_an_attribute_is_the_one_of_that_name():
    x = np.array([0.5, 1.5])
    fast = alike(Alternating, [("forward", x), ("forward", x), ("forward", x), ("forward", x + 1), ("backward", x)])
    assert fast.act is np.tanh
    assert fast.forward.plan().programs


Reduction: TypeAlias = Literal["mean", "sum"]


def test_names_for_types_are_nothing_to_watch():
    def reduced(x, how: Reduction = "sum"):
        return getattr(x, how)() if Reduction else None  # what is read by name may be anything

    fast = dout.compile(reduced)
    assert [fast(np.ones(3)) for _ in range(3)] == [3.0] * 3
    assert fast.plan().programs


def test_a_class_that_is_found_before_its_objects_keeps_its_own_methods():
    class Double:
        def forward(self, x):
            return x * 2

        def backward(self, dout):
            return dout * 2

    own, layer, table = Double.forward, Double(), {"double": Double}

    def step(x):
        return layer.forward(x) + (table["double"] is type(layer))

    fast = dout.compile(step)
    assert [fast(np.ones(2)).tolist() for _ in range(3)] == [[3.0, 3.0]] * 3
    assert fast.plan().programs
    assert Double.forward is own


class Kind(IntEnum):
    """How a loss is meant."""

    SQUARED = 0
    ABSOLUTE = 1


class Batches:
    """It gives rows one by one, and is only a name to those who do not ask it."""

    def __init__(self, rows):
        self.rows = iter(rows)

    def __iter__(self):
        return self

    def __next__(self):
        return next(self.rows)


def test_a_number_is_compared_with_the_member_of_an_enumeration():
    def loss(x, kind):
        return np.abs(x) if kind == Kind.ABSOLUTE else x * x

    fast, x = dout.compile(loss), np.array([-3.0])
    assert [fast(x, kind).item() for kind in (0, 1, 0, 1, Kind.SQUARED, Kind.ABSOLUTE)] == [9, 3, 9, 3, 9, 3]
    assert fast.plan().programs


def test_a_class_of_iterators_is_no_iterator():
    def read(x):
        return x.sum() if Batches else None

    fast = dout.compile(read)
    assert [fast(np.ones(3)) for _ in range(3)] == [3.0] * 3
    assert fast.plan().programs


class Dropout:
    """Its draw takes a number that is computed of an attribute."""

    def __init__(self):
        self.rate = 0.25
        self.mask = None

    def forward(self, x):
        self.mask = np.random.binomial(1, 1 - self.rate, size=x.shape)
        return x * self.mask / (1 - self.rate)

    def backward(self, dout):
        return dout * self.mask / (1 - self.rate)


def test_what_a_draw_takes_is_looked_at_before_anything_is_drawn():
    plain, layer, x = Dropout(), Dropout(), np.arange(1.0, 13.0).reshape(3, 4)
    fast, states = dout.compile(layer), {}
    for who in (plain, fast):
        np.random.seed(7)
        for rate in (0.25, 0.25, 0.5, 0.25, 0.5):
            who.rate = rate
            states.setdefault(who, []).extend([who.forward(x), who.backward(x), np.random.get_state()[2]])
    for ours, theirs in zip(states[fast], states[plain], strict=True):
        np.testing.assert_allclose(ours, theirs, rtol=1e-15)
    text = fast.plan().source
    assert text.index("1 - ") < text.index(".binomial(")
    assert "put_state" not in text


def run(x):
    """A function of the user's, called as what dout writes."""
    return x * 2


def step(x):
    return run(x) + 1


def test_a_function_of_any_name_may_be_called():
    fast = dout.compile(step)
    assert [fast(np.ones(2)).tolist() for _ in range(4)] == [[3.0, 3.0]] * 4
    assert len(fast.plan().programs) == 1


class Shuffled:
    """It makes a generator of its own number twice in each call."""

    def __init__(self):
        self.seed = 3

    def forward(self, x):
        self.seed += 1
        order = np.random.default_rng(self.seed).permutation(len(x))
        return x[order] + np.random.default_rng(self.seed).random()

    def backward(self, dout):
        return dout


def test_generators_are_made_of_a_number_of_the_layers():
    alike(Shuffled, [("forward", np.arange(5.0))] * 3)


doubled = dout.compile(lambda x: x * 2)  # a global name here, beside the code that the next test compiles


class Stacked:
    def __init__(self):
        self.w1, self.w2 = np.full(2, 2.0), np.full(2, 3.0)

    def step(self, x):
        for i in (1, 2):
            weights = getattr(self, f"w{i}")
            x = x * weights
            setattr(self, f"w{i}", weights - 1)
        return x


@pytest.mark.parametrize("kept", [False, True])
def test_compiled_functions_beside_code_that_reads_by_name_are_nothing_to_watch(kept):
    plain, stacked = Stacked(), Stacked()
    assert doubled(np.ones(1)) == 2
    fast = dout.compile(stacked.step)
    if kept:
        stacked.step = fast
    for _ in range(3):
        np.testing.assert_array_equal(fast(np.ones(2)), plain.step(np.ones(2)))
    assert fast.plan().programs


class Told:
    def forward(self, x, training=True, *, rate=0.5):
        return x * rate if training else x

    def backward(self, dout=1.0):
        return dout


def test_code_that_looks_into_the_methods_of_its_layers_sees_their_own():
    def forward(layer, x):
        code = layer.forward.__code__
        told = {"training": False} if "training" in code.co_varnames else {}
        known = len(layer.backward.__defaults__ or ()) + len(layer.forward.__kwdefaults__ or ())
        return layer.forward(x, **told) * code.co_argcount + known

    fast = dout.compile(forward)
    assert [fast(Told(), np.ones(1)) for _ in range(3)] == [5.0] * 3
    assert fast.plan().programs


def test_an_array_is_converted_by_calling_a_type_of_numpys():
    def backward(dout, out):
        kind = np.int64
        flow = np.multiply(dout, np.int64(out > 0)) if kind is np.int64 and out.dtype == np.float64 else None
        return flow, np.float64(dout), np.float32(out), np.int64(3) + out.astype(np.int64)

    fast, gradient, out = dout.compile(backward), np.array([1.0, -2.0, 3.0]), np.array([0.5, -1.5, 2.5])
    for _ in range(2):
        flow, same, single, whole = fast(gradient, out)
        assert flow.tolist() == [1, 0, 3]
        assert same is gradient
        assert (single.dtype, whole.dtype) == (np.float32, np.int64)
        assert (single.tolist(), whole.tolist()) == ([0.5, -1.5, 2.5], [3, 2, 5])
    assert fast.plan().programs


mode = "training"


def by_a_global_name(x):
    global mode
    mode = "training"
    return x * 2


def by_an_import(x):
    import sys

    sys.modules[__name__].mode = "training"
    return x * 2


def by_the_modules(x):
    setattr(sys.modules[__name__], "mode", "training")  # noqa: B010 - as people write it
    return x * 2


@pytest.mark.parametrize("function", [by_a_global_name, by_an_import, by_the_modules])
def test_a_global_name_is_set_also_where_the_first_call_found_it_so(function):
    global mode
    mode = "training"
    fast = dout.compile(function)
    for stood in ("training", "training", "evaluation", "evaluation"):
        mode = stood
        np.testing.assert_array_equal(fast(np.ones(2)), [2, 2])
        assert mode == "training"


class Keeps:
    """Keeps what backward needs in a dict or list that each forward makes anew."""

    def __init__(self, made, read):
        self.made, self.read = made, read

    def forward(self, x):
        self.cache = self.made(x)
        return 2 * x

    def backward(self, dout):
        return self.read(self) * dout


READS = {
    "getattr": lambda layer: getattr(layer, "cac" + "he"),
    "vars": lambda layer: vars(layer)["cache"],
    "__dict__": lambda layer: layer.__dict__["cache"],
    "items": lambda layer: next(item for name, item in vars(layer).items() if name == "cache"),
}


@pytest.mark.parametrize("read", READS)
@pytest.mark.parametrize(("made", "key"), [(lambda x: {"x": x}, "x"), (lambda x: [x, 1], 0)])
def test_a_container_that_is_read_by_a_name_made_at_the_call_is_that_of_this_call(read, made, key):
    plain, layer = (Keeps(made, lambda layer: READS[read](layer)[key]) for _ in range(2))
    fast = dout.compile(layer)
    for scale in (1.0, 2.0, 3.0, 4.0):
        x = np.linspace(-1.0, 2.0, 12).reshape(3, 4) * scale
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(x + 1), plain.backward(x + 1))
    assert all(len(function.programs) == 1 for function in fast.plan().functions)


def test_an_object_made_anew_that_is_read_by_a_name_made_at_the_call_is_that_of_this_call():
    class Cache:
        def __init__(self, x):
            self.x = x

    plain, layer = (Keeps(Cache, lambda layer: getattr(layer, "cache").x) for _ in range(2))  # noqa: B009
    fast = dout.compile(layer)
    for scale in (1.0, 2.0, 3.0, 4.0):
        x = np.linspace(-1.0, 2.0, 12).reshape(3, 4) * scale
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(x + 1), plain.backward(x + 1))


class Stack:
    """Keeps dicts on a stack; `unused` leads to its attributes, too."""

    def __init__(self):
        self.stack = []
        self.unused = vars(self)

    def forward(self, x):
        self.stack.append({"x": x})
        return 2 * x

    def backward(self, dout):
        return self.stack.pop()["x"] * dout


def test_a_stack_is_looked_into_where_a_place_that_nobody_reads_leads_to_the_attributes():
    plain, fast = Stack(), dout.compile(Stack())
    for scale in (1.0, 2.0, 3.0, 4.0):
        x = np.linspace(-1.0, 2.0, 12).reshape(3, 4) * scale
        np.testing.assert_array_equal(fast.forward(x), plain.forward(x))
        np.testing.assert_array_equal(fast.backward(x + 1), plain.backward(x + 1))
