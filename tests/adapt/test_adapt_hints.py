"""What the source says about arguments, but for their shapes, is read without running anything."""

import functools
import json
from types import SimpleNamespace

import pytest
from written import written

from dout.adapt.source import (
    COMPUTED,
    MISSING,
    attributes_read,
    axes_for,
    items_for,
    keys_for,
    kinds_for,
    shapes_for,
    strings_for,
    switches_for,
)

# ------------------------------------------------------------------------------------------------- strings and keys


def test_strings_are_read_in_every_method_that_sees_the_argument():
    module = written('''
class Dense:
    def __init__(self, activation="relu", padding="same"):
        """padding: one of 'same', 'full'"""
        self.activation = activation
        mode = padding.lower()
        if mode == "same" or "valid" != mode:
            pass
    def forward(self, x):
        if self.activation in ("relu", "tanh"):
            pass
        match self.activation:
            case "elu" | "selu":
                pass
        return {"sigmoid": 1}[self.activation]
''')
    assert strings_for(module.Dense, "activation") == ("relu", "tanh", "elu", "selu", "sigmoid")
    assert strings_for(module.Dense, "padding") == ("same", "valid", "full")


def test_strings_of_a_table_and_of_a_parent_count():
    module = written("""
TABLE = {"relu": 1, "gelu": 2}
class Base:
    def __init__(self, act):
        self.function = TABLE[act]
class Dense(Base):
    def __init__(self, units, act):
        super().__init__(act)
""")
    assert strings_for(module.Dense, "act") == ("relu", "gelu")


def test_keys_come_with_their_defaults():
    module = written("""
def helper(hp):
    return hp["f"]

def layer(x, conv_param, bn_param):
    p = conv_param
    stride = p["stride"]
    pad = conv_param.get("pad", 0)
    helper(conv_param)
    mode = bn_param["mode"]
    mean = bn_param.get("mean", np.zeros(3))
    bn_param["running"] = mean
    if mode == "train":
        pass
    elif mode == "test":
        pass
""")
    assert keys_for(module.layer, "conv_param") == {"stride": MISSING, "pad": 0, "f": MISSING}
    assert keys_for(module.layer, "bn_param") == {"mode": MISSING, "mean": COMPUTED}
    assert strings_for(module.layer, "bn_param", key="mode") == ("train", "test")


# ------------------------------------------------------------------------------------------------- kinds and the rest


@pytest.mark.parametrize(
    ("signature", "body", "kind"),
    [
        ("a", "for i in range(a): pass", "int"),
        ("a", "w = np.zeros((a, 3))", "int"),
        ("a", "h = 7 // a", "int"),
        ("a: int = 3", "pass", "int"),
        ("a", "if a: pass", "bool"),
        ("a", "h, w = a", "tuple"),
        ("a", "h = a[0]", "tuple"),
        ("a", "out = a(3)", "callable"),
        ("a", "out = a.dot(3)", "array"),
        ("a", "out = a @ a", "array"),
        ("a", "out = a['W']", "dict"),
        ("a", "ok = a == 'relu'", "str"),
        ("a", "for layer in a: layer.forward(1)", "list"),
        ("a", "ok = isinstance(a, int)", "int"),
        ("a: 'Optional[int]'", "pass", "int"),
        ("a: 'Module'", "pass", "Module"),
    ],
)
def test_what_an_argument_must_be(signature, body, kind):
    module = written(f"def f({signature}):\n    {body}\n")
    assert kinds_for(module.f, "a")[:1] == (kind,)


def test_documents_tell_kinds():
    module = written('''
def f(stride, mode, scale):
    """
    Args:
        stride (int): step of the window, no float
        mode (str): defaults to 'same'.
        scale: numpy array of integers
    """
''')
    assert [kinds_for(module.f, name) for name in ("stride", "mode", "scale")] == [("int",), ("str",), ("array",)]


def test_the_items_of_a_tuple_have_names():
    module = written("def f(shape, k):\n    c, h, w = shape\n    top = k[1]\n")
    assert items_for(module.f, "shape") == ("c", "h", "w")
    assert items_for(module.f, "k") == ("", "")


NO_SOURCE = {}
exec("def made(x, y): return x", NO_SOURCE)


@pytest.mark.parametrize(
    "target",
    [
        *[len, int, dict, None, 3, "text", object(), lambda x: x, NO_SOURCE["made"], functools.partial(len)],
        *[SimpleNamespace, SimpleNamespace(forward=3), type("Empty", (), {}), property(len), print, json],
        functools.wraps(len)(lambda x: x),
    ],
)
def test_nothing_is_said_where_there_is_no_source_and_nothing_is_raised(target):
    assert shapes_for(target) == {}
    assert keys_for(target, "x") == {}
    assert (strings_for(target, "x"), kinds_for(target, "y")) == ((), ())
    assert (axes_for(target, "y"), items_for(target, "x")) == (None, None)


def test_a_wrapped_function_and_a_bound_method_are_read():
    module = written("""
import functools
def logged(f):
    @functools.wraps(f)
    def inner(*args):
        return f(*args)
    return inner

class Layer:
    @logged
    def forward(self, x):
        N, D = x.shape
        return x
""")
    assert shapes_for(module.Layer.forward) == {"x": ("N", "D")}
    assert shapes_for(module.Layer().forward) == {"x": ("N", "D")}


def test_the_arrays_in_a_dict_have_axes_by_documents_and_by_code():
    module = written('''
def step(x, parameters):
    """
    x -- input, of shape (n_x, m)
    parameters -- dictionary with
        Wx -- weights, of shape (n_a, n_x)
        b -- a column, of shape (number of the units, 1)
    """
    n_y, n_a = parameters["Wy"].shape
    return parameters["Wx"] @ x + parameters["b"]
''')
    assert shapes_for(module.step) == {
        "x": ("n_x", "m"),
        "parameters['Wy']": ("n_y", "n_a"),
        "parameters['Wx']": ("n_a", "n_x"),
        "parameters['b']": ("number_of_units", "1"),
    }


def test_what_counts_things_is_an_axis_also_where_no_shape_is_announced():
    module = written('''
def linear(A, W):
    """
    A -- what comes in: (size of the previous layer, number of examples)
    W -- weights, of shape (size of current layer, size of previous layer)
    """
    return np.dot(W, A)
''')
    assert shapes_for(module.linear)["A"] == ("size_of_previous_layer", "number_of_examples")


def test_a_flag_without_which_nothing_is_kept_is_a_switch():
    class Layer:
        def forward(self, x, keep=False, copy=False, test=False):
            if test:
                self.seen = x
                return x
            if keep is True:
                self.cache["x"] = x
            return x.copy() if copy else x

    assert switches_for(Layer.forward) == ("keep",)


def test_a_flag_that_chooses_between_two_things_to_keep_is_no_switch():
    class Layer:
        def forward(self, x, test=False):
            if test:
                self.mask = 1
            else:
                self.mask = x > 0
            return x * self.mask

    assert switches_for(Layer.forward) == ()


def test_the_attributes_of_an_argument_are_read_through_other_names():
    class Layer:
        def connect(self, before, n):
            one = before
            self.shape = n
            return one.out_shape, self.shape.size

    assert attributes_read(Layer.connect, "before") == {"out_shape"}
    assert attributes_read(Layer.connect, "n") == {"size"}


def test_what_is_a_tuple_or_else_stands_on_both_sides_is_a_number_too():
    module = written("""
class Pool:
    def __init__(self, size):
        self.size = size if isinstance(size, tuple) else (size, size)
        self.step = size
    def forward(self, x):
        rows, columns = self.size
""")
    assert {"int", "tuple"} <= set(kinds_for(module.Pool, "size"))


def test_items_that_are_unpacked_are_read():
    module = written("""
def pool(x, settings):
    kernel = settings["kernel"]
    high, wide = kernel
    return x[:: settings["stride"], :high]
""")
    assert kinds_for(module.pool, "settings", key="kernel")[:1] == ("tuple",)
    assert "tuple" not in kinds_for(module.pool, "settings", key="stride")


def test_what_numpy_takes_by_name_is_of_its_kind():
    module = written("""
def total(x, along, keep, sides):
    return x.sum(axis=along, keepdims=keep).reshape(sides) / x.shape[along]
""")
    assert kinds_for(module.total, "sides")[:1] == ("form",)
    assert kinds_for(module.total, "along")[:1] == ("axis",)
    assert kinds_for(module.total, "keep")[:1] == ("bool",)
