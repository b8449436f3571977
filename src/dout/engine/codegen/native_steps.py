"""Steps that NumPy computes slowly, as functions of their own: sums of windows, places of extremes, changes at places.

Each gives NumPy's bits. Its text depends on dtypes and numbers of axes; sizes are those of the arrays that it is given.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.engine.codegen.turned_copies import turned_copy
from dout.engine.ir.cost_model import flops, is_matrix_product
from dout.engine.ir.kernel_group import PatchProduct
from dout.engine.lowering.entry_point import WORK, ArrayType, KernelType
from dout.engine.memory.buffer_layout import BufferLayout
from dout.engine.runtime import kernel_cache, shared_products
from dout.engine.runtime.parallel_threshold import OVERHEAD, cores, parallel_pays
from dout.graph import Node, Primitive
from dout.ops import PRIMITIVES, by_primitive
from dout.ops.operators import Slot

_COST = 4  # operations an element, about
_SHORT = 24  # elements, of which a kernel finds the extreme before NumPy has begun with them
_INT = np.dtype(np.int64)


@dataclass(frozen=True)
class NativeText:
    """A function's text, the types of its arguments, and the numbers that it takes after the arrays."""

    name: str
    lines: tuple[str, ...]
    types: tuple[KernelType, ...]
    numbers: tuple[int, ...] = ()
    results: tuple[np.dtype[Any], ...] = ()

    @property
    def text(self) -> str:
        """The module."""
        parallel = any("prange(" in line for line in self.lines)
        options = 'error_model="numpy"' + (", parallel=True" if parallel else "")
        imports = f"import numpy as np\nfrom numba import njit{', prange' if parallel else ''}\n"
        if any("in_row(" in line for line in self.lines):
            imports += "\nfrom dout.engine.math.row_access import in_row\n"
        return imports + "\n\n" + "\n".join([f"@njit({options})", *self.lines, ""])


@dataclass(frozen=True, eq=False)
class Native:
    """A step's function, ready to be called with the step's operands, then the array for the result, then `numbers`."""

    name: str
    run: Callable[..., Any]
    numbers: tuple[int, ...] = ()
    plain: Callable[..., Any] | None = None  # the same by NumPy, to the bit; None where the node's row says it


def native(node: Node, forms: Mapping[Node, BufferLayout]) -> Native | None:
    """The function for a step; None where NumPy does it, or where it is too small to matter."""
    if (turned := turned_copy(node, forms)) is not None:
        return Native("turned", turned)
    write = _TEXTS.get(node.primitive)
    arrays = [i for i in node.inputs if i.shape]
    if write is None or math.prod(max((i.shape for i in (*arrays, node)), key=math.prod)) < _SMALL:
        return None
    if not all(i in forms and forms[i].array and forms[i].readable for i in node.inputs):
        return None
    if any(np.dtype(i.dtype) == np.float16 for i in (*node.inputs, node)):  # which Numba does not compile
        return None
    given = [forms[i] for i in node.inputs]
    parallel = parallel_pays(math.prod(node.inputs[0].shape), _COST)
    made = write(node, given, parallel)
    if made is None:
        return None
    if not parallel and cores() > 1:  # the function for several threads also serves fewer elements, if it is there
        wider = write(node, given, True)
        made = wider if wider and kernel_cache.is_loaded(**_asked(wider), meaning=wider.text) else made
    return Native(made.name, kernel_cache.load(**_asked(made), text=made.text), made.numbers)


def _asked(made: NativeText) -> dict[str, Any]:
    """What tells a function from all others, but for its text."""
    return {"name": made.name, "types": made.types, "results": made.results}


def products(*nodes: Node, adds: Sequence[bool] = ()) -> Native | None:
    """Products of two matrices each, or of two stacks, side by side on dout's own threads; None where one is none.

    Those that `adds` says are added to what is there.
    """
    if len(nodes) == 1 and _is_stack(nodes[0]):
        return Native("products", shared_products.stacked(), ())
    if not all(is_matrix_product(node) for node in nodes):
        return None
    return Native("products", shared_products.together([_PRODUCTS[node.primitive] for node in nodes], adds), ())


def patches(step: PatchProduct) -> Native:
    """A product of patches, which are read where the images lie."""
    given = step.window, step.transposed
    return Native("patches", shared_products.of_patches(*given), plain=shared_products.by_numpy(*given))


def _is_stack(node: Node) -> bool:
    """Whether a step multiplies stacks of matrices, and that is worth more than one thread."""
    ranks = [len(i.shape) for i in node.inputs]
    several = node.primitive is PRIMITIVES["matmul"] and min(ranks) > 1 and max(ranks) > 2
    return several and flops(node) > _ENOUGH


_ENOUGH = 1_500_000  # operations, of which another thread takes half
_PRODUCTS: Mapping[Primitive, shared_products.Product] = by_primitive({"dot": np.dot, "matmul": np.matmul})
_SMALL = 1 << 12  # elements, below which a call of NumPy costs as much as its work


def _type(node: Node, layout: str, *, written: bool = False) -> ArrayType:
    return ArrayType(np.dtype(node.dtype), len(node.shape), "C" if layout == "C" else "A", written)


def _nested(opened: Sequence[str], inside: Sequence[str], depth: int) -> list[str]:
    lines = [f"{'    ' * (depth + i)}{line}" for i, line in enumerate(opened)]
    return lines + [f"{'    ' * (depth + len(opened))}{line}" for line in inside]


def _work(array: str, parallel: bool) -> list[str]:
    """The line that says how many operations there are, so that few of them run on one thread."""
    return [f"    {WORK} = {array}.size * {OVERHEAD + _COST}"] if parallel else []


# --- sums of windows --------------------------------------------------------------------------------------------------


def _fold(node: Node, forms: Sequence[BufferLayout], parallel: bool) -> NativeText | None:
    """Zeros, to which the elements at one place of every window are added, place by place.

    The windows are read in the order in which they lie.
    """
    axes, steps, (x,) = node.static["axes"], node.static["steps"], node.inputs
    rest = len(node.shape)
    if node.dtype not in (np.float32, np.float64) or x.dtype != node.dtype or len(set(axes)) != len(axes):
        return None
    lead = [] if 0 in axes else [0]
    parallel = parallel and bool(lead)
    at = [f"i{axis}" for axis in range(rest)]
    into = list(at)
    for k, axis in enumerate(axes):
        into[axis] = f"p{k} + i{axis} * s{k}"
    (form,), counters = forms, [*at, *(f"p{k}" for k in range(len(axes)))]
    order = form.order if isinstance(form.order, tuple) else tuple(range(len(counters)))
    own = [axis for axis in order if axis < rest and axis not in lead]
    outer = [f"for i0 in {'prange' if parallel else 'range'}(x.shape[0]):"] if lead else []
    zero = [f"for i{axis} in range(out.shape[{axis}]):" for axis in range(rest) if axis not in lead]
    every = [f"for p{k} in range(x.shape[{rest + k}]):" for k in range(len(axes))]
    every += [f"for i{axis} in range(x.shape[{axis}]):" for axis in own]
    lies = form.order != "C" and order[-1] == own[-1] and order[-1] != order[0]
    runs = lies and axes[-1] == rest - 2 and order[-2:] == (len(counters) - 1, rest - 1)
    index = ", ".join(counters[axis] for axis in (order if lies else range(len(counters))))
    taken = f"in_row(lying, ({index},))" if lies else f"x[{index}]"
    name = f"fold_{rest}_{'_'.join(map(str, axes))}" + (f"_of_{'_'.join(map(str, order))}" if lies else "")
    lines = [f"def {name}(x, out, {', '.join(f's{k}' for k in range(len(axes)))}):"]
    lines += [f"    lying = x.transpose({order})"] if lies else []
    lines += [f"    rows = out.reshape(({_joined(rest)},))"] if runs else []
    lines += _work("x", parallel) + _nested(outer, [], 1)
    depth = 1 + len(outer)
    lines += _nested(zero, [f"out[{', '.join(at)}] = 0"], depth)
    inside = [f"out[{', '.join(into)}] += {taken}"]
    if runs:
        every, inside = _in_runs(every[: len(axes) - 1], at, into, counters, order)
    elif own[-1] in axes:  # windows side by side at each place: only then a row is added as vectors
        step, last = f"s{axes.index(own[-1])}", every.pop()
        near = inside[0].replace(f" * {step}", "", 1)
        inside = [f"if {step} == 1:", *_nested([last], [near], 1), "else:", *_nested([last], inside, 1)]
    lines += _nested(every, inside, depth)
    types: tuple[KernelType, ...] = (_type(x, form.layout), _type(node, "C", written=True), *(_INT for _ in axes))
    return NativeText(name, tuple(lines), types, tuple(steps))


def _joined(rest: int) -> str:
    """The shape of the sums, their last two axes as one."""
    return ", ".join(
        [*(f"out.shape[{axis}]" for axis in range(rest - 2)), f"out.shape[{rest - 2}] * x.shape[{rest - 1}]"]
    )


def _in_runs(
    places: Sequence[str], at: Sequence[str], into: Sequence[str], counters: Sequence[str], order: Sequence[int]
) -> tuple[list[str], list[str]]:
    """The loops, and what is in them, where the last axis of windows and the channels are one run, as in the sums.

    Windows go by from the last to the first along that axis: so each sum still takes its numbers place by place.
    """
    rest, last = len(at), len(counters) - 1
    own = [axis for axis in order if axis < rest - 2 and (axis or f"i{axis}" != into[axis])]
    every = [*places, *(f"for i{axis} in range(x.shape[{axis}]):" for axis in own)]
    across, length = at[-2], f"x.shape[{rest - 2}]"
    index = ", ".join({last: "0", rest - 1: "k"}.get(axis, counters[axis]) for axis in order)
    sums = ", ".join([*into[:-2], f"{across} * s{last - rest} * x.shape[{rest - 1}] + k"])
    inside = [f"{across} = {length} - 1 - back", f"for k in range(x.shape[{last}] * x.shape[{rest - 1}]):"]
    return [*every, f"for back in range({length}):"], [*inside, f"    rows[{sums}] += in_row(lying, ({index},))"]


# --- places of extremes -----------------------------------------------------------------------------------------------


def _place_of_extreme(node: Node, forms: Sequence[BufferLayout], parallel: bool) -> NativeText | None:
    """The first of the largest (or smallest) elements along a short axis; a NaN is the extreme.

    For a row NumPy takes as long as for some 20 elements, and goes through long ones in vectors.
    """
    (x,) = node.inputs
    axis = node.static.get("axis")
    if not x.shape or not isinstance(axis, int) or np.dtype(x.dtype).kind not in "fiu" or node.static.get("keepdims"):
        return None
    axis %= len(x.shape)
    if len(node.shape) < 1 or not 0 < x.shape[axis] <= _SHORT or np.dtype(node.dtype) != _INT:
        return None
    rows = [f"i{a}" for a in range(len(node.shape))]
    better = ">" if node.primitive is PRIMITIVES["argmax"] else "<"
    opened = [
        f"for {row} in {'prange' if parallel and a == 0 else 'range'}(out.shape[{a}]):" for a, row in enumerate(rows)
    ]
    first, value, last, index = (", ".join([*rows[:axis], *k, *rows[axis:]]) for k in (["0"], ["k"], ["j"], []))
    inside = [f"best = x[{first}]", "place = 0", "odd = best != best", f"for k in range(1, x.shape[{axis}]):"]
    inside += [f"    value = x[{value}]", f"    takes = value {better} best", "    odd = odd | (value != value)"]
    inside += ["    best = value if takes else best", "    place = k if takes else place", "if odd:"]
    inside += [f"    for back in range(x.shape[{axis}]):", f"        j = x.shape[{axis}] - 1 - back"]
    inside += [f"        value = x[{last}]", "        place = j if value != value else place", f"out[{index}] = place"]
    name = f"{node.primitive}_{len(x.shape)}_{axis}"
    lines = (f"def {name}(x, out):", *_work("x", parallel), *_nested(opened, inside, 1))
    return NativeText(name, lines, (_type(x, forms[0].layout), _type(node, "C", written=True)))


# --- changes at places ------------------------------------------------------------------------------------------------


def _change_at_places(node: Node, forms: Sequence[BufferLayout], _: bool) -> NativeText | None:
    """One element after the other is set, or added to, at indices along some axes; False where one is out of range."""
    x, value, *index = node.inputs
    key, count = node.static["key"], node.static["selected"]
    parts = [*key] if isinstance(key, tuple) else [key]
    parts += [slice(None)] * (len(x.shape) - len(parts))
    slots = [axis for axis, part in enumerate(parts) if isinstance(part, Slot)]
    beside = [axis for axis, part in enumerate(parts) if isinstance(part, slice) and part == slice(None)]
    if len(slots) + len(beside) < len(parts) or [int(parts[axis]) for axis in slots] != list(range(len(index))):
        return None
    if not slots or slots != list(range(slots[0], slots[-1] + 1)) or forms[0].layout != "C":
        return None
    if value.shape != count or value.dtype != node.dtype or np.dtype(node.dtype).kind not in "fiub":
        return None
    if any(not i.shape or np.dtype(i.dtype).kind != "i" for i in index):
        return None
    places = len(count) - len(beside)
    before, inner = ([f"b{axis}" for axis in beside if (axis > slots[0]) is after] for after in (False, True))
    counters = [f"k{axis}" for axis in range(places)]
    at = [*before, *counters, *inner]
    inside = []
    for axis, one in zip(slots, index, strict=True):
        own = counters[places - len(one.shape) :]
        read = ", ".join("0" if length == 1 else counter for counter, length in zip(own, one.shape, strict=True))
        inside += [f"p{axis} = i{axis}[{read}]", f"if p{axis} < 0:", f"    p{axis} += out.shape[{axis}]"]
        inside += [f"if p{axis} < 0 or p{axis} >= out.shape[{axis}]:", "    return False"]
    into = ", ".join([*before, *(f"p{axis}" for axis in slots), *inner])
    sign = "+=" if node.primitive is PRIMITIVES["add_at"] else "="
    opened = [f"for {one} in range(value.shape[{axis}]):" for axis, one in enumerate(at)]
    width = len(at) - len(inner)
    inside += _nested(opened[width:], [f"out[{into}] {sign} value[{', '.join(at)}]"], 0)
    lone = "_".join("x".join("1" if n == 1 else "n" for n in one.shape) for one in index)
    title = f"{'add' if sign == '+=' else 'write'}_at_{len(before)}_{places}_{len(inner)}_{lone}"
    names = ", ".join(f"i{axis}" for axis in slots)
    lines = [f"def {title}(out, value, {names}):", *_nested(opened[:width], inside, 1)]
    types = (
        _type(x, "C", written=True),
        *(_type(i, how.layout) for i, how in zip(node.inputs[1:], forms[1:], strict=True)),
    )
    return NativeText(title, (*lines, "    return True"), types, results=(np.dtype(bool),))


_TEXTS: Mapping[Primitive, Callable[[Node, Sequence[BufferLayout], bool], NativeText | None]] = by_primitive(
    {
        "fold": _fold,
        "argmax": _place_of_extreme,
        "argmin": _place_of_extreme,
        "setitem": _change_at_places,
        "add_at": _change_at_places,
    }
)
