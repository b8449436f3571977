"""A write is a write, whatever stood there before: places that are set to the very object that they hold already."""

import types

import numpy as np
import pytest

import dout

# Each case runs in two worlds, compiled and plainly. What stands in the place is set by hand between the calls too.
WORLD = """
import contextvars, enum, functools, operator, threading, types, weakref
from collections import OrderedDict
import numpy as np

pair = (1, 2)
def one(x): return x
def other(x): return -x

class Mode(enum.Enum):
    FIRST = 1
    SECOND = 2

class Held:
    def __init__(self): self.a = START
    def put(self, value): self.a = value

class Slots:
    __slots__ = ("a",)
    def __init__(self): self.a = START

class Prop:
    def __init__(self): self.held = START
    @property
    def a(self): return self.held
    @a.setter
    def a(self, value): self.held = value

class Record:
    def __init__(self): object.__setattr__(self, "a", START)
    def __setattr__(self, name, value): super().__setattr__(name, value)

def put_into(held, value): held.a = value
set_it, far, far2, far3 = setattr, Held(), Held(), Held()
flag, of_thread, of_context = START, threading.local(), contextvars.ContextVar("of_context")
of_thread.a = START
of_context.set(START)
@functools.lru_cache
def kept(): return Held()
table, row = {"a": START}, [START]
def function(): pass
function.a = START

class Layer:
    flag = START
    def __init__(self):
        self.a = START
        self.d, self.deep = {"a": START, "z": 7}, {"x": {"a": START}, "y": [[0, START]]}
        self.order, self.row = OrderedDict(a=START, z=1), [START, 5]
        self.held, self.two, self.named = Held(), [Held(), Held()], {"k": Held()}
        self.slots, self.prop, self.record, self.space = Slots(), Prop(), Record(), types.SimpleNamespace(a=START)
        self.log = self.same_log = [START]
        FORMS
    def put(self, value): self.a = value

def made():
    cell = START
    layer = Layer()
    def forward(self, x):
        nonlocal cell
        global flag
        WRITE
        return x * 2.0
    def look(*new):
        nonlocal cell
        if new: cell = new[0]
        return cell
    Layer.forward, layer.look = forward, look
    return layer
"""
FORMS = {  # what only some cases have, as it lets code reach anything
    "hook": "self.hook = far.put", "part": "self.part = functools.partial(put_into, far2)",
    "bound": "self.bound = self.__setattr__", "lone": "self.lone = frozenset([far3])",
    "weak": "self.weak = weakref.ref(far3)",
}  # fmt: skip
PLACES = {  # how V is written, and where it then stands
    "attribute": ("self.a = V", "self.a"),
    "attribute by a method": ("self.put(V)", "self.a"),
    "attribute by setattr": ("setattr(self, 'a', V)", "self.a"),
    "attribute by setattr of another name": ("set_it(self, 'a', V)", "self.a"),
    "attribute by a bound method": ("self.bound('a', V)", "self.a"),
    "attribute by object.__setattr__": ("object.__setattr__(self, 'a', V)", "self.a"),
    "attribute by __dict__": ("self.__dict__['a'] = V", "self.a"),
    "attribute by vars": ("vars(self).update(a=V)", "self.a"),
    "attribute, deleted first": ("del self.a; self.a = V", "self.a"),
    "attribute of a loop": ("for self.a in (V,): pass", "self.a"),
    "attribute under a condition": ("if x[0] > 0: self.a = V", "self.a"),
    "attribute of another object": ("self.held.a = V", "self.held.a"),
    "attributes of a list's objects": ("for held in self.two: held.a = V", "self.two[1].a"),
    "attributes of a dict's objects": ("for held in self.named.values(): held.a = V", "self.named['k'].a"),
    "attribute by a kept method": ("self.hook(V)", "far.a"),
    "attribute by a partial": ("self.part(V)", "far2.a"),
    "attributes of a frozen set's objects": ("for held in self.lone: held.a = V", "far3.a"),
    "attribute of what a weak reference leads to": ("self.weak().a = V", "far3.a"),
    "attribute of what a cache remembers": ("kept().a = V", "kept().a"),
    "attribute of a thread": ("of_thread.a = V", "of_thread.a"),
    "variable of a context": ("of_context.set(V)", "of_context.get()"),
    "slot": ("self.slots.a = V", "self.slots.a"),
    "property": ("self.prop.a = V", "self.prop.a"),
    "attribute of a class with __setattr__": ("self.record.a = V", "self.record.a"),
    "attribute of a namespace": ("self.space.a = V", "self.space.a"),
    "attribute of a function": ("function.a = V", "function.a"),
    "attribute of the class": ("type(self).flag = V", "Layer.flag"),
    "global name": ("flag = V", "flag"),
    "cell": ("cell = V", "self.look()"),
    "entry": ("self.d['a'] = V", "self.d['a']"),
    "entry by update": ("self.d.update(a=V)", "self.d['a']"),
    "entry by |=": ("self.d |= {'a': V}", "self.d['a']"),
    "entry by setdefault": ("self.d.setdefault('a', V)", "self.d['a']"),
    "entry by operator.setitem": ("operator.setitem(self.d, 'a', V)", "self.d['a']"),
    "entry, deleted first": ("del self.d['a']; self.d['a'] = V", "self.d['a']"),
    "entry of an ordered dict": ("self.order['a'] = V; self.order.move_to_end('a')", "self.order['a']"),
    "entry of a dict in a dict": ("self.deep['x']['a'] = V", "self.deep['x']['a']"),
    "entry of a global dict": ("table['a'] = V", "table['a']"),
    "item": ("self.row[0] = V", "self.row[0]"),
    "item by a slice": ("self.row[:1] = [V]", "self.row[0]"),
    "item of a list in a list": ("self.deep['y'][0][1] = V", "self.deep['y'][0][1]"),
    "item of a global list": ("row[0] = V", "row[0]"),
    "item of a list that also grows": ("self.log.append(1); self.same_log[0] = V", "self.log[0]"),
}
VALUES = {  # what is written, and what else may stand there
    "a computed truth value": ("x.sum() > 0", "np.True_", "np.False_"),
    "a computed truth value of Python's": ("float(x.sum()) > 0", "True", "False"),
    "a truth value that decided": ("bool(x.sum() > 0)", "True", "False"),
    "None": ("None", "None", "1"),
    "a small integer": ("3", "3", "4"),
    "a float of NumPy's": ("x.sum()", "x.sum()", "np.float64(9.0)"),
    "text": ("'s'", "'s'", "'t'"),
    "a member": ("Mode.FIRST", "Mode.FIRST", "Mode.SECOND"),
    "a tuple": ("pair", "pair", "(2, 3)"),
    "the array that is given": ("x", "x", "x * 1"),
    "a dtype": ("x.dtype", "x.dtype", "np.dtype('f4')"),
    "a function": ("one", "one", "other"),
    "a ufunc": ("np.exp", "np.exp", "np.log"),
    "a module": ("np", "np", "None"),
}
OF_THE_CALL = [*list(VALUES)[:3], "the array that is given", "a dtype"]  # what other calls write otherwise
PLAINLY = {  # no program is made
    "attribute of what a weak reference leads to", "attribute of what a cache remembers", "attribute of a thread",
    "variable of a context",
}  # fmt: skip
SETTERS = {"self.look()": "self.look({})", "of_context.get()": "of_context.set({})"}
X = np.array([0.5, 1.5, -0.25])
CALLS = {"x": X, "negative": -X, "short": np.array([2.0, 1.0], "f4"), "equal": X.copy()}


class World:
    """One of the twins."""

    def __init__(self, place, value, start, strict=None):
        write, self.place = PLACES[place]
        forms = "; ".join(line for name, line in FORMS.items() if f"self.{name}" in write) or "pass"
        text = WORLD.replace("WRITE", write.replace("V", value)).replace("FORMS", forms).replace("START", start)
        self.names = {"__name__": "a_program", "x": X}
        exec(compile(text, "<program>", "exec"), self.names)
        self.names["self"] = layer = self.names["made"]()
        self.run = layer.forward if strict is None else dout.compile(layer.forward, strict=strict)

    def put(self, item):
        """What a user puts into the place by hand, of what has a name in this world."""
        exec(SETTERS.get(self.place, f"{self.place} = {{}}").format(item), self.names)

    def stands(self):
        """What stands in the place now, as it can be compared between two worlds."""
        item = eval(self.place, self.names)
        ours = {id(array): name for name, array in CALLS.items()}
        if id(item) in ours:
            return ours[id(item)]
        named = getattr(item, "__name__", None) or getattr(item, "name", None)
        return type(item).__name__, repr(item) if named is None else named, list(self.names["self"].order)


def both(place, value, strict, start, steps):
    """Make the steps in both worlds, compiled and plainly: after each the same stands in the place."""
    plain, fast = World(place, value, start), World(place, value, start, strict)
    for step in steps:
        for world in (plain, fast):
            if step in CALLS:
                world.run(CALLS[step])
            elif step.startswith("plainly "):
                world.names["self"].forward(CALLS[step.removeprefix("plainly ")])
            else:
                world.put(step)
        assert fast.stands() == plain.stands(), (start, steps[: steps.index(step) + 1])
    return len(fast.run.plan().programs)


@pytest.mark.one_in(81)
@pytest.mark.parametrize("third", range(3))
@pytest.mark.parametrize("place", PLACES)
def test_a_write_is_one_whatever_stood_there(place, third):
    programs = 0
    for name, (value, same, different) in list(VALUES.items())[third::3]:
        by_hand = ["x", different, "x", same, "x", different, "x", "negative", "x", "'q'", "x"]
        programs += both(place, value, False, same, by_hand)
        if name in OF_THE_CALL:
            calls = ["plainly x", "x", "negative", "x", "plainly short", "x", "negative", "short", "equal", "x"]
            programs += both(place, value, False, different, calls)
    assert bool(programs) != (place in PLAINLY)


@pytest.mark.parametrize("place", ["attribute", "slot", "entry", "item", "cell", "global name"])
def test_a_write_is_one_in_strict_programs_too(place):
    for value, same, different in list(VALUES.values())[:3]:
        assert both(place, value, True, same, ["x", different, "x", same, "x", "negative", "x"])


def test_a_relu_of_numbers_blocks_gradients_after_it_ran_plainly():
    class Relu:
        def forward(self, x):
            self.mask = x <= 0
            return np.where(self.mask, 0.0, x)

        def backward(self, dout):
            return np.where(self.mask, 0.0, dout)

    for number in (float, np.float64, np.float32):
        relu = Relu()
        relu.forward(number(1.0))
        fast = dout.compile(relu)
        assert [fast.forward(number(1.0)), fast.backward(1.0)] == [1.0, 1.0]
        assert [fast.forward(number(-1.0)), fast.backward(1.0)] == [0.0, 0.0]


def test_what_the_last_shorter_batch_clipped_is_not_what_the_one_before_did():
    class Clip:
        clipped = None

        def forward(self, g):
            norm = np.sqrt(np.sum(g * g))
            self.clipped = norm > 5
            return g / np.where(self.clipped, norm / 5, 1.0)

        def backward(self, dout):
            return dout / 58.0 if self.clipped else dout

    large, small = np.full(64, 3.0), np.full(3, 1.0)
    plain, layer = Clip(), Clip()
    fast = dout.compile(layer)
    for g in (large, small, large, small, large, large, small, small):
        np.testing.assert_allclose(fast.forward(g), plain.forward(g))
        np.testing.assert_allclose(fast.backward(g), plain.backward(g))
        assert layer.clipped is plain.clipped


library = types.ModuleType("library")


def test_an_attribute_of_a_library_is_set_in_each_call():
    library.quiet = True

    def hushed(x):
        library.quiet = True
        return x * 2.0

    fast = dout.compile(hushed)
    for _ in range(4):
        np.testing.assert_array_equal(fast(X), hushed(X))
        library.quiet = False
        fast(X)
        assert library.quiet is True


def test_calls_of_several_kinds_leave_what_the_last_one_leaves():
    class Layer:
        training, shape, kind, count = None, None, None, 0

        def forward(self, x, training):
            self.training, self.shape, self.kind = training, x.shape, x.dtype
            self.count = 0 if training else self.count
            return x * 2.0

    calls = [(np.ones((n, 2), kind), flag) for n in (2, 3) for kind in ("f4", "f8") for flag in (True, False)]
    plain, layer = Layer(), Layer()
    fast = dout.compile(layer.forward)
    for i in np.random.default_rng(0).integers(0, len(calls), 60):
        fast(*calls[i])
        plain.forward(*calls[i])
        assert vars(layer) == vars(plain)


def of_one_axis(x):
    y = x[np.nonzero(x > 0)[0]]
    y[...] = 1
    return y


def of_rows(x):
    y = x[np.nonzero(x[:, 0] > 0)[0]]
    y[...] = x[0]
    return y


def of_columns(x):
    y = x[:, np.flatnonzero(x[0] > 0)].copy()
    y[:] = 2
    return y


@pytest.mark.parametrize(
    ("function", "inputs"),
    [
        (of_one_axis, ([1.0, -1, 2], [1.0, 3, 2], [-1.0, -1, -1])),
        (of_rows, ([[1.0, 2], [-1, 0]], [[1.0, 2], [3, 0]], [[-1.0, 2], [-3, 0]])),
        (of_columns, ([[1.0, -2], [-1, 0]], [[1.0, 2], [3, 0]], [[-1.0, -2], [-3, 0]])),
    ],
)
def test_a_write_over_all_of_what_an_index_took_has_as_many_elements_as_that(function, inputs):
    fast = dout.compile(function)
    for x in inputs:
        np.testing.assert_array_equal(fast(np.array(x)), function(np.array(x)))


class Stored:
    """Puts its gradient into an attribute, and the same numbers into an array of somebody else's."""

    def __init__(self):
        self.grads = [np.zeros((4, 6))]

    def backward(self, x, y):
        """The sides of a matrix, one beside the other."""
        self.dW = np.hstack((x, 2 * y))
        self.grads[0][...] = self.dW
        return self.dW.sum(axis=0)


def test_what_is_kept_and_written_elsewhere_is_not_copied_in_between():
    layer, plain = Stored(), Stored()
    given, fast = layer.grads[0], dout.compile(layer.backward)
    for k in range(4):
        x, y = k + np.arange(24.0).reshape(2, 4, 3)
        np.testing.assert_array_equal(fast(x, y), plain.backward(x, y))
        np.testing.assert_array_equal(layer.dW, plain.dW)
        assert layer.grads[0] is given
        assert not np.shares_memory(layer.dW, given)
        np.testing.assert_array_equal(given, plain.grads[0])
        layer.dW += 1
        plain.dW += 1
    assert not any("copy(" in step.text for step in fast.plan().programs[0].steps)
