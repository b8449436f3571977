"""The derivation of a backward in; a sheet that asks for it step by step, out: each step is a layer of its own.

A step is graded as every layer is, by the derivative of its forward. So one that is wrong makes no other wrong, and no
key is needed. Last comes the class itself: its backward goes through the steps from the last to the first.
"""

from __future__ import annotations

import inspect
import keyword
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.errors import SheetError, visible
from dout.exercise.sheet import Sheet, marked
from dout.explain.derivation.derivation import explained
from dout.explain.derivation.part_code import step_code
from dout.explain.model.explanation import Explanation, Quantity
from dout.graph import topological

BACKWARD = "backward"
_DEEP = " " * 8
_MOST_WRITTEN = 24  # numbers of an input that are written out
_MOST = 30  # steps of a sheet


@dataclass(frozen=True)
class _Step:
    """One step: its class, the name of what it computes, the line for that, what it takes and what is asked of it."""

    number: int
    made: str
    code: str
    takes: tuple[str, ...]
    asked: tuple[str, ...]

    @property
    def call(self) -> str:
        return f"self.step{self.number}"


def step_sheet(found: type) -> Sheet:
    """Return the sheet that asks for each step of the derivation of a class, and for the whole of them.

    The class is run. Raises SheetError where a step has no line of NumPy, and as `dout.explain`.
    """
    title = (inspect.getdoc(found) or "").partition("\n")[0].replace("\\", "\\\\").replace('"', "'")
    return _sheet_of(explained(found, {}, {}, ("all",)), title)


def _sheet_of(explanation: Explanation, title: str) -> Sheet:
    name = explanation.name
    if len(explanation.outputs) != 1:
        raise SheetError(
            f"{visible(name)} returns {len(explanation.outputs)} values; steps are asked of layers with one"
        )
    if len(explanation.steps) > _MOST:
        raise SheetError(
            f"{visible(name)} has {len(explanation.steps)} steps, and a sheet asks for {_MOST} at most; "
            "choose a smaller class"
        )
    lines, steps = _forward(explanation)
    taken = [q for q in explanation.forward if q.term is None and any(q.name in uses for _, _, uses in lines)]
    _refuse_names(name, [q.name for q in explanation.forward])
    classes = [_step_class(step) for step in steps]
    whole = _whole_class(explanation, title or f"{name}, in its steps.", lines, steps, [q.name for q in taken])
    text = "\n\n\n".join([_HEAD.format(name=name), *classes, whole, _example(name, steps, taken)]) + "\n"
    return Sheet.made(name, text)


_HEAD = '''"""Exercise: the steps of {name}, from the output to the input.

Each step of forward is a layer with a backward of its own: multiply dout, the gradient of what the step returns, by the
derivative of this step alone. Last, {name}.backward goes through the steps. Your lines stand between the marks.
"""

import numpy as np'''

_Line = tuple[str, str, tuple[str, ...]]  # a name, the expression that it is, and the names in that


def _forward(explanation: Explanation) -> tuple[list[_Line], list[_Step]]:
    """The lines of forward in their order, and the steps that have a gradient in the order of backward."""
    known = {q.node: q.name for q in explanation.forward}
    values = {q.node: q.value for q in explanation.forward if q.value is not None}
    numbers = {step.name: step.number for step in explanation.steps}
    parts = {step.name: tuple(dict.fromkeys(part.of for part in step.parts)) for step in explanation.steps}
    lines, steps = [], []
    for quantity in (q for q in explanation.forward if q.term is not None):
        others = {node: name for node, name in known.items() if node is not quantity.node}
        code = step_code(quantity.node, others, values)
        if not code:
            where = f"line {quantity.node.where.line}, " if quantity.node.where else ""
            raise SheetError(
                f"{visible(explanation.name)}: {where}the step {visible(quantity.name)} is no single line of NumPy; "
                "ask for the backward as a whole: leave out --ask steps"
            )
        computed = topological([quantity.node], known=others.keys())
        uses = {others[one] for node in computed for one in node.inputs if one in others}
        takes = tuple(q.name for q in explanation.forward if q.name in uses)
        if quantity.name in numbers:
            gradients = {*parts[quantity.name], *numbers}
            asked = tuple(one for one in takes if one in gradients)
            step = _Step(numbers[quantity.name], quantity.name, code, takes, asked)
            steps.append(step)
            code = f"{step.call}.forward({', '.join(takes)})"
        lines.append((quantity.name, code, takes))
    return lines, sorted(steps, key=lambda step: step.number)


def _refuse_names(name: str, names: Sequence[str]) -> None:
    reserved = {"self", "np", "dout", BACKWARD, "forward"}
    for one in names:
        if not one.isidentifier() or keyword.iskeyword(one) or one in reserved or names.count(one) > 1:
            raise SheetError(
                f"{visible(name)}: no sheet of steps can call a value {visible(one)}: give it another name"
            )


def _step_class(step: _Step) -> str:
    gradients = "gradient" if len(step.asked) == 1 else "gradients"
    kept = ", ".join(f"self.{name}" for name in (*step.takes, step.made))
    return "\n".join([
        f"class Step{step.number}:",
        f"    def forward(self, {', '.join(step.takes)}):",
        f"{_DEEP}{step.made} = {step.code}",
        f"{_DEEP}{kept} = {', '.join((*step.takes, step.made))}",
        f"{_DEEP}return {step.made}",
        "",
        "    def backward(self, dout):",
        f'{_DEEP}"""Return the {gradients} of {_listed(step.asked)}; dout is that of {step.made}."""',
        _blank(f"step {step.number}"),
    ])  # fmt: skip


def _whole_class(
    explanation: Explanation, title: str, lines: Sequence[_Line], steps: Sequence[_Step], takes: Sequence[str]
) -> str:
    asked = [one for one in takes if any(one in step.asked for step in steps)]
    gradients = "gradient" if len(asked) == 1 else "gradients"
    twice = [q.name for q in explanation.forward if sum(q.name in step.asked for step in steps) > 1]
    ends = ""
    if twice:
        ends = f"\n\n{_DEEP}The gradients of {_listed(twice)} come from several steps: they add up.\n{_DEEP}"
    return "\n".join([
        f"class {explanation.name}:",
        f'    """{visible(title)}"""',
        "",
        "    def __init__(self):",
        *(f"{_DEEP}{step.call} = Step{step.number}()" for step in steps),
        "",
        f"    def forward(self, {', '.join(takes)}):",
        *(f"{_DEEP}{name} = {code}" for name, code, _ in lines),
        f"{_DEEP}return {explanation.outputs[0]}",
        "",
        "    def backward(self, dout):",
        f'{_DEEP}"""Return the {gradients} of {_listed(asked)}, by calls of self.step1.backward(dout) and so on.'
        f'{ends}"""',
        _blank(BACKWARD),
    ])  # fmt: skip


def _blank(label: str) -> str:
    ask = f'{_DEEP}raise NotImplementedError("{label} is yours to write")\n'
    return "".join(marked(label, [ask], _DEEP)).rstrip("\n")


def _listed(names: Sequence[str]) -> str:
    *first, last = names
    return f"{', '.join(first)} and {last}" if first else last


def _example(name: str, steps: Sequence[_Step], takes: Sequence[Quantity]) -> str:
    """The function that gives numbers for each class: for a step those that forward has on its way."""
    draws = [f"        {quantity.name!r}: {_number_text(quantity.value)}," for quantity in takes]
    inner = [
        f"        'Step{step.number}': {{'inputs': {{"
        + ", ".join(f"{one!r}: layer.step{step.number}.{one}" for one in step.takes)
        + "}},"
        for step in steps
    ]
    return "\n".join([
        "def dout_example():",
        '    """Numbers of the right shapes, to try the steps on."""',
        "    draw = np.random.default_rng(0).normal",
        "    inputs = {",
        *draws,
        "    }",
        f"    layer = {name}()",
        "    layer.forward(**inputs)",
        "    return {",
        f"        {name!r}: {{'inputs': inputs}},",
        *inner,
        "    }",
    ]).replace("'", '"')  # fmt: skip


def _number_text(value: Any) -> str:
    """An input as the sheet writes it: its numbers, or where these are many, as many drawn ones."""
    array = np.asarray(value)
    if array.dtype.kind == "f" and array.size > _MOST_WRITTEN:
        drawn = f"draw(size={array.shape})"
        return f"np.abs({drawn})" if (array > 0).all() else drawn
    listed = np.array(array.tolist(), dtype=array.dtype)
    rounded = [float(f"{one:.3g}") for one in listed.ravel()] if array.dtype.kind == "f" else listed.ravel().tolist()
    if array.ndim == 0:
        return repr(rounded[0])
    return f"np.array({_nested(rounded, array.shape)})"


def _nested(numbers: Sequence[Any], shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return f"[{', '.join(map(repr, numbers))}]"
    size = len(numbers) // shape[0] if shape[0] else 0
    return f"[{', '.join(_nested(numbers[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0]))}]"
