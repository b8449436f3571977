"""Examples that a layer's own source and its repository propose: shapes in comments, keys of settings, calls elsewhere.

Nothing is run here; each proposal is tried (`dout.adapt.trial`), and what does not fit is left.
"""

from __future__ import annotations

import copy
import inspect
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice, product
from typing import Any

import numpy as np

from dout.adapt import hints
from dout.adapt.arrays import array_of, between, labels_for, one_hot, whole_numbers
from dout.adapt.elsewhere import Unproposed, bound, value_of
from dout.adapt.functions import PAIR
from dout.adapt.guess import LABELS, looks_like_a_loss, numbers, stands_for
from dout.adapt.hints import MISSING
from dout.adapt.interface import RATES, pairs_of
from dout.adapt.layer import lengths_held
from dout.adapt.silence import in_silence
from dout.adapt.sizes import (
    MANY,
    OF_AXES,
    SETTINGS,
    Sizes,
    alike_first,
    divides,
    numbers_named,
    real_named,
    tuples_of,
    without_dots,
    without_holes,
)
from dout.adapt.uses import Call, calls_of, files_below, repository_root
from dout.trace.source import behind

MOST = 120  # proposals of one kind
MOST_CALLS = 6  # elsewhere, that are tried

_ARRAY_NAMES = re.compile(
    r"(?-i:[A-Z]\w{0,3})|x\w?|inputs?|input_?(data|tensor)?|data|tensor|w\d?|weights?\d?|b\d?|bias(es)?|gamma|beta|h|c|h_?prev|c_?prev|"
    r"prev_?[hc]|a_?prev|z|q|k|v|images?|imgs?|queries|query|keys?|values?|state|hidden|logits|scores|preds?|y_?(hat|pred)|predict\w*",
    re.IGNORECASE,
)


def _tanh(x: Any, *flags: Any, **named: Any) -> Any:
    return _tanh_slope(x) if any(map(bool, (*flags, *named.values()))) else np.tanh(x)


def _tanh_slope(x: Any) -> Any:
    return 1 - np.tanh(x) ** 2


def _drawn(*shape: Any, **named: Any) -> Any:
    """What an initialiser that a constructor is given may draw."""
    sizes = tuple(shape[0]) if shape and isinstance(shape[0], tuple | list) else shape
    return numbers(tuple(int(n) for n in sizes), "W")


_LISTS = r"(n_)?hiddens?(_?(units?|sizes?|layers?|dims?|nodes))?|layer_?(sizes?|dims?)|sizes|hidden_layers?|n_neurons"


_KINDS = frozenset({"int", "float", "bool", "tuple", "shape", "list", "dict", "callable", "str", "array"})


def proposals(
    target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], last: Callable[[], Exception | None] = lambda: None
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Yield constructor arguments and inputs that the source proposes, the likeliest first; those given are kept.

    `last` gives the error of the last trial, which may say how many axes are wanted.
    """
    try:
        proposer = _Proposer(target, init, inputs)
        proposer.last = last
        yield from islice(proposer.all(), 3 * MOST)
    except Exception:  # a convenience, over anybody's source
        return


class _Proposer:
    def __init__(self, target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any]) -> None:
        self.cls = target if inspect.isclass(target) else type(target)
        self.target, self.init, self.inputs = target, init, inputs
        pairs = [] if inspect.isroutine(target) else pairs_of(self.cls)
        self.forward = behind(getattr(target, pairs[0][0]) if pairs else getattr(target, "forward", target))
        self.arguments = _wanted(self.forward)
        if self.arguments and self.arguments[0].name in ("self", "ctx", "context"):
            del self.arguments[0]
        self.constructor = _wanted(self.cls) if inspect.isclass(target) and "__init__" in _written(self.cls) else []
        self.constructor += _slopes_of(self.cls, [p.name for p in self.constructor])
        self.owner = None if inspect.isroutine(target) else self.cls
        self.loss = looks_like_a_loss(self.cls.__qualname__) or any(
            p.name.lower() in LABELS - {"y"} for p in self.arguments[1:]
        )
        self.last: Callable[[], Exception | None] = lambda: None
        self.lengths: dict[str, list[int]] = {}
        self.whole = False  # whether the first input is made of indices
        self.defaults = _sizes_by_default(self.cls) if inspect.isclass(target) else {}
        self.between = False  # whether inputs lie between 0 and 1, as probabilities
        self.globals = getattr(sys.modules.get(self.cls.__module__), "__dict__", {})

    def all(self) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        shapes = without_holes(without_dots(hints.shapes_for(self.forward, self.owner)))
        inits = list(islice(self._inits(), MOST))
        linear = {"W", "b", "gamma"} & {stands_for(p.name) for p in self.arguments[1:]}
        if linear and shapes:
            yield from ((init, given) for init in inits for given in self._inputs(init, shapes, 0))
        if linear:
            first = self.arguments[0].name
            number = len(shapes.get(first, ())) or hints.axes_for(self.forward, first, self.owner) or 0
            yield from self._with_axes({}, number if number in OF_AXES else 2)
        if len(image := shapes.get(self.arguments[0].name, ())) == 4:
            whole = {n: ("1", image[1], "1", "1") for n in shapes if stands_for(n) == "gamma"}  # of each channel
            for one in (shapes, {**shapes, **whole}) if whole else ():
                yield from ((init, given) for init in inits for given in self._inputs(init, one, 0))
        for shares in (True, False) if self.loss else (False, True):
            self.between = shares
            for variant in range(3) if not shares or self.loss else range(1):
                for init in inits:
                    for given in self._inputs(init, shapes, variant):
                        yield init, given
        wanted = re.search(r"unpack \(expected (\d)", str(self.last()))  # "not enough values to …, got 2)"
        yield from self._with_axes(shapes, int(wanted[1]) if wanted else 0)
        if re.search(r"integer|indices must be|valid indices", str(self.last())):
            self.whole, self.between = True, False
            yield from ((init, given) for init in inits for given in self._inputs(init, shapes, 0))
            yield from ((init, given) for init in inits for given in self._inputs(init, shapes, 2))
            self.whole = False
        yield from self._of_uses(shapes)

    def _with_axes(
        self, shapes: Mapping[str, Sequence[str]], number: int
    ) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        """With as many axes, and parameters that go with them by their names."""
        names = [p.name for p in self.arguments if not self._is_setting(p.name)]
        kinds = {name: stands_for(name) if i else "" for i, name in enumerate(names)}
        for axes in sorted(OF_AXES.get(number, ()), key=lambda axes: len(set(kinds.values()) - {*axes})):
            known = {name: axes[kind] for name, kind in kinds.items() if kind in axes}
            for init in islice(self._inits(), MOST):
                yield from ((init, given) for given in self._inputs(init, {**shapes, **known}, 0))

    # --- constructor --------------------------------------------------------------------------------------------------

    def _inits(self) -> Iterator[dict[str, Any]]:
        needed = [p.name for p in self.constructor if p.name not in self.init]
        choices = [self._argument(self.cls, name) for name in needed]
        for chosen in alike_first(choices):
            values = {**self.init, **dict(zip(needed, chosen, strict=True))}
            if divides(values, hints.divisions_for(self.cls.__init__, self.cls) if needed else ()):
                yield values

    def _argument(self, function: Any, name: str, parts: Mapping[str, Any] | None = None) -> list[Any]:
        """What an argument that is no input may be; `parts` are arrays that a dict must hold."""
        kinds = hints.kinds_for(function, name, self.owner)
        keys = hints.keys_for(function, name, self.owner)
        strings = hints.strings_for(function, name, self.owner)
        if strings and not keys and "callable" not in kinds[:1]:
            return [*strings[:4]]
        needed = [key for key, default in keys.items() if default is MISSING]
        if name in SETTINGS and set(needed) <= set(SETTINGS[name]):
            return [dict(SETTINGS[name])]
        if keys:
            choices = alike_first(
                [[parts[k]] if parts and k in parts else self._key(function, name, k) for k in needed]
            )
            return [dict(zip(needed, chosen, strict=True)) for chosen in islice(choices, 8)]
        found = self._of_kind(function, name, kinds)
        if not found:
            raise Unproposed(name)
        return found

    def _key(self, function: Any, name: str, key: str) -> list[Any]:
        strings = hints.strings_for(function, name, self.owner, key=key)
        return [*strings[:2]] if strings else ["train"] if key == "mode" else numbers_named(key)

    def _of_kind(self, function: Any, name: str, kinds: Sequence[str]) -> list[Any]:
        lower = name.lower()
        steps = any(RATES.fullmatch(p.name) for p in self.constructor)  # beta is a momentum there
        if (
            stands_for(name) and "int" not in kinds[:1] and function is self.cls and not (steps and lower == "beta")
        ):  # a parameter that is handed in
            axes = hints.shapes_for(function, self.owner).get(name)
            if axes is None:
                raise Unproposed(name)
            return [array_of(Sizes({}, 0).of(axes), name)]
        items = hints.items_for(function, name, self.owner)
        first = next((k for k in kinds if k in _KINDS), "")
        if (
            re.search(r"activ|nonlin|act_f|\bact\b|func|^f$|prime", lower)
            and first in ("", "callable", "str")
            and not items
        ):
            return self._activations(name, first)
        if (
            items
            or first == "tuple"
            or (re.fullmatch(r"(.*_)?(shape|dims?)(_.*)?", lower) and lower not in ("dim", "input_dim", "output_dim"))
        ):
            plain = (
                re.search(r"channels|features|filters|units|n_|num|dim$", lower) and not items and "shape" not in lower
            )
            return [*(numbers_named(name)[:1] if plain else ()), *tuples_of(lower, items)]
        if first == "shape":  # `np.ones(size)` takes both
            return [*numbers_named(name)[:1], *tuples_of(lower, None)]
        if re.search(r"init", lower) and first in ("", "callable"):
            return [_drawn]
        if re.fullmatch(_LISTS, lower) and first in ("", "list", "int"):
            whole = numbers_named(name)[:1] if first == "int" or not lower.endswith("s") else []
            return [*whole, [4, 5], *([] if whole else numbers_named(name)[:1])]
        named = self._made_of_class(kinds)
        if named:
            return named
        if first == "bool":
            return [True, False]
        if first == "callable":
            return self._activations(name, "callable")
        if first == "str" or lower in ("name", "label", "scope"):
            return ["layer"]
        if first == "dict":  # of parameters, by names that are made
            return [{key: array_of(shape, key) for key, shape in (("W1", (3, 4)), ("b1", (4,)))}]
        if first == "list":
            return [[4, 5], [3, 4, 5], []]
        if first == "array":
            return [numbers((3, 4), name), numbers((4,), name)]
        if first == "float":
            return [real_named(name)]
        if "optim" in lower:
            from dout.adapt.recorder import Recorder

            return [Recorder()]
        return numbers_named(name)

    def _activations(self, name: str, kind: str) -> list[Any]:
        """The user's own activations: an instance, the class, a name."""
        found: list[Any] = []
        for known, item in list(self.globals.items()):
            if re.fullmatch(r"_?(relu|sigmoid|tanh|leakyrelu|identity|linear)", known, re.IGNORECASE):
                found += [item()] if inspect.isclass(item) and not _wanted(item) else [item]
        if kind == "str":
            return ["relu", "sigmoid", "tanh"]
        beside = [p.name.lower() for p in self.constructor if p.name != name]
        plain = [_tanh_slope] if re.search(r"prime|deriv|grad|^d_|diff", name.lower()) else [_tanh]
        if _SLOPE.search(name.lower()) or any(map(_SLOPE.search, beside)):
            return plain  # a function and its derivative must be of one kind
        return [*found[:3], *plain, "relu", "sigmoid"]

    def _made_of_class(self, kinds: Sequence[str]) -> list[Any]:
        for kind in kinds:
            item = self.globals.get(kind)
            if inspect.isclass(item):
                below = [
                    c for c in self.globals.values() if inspect.isclass(c) and issubclass(c, item) and c is not self.cls
                ]
                for cls in sorted(below, key=lambda c: c is item):
                    try:
                        return [cls()]
                    except Exception:
                        continue
        return []

    # --- inputs -------------------------------------------------------------------------------------------------------

    def _inputs(
        self, init: Mapping[str, Any], shapes: Mapping[str, Sequence[str]], variant: int
    ) -> Iterator[dict[str, Any]]:
        needed = [p.name for p in self.arguments if p.name not in self.inputs]
        sizes = Sizes({**self.defaults, **init}, variant, self._held(init))
        choices: list[list[Any]] = []
        for place, name in enumerate(needed):
            axes = shapes.get(name)
            if axes is not None and variant < 2:
                made = self._array(sizes.of(axes), name)
                choices.append(
                    [*labels_for(name, made, self.forward, self.owner), made]
                    if name.lower() in LABELS and place
                    else [made]
                )
            elif not self._is_setting(name) and (
                _ARRAY_NAMES.fullmatch(name) or not place or name.lower() in LABELS or (self.loss and place < 2)
            ):
                if variant != 1:
                    choices.append(self._unshaped(name, place, sizes, shapes))
                else:
                    return
            else:
                texts = {text[len(name) + 2 : -2]: axes for text, axes in shapes.items() if text.startswith(f"{name}[")}
                parts = {key: self._array(sizes.of(axes), key) for key, axes in texts.items()}
                choices.append(self._argument(self.forward, name, parts))
        most = max(map(len, choices), default=0)  # lists end with the same shapes: some must be alike
        alike = (tuple(c[max(i, -len(c))] for c in choices) for i in range(-most, 0))
        every = product(*choices)
        for chosen in (*islice(every, 24), *(alike if next(every, None) else ())):
            yield {**self.inputs, **dict(zip(needed, chosen, strict=True))}

    def _is_setting(self, name: str) -> bool:
        """Whether an argument is no array, by its code or document, or by its name alone."""
        kind = next(iter(hints.kinds_for(self.forward, name, self.owner)), "")
        data = self.arguments[0].name == name or name.lower() in LABELS  # that may be whole numbers
        items = kind == "tuple" and not _ARRAY_NAMES.fullmatch(name)
        return name in SETTINGS or kind in ("dict", "str") or (not data and (items or kind in ("callable", "int")))

    def _held(self, init: Mapping[str, Any]) -> list[int]:
        """The lengths of the arrays that a new layer and its parts hold: its inputs have some of them."""
        if not inspect.isclass(self.target):
            return lengths_held(self.target)
        key = repr(init)
        if key not in self.lengths:
            try:
                with in_silence():
                    made = self.cls(**copy.deepcopy(dict(init)))
                self.lengths[key] = lengths_held(made)
            except Exception:
                self.lengths[key] = []
        return self.lengths[key]

    def _unshaped(self, name: str, place: int, sizes: Sizes, shapes: Mapping[str, Sequence[str]]) -> list[Any]:
        """Arrays for an input of which nothing is known, by what others are."""
        least = hints.axes_for(self.forward, name, self.owner)
        known = [sizes.of(axes) for axes in shapes.values()]
        if place and len(known) > 1 and stands_for(name) in ("b", "gamma"):
            lengths = dict.fromkeys(n for shape in (known[1], known[0]) for n in (shape[-1], shape[0]))
            return [self._array(shape, name) for n in lengths for shape in ((n,), (n, 1))]
        if place and len(known) == 1 and stands_for(name) == "gamma" and len(name) > 1:
            return [self._array(known[0][-1:], name), self._array(known[0], name)]
        options = [known[0]] if place and known else list(sizes.likely())
        fitting = [s for s in options if least is None or len(s) >= least] or options
        made = [self._array(shape, name) for shape in fitting]
        if name.lower() not in LABELS or not place:
            return made
        shares = [label for array in made for label in ((one_hot(array.shape), array) if array.ndim == 2 else (array,))]
        return [*labels_for(name, made[0], self.forward, self.owner), *shares]

    def _array(self, shape: tuple[int, ...], name: str) -> Any:
        if self.whole and self.arguments and name == self.arguments[0].name:
            return whole_numbers(shape, 2)
        return between(shape, name) if self.between else array_of(shape, name)

    # --- uses elsewhere -----------------------------------------------------------------------------------------------

    def _of_uses(self, shapes: Mapping[str, Sequence[str]]) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
        if not inspect.isclass(self.target):
            return
        called = getattr(self.cls, PAIR, (self.cls.__name__,))[0]  # a pair of functions is called by its forward
        calls = calls_of(called, files_below(repository_root(inspect.getsourcefile(self.forward) or "")))
        if hasattr(self.cls, PAIR):
            found = (bound(call, self.forward, self.globals, self.inputs) for call in calls[:MOST_CALLS])
            yield from (({}, given) for given in found if given is not None)
        for call in calls[:4] if self.constructor else ():
            init = bound(call, self.cls, self.globals, self.init)
            if init is None or any(isinstance(v, int) and v > 20 * MANY for v in init.values()):
                continue
            yield from ((init, given) for given in self._inputs_of(call))
            self.between = self.loss
            for variant in (0, 2):
                yield from ((init, given) for given in self._inputs(init, shapes, variant))

    def _inputs_of(self, call: Call) -> Iterator[dict[str, Any]]:
        names = [p.name for p in self.arguments]
        for method in call.methods:
            if method.name in ("forward", "__call__", getattr(self.forward, "__name__", "")):
                try:
                    values = [value_of(item, self.globals) for item in method.args]
                except Unproposed:
                    continue
                if len(values) >= len(names):
                    yield {**dict(zip(names, values, strict=False)), **self.inputs}


_SLOPE = re.compile(r"prime|deriv|grad|^d_|diff|backward")


def _slopes_of(cls: type, names: Sequence[str]) -> list[inspect.Parameter]:
    """The optional derivatives of functions that a constructor must be given: `f_prime=None` beside `f`."""
    if not names:
        return []
    absent = [p for p in inspect.signature(cls).parameters.values() if p.default is None]
    return [p for p in absent if _SLOPE.search(p.name.lower()) and any(p.name.startswith(f"{n}_") for n in names)]


def _sizes_by_default(cls: type) -> dict[str, Any]:
    """The constructor's arguments that are sizes and have a default: shapes, and numbers that are called so."""
    try:
        parameters = inspect.signature(cls).parameters.values()
    except (TypeError, ValueError):
        return {}
    called = re.compile(r".*(in|size|dim|features|hidden|units|channels|nodes|neurons|shape).*|n_.*", re.IGNORECASE)
    kept = {p.name: p.default for p in parameters if called.fullmatch(p.name)}
    return {name: item for name, item in kept.items() if type(item) is int or isinstance(item, tuple)}


def _wanted(function: Any) -> list[inspect.Parameter]:
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return []
    named = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    return [p for p in parameters if p.default is p.empty and p.kind in named]


def _written(cls: type) -> set[str]:
    return {name for base in cls.__mro__ if base is not object for name in vars(base)}
