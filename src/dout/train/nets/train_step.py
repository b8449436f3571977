"""A net, a loss and a batch in; the loss, the scores and the gradients of all parameters out, plain or compiled."""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from dout.errors import TargetError, TrainingError, needs
from dout.run import arrays, attributes_of, deep_copy, flat, generators_of, global_states, is_float_array, places, quiet
from dout.trace.session.pairing import is_named_as_gradient
from dout.train.nets.added_gradients import AddedGradients
from dout.train.nets.layer_graphs import LayerGraph
from dout.train.nets.layer_watch import (
    LayerPass,
    called,
    is_finite,
    layers_of,
    raising_layer,
    shapes_of,
    watched_layers,
)
from dout.train.nets.net_round import NetRound
from dout.train.nets.parameters import (
    NAMINGS,
    Array,
    LearnedArray,
    Registry,
    before_a_step,
    length_of,
)
from dout.train.nets.paying_compilation import PayingCompilation, compiled_step

_FLOPS = 6  # operations for each number of the net and sample: two forward, four backward
_FLOPS_OF_A_LOOK = 2
_PLACES = 1000  # of an image, at which a filter may be used
_WORTH = 1e10  # operations: a second of plain steps or two, as long as it takes to compile them
LOOKS = 2  # steps after which parameters are looked for


class TrainStep:
    """Forward, loss and backward of one net; `call` is what runs them, compiled or plain."""

    def __init__(self, net: Any, loss: Any = None) -> None:
        self.round = NetRound(net, loss)
        self.net, self.loss, self.returned = self.round.net, self.round.loss, self.round.returned
        self.run, self.loss_of = self.round.run, self.round.loss_of
        self.call: Callable[[Any, Any], tuple[Any, Any]] = self.run
        self.look: Callable[[Any, Any], tuple[Any, Any]] = self.loss_of
        self.registry = Registry({})
        self.looks = LOOKS
        self.rows: Sequence[int] | None = None  # which samples of the data the batch has
        self.begins_epoch = False  # whether the batch is the first of its epoch
        self.data: list[Any] = []  # what the net was given while parameters are looked for
        self.roots = self.round.roots()
        self.added = AddedGradients({})

    def settle(self, x: Any, t: Any) -> None:
        """Find out, before the first step, how the user's net, layers and loss are called."""
        self.round.settle(x, t)
        self.net, self.loss, self.roots = self.round.net, self.round.loss, self.round.roots()

    def compile(self, wanted: bool | None, *, keeps_bits: bool, samples: int | None, looked_at: int = 0) -> None:
        """Let `call` be the compiled step; with None, if that pays for so many samples in all.

        So is what evaluates, for as many samples as are `looked_at`: compiling takes about as long as for the step.

        The first step runs plainly. Which way is taken follows from counts, and not from times: two runs of one
        training give the same bits. A layer in several places of a net is asked for its attributes between two calls:
        then the step runs plainly.
        """
        is_there = importlib.util.find_spec("numba") is not None
        if wanted and not is_there:
            raise TargetError(needs("a compiled step", "numba"))
        shares = any(any(layer.shared) for _, layer in layers_of(**self.roots) if isinstance(layer, LayerGraph))
        held = sum(place.item.size for place in places(self.net) if is_float_array(place.item))
        may_pay = (samples or 0) * held * _FLOPS * _PLACES > _WORTH and is_there and not shares
        if wanted:
            self.call = partial(self._first, compiled_step(self.run, strict=keeps_bits))
            self.look = compiled_step(self.loss_of, strict=keeps_bits)
        elif wanted is None and may_pay:
            counted = partial(self._counted, samples or 0, looked_at, held * _FLOPS)
            self.call = PayingCompilation(self.run) if keeps_bits else partial(self._first, counted)

    def _first(self, others: Callable[[Any, Any], tuple[Any, Any]], x: Any, t: Any) -> tuple[Any, Any]:
        """The first step runs plainly: layers have other attributes before it than later, and other programs."""
        self.call = others
        return self.run(x, t)

    def _counted(self, samples: int, looked_at: int, least: int, x: Any, t: Any) -> tuple[Any, Any]:
        """A step that is compiled if its operations pay: at `least` so many for each sample.

        They are counted where a number may be used more than once, at places, or steps, and where they pay anyway.
        """
        of_each: float = least
        if of_each * samples <= _WORTH and all(
            np.ndim(item) < 3 and np.asarray(item).dtype.kind == "f" for item in flat(x)
        ):
            self.call = self.run
            return self.run(x, t)

        def worth(operations: int) -> bool:  # not asked of a recording that is broken off
            nonlocal of_each
            of_each = max(operations / max(1, len(t)), least)
            return of_each * samples > _WORTH

        step = compiled_step(self.run, strict=False, worth=worth)
        result: tuple[Any, Any] = step(x, t)
        self.call = step if of_each * samples > _WORTH else self.run
        if self.call is step and of_each * looked_at * _FLOPS_OF_A_LOOK / _FLOPS > _WORTH:
            self.look = compiled_step(self.loss_of, strict=False)
        return result

    # --- a step that is looked at ---

    def __call__(self, x: Any, t: Any, where: str) -> tuple[float, Any, dict[str, Array], float]:
        """The loss, the scores, the gradient of each parameter, and the length of all of them.

        Raises TrainingError, before anything is updated, where a layer does not take what it is given, a label is none
        of a class, the loss is no number, or something is not finite.
        """
        if self.looks and self.round.is_open():
            self.settle(x, t)
        before = before_a_step(**self.roots) if self.looks else None
        values = {name: np.array(array) for name, array in self.registry.arrays().items()} if self.looks else {}
        self.remember(x, t)
        if self.looks:
            self.added = AddedGradients.of(self.round, self.registry, x, t)
            self.added.look(self.round)
        loss, scores = self.checked_call(x, t, where)
        if before is not None:
            self._find_parameters(before, x, t)
            self.added.look(self.round)
            self._refuse_updated(values, x, t, where)
        gradients = self.registry.gradients()
        norm = length_of(gradients)
        if not math.isfinite(loss) or (not math.isfinite(norm) and not all(map(is_finite, gradients.values()))):
            self._refuse_broken(x, t, where)
        return float(loss), scores, gradients, norm

    def checked_call(self, x: Any, t: Any, where: str) -> tuple[Any, Any]:
        """The loss and the scores of `call`. Raises TrainingError for a layer's error, a wrong label or loss shape."""
        self.added.clear()  # as a loop of one's own does it
        try:
            loss, scores = self.call(x, t)
        except TrainingError:
            raise
        except Exception as error:
            raise self.explained(error, t, where) from error
        check_labels(scores, t, self.loss, where, self.rows)
        if np.ndim(loss):
            who = called("loss", self.loss) if self.loss is not None else type(self.net).__name__
            raise TrainingError(f"{who}: the loss has shape {np.shape(loss)}: it has to be one number; take its mean")
        return loss, scores

    def remember(self, x: Any, t: Any) -> None:
        """Remember data while parameters are looked for: a layer may keep it in `self.t`, with a `self.dt` beside."""
        if self.looks:
            self.data += [item for item in flat([x, t]) if isinstance(item, np.ndarray)]

    def _find_parameters(self, before: Any, x: Any, t: Any) -> None:
        """Look again in the second step: layers may make their parameters in the first one, or update themselves."""
        found = Registry.after_a_step(self.round.with_returned(before)).parameters
        new = Registry({name: one for name, one in found.items() if not one.lies_in(self.data)})
        known = self.registry.parameters
        others = {
            name: one for name, one in known.items()
            if new.parameters.get(name, one).array is not one.array and not one.is_number
        }  # fmt: skip
        made = self._made_by_forward(others, x, t) if others else set()
        for name in others.keys() - made:
            said = "the net updates itself; train it by its own loop"
            raise TrainingError(f"{name} is another array after each step: {said}")
        self.registry = Registry({name: one for name, one in {**new.parameters, **known}.items() if name not in made})
        self.registry.check_memory()
        self.looks -= 1
        if not self.looks:
            self.data.clear()
        if not self.registry and not self.looks:
            raise no_parameters(self, x, t)

    def _refuse_updated(self, values: Mapping[str, Array], x: Any, t: Any, where: str) -> None:
        """Raise TrainingError where backward has changed a parameter; forward may, by a norm or a bound.

        A round of a copy is looked at between its forward and its backward. A `gradient(x, t)` has a forward in it:
        there forward alone has to leave the parameter as it is.
        """
        now = self.registry.parameters
        changed = [
            name for name, value in values.items()
            if name in now and not now[name].is_number and not np.array_equal(now[name].array, value, equal_nan=True)
        ]  # fmt: skip
        if not changed:
            return
        put_back = global_states(generators_of(**self.roots))
        try:
            with quiet():
                copy, x, t = deep_copy((self, x, t))
                for name, array in copy.registry.arrays().items():
                    array[...] = values.get(name, array)
                _, scores = copy.round.front(x, t)
                between = {name: np.array(array) for name, array in copy.registry.arrays().items()}
                copy.round.back(x, t, scores)
            after = copy.registry.arrays()
        except Exception:  # the user's code, on what it was not made for
            return
        finally:
            put_back()
        for name in changed:
            by_back = not np.array_equal(between[name], after[name], equal_nan=True)
            if by_back and (self.round.is_in_two or np.array_equal(between[name], values[name], equal_nan=True)):
                said = "backward changes it: the net updates itself; train it by its own loop"
                raise TrainingError(f"{where}: {name} is another one after a step, because {said}")

    def _made_by_forward(self, found: Mapping[str, LearnedArray], x: Any, t: Any) -> set[str]:
        """What forward makes anew is no parameter, though it has a gradient: `self.std` with its `self.dstd`.

        A forward of copies shows that; where there can be none, nothing is said to be made so.
        """
        put_back = global_states(generators_of(**self.roots))
        try:
            owners, names = {}, {}
            for name, one in found.items():
                owners[name], names[name] = one.owners[0][0], one.owners[0][1].name
            with quiet():
                roots, owners, x, t = deep_copy((self.roots, owners, x, t))
                held = {name: attributes_of(owner).get(names[name]) for name, owner in owners.items()}
                TrainStep(**roots).loss_of(x, t)
            return {name for name in owners if attributes_of(owners[name]).get(names[name]) is not held[name]}
        except Exception:  # the user's code, on what it was not made for
            return set()
        finally:
            put_back()

    def explained(self, error: Exception, t: Any, where: str) -> TrainingError:
        """The same error with the layer in which it was raised, and what that was given."""
        found = raising_layer(error.__traceback__, layers_of(**self.roots))
        if found is None:
            return TrainingError(f"{where}: {type(error).__name__}: {error}")
        path, layer, way, given = found
        hint = ""
        if layer is self.loss and way == "forward":
            check_labels(given, t, self.loss, where, self.rows)
            if isinstance(error, IndexError) and np.asarray(t).dtype.kind == "f":
                hint = f"; t holds {np.asarray(t).dtype}, and labels are whole numbers: give t.astype(int)"
        arrays_held = ((name, item) for name, item in attributes_of(layer).items() if isinstance(item, np.ndarray))
        held = {name: np.shape(item) for name, item in arrays_held if not is_named_as_gradient(name)}
        own = [name.rpartition(".")[2] for name in self.registry.parameters]
        names = [name for name in held if not self.registry or name in own]
        shapes = ", ".join(f"{name} has shape {held[name]}" for name in names[:4])
        said = f"{where}: {called(path, layer)}.{way} was given {shapes_of((given,))}"
        return TrainingError(f"{said}{f'; its {shapes}' if shapes else ''}: {type(error).__name__}: {error}{hint}")

    def _refuse_broken(self, x: Any, t: Any, where: str) -> None:
        """Say what is not finite, and where that begins."""
        if said := self.broken_data(x, t):
            raise TrainingError(f"{where}: {said}{self._first_broken(x, t, '')}")
        wrong = [name for name, parameter in self.registry.parameters.items() if not is_finite(parameter.array)]
        if wrong:
            raise TrainingError(f"{where}: the parameter {wrong[0]} is NaN or infinite: take a smaller learning rate")
        raise TrainingError(f"{where}: NaN or infinity{self._first_broken(x, t) or ' in the gradients'}")

    def broken_data(self, x: Any, t: Any) -> str:
        """What is not finite in a batch, and in which samples; nothing where all of it is."""
        for name, item in {**_parts("x", x), **_parts("t", t)}.items():
            if not is_finite(item):
                count = len(item) if isinstance(item, np.ndarray) and item.ndim else 0
                return f"{name[0]} has NaN or infinity{self._broken_samples(item, count, name)}"
        return ""

    def _first_broken(self, x: Any, t: Any, name: str = "x") -> str:
        """The first layer whose output, or else gradient, is not finite; nothing where all of them are."""
        found: list[LayerPass] = []

        def hear(one: LayerPass) -> None:
            if not found and one.returned is not None and not is_finite(one.returned):
                found.append(one)

        with watched_layers(layers_of(**self.roots), hear), np.errstate(all="ignore"):
            self.run(x, t)
        if not found:
            return ""
        (one,) = found
        samples = self._broken_samples(one.returned, len(t) if name and np.ndim(t) else 0, name)
        return f"; the first layer that shows it is {called(one.path, one.layer)}, in its {one.way}{samples}"

    def _broken_samples(self, item: Any, count: int, name: str) -> str:
        """Where something is not finite, if that is in some of so many samples: by their places in the user's data."""
        if not np.ndim(item) or len(item) != count:
            return ""
        bad = np.flatnonzero(~np.isfinite(np.asarray(item)).reshape(count, -1).all(axis=1))
        first = f"number {bad[0]} of the batch" if self.rows is None else f"{name}[{self.rows[bad[0]]}]"
        return "" if len(bad) == count > 1 else f" in {len(bad)} of {count} samples, the first is {first}"


def _parts(name: str, data: Any) -> dict[str, Any]:
    """Data by name; each of several in a tuple by its own."""
    return {f"{name}[{place}]": item for place, item in enumerate(data)} if isinstance(data, tuple) else {name: data}


def check_labels(scores: Any, t: Any, loss: Any, where: str, samples: Sequence[int] | None = None) -> None:
    """Raise TrainingError where a label is no class of the scores: NumPy takes -1 for the last one, without a word."""
    if not isinstance(scores, np.ndarray):
        return
    labels, rows = np.asarray(t), scores.shape
    if labels.dtype.kind not in "iu" or not labels.size or len(rows) < 2 or rows[:-1] != labels.shape or rows[-1] < 2:
        return
    out = (labels < 0) | (labels >= rows[-1])
    ignored = getattr(loss, "ignore_index", None)
    if ignored is not None:
        out &= labels != ignored
    if out.any():
        place = tuple(int(i) for i in np.argwhere(out)[0])
        there = (place[0] if samples is None else int(samples[place[0]]), *place[1:])
        raise TrainingError(
            f"{where}: t{list(there)} {'of the batch ' if samples is None else ''}is {labels[place]}; "
            f"there are {rows[-1]} scores a sample, so classes are 0 … {rows[-1] - 1}"
        )


def no_parameters(step: TrainStep, x: Any, t: Any) -> TrainingError:
    """What is to say of a net in which nothing can be learned, after a step with this batch."""
    names = [type(layer).__name__ for _, layer in layers_of(**step.roots)]
    names = list(dict.fromkeys(names or [type(step.net).__name__]))
    for path, layer in layers_of(**step.roots):
        held = attributes_of(layer)
        for name, item in held.items():
            if isinstance(item, np.ndarray) and item.dtype.kind in "iu" and f"d{name}" in held:
                return TrainingError(
                    f"{name} of {called(path, layer)} holds whole numbers, which cannot learn: give floats"
                )
    if moved := _moved_by_backward(step, x, t):
        return TrainingError(
            f"the backward of {moved} and leaves no gradient: the net updates itself; train it by its own loop, or let "
            "backward leave the gradient in an attribute (self.dW) and change nothing"
        )
    return TrainingError(
        f"no parameter with a gradient was found in {', '.join(names)}; looked for {NAMINGS}, left in the object by "
        "backward. A gradient that only backward knows, or that has another name or shape, is not found"
    )


def _moved_by_backward(step: TrainStep, x: Any, t: Any) -> str:
    """The first array that a backward changes, with its layer, as a round of copies shows; nothing where none is."""
    if not step.round.is_in_two:
        return ""
    put_back = global_states(generators_of(**step.roots))
    try:
        with quiet():
            copy, x, t = deep_copy((step, x, t))
            _, scores = copy.round.front(x, t)
            held = [(path, layer, deep_copy(arrays(layer))) for path, layer in layers_of(**copy.roots)]
            copy.round.back(x, t, scores)
        for path, layer, before in reversed(held):  # those within others come last
            for name, array in arrays(layer).items():
                is_same = name not in before or np.array_equal(before[name], array, equal_nan=True)
                if not is_same and array.shape == before[name].shape and not is_named_as_gradient(name):
                    return f"{called(path, layer)} changes {name}"
    except Exception:  # the user's code, on what it was not made for
        return ""
    finally:
        put_back()
    return ""
