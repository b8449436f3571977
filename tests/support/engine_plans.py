"""Random steps for the engine, and what a driver does with a memory plan, step by step, on memory full of garbage."""

from dataclasses import dataclass, field

import numpy as np
from hypothesis import strategies as st

from dout.engine.ir.aliasing import way
from dout.engine.ir.kernel_group import Group
from dout.engine.memory.memory_plan import Fresh, MemorySlot, Over, makes
from dout.engine.memory.pool import scratch
from dout.graph import CONSTANT, INPUT, Node
from dout.ops import PRIMITIVES, kind_of
from dout.ops.operators import fill_key, split_key
from dout.rewrite.node_facts import FILLED


@dataclass(repr=False)
class Steps:
    """Steps as they are made, and the value of every node."""

    values: dict = field(default_factory=dict)
    steps: list = field(default_factory=list)
    held: list = field(default_factory=list)
    contiguous: list = field(default_factory=list)
    inputs: dict = field(default_factory=dict)

    def __repr__(self):
        names = {n: f"v{k}" for k, n in enumerate(self.values)}
        lines = [f"{names[n]}: {n}{' held' * (n in self.held)}" for n in self.inputs]
        for step in self.steps:
            inside = step.nodes if isinstance(step, Group) else (step,)
            lines.append("step")
            for n in inside:
                given = ", ".join([names[i] for i in n.inputs] + [f"{k}={v}" for k, v in n.static.items()])
                lines.append(f"  {names[n]}{'*' * (n in makes(step))} = {n.primitive.name}({given}) {n.shape}")
        return "\n".join(lines)

    def input(self, value, held=True):
        """An array from outside."""
        node = Node(INPUT, (), {}, np.shape(value), kind_of(value))
        self.values[node] = self.inputs[node] = value
        if held:
            self.held.append(node)
        if value.flags.c_contiguous:
            self.contiguous.append(node)
        return node

    def node(self, name, *inputs, **static):
        """A node, and its value."""
        row = PRIMITIVES[name]
        nodes = tuple(i if isinstance(i, Node) else self._constant(i) for i in inputs)
        with np.errstate(all="ignore"):
            value = row.apply([self.values[n] for n in nodes], static)
        node = Node(row, nodes, static, np.shape(value), kind_of(value))
        self.values[node] = value
        return node

    def _constant(self, number):
        node = Node(CONSTANT, (), {"value": number}, (), kind_of(number))
        self.values[node] = number
        return node

    def single(self, name, *inputs, **static):
        """A step that NumPy does."""
        node = self.node(name, *inputs, **static)
        self.steps.append(node)
        return node

    def group(self, nodes, outputs=None):
        """A step that a kernel does."""
        inputs = dict.fromkeys(i for n in nodes for i in n.inputs if i not in nodes)
        outside = tuple(i for i in inputs if i.primitive is not CONSTANT)
        group = Group(tuple(nodes), outside, tuple(outputs or nodes[-1:]), nodes[0].shape)
        self.steps.append(group)
        return group.outputs[0]

    def key(self, key):
        """A key as nodes hold it, its arrays, and the key itself; a node stands for its array."""
        template, index = split_key(self.values[key] if isinstance(key, Node) else key)
        return template, [key] if isinstance(key, Node) else index, fill_key(template, index)

    def write(self, x, key, value, name="setitem"):
        """A write into elements, as a step."""
        template, index, whole = self.key(key)
        return self.single(name, x, value, *index, key=template, selected=np.shape(self.values[x][whole]))

    def take(self, x, key):
        """Elements, as a step."""
        template, index, _ = self.key(key)
        return self.single("getitem", x, *index, key=template)


def may_overwrite(group, x, y):
    """Of a group of operations on each element: every input of its full shape."""
    return x.shape == y.shape == group.space


def _spoil(array):
    """Fill memory with garbage."""
    array.view(bool if array.dtype == bool else np.uint8).fill(1)


class Run:
    """The steps done as planned, on fresh copies of the inputs."""

    def __init__(self, made, memory, take_and_give=None):
        self.made, self.memory = made, memory
        self.values = {n: v.copy("K") if isinstance(v, np.ndarray) else v for n, v in made.inputs.items()}
        self.values.update({n: v for n, v in made.values.items() if n.primitive is CONSTANT})
        self.arrays = {n: self.values[n] for n in made.inputs}
        self.take, self.give = take_and_give or scratch(memory.slots, memory.arrays)

    def whole(self, each=lambda i: None):
        """Do all steps; `each` is called before each of them, and at the end before what is copied into inputs."""
        self.temporaries = self.take()
        for i, step in enumerate(self.made.steps):
            each(i)
            self._step(step)
        each(len(self.made.steps))
        for node in self.memory.saved:
            self.values[node] = self.values[node].copy()
        for x, n in self.memory.copies:
            self.arrays[x][...] = self.values[n]
        for array in self.temporaries:
            _spoil(array)
        self.give(self.temporaries)
        return self.values

    def _array(self, node):
        place = self.memory.places[node]
        if isinstance(place, Over):
            return self.values[place.node]
        array = np.empty(node.shape, node.dtype) if isinstance(place, Fresh) else self.temporaries[place.array]
        assert array.flags.c_contiguous
        assert (array.shape, array.dtype) == (node.shape, node.dtype)
        _spoil(array)
        return array

    def _step(self, step):
        places = self.memory.places
        arrays = {n: self._array(n) for n in makes(step) if isinstance(places[n], Fresh | MemorySlot | Over)}
        if not isinstance(step, Group):
            self.values[step] = self._single(step, arrays.get(step))
            return
        inside = dict(self.values)
        for node in step.nodes:
            inside[node] = node.primitive.apply([inside[i] for i in node.inputs], node.static)
        for node in step.outputs:
            if node.shape == ():
                self.values[node] = inside[node]
                continue
            self._kernel_may(step, node, arrays[node])
            assert arrays[node].flags.c_contiguous
            arrays[node][...] = inside[node]
            self.values[node] = arrays[node]

    def _kernel_may(self, group, y, array):
        """A kernel writes while it still reads: no input lies there, but one it may overwrite as it goes."""
        for x in group.inputs:
            value = self.values[x]
            if isinstance(value, np.ndarray) and np.shares_memory(value, array):
                same = value.ctypes.data == array.ctypes.data and value.strides == array.strides
                assert same
                assert may_overwrite(group, x, y)

    def _single(self, node, array):
        operands = [self.values[i] for i in node.inputs]
        if array is None:
            return node.primitive.apply(operands, node.static)
        how = way(node)
        if how == "out":
            assert node.primitive.forward(*operands, **node.static, out=array) is array
        elif how == "fill":
            array[...] = FILLED.get(node.primitive, operands[:1])
        elif how == "copy":
            array[...] = operands[0]
        else:
            x, value, *index = operands
            if array is not x:
                assert not np.shares_memory(array, x)
                array[...] = x
            key = fill_key(node.static["key"], index)
            if node.primitive.name == "setitem":
                array[key] = value
            else:
                assert not any(np.shares_memory(array, i) for i in operands[1:] if isinstance(i, np.ndarray))
                np.add.at(array, key, value)
        return array


# --- random steps -----------------------------------------------------------------------------------------------------

SHAPES = [(6,), (2, 3), (3, 2), (3, 3), (2, 1, 3), (1, 3)]
LAYOUTS = [
    lambda x: x,
    lambda x: x,
    np.asfortranarray,
    lambda x: np.repeat(x, 2, axis=-1)[..., ::2],
]


@st.composite
def random_steps(draw):
    """Up to fourteen steps over a few arrays."""
    made = Steps()
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for _ in range(draw(st.integers(1, 4))):
        dtype = draw(st.sampled_from(["f8", "f8", "f4"]))
        value = draw(st.sampled_from(LAYOUTS))(rng.integers(-9, 9, draw(st.sampled_from(SHAPES))).astype(dtype))
        made.input(value, held=draw(st.integers(0, 3)) > 0)
    for _ in range(draw(st.integers(1, 14))):
        kinds = [_kernel, _kernel, _view, _write, _write, _numpy, _update]
        draw(st.sampled_from(kinds))(draw, made)
    return made


def _arrays(made, fits=lambda value: True):
    found = [n for n, v in made.values.items() if isinstance(v, np.ndarray) and v.dtype.kind == "f" and v.ndim]
    visible = set(made.inputs).union(*map(makes, made.steps))
    return [n for n in found if n in visible and fits(made.values[n])]


def _pick(draw, nodes):
    """One of them, rather a late one."""
    return nodes[-1 - draw(st.integers(0, min(3 if draw(st.booleans()) else 99, len(nodes) - 1)))]


def _kernel(draw, made, first=None):
    x = first or _pick(draw, _arrays(made))
    nodes = []
    for _ in range(draw(st.integers(1, 3))):
        one = _pick(draw, nodes) if nodes and draw(st.booleans()) else x
        full = _arrays(made, lambda v: _broadcasts(v.shape, x.shape))
        if draw(st.integers(0, 3)) == 0:
            full.append(made.take(x, np.s_[..., ::-1]))
        two = _pick(draw, nodes + full) if draw(st.booleans()) else draw(st.sampled_from([2.0, 0.5]))
        name = draw(st.sampled_from(["add", "subtract", "multiply", "maximum", "negative"]))
        nodes.append(made.node(name, *((one,) if name == "negative" else (one, two))))
    nodes = [n for n in nodes if n.shape == nodes[0].shape]
    if draw(st.integers(0, 4)) == 0:
        nodes.append(made.node("less", nodes[-1], 1.0))
    if draw(st.integers(0, 4)) == 0:
        nodes.append(made.node("sum", nodes[-1], axis=None))
    outputs = [n for n in nodes[:-1] if draw(st.integers(0, 2)) == 0] + nodes[-1:]
    made.group(nodes, outputs)


def _update(draw, made):
    """`x -= 0.5 * y` of an input."""
    x = draw(st.sampled_from([n for n in made.inputs if n.dtype.kind == "f"]))
    same = _arrays(made, lambda v: v.shape == x.shape and v.dtype == x.dtype)
    step = made.node("multiply", _pick(draw, same), 0.5)
    made.group([step, made.node("subtract", x, step)])


def _view(draw, made):
    x = _pick(draw, _arrays(made))
    value = made.values[x]
    views = [
        lambda: made.single("reshape", x, shape=(value.size,)),
        lambda: made.single("reshape", x, shape=(1, value.size)),
        lambda: made.single("reshape", x, shape=draw(st.sampled_from([(2, 3), (3, 2)]))) if value.size == 6 else None,
        lambda: made.single("ravel", x),
        lambda: made.single("transpose", x, axes=tuple(range(value.ndim))[::-1]),
        lambda: made.take(x, 0),
        lambda: made.take(x, np.s_[..., ::-1]),
        lambda: made.take(x, np.s_[1:]),
        lambda: made.single("broadcast_to", x, shape=(2, *value.shape)),
        lambda: made.single("asarray", x),
        lambda: made.single("diag", x) if value.ndim == 2 else None,
        lambda: made.single("windows", x, window=(1,), axes=(0,)),
        lambda: made.single("diagonal", x, offset=0, axis1=0, axis2=1) if value.ndim == 2 else None,
    ]
    draw(st.sampled_from(views))()


def _write(draw, made):
    x = _pick(draw, _arrays(made, lambda v: v.shape[0] > 0))
    value = made.values[x]
    places = made.input(np.array([0, 0, value.shape[0] - 1]))
    key = draw(st.sampled_from([0, np.s_[:1], np.s_[..., ::-1], Ellipsis, places, np.s_[-1:]]))
    shape = np.shape(value[made.key(key)[2]])
    fits = _arrays(made, lambda v: _broadcasts(v.shape, shape))
    item = _pick(draw, fits) if fits and draw(st.booleans()) else 3.0
    if shape == value.shape and draw(st.booleans()):
        item = made.take(x, np.s_[..., ::-1])
    made.write(x, key, item, draw(st.sampled_from(["setitem", "setitem", "add_at"])))


def _broadcasts(shape, wanted):
    try:
        return np.broadcast_shapes(shape, wanted) == wanted
    except ValueError:
        return False


def _numpy(draw, made):
    x = _pick(draw, _arrays(made))
    value = made.values[x]
    places = made.input(np.array([0, -1, 0])) if value.shape[0] else None
    singles = [
        lambda: made.single("sum", x, axis=0),
        lambda: made.single("max", x, axis=-1) if value.size else None,
        lambda: made.single("rint", x),
        lambda: made.single("floor", x),
        lambda: made.single("flatten", x),
        lambda: made.single("copy", x, order="K"),
        lambda: made.single("copy", x, order="C"),
        lambda: made.single("astype", x, dtype=np.dtype("f4")),
        lambda: made.single("concatenate", x, x, axis=0),
        lambda: made.single("zeros", shape=value.shape, dtype=value.dtype),
        lambda: made.single("full", 2.0, shape=value.shape, dtype=value.dtype),
        lambda: made.single("zeros", shape=value.shape, dtype=value.dtype, order="F"),
        lambda: made.take(x, places) if value.shape[0] else None,
        lambda: made.single("matmul", made.single("transpose", x, axes=(1, 0)), x) if value.ndim == 2 else None,
        lambda: made.single("dot", x, made.single("transpose", x, axes=(1, 0))) if value.ndim == 2 else None,
        lambda: made.single("cumsum", x, axis=0),
    ]
    draw(st.sampled_from(singles))()
