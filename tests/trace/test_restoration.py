"""After a trace everything of the user's is as a plain run of an identical copy leaves it, whatever it is and does."""

import functools
import types
import warnings
from collections import OrderedDict
from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import dout

SHARED = None  # what the layers below do to their module
LOG = []
NAMES = {"a"}
FIXED, LOCKED = np.array([1.0, 2.0]), np.array([3.0, 4.0])


class Refused(Exception):
    pass


class Slotted:
    __slots__ = ("inner", "kept")


@dataclass(frozen=True)
class Record:
    inner: object


class Bag:
    pass


def unlock(layer, x):
    LOCKED.flags.writeable = True
    LOCKED[0] += 1.0


class Other:
    def forward(self, x):
        self.x = x
        return x * 3.0

    def backward(self, dout):
        return dout * 3.0


def remember(item, seen=[]):  # noqa: B006 - the shared default is the point
    seen.append(item)


@functools.lru_cache
def table(n):
    return np.arange(3.0) * n


class Layer:
    def forward(self, x):
        return self.run("forward", x)

    def backward(self, dout):
        return self.run("backward", dout)

    def run(self, when, x):
        for phase, step in self.program:
            if phase == when:
                STEPS[step](self, x)
        return x * 2.0


def arrays_in(item, seen):
    """The arrays in nested lists, tuples and dicts, found as a user would."""
    if id(item) in seen:
        return
    seen.add(id(item))
    if isinstance(item, np.ndarray) and item.dtype == float and item.ndim:
        yield item
    elif isinstance(item, list | tuple | dict):
        for part in list(item.values() if isinstance(item, dict) else item):
            yield from arrays_in(part, seen)


def write_everywhere(layer, x):
    for array in list(arrays_in(layer.state, set())):
        array[0] += x[0]


def set_shared(layer, x):
    global SHARED
    SHARED = (x, [x + 1.0])


def fail(layer, x):
    raise Refused("mine", x)


def interrupt(layer, x):
    raise KeyboardInterrupt


STEPS = {
    "write": lambda layer, x: layer.W.__setitem__(0, x[1]),
    "write the view": lambda layer, x: layer.view.__setitem__(..., 7.0),
    "write everywhere": write_everywhere,
    "add in place": lambda layer, x: layer.W.__iadd__(x),
    "rebind": lambda layer, x: setattr(layer, "W", layer.W * x),
    "keep": lambda layer, x: setattr(layer, "kept", (x, [x * 2.0], {"x": x, "deep": ((x,), layer.W)})),
    "append": lambda layer, x: layer.items.append(x * 3.0),
    "shift": lambda layer, x: layer.items.insert(0, x),
    "pop": lambda layer, x: layer.items.pop(0) if layer.items else None,
    "detach": lambda layer, x: setattr(layer, "items", layer.items[1:]),
    "a new key": lambda layer, x: layer.dict.__setitem__("new", x),
    "a traced key": lambda layer, x: layer.dict.__setitem__(layer.count, x),
    "an ordered key": lambda layer, x: setattr(layer, "ordered", OrderedDict([("a", 1), (layer.count, x), ("b", [x])])),
    "a set": lambda layer, x: layer.names.add(layer.count),
    "a global set": lambda layer, x: NAMES.add(len(NAMES)),
    "lock": lambda layer, x: setattr(FIXED.flags, "writeable", not FIXED.flags.writeable),
    "lock what it holds": lambda layer, x: setattr(layer.W.flags, "writeable", False),
    "unlock": unlock,
    "delete": lambda layer, x: layer.__dict__.pop("spare", None),
    "count": lambda layer, x: setattr(layer, "count", layer.count + 1),
    "scale": lambda layer, x: setattr(layer, "scale", layer.scale * 0.5),
    "draw": lambda layer, x: setattr(layer, "noise", np.random.rand(2)),  # noqa: NPY002
    "draw own": lambda layer, x: setattr(layer, "noise", layer.rng.normal(size=2)),
    "a global": set_shared,
    "a global list": lambda layer, x: LOG.append(x),
    "a default": lambda layer, x: remember(x),
    "a cache": lambda layer, x: setattr(layer, "cached", table(3) + x[0]),
    "slots": lambda layer, x: setattr(layer.slotted, "kept", [x]),
    "a namespace": lambda layer, x: setattr(layer.space, "x", x),
    "a class": lambda layer, x: setattr(Bag, "shared", x),
    "a function of numpy": lambda layer, x: setattr(layer, "f", np.exp),
    "a call kept": lambda layer, x: setattr(layer, "later", functools.partial(remember, x)),
    "errors": lambda layer, x: np.seterr(over="ignore"),
    "filters": lambda layer, x: warnings.filterwarnings("ignore", message="mine"),
    "another trace": lambda layer, x: setattr(layer, "other", dout.trace(Other(), np.ones(2)).outputs),
    "raise": fail,
    "interrupt": interrupt,
}

LEAVES = "array 0,array 1,view 0,ints,empty,int,float,number,none,text,set,rng,old rng,function,layer"
leaves = st.sampled_from(LEAVES.split(","))
states = st.recursive(
    leaves,
    lambda inner: st.tuples(
        st.sampled_from(["list", "tuple", "dict", "bag", "slots", "record", "endless"]), st.lists(inner, max_size=3)
    ),
    max_leaves=8,
)
programs = st.lists(st.tuples(st.sampled_from(["forward", "backward"]), st.sampled_from(sorted(STEPS))), max_size=6)


def built(spec, program):
    """A layer made anew from its description, and the arrays in it."""
    arrays = [np.array([1.0, 2.0]), np.array([[1.0], [3.0]])]
    layer = Layer()

    def make(part):
        if isinstance(part, tuple):
            kind, parts = part[0], [make(inner) for inner in part[1]]
            if kind == "bag":
                bag = Bag()
                bag.parts, bag.me = parts, bag
                return bag
            if kind == "slots":
                slotted = Slotted()
                slotted.inner = parts
                return slotted
            if kind == "endless":
                parts.append(parts)
            return {
                "tuple": tuple(parts),
                "dict": {f"key{i}": inner for i, inner in enumerate(parts)},
                "record": Record(tuple(parts)),
            }.get(kind, parts)
        return {
            "array 0": arrays[0], "array 1": arrays[1], "view 0": arrays[0][::-1], "ints": np.arange(3),
            "empty": np.zeros((0, 2)), "int": 3, "float": 0.5, "number": np.float32(0.25), "none": None, "text": "text",
            "set": {1, 2}, "function": remember, "layer": layer,
        }.get(part) if "rng" not in part else (
            np.random.default_rng(1) if part == "rng" else np.random.RandomState(1)
        )  # fmt: skip

    layer.W, layer.view = arrays[0], arrays[0][1:]
    layer.items, layer.dict, layer.names = [arrays[0], (arrays[1], 1)], {"W": arrays[1]}, {"a"}
    layer.count, layer.scale, layer.spare = 1, np.float64(2.0), np.ones(3)
    layer.rng, layer.slotted, layer.space = np.random.default_rng(2), Slotted(), types.SimpleNamespace(W=arrays[1])
    layer.alias = layer.items
    layer.program, layer.state = program, make(spec)
    return layer, arrays


def seen(item, labels):
    """What an object graph is, with every object known again; a stand-in anywhere in it is an error."""
    kind = type(item)
    assert not kind.__module__.startswith("dout"), f"a stand-in is left: {kind}"
    if item is None or kind in (bool, int, float, str, type):
        return repr(item)
    if isinstance(item, np.generic):
        return kind.__name__, item.tobytes()
    if id(item) in labels:
        return labels[id(item)]
    labels[id(item)] = f"#{len(labels)}"
    labels["alive"].append(item)
    if isinstance(item, np.ndarray):
        base = None if item.base is None else seen(item.base, labels)
        return labels[id(item)], str(item.dtype), item.shape, item.strides, item.flags.writeable, item.tobytes(), base
    if isinstance(item, np.random.Generator | np.random.RandomState):
        return kind.__name__, repr(item.__getstate__()) if kind is np.random.RandomState else repr(
            item.bit_generator.state
        )
    if isinstance(item, dict):
        return "dict", [(seen(key, labels), seen(part, labels)) for key, part in item.items()]
    if isinstance(item, set | frozenset):
        return "set", sorted(repr(seen(part, labels)) for part in item)
    if isinstance(item, list | tuple):
        return kind.__name__, labels[id(item)], [seen(part, labels) for part in item]
    if isinstance(item, types.FunctionType):
        return item.__name__, seen(item.__defaults__, labels)
    if isinstance(item, functools.partial):
        return "partial", seen(item.func, labels), seen(item.args, labels)
    if isinstance(item, np.ufunc):
        return item.__name__
    slots = [seen(getattr(item, key, None), labels) for key in getattr(kind, "__slots__", ())]
    return kind.__name__, labels[id(item)], slots, seen(getattr(item, "__dict__", None), labels)


def outcome(spec, program, run):
    """Everything that can be seen after a run, from an identical start."""
    global SHARED
    SHARED = None
    LOG.clear()
    NAMES.intersection_update("a")
    for array, numbers, writeable in (FIXED, [1.0, 2.0], True), (LOCKED, [3.0, 4.0], False):
        array.flags.writeable = True
        array[...] = numbers
        array.flags.writeable = writeable
    remember.__defaults__[0].clear()
    table.cache_clear()
    Bag.shared = None
    np.random.seed(5)  # noqa: NPY002
    layer, arrays = built(spec, program)
    x, raised = np.array([0.5, -1.0]), None
    with np.errstate(all="warn"), warnings.catch_warnings():
        try:
            run(layer, x)
        except (Exception, KeyboardInterrupt) as error:
            raised = error
        errors, filters = np.geterr(), list(warnings.filters)
    labels = {"alive": [], **{id(array): f"array {i}" for i, array in enumerate([*arrays, x])}}
    whole = [
        layer,
        SHARED,
        LOG,
        NAMES,
        FIXED,
        LOCKED,
        remember,
        table(3),
        Bag.shared,
        type(raised),
        getattr(raised, "args", None),
    ]
    contents = [seen(array, {"alive": []}) for array in [*arrays, x]]
    draws = repr(np.random.get_state())  # noqa: NPY002
    return [*(seen(part, labels) for part in whole), contents, draws, errors, filters]


def plainly(layer, x):
    return layer.backward(np.ones_like(layer.forward(x)))


def compare(spec, program):
    assert outcome(spec, program, dout.trace) == outcome(spec, program, plainly)


@settings(max_examples=75, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states, programs)
def test_everything_is_as_after_a_plain_run(state, program):
    compare(state, program)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(states, programs)
def test_everything_is_as_after_a_plain_run_thousands_of_times(state, program):
    compare(state, program)


@pytest.mark.one_in(4)
@pytest.mark.parametrize("when", ["forward", "backward"])
@pytest.mark.parametrize("step", STEPS)
def test_each_step_leaves_what_a_plain_run_leaves(step, when):
    compare(("list", ["array 0", "view 0", ("tuple", ["array 1", ("list", ["array 0"])])]), [(when, step)])


def test_a_list_and_a_dict_that_are_given_are_written_into_as_in_a_plain_run():
    class Caches(Other):
        def forward(self, xs, kept):
            self.xs = xs
            xs.append(xs[0] * 2.0)
            kept["sum"] = xs[0] + xs[1]
            kept["n"] += 1
            return kept["sum"] * 1.0

    def given():
        return [np.ones(2), np.full(2, 3.0)], {"n": 1}

    (xs, kept), (plain_xs, plain_kept), layer = given(), given(), Caches()
    first = xs[0]
    dout.trace(layer, xs, kept)
    Caches().forward(plain_xs, plain_kept)
    assert layer.xs is xs
    assert xs[0] is first
    assert seen([xs, kept], {"alive": []}) == seen([plain_xs, plain_kept], {"alive": []})


def test_attributes_that_a_forward_deletes_stay_deleted():
    layer = Deleting()
    layer.w, layer.v = np.ones(2), np.ones(3)
    dout.trace(layer, np.ones(2))
    assert list(vars(layer)) == []


class Deleting(Other):
    def forward(self, x):
        out = x * 2.0 * self.w
        del self.w, self.v
        return out


def test_a_method_called_as_what_every_class_has_is_left_where_it_is():
    class Twice(Other):
        def __name__(self):
            return "twice"

    written = vars(Twice)["__name__"]
    np.testing.assert_array_equal(dout.trace(Twice(), np.ones(2)).outputs, [3.0, 3.0])
    assert vars(Twice)["__name__"] is written


def test_a_class_that_a_forward_replaces_is_replaced():
    layer = Changing()
    dout.trace(layer, np.ones(2))
    assert type(layer) is Other


class Changing(Other):
    def forward(self, x):
        self.__class__ = Other
        return x * 2.0


def test_a_patch_of_numpy_is_a_patch_of_numpy(monkeypatch):
    monkeypatch.setattr(np, "exp", np.exp)  # to be put back
    real = np.exp

    class Patches(Other):
        def forward(self, x):
            kept = np.exp
            np.exp = lambda v: kept(v) * 2.0
            return np.exp(x)

    trace = dout.trace(Patches(), np.ones(2))
    np.testing.assert_array_equal(trace.outputs, real(np.ones(2)) * 2.0)
    np.testing.assert_array_equal(np.exp(np.ones(2)), real(np.ones(2)) * 2.0)
    np.exp = real
    np.testing.assert_array_equal(dout.trace(lambda x: np.exp(x), np.ones(2)).outputs, real(np.ones(2)))


HALVES = np.random.RandomState(0)


class Noisy:
    def forward(self, x):
        return x + HALVES.normal()  # one of a pair: the generator keeps the other

    def backward(self, dout):
        return dout * 1


def test_a_generator_that_keeps_half_a_pair_of_normal_numbers_is_as_after_a_plain_run():
    HALVES.seed(0)
    dout.trace(Noisy(), np.ones(2))
    traced = HALVES.normal()
    HALVES.seed(0)
    Noisy().forward(np.ones(2))
    assert traced == HALVES.normal()
