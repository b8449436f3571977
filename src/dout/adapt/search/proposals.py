"""Examples that a layer's own source proposes: shapes in comments, keys of settings.

Only the constructor is run here; each proposal is tried (`dout.adapt.trial.trial`), and what does not fit is left.
"""

from __future__ import annotations

import inspect
import re
import sys
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cache, cached_property, partial
from itertools import islice, product
from typing import Any

import numpy as np

from dout.adapt import source
from dout.adapt.argument_names import (
    names_array,
    names_indices,
    names_label,
    names_loss,
    names_penalty,
    names_size,
    stands_for,
)
from dout.adapt.interface.learned_gradients import parameters_of
from dout.adapt.interface.network_loss import loss_of
from dout.adapt.search.buildings import built
from dout.adapt.search.constructor_options import ClassSettings, slopes_of, wanted
from dout.adapt.sizes.axis_sizes import (
    OF_AXES,
    SETTINGS,
    AxisSizes,
    alike_first,
    without_dots,
    without_holes,
)
from dout.adapt.sizes.proposed_arrays import array_of, between, labels_for, one_hot, whole_numbers
from dout.adapt.tapes.tape_operations import OPERANDS
from dout.adapt.target import Target
from dout.run import attributes_of, fresh, module_of, names_of, quiet

_PLAIN = ("callable", "int", "bool", "dtype", "form", "order", "axis")  # kinds of no array
MOST, MOST_OF_A_PART = 120, 12  # proposals of one kind


def proposals(
    target: Target,
    init: Mapping[str, Any],
    inputs: Mapping[str, Any],
    last: Callable[[], Exception | None] = lambda: None,
    asked: Collection[str] = (),
) -> Iterator[tuple[dict[str, Any], dict[str, Any], bool]]:
    """Yield constructor arguments and inputs that the source proposes, the likeliest first; those given are kept.

    With them, whether the constructor has raised on what the source proposes, and these were changed. `last` gives the
    error of the last trial, which may say how many axes are wanted. `asked`: inputs with a default, chosen too.
    """
    proposer = _Proposer(target, init, inputs, asked)
    proposer.last = last
    for init, given in islice(proposer.all(), 3 * MOST):
        yield init, given, id(init) in proposer.changed


def constructor_arguments(target: Target, init: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The constructor arguments with which a class is built, the likeliest first; those given are kept."""
    return _Proposer(target, init, {}).inits


class _Proposer:
    def __init__(
        self, target: Target, init: Mapping[str, Any], inputs: Mapping[str, Any], asked: Collection[str] = ()
    ) -> None:
        self.cls: Any = target.cls
        self.target, self.init, self.inputs = target, init, inputs
        self.axes = cache(partial(source.axes_for, target.forward, cls=None if target.is_function else target.cls))
        self.network = loss_of(self.cls) if inspect.isclass(self.cls) else None
        self.forward = target.forward
        self.arguments = wanted(self.forward, asked)
        if self.arguments and self.arguments[0].name in ("self", "ctx", "context"):
            del self.arguments[0]
        self.first = next((p.name for p in self.arguments), "")
        own = bool(target.constructor) and any("__init__" in vars(base) for base in target.cls.__mro__[:-1])
        self.constructor = wanted(self.cls, target.sizes_of_nothing(init)) if own else []
        self.constructor += slopes_of(self.cls, [p.name for p in self.constructor])
        self.owner = None if target.is_function else self.cls
        self.operands: frozenset[str] = getattr(self.cls, OPERANDS, frozenset())
        self.kinds = cache(partial(source.kinds_for, self.forward, cls=self.owner))
        called = [self.cls.__qualname__, target.forward_name]  # a class, or its method: `net.loss(x, y)`
        self.loss = any(map(names_loss, called)) or any(
            names_label(p.name) and p.name.lower() != "y" for p in self.arguments if len(self.arguments) > 1
        )
        self.last: Callable[[], Exception | None] = lambda: None
        self.lengths: dict[int, list[int]] = {}  # by identity of constructor arguments, which are kept
        self.changed: set[int] = set()  # the constructor arguments, by identity, that were changed by an error
        self.whole = False  # whether the first input is made of indices
        self.defaults = _sizes_by_default(target.constructor, self.shapes)
        self.between = False  # whether inputs lie between 0 and 1, as probabilities
        home = module_of(self.cls) if inspect.isclass(self.cls) else self.cls.__module__
        self.globals = names_of(sys.modules.get(home))
        self.settings = ClassSettings(self.cls, self.constructor, self.owner, self.globals, self.first, self._ends())

    def _ends(self) -> dict[str, int]:
        """The lengths "in" and "out" of a product, by the arrays that are given."""
        found: dict[str, int] = {}
        for name, item in {**self.init, **self.inputs}.items():
            kind = "" if name == self.first else stands_for(name)
            axes = next((axes[kind] for axes in OF_AXES[2] if kind in axes and len(axes[kind]) == np.ndim(item)), ())
            if kind or name == self.first:
                found.update((axis, n) for axis, n in zip(axes, np.shape(item), strict=False) if axis in ("in", "out"))
        return found

    def all(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        shapes = self._as_lines(self.shapes)
        inits = self.inits
        linear = {"W", "b", "gamma"} & {stands_for(p.name) for p in (*self.arguments, *self.constructor)}
        number = len(shapes.get(self.first, ())) or self.axes(self.first) or 0
        by_names = self._with_axes({}, number if number in OF_AXES else 2) if linear and len(self.arguments) > 1 else ()
        yield from ((init, given) for init in inits for given in self._of_one_output())
        if number == 3:  # beside a sequence, a state has two axes
            yield from by_names
        if linear and shapes:
            yield from ((init, given) for init in inits for given in self._inputs(init, shapes, 0))
        yield from by_names
        if len(image := shapes.get(self.first, ())) == 4:
            whole = {n: ("1", image[1], "1", "1") for n in shapes if stands_for(n) == "gamma"}  # of each channel
            for one in (shapes, {**shapes, **whole}) if whole else ():
                yield from ((init, given) for init in inits for given in self._inputs(init, one, 0))
        lines = {n: axes[:1] if [*axes[1:]] == [f"{n}_columns"] else axes for n, axes in shapes.items()}
        if self.loss and lines != shapes:  # `M @ v` takes a vector, too, and gives a number for each row then
            yield from ((init, given) for init in inits for given in self._inputs(init, lines, 0))
        for shares in (True, False) if self.loss else (False, True):
            self.between = shares
            for variant in range(3) if not shares or self.loss else range(1):
                for init in inits:
                    yield from ((init, given) for given in self._inputs(init, shapes, variant))
                    yield from self._as_indices([init], shapes) if self.network else ()
        wanted = re.search(r"unpack \(expected (\d)", str(self.last()))  # "not enough values to …, got 2)"
        yield from self._with_axes(shapes, int(wanted[1]) if wanted else 2)
        yield from self._as_indices(inits, shapes)
        if lacking := re.search(r"axis (\d) is out of bounds", str(self.last())):  # of all alike
            axes = ("N", "T", "D", "E")[: int(lacking[1]) + 1]
            every = {p.name: axes for p in self.arguments if not self._is_setting(p.name)}
            yield from ((init, given) for init in inits for given in self._inputs(init, every, 0))

    def _of_one_output(self) -> Iterator[dict[str, Any]]:
        """For a loss that is given data, labels, a weight and a bias: one number a sample, `X @ w + b`, `w * x + b`."""
        needed = [p.name for p in self.arguments if p.name not in self.inputs]
        kinds = {name: "y" if self._is_label(name) else stands_for(name) for name in needed}
        data = [name for name in needed if not kinds[name]]
        if not self.loss or len(data) != 1 or sorted(kinds.values()) not in (["", "W", "b", "y"], ["", "W", "y"]):
            return
        labels = np.array([0.0, 1.0, 1.0, 0.0])
        has_rows = data[0] in self.shapes or (self.axes(data[0]) or 0) > 1
        for features in ((3,), ()) if has_rows else ((), (3,)):
            shapes: dict[str, tuple[int, ...]] = {"": (len(labels), *features), "W": features, "b": ()}
            made = {name: labels if kinds[name] == "y" else array_of(shapes[kinds[name]], name) for name in needed}
            yield {**self.inputs, **made}

    def _as_indices(
        self, inits: list[dict[str, Any]], shapes: Mapping[str, Sequence[str]]
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """With whole numbers for the first input, if an error says that something is an index."""
        if re.search(r"integer|indices must be|valid indices", str(self.last())):
            between, self.whole, self.between = self.between, True, False
            yield from ((init, given) for init in inits for given in self._inputs(init, shapes, 0))
            self.whole, self.between = False, between

    @cached_property
    def shapes(self) -> Mapping[str, Sequence[str]]:
        """The axes of the arguments, as far as the source tells them."""
        return without_holes(without_dots(source.shapes_for(self.forward, self.owner)))

    def _as_lines(self, shapes: Mapping[str, Sequence[str]]) -> Mapping[str, Sequence[str]]:
        """With labels that scores are multiplied by, `-np.log(p) @ t`, as what that is a loss of: a line of each."""
        loss = any(map(names_loss, (self.cls.__qualname__, getattr(self.forward, "__name__", ""))))
        for name, axes in shapes.items() if loss else ():
            if names_label(name) and len(axes) == 2 and axes[1] == f"{name}_columns":
                return {**shapes, self.arguments[0].name: axes[:1], name: axes[:1]}
        return shapes

    def _with_axes(
        self, shapes: Mapping[str, Sequence[str]], number: int
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """With as many axes, and parameters that go with them by their names."""
        names = [p.name for p in self.arguments if not self._is_setting(p.name)]
        kinds = {name: stands_for(name) for name in names}
        every = OF_AXES.get(number, ()) if any(kinds.values()) else ()
        every = sorted(every, key=lambda axes: len(set(kinds.values()) - {*axes}))
        known = [{**shapes, **{name: axes[kind] for name, kind in kinds.items() if kind in axes}} for axes in every]
        for init in self.inits:
            yield from ((init, given) for one in known for given in self._inputs(init, one, 0))

    # --- constructor --------------------------------------------------------------------------------------------------

    @cached_property
    def inits(self) -> list[dict[str, Any]]:
        """The constructor arguments to try: those with which it is built, if there are any."""
        choices = list(islice(self._inits(), MOST))
        found = list(islice(built(self.target, choices), MOST)) if self.constructor else []
        self.changed = {id(choice) for choice, changed in found if changed}
        return [choice for choice, _ in found] or choices

    def _inits(self) -> Iterator[dict[str, Any]]:
        needed = [p.name for p in self.constructor if p.name not in self.init]
        choices = [self.settings.of(self.cls, name) for name in needed]
        for given in self._as_parts_take(needed) if any(map(stands_for, needed)) else ():
            yield {**self.init, **dict(zip(needed, (c[0] for c in choices), strict=True)), **given}
        for chosen in alike_first(choices):
            yield {**self.init, **dict(zip(needed, chosen, strict=True))}

    def _as_parts_take(self, needed: Sequence[str]) -> Iterator[dict[str, Any]]:
        """The arrays that are handed on to parts of other classes, as these take them: `TimeLSTM(Wx1, Wh1, b1)`."""
        given = {name: source.parts_given(self.cls, name) for name in needed}
        for part in dict.fromkeys(made for found in given.values() for made, _ in found if made is not self.cls):
            for init in constructor_arguments(Target.of(part), {})[:MOST_OF_A_PART]:
                inner = ((name, init.get(own)) for name, found in given.items() for made, own in found if made is part)
                yield {name: item.copy() for name, item in inner if isinstance(item, np.ndarray)}

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _inputs(
        self, init: Mapping[str, Any], shapes: Mapping[str, Sequence[str]], variant: int
    ) -> Iterator[dict[str, Any]]:
        needed = [p.name for p in self.arguments if p.name not in self.inputs]
        written = {int(axis) for axes in shapes.values() for axis in axes if axis.isdigit()}
        sizes = AxisSizes({**self.defaults, **init}, variant, self._held(init), written)
        choices: list[list[Any]] = []
        for place, name in enumerate(needed):
            axes = shapes.get(name)
            if place and (selections := self._selections(name, choices[0])):
                choices.append(selections)
            elif axes is not None and variant < 2:
                made = self._array(sizes.of(axes), name)
                choices.append(self._with_labels(name, [made], made) if self._is_label(name) and place else [made])
            elif not self._is_setting(name) and (
                names_array(name)
                or not place
                or name in self.operands
                or self._is_label(name)
                or (self.loss and place < 2)
                or self._all_arrays
                or "table" in self.kinds(name)
            ):
                if variant != 1:
                    choices.append(self._unshaped(name, place, sizes, shapes))
                else:
                    return
            else:
                texts = {text[len(name) + 2 : -2]: axes for text, axes in shapes.items() if text.startswith(f"{name}[")}
                parts = {key: self._array(sizes.of(axes), key) for key, axes in texts.items()}
                choices.append(self.settings.of(self.forward, name, parts))
        target = self.network.shaped_target if self.network else ""
        choices = [c[:1] if n == target else c for n, c in zip(needed, choices, strict=True)]
        most = max(map(len, choices), default=0)  # lists end with the same shapes: some must be alike
        alike = (tuple(c[max(i, -len(c))] for c in choices) for i in range(-most, 0))
        every = product(*choices)
        more = (*self._labelled(needed, choices), *alike)
        few = islice(every, 8 if target else 24)  # of a network with each of its widths, before time is over
        for chosen in (*few, *(more if not target and next(every, None) else ())):
            yield {**self.inputs, **dict(zip(needed, chosen, strict=True))}

    def _labelled(self, needed: Sequence[str], choices: Sequence[list[Any]]) -> Iterator[tuple[Any, ...]]:
        """What the first input may be beside the first of it, each with labels that go with it."""
        places = {i for i, name in enumerate(needed) if i and self._is_label(name)}
        for first in choices[0][1:] if places else ():
            labels = labels_for(needed[min(places)], first, self.forward, self.owner)
            rest = [c[0] for c in choices[1:]]
            yield from (
                (first, *(label if i + 1 in places else item for i, item in enumerate(rest))) for label in labels
            )

    def _selections(self, name: str, firsts: Sequence[Any]) -> list[Any]:
        """Masks of the shape of the first input, or permutations of one of its axes, where code says it is one."""
        shapes = list(dict.fromkeys(map(np.shape, firsts)))
        if "mask" in self.kinds(name):
            return [array_of(shape, name) > 0 for shape in shapes if shape]
        lengths = dict.fromkeys(n for shape in shapes for n in shape) if "permutation" in self.kinds(name) else ()
        return [np.argsort(array_of((n,), name)) for n in lengths]

    def _is_setting(self, name: str) -> bool:
        """Whether an argument is no array, by its code or document, or by its name alone."""
        if name in self.operands:
            return False
        kind = next(iter(self.kinds(name)), "")
        data = self.arguments[0].name == name or self._is_label(name)  # that may be whole numbers
        plain = kind in _PLAIN or (kind == "tuple" and not names_array(name))
        return (
            name in SETTINGS or (self.loss and names_penalty(name)) or kind in ("dict", "str") or (plain and not data)
        )

    def _is_label(self, name: str) -> bool:
        """Whether an argument holds whole numbers, by its name, or because the source takes it as an index."""
        named = names_label(name) or names_indices(name)
        return named or "index" in self.kinds(name)

    @cached_property
    def _all_arrays(self) -> bool:
        """Whether backward returns a gradient for each argument: `return dq, dk, dv`."""
        pair = next(iter(self.target.pairs), None) if self.target.is_class else None
        returned = source.items_returned(getattr(self.cls, pair[1], None)) if pair else 0
        return 1 < returned == len(self.arguments)

    def _held(self, init: Mapping[str, Any]) -> list[int]:
        """The lengths of the arrays that a new layer and its parts hold: its inputs have some of them."""
        if not self.target.is_class:
            return _lengths_held(self.target.named)
        key = id(init)
        if key not in self.lengths:
            try:
                with quiet():
                    made = fresh(self.cls, init)
                self.lengths[key] = _lengths_held(made)
            except Exception:
                self.lengths[key] = []
        return self.lengths[key]

    def _unshaped(self, name: str, place: int, sizes: AxisSizes, shapes: Mapping[str, Sequence[str]]) -> list[Any]:
        """Arrays for an input of which nothing is known, by what others are."""
        least = self.axes(name)
        data = {n: axes for n, axes in shapes.items() if not stands_for(n)}  # labels go with it, and not with weights
        known = [sizes.of(axes) for axes in (data if data and self._is_label(name) else shapes).values()]
        if place and len(known) > 1 and stands_for(name) in ("b", "gamma"):
            lengths = dict.fromkeys(n for shape in (known[1], known[0]) for n in (shape[-1], shape[0]))
            ones = (1,) * ((least or 1) - 1)  # of `b[0, 0, 0, c]`
            return [self._array(shape, name) for shape in (*((*ones, n) for n in lengths), *((n, 1) for n in lengths))]
        if place and len(known) == 1 and stands_for(name) == "gamma" and len(name) > 1:
            return [self._array(known[0][-1:], name), self._array(known[0], name)]
        options = [known[0]] if place and known else list(sizes.likely())
        options += [(5, *known[0])] if place and known and len(known[0]) == 1 else []  # one of which is taken
        options = [(sizes.batch + 2,), (sizes.batch, 4), *options] if self.whole and not place else options
        if known and stands_for(name) == "W" and not place:  # of what it is multiplied with, on either side
            other = next(n for n in (3, 4, 5) if n not in known[0])
            like = [shape for shape in options if len(shape) == len(known[0])]
            options = [known[0][-1:], (known[0][-1], other), (other, known[0][0]), *like]
        options = [shape for shape in options if 0 not in shape] or [(sizes.batch, 4)]
        fitting = sorted(options, key=lambda shape: least is not None and len(shape) < least)
        made = [self._array(shape, name) for shape in fitting]
        if not self._is_label(name) or not place:
            return made
        shares = [label for array in made for label in ((one_hot(array.shape), array) if array.ndim == 2 else (array,))]
        return self._with_labels(name, made if name == "y" and not self.loss else shares, made[0])

    def _with_labels(self, name: str, plain: list[Any], like: Any) -> list[Any]:
        """Labels that go with an array, and plain arrays: these first for the `y` of what is no loss."""
        labels = labels_for(name, like, self.forward, self.owner)
        labels += [] if names_label(name) else [np.int64(1)]  # an index of what has another length
        return [*plain, *labels] if name == "y" and not self.loss else [*labels, *plain]

    def _array(self, shape: tuple[int, ...], name: str) -> Any:
        if self.whole and self.arguments and name == self.arguments[0].name:
            return whole_numbers(shape, 2)
        return between(shape, name) if self.between else array_of(shape, name)


def _lengths_held(layer: Any, deep: int = 3) -> list[int]:
    """The lengths of the float arrays that a layer and its parts hold, in their order, each once."""
    own = [n for _, array in parameters_of(layer) for n in np.shape(array)]
    attributes = attributes_of(layer).values()
    items = (part for item in attributes for part in (item if isinstance(item, list | tuple) else [item]))
    parts = [part for part in items if deep and isinstance(getattr(part, "__dict__", None), dict)]
    return list(dict.fromkeys([*own, *(n for part in parts for n in _lengths_held(part, deep - 1))]))


def _sizes_by_default(parameters: list[inspect.Parameter], shapes: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    """The constructor's arguments that are sizes and have a default: of an axis of `shapes`, or called so."""
    axes = {name for axes in shapes.values() for axis in axes for name in re.findall(r"[A-Za-z_]\w*", axis)}
    kept = {p.name: p.default for p in parameters if names_size(p.name) or p.name in axes}
    return {name: item for name, item in kept.items() if type(item) is int or isinstance(item, tuple)}
