"""An example that may be meant otherwise: other shapes or sizes on which a layer with errors is right.

Nobody gave them: an error that is none there is a doubtful one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import product
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_output, names_upstream, stands_for
from dout.adapt.interface.interface import DOUT, Interface
from dout.adapt.interface.learned_gradients import is_float_array
from dout.adapt.interface.method_pairs import required_by
from dout.adapt.search.constructor_options import at_outputs
from dout.adapt.search.example import as_found, example
from dout.adapt.search.example_repair import alike
from dout.adapt.search.example_search import Example
from dout.adapt.sizes.proposed_arrays import between, labels_for, one_hot
from dout.adapt.source import axes_for, keeps_for, kinds_for
from dout.adapt.target import Target
from dout.check.exact.missing_gradients import paired_by_place
from dout.check.exact.subject import Subject
from dout.check.lab.other_values import other as others_like
from dout.check.lab.other_values import same
from dout.check.lab.probe import Lab
from dout.check.lab.shared_recording import recorded_of
from dout.check.report.report import Report
from dout.check.report.verdicts import DERIVED, Finding, Refuted
from dout.check.verb.judged_layer import is_right, number_right, subject_of
from dout.graph import Shape
from dout.judge.judged_run import is_one_hot
from dout.judge.outcomes import CLOSE, RIGHT
from dout.ops import PRIMITIVES
from dout.run import PlainRun, arrays, otherwise, quiet, size_of, sure_difference, weighed

_DOT = PRIMITIVES["dot"]


def wrong_here(report: Report) -> list[Finding]:
    """The errors on gradients that are wrong on the example itself."""
    errors = [item for item in report.findings if item.severity == "error"]
    return [item for item in errors if isinstance(item.reason, Refuted) and not item.reason.elsewhere]


@dataclass(frozen=True, eq=False)
class OtherMeanings:
    """A layer as it was judged, and its example; each method says what else may be meant, or ""."""

    target: Any
    layer: Any
    ordered: Sequence[Any]
    example: Example

    def doubts(self, report: Report) -> Iterator[tuple[str, Sequence[Finding]]]:
        """What may be meant otherwise, or "", and the errors that are in doubt then.

        A right gradient confirms what backward was given, and the sizes. So does a small repair after which all are.
        """
        wrong, given = wrong_here(report), self._given()
        of_shapes = [item for item in wrong if item.index is None and str(item.argument) in self.example.chosen]
        unproven = [item for item in wrong if item.fix is None or item.cause == DERIVED]
        yield self._with_more_axes() if self.example.mended and unproven else "", unproven
        yield self._as_number(of_shapes), wrong
        proven = [item for item in of_shapes if item not in unproven and len(item.got) == len(item.expected)]
        yield self._in_shapes_of_gradients(of_shapes) if len(proven) < len(of_shapes) else "", wrong
        yield self._with_steps_of_rows() if wrong else "", wrong
        flag = self._of_a_prediction() if wrong else ""
        yield f"forward leaves out here what backward is handed, and {flag} was chosen" if flag else "", wrong
        if (RIGHT | CLOSE).isdisjoint(verdict.word for verdict in report.verdicts):
            yield self._as_forward_input(given), wrong
            no_upstream = given and not any(map(names_upstream, given))
            yield f"{given[0]} of backward may be no upstream gradient" if no_upstream else "", of_shapes
            yield self._with_signs() if wrong else "", wrong
            yield self._right_with_one() if wrong else "", wrong
            yield self._as_vector() if wrong else "", wrong

    @otherwise("")
    def of_something_else(self, report: Report) -> str:
        """The only gradient, if it is the derivative for another input, or for weights of another shape.

        Weights of the shape of its own input are meant only if forward has made them for good. Another input is not
        where names tell which is the prediction, and which the label: the sign may be wrong. Nor is it where a tape
        takes each gradient by its place.
        """
        subject = subject_of(self.layer, self.ordered, self.example.init)
        run, names = subject.run(), {str(item.argument) for item in wrong_here(report)}
        if all(np.size(output) == 1 for output in run.outputs):  # a loss may take dout to be 1
            run = subject.run(douts=tuple(np.ones(np.shape(output))[()] for output in run.outputs))
        given = [(name, g) for name, g in zip(subject.names, run.gradients, strict=False) if g is not None]
        if len(given) != 1 or {given[0][0]} != names:
            return ""
        ((name, gradient),) = given
        own = np.shape(subject.inputs[subject.names.index(name)])
        others = {n: x for n, x in zip(subject.names, subject.inputs, strict=False) if n != name and is_float_array(x)}
        is_told = names_output(name) or (any(map(names_label, others)) and not names_label(name))
        if is_told or paired_by_place(subject, len(run.gradients)):
            others = {}
        judged = {f"self.{verdict.argument}" for verdict in report.verdicts}  # these have gradients of their own
        made = _made_for_good(subject)
        held = {path: x for path, x in arrays(run.layer).items() if path not in judged}
        held = {path: x for path, x in held.items() if np.shape(x) != own or path in made}
        for other, x in {**others, **held}.items():
            for found in (gradient, np.transpose(gradient)):
                if np.ndim(x) and np.shape(found) == np.shape(x) and _is_of(subject, run, other, x, found):
                    return f"it may be the gradient of {other.removeprefix('self.')}"
        return ""

    def _as_forward_input(self, given: Sequence[str]) -> str:
        """The argument of backward that is named as an input of forward, if backward does not read a kept one."""
        cls, interface = Target(self.target).cls, self.example.interface or Interface()
        if not given:
            return ""
        forward, backward = (getattr(cls, name) for name in (interface.forward, interface.backward))
        for name in given:
            is_input = name in self.example.chosen_inputs and not names_upstream(name)
            if is_input and not keeps_for(forward, name, backward):
                return f"backward's argument {name} may be forward's input, not the upstream gradient"
        return ""

    def _with_signs(self) -> str:
        """The labels of two classes, which may be −1 and 1 where dout chose 0 and 1: all is right then."""
        labels = {n: x for n, x in self.example.chosen_inputs.items() if names_label(n) and np.isin(x, (0, 1)).all()}
        for name, x in labels.items():
            other = replace(self.example, inputs={**self.example.inputs, name: 2.0 * x - 1})
            if self._is_right_on(other):
                return f"if {name} are -1 and 1, it is right"
        return ""

    @otherwise(None)
    def more_right(self, report: Report) -> Example | None:
        """The example with another choice that is no worse by what is known, if more gradients are right with it.

        A flag is turned where forward leaves out what backward is handed: no gradient is that of such a forward.
        """
        here = sum(verdict.word in RIGHT | CLOSE for verdict in report.verdicts)
        flag = self._of_a_prediction()
        choices = [self._chosen_beside({flag: not self.example.inputs[flag]})] if flag else self._other_choices()
        least = 0 if flag else here + 1
        return next((one for one in choices if number_right(*as_found(self.target, one), one.init) >= least), None)

    def _other_choices(self) -> Iterator[Example]:
        """With labels in another form, whole numbers or a 1 in each row or column; with slopes that take outputs."""
        what, inputs = Target(self.target), self.example.inputs
        scores = next((x for x in inputs.values() if is_float_array(x)), None)
        for name, x in self.example.chosen_inputs.items():
            is_whole = isinstance(x, np.ndarray) and x.dtype.kind in "iu"
            if scores is None or not names_label(name) or not (is_whole or (np.ndim(x) == 2 and is_one_hot(x))):
                continue
            forms = [] if is_whole else [one_hot(np.shape(x)[::-1]).T]
            forms += [
                form for form in labels_for(name, scores, what.forward, what.cls)[:-1] if np.shape(form) != x.shape
            ]
            yield from (replace(self.example, inputs={**inputs, name: form}) for form in forms)
        init = self.example.chosen_init
        if slopes := {name: at_outputs(item) for name, item in init.items() if at_outputs(item) is not None}:
            yield replace(self.example, init={**self.example.init, **slopes})

    def _chosen_beside(self, inputs: Mapping[str, Any]) -> Example:
        """The example that is chosen beside these inputs, in the interface that fits it. Raises TargetError."""
        own, chosen = self.example, self.example.chosen
        given = {name: x for name, x in own.inputs.items() if name not in chosen}
        found = example(self.target, {n: x for n, x in own.init.items() if n not in chosen}, {**given, **inputs})
        return replace(found, chosen=found.chosen | {*inputs})

    @otherwise("")
    def _of_a_prediction(self) -> str:
        """A flag that was chosen, where forward gives the same whatever an array is that backward is handed, or "".

        No gradient of such a forward depends on that array.
        """
        flags = [name for name, x in self.example.chosen_inputs.items() if type(x) is bool]
        subject = subject_of(self.layer, self.ordered, self.example.init)
        given, changed = subject.fresh_inputs(), others_like(subject.inputs)
        roles = self.example.interface.roles if self.example.interface is not None else ()
        handed = [place for place, name in enumerate(subject.names) if name in roles and np.ndim(given[place])]
        others = [(*given[:place], changed[place], *given[place + 1 :]) for place in handed if flags]
        usual = subject.forward() if others else []
        return flags[0] if any(same(replace(subject, inputs=one).forward(), usual) for one in others) else ""

    def _as_number(self, wrong: Sequence[Finding]) -> str:
        """The inputs whose gradients are numbers, if they may be numbers themselves; all gradients are right then."""
        inputs, forward = self.example.inputs, Target(self.target).forward
        arrays = {name for name, x in inputs.items() if np.ndim(x)}
        names = {str(item.argument) for item in wrong if item.got == ()}
        if not names or names == arrays:
            return ""
        if any(stands_for(name) or "array" in kinds_for(forward, name) for name in names):
            return ""
        numbers = {name: 0.75 + place / 4 for place, name in enumerate(sorted(names))}
        said = f"{' and '.join(numbers)} {'are numbers' if len(numbers) > 1 else 'is a number'}"
        is_right_so = self._is_right_on(replace(self.example, inputs={**inputs, **numbers}))
        return f"if {said}, it is right" if is_right_so else ""

    def _in_shapes_of_gradients(self, wrong: Sequence[Finding]) -> str:
        """The inputs that may have the shapes of their gradients, if no name says how many axes they have.

        One of the two shapes is the other repeated, or has more axes: which of them was meant only the layer knows.
        """
        shapes = {str(item.argument): (item.got, item.expected) for item in wrong}
        named = any(stands_for(name) not in ("", "h") and name != "g" for name in shapes)
        are_numbers = not all(got for got, _ in shapes.values())
        if not shapes or named or are_numbers or not {*shapes} <= {*self.example.inputs}:
            return ""
        if not all(len(got) > len(own) or _is_repeated((got, own)) for got, own in shapes.values()):
            return ""
        inputs = {name: alike(self.example.inputs[name], got, name) for name, (got, _) in shapes.items()}
        said = " and ".join(f"{name} has shape {got}" for name, (got, _) in shapes.items())
        is_right_so = self._is_right_on(replace(self.example, inputs={**self.example.inputs, **inputs}))
        return f"if {said}, it is right" if is_right_so else ""

    def on_fewer_axes(self) -> str:
        """An input beside the first that has more axes than code and documents tell: with one fewer all is right."""
        what, inputs = Target(self.target), self.example.inputs
        for name in [*self.example.chosen_inputs][1:]:
            axes = np.ndim(inputs[name])
            is_open = is_float_array(inputs[name]) and axes > max(1, axes_for(what.forward, name, what.cls) or 0)
            for axis in range(axes) if is_open else ():
                fewer = replace(self.example, inputs={**inputs, name: np.take(inputs[name], 0, axis=axis)})
                if self._is_right_on(fewer):
                    return f"if {name} has {axes - 1} {'axis' if axes == 2 else 'axes'}, it is right"
        return ""

    def _with_more_axes(self) -> str:
        """An input that was given more axes than code and documents tell, by what the layer raised."""
        what = Target(self.target)
        for name, x in self.example.chosen_inputs.items():
            told = axes_for(what.forward, name, what.cls) or np.ndim(x)
            if np.ndim(x) > told:
                axes = "1 axis" if told == 1 else f"{told} axes"
                return f"forward reads {axes} of {name}; here {name} has {np.ndim(x)}, for on others the layer raised"
        return ""

    @otherwise("")
    def with_one_row(self) -> str:
        """Of a loss that gives a number for each pair of rows, `np.dot(y, np.log(p).T)`: it is meant for one row."""
        if not names_loss(Target(self.target).name):
            return ""
        rows = {np.shape(x)[0] if np.ndim(x) == 2 else 0 for x in self.ordered}
        outputs = subject_of(self.layer, self.ordered, self.example.init).forward()
        if len(rows) != 1 or [np.shape(output) for output in outputs] != [(*rows, *rows)]:
            return ""
        lengths = {name: np.shape(x)[1] for name, x in zip(self.example.inputs, self.ordered, strict=True)}
        numbers = [between((length,), name)[None] for name, length in lengths.items()]
        is_right_so = is_right(self.layer, numbers, self.example.init, ends=True)
        return "if each input is one row, it is right" if is_right_so else ""

    @otherwise("")
    def _with_steps_of_rows(self) -> str:
        """A vector whose numbers may be rows: `np.dot(x[t], W)` takes both, and with rows all is right."""
        recorded = recorded_of(Lab(subject_of(self.layer, self.ordered, self.example.init))).base
        products = [node.inputs for node in recorded.nodes if node.primitive is _DOT] if recorded else []
        lengths = {two.shape[0] for one, two in products if one.shape == () and len(two.shape) > 1}
        vectors = [name for name, x in self.example.chosen_inputs.items() if is_float_array(x) and np.ndim(x) == 1]
        for name, length in product(vectors, sorted(lengths)):
            rows = {other: self.example.inputs[other][None] for other in vectors}
            rows[name] = np.cos(np.arange(3.0 * length)).reshape(3, 1, length)
            if self._is_right_on(replace(self.example, inputs={**self.example.inputs, **rows})):
                return f"if {name} has a row for each step, it is right"
        return ""

    def _right_with_one(self) -> str:
        """A size that equals another one by chance and for which 1 makes every gradient right, or ''.

        A layer for one output may take as many as it has inputs, and nothing between.
        """
        sizes = {name: n for name, n in self.example.chosen_init.items() if type(n) is int and n > 1}
        alike = [name for name, n in sizes.items() if [*sizes.values()].count(n) > 1]
        for name, kept in product(alike, (slice(1), 0)):
            inputs = {
                key: x[..., kept] if place and np.shape(x)[-1:] == (sizes[name],) else x
                for place, (key, x) in enumerate(self.example.inputs.items())
            }
            if self._is_right_on(replace(self.example, init={**self.example.init, name: 1}, inputs=inputs)):
                return f"with {name} = 1 it is right, and {sizes[name]} was chosen for another size, too"
        return ""

    @otherwise("")
    def _as_vector(self) -> str:
        """The input that may be a vector: forward goes over all of its numbers in a line, and all is right then.

        Not where backward takes tables and gives their shape: there it is meant for them, and wrong.
        """
        (name, x), *others = self.example.inputs.items()
        if others or name not in self.example.chosen or np.ndim(x) < 2 or self._has_gradient_of_table(name):
            return ""
        line = replace(self.example, inputs={name: np.ravel(x)})
        tables, lines = (
            [np.ravel(out) for out in subject_of(*as_found(self.target, one), one.init).run().outputs]
            for one in (self.example, line)
        )
        is_flat = len(tables) == len(lines) and all(map(np.array_equal, tables, lines))
        return f"if {name} is a vector, it is right" if is_flat and self._is_right_on(line) else ""

    @otherwise(False)
    def _has_gradient_of_table(self, name: str) -> bool:
        """Whether backward takes what forward made of a table without an axis of one, and gives its shape."""
        table = np.resize(self.example.inputs[name], (3, 4))
        other = replace(self.example, inputs={name: table})
        run = subject_of(*as_found(self.target, other), other.init).run()
        return [np.shape(gradient) for gradient in run.gradients] == [table.shape]

    @otherwise(False)
    def _is_right_on(self, other: Example) -> bool:
        layer, ordered = as_found(self.target, other)
        return is_right(layer, ordered, other.init)

    def _given(self) -> list[str]:
        """The arguments of backward that are taken for upstream gradients."""
        interface, cls = self.example.interface or Interface(), Target(self.target).cls
        if not hasattr(cls, interface.backward):
            return []
        names = required_by(cls, interface.backward)
        return [name for name, role in zip(names, interface.roles, strict=False) if role == DOUT]


def _made_for_good(subject: Subject) -> set[str]:
    """The arrays that forward makes the first time, and leaves at the next, on other inputs: no caches."""
    layer, before = subject.again(), {*arrays(subject.again())}
    with quiet():
        subject.runner.forward(layer, subject.fresh_inputs())
        made = {path: np.copy(x) for path, x in arrays(layer).items() if path not in before}
        subject.runner.forward(layer, [1.5 * x if is_float_array(x) else x for x in subject.fresh_inputs()])
    after = arrays(layer)
    return {path for path, x in made.items() if path in after and np.array_equal(x, after[path])}


def _is_of(subject: Subject, run: PlainRun, name: str, x: Any, gradient: Any) -> bool:
    """Whether a gradient is that of an input, or of an array of the layer after its forward, or a mean of it."""

    def loss(way: Any, step: float) -> float:
        layer, inputs = subject.again(), list(subject.fresh_inputs())
        with quiet():
            if name in subject.names:
                inputs[subject.names.index(name)] += step * way
            else:
                subject.runner.forward(layer, inputs)  # it may make its weights then
                arrays(layer)[name][...] += step * way
            return float(weighed(subject.runner.forward(layer, inputs), run.douts))

    ratios = []
    for seed in range(2):
        way = np.random.default_rng(seed).normal(size=np.shape(x))
        slope, _ = sure_difference(partial(loss, way), 1e-5 * size_of(x))
        ratios.append(float(np.sum(gradient * way)) / slope if slope else 0.0)
    lengths = {1, *np.shape(x), np.size(x)}
    return any(np.allclose(ratios, times, rtol=1e-3, atol=0) for n in lengths if n for times in (n, 1 / n))


@otherwise(False)
def _is_repeated(shapes: tuple[Shape, Shape]) -> bool:
    """Whether broadcasting makes one of two shapes the other."""
    return np.broadcast_shapes(*shapes) in shapes
