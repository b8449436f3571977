"""The derivation of a backward in; a sheet that asks for it step by step, out: each step is a layer of its own.

A step is graded as every layer is, by the derivative of its forward. So one that is wrong makes no other wrong, and no
key is needed. Last comes the class itself: its backward goes through the steps from the last to the first.
"""

from __future__ import annotations

import ast
import inspect
import keyword
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dout.adapt.repository.declared_example import NAME as EXAMPLE
from dout.errors import SheetError, visible
from dout.exercise.sheet import Sheet, listed, marked
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
    """One step: the name of its output, the line that computes it, its inputs, and its constants.

    The gradients of the inputs are asked. Constants have none (a mask, a size), so the constructor takes them.
    """

    number: int
    made: str
    code: str
    asked: tuple[str, ...]
    fixed: tuple[str, ...]

    @property
    def call(self) -> str:
        return f"self.step{self.number}"

    @property
    def new(self) -> str:
        return f"{self.call} = Step{self.number}({', '.join(self.fixed)})"


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
    asked = [q.name for q in taken if any(q.name in step.asked for step in steps)]
    if not asked:
        raise SheetError(f"no input of {visible(name)} has a gradient: choose another class")
    taken.sort(key=lambda q: q.name not in asked)  # gradients are returned in the order of the inputs
    _refuse_names(name, [q.name for q in explanation.forward])
    classes = [_step_class(step) for step in steps]
    whole = _whole_class(explanation, title or f"{name}, in its steps.", lines, steps, [q.name for q in taken])
    text = "\n\n\n".join([_HEAD.format(name=name), *classes, whole, _example(name, steps, taken)]) + "\n"
    _try_example(name, text)
    return Sheet.made(name, text)


_HEAD = '''"""Exercise: the steps of {name}, from the output to the input.

Each step of forward is a layer with a backward of its own: multiply dout, the gradient of what the step returns, by the
derivative of this step alone. Last comes {name}.backward, the whole. Your lines stand between the marks.
A step is made with its constants, which have no gradient.
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
            fixed = tuple(one for one in takes if one not in gradients)
            step = _Step(numbers[quantity.name], quantity.name, code, asked, fixed)
            steps.append(step)
            code = f"{step.call}.forward({', '.join(asked)})"
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
    kept = (*step.asked, step.made)
    made = (
        [f"    def __init__(self, {', '.join(step.fixed)}):", f"{_DEEP}{_kept(step.fixed)}", ""] if step.fixed else []
    )
    return "\n".join([
        f"class Step{step.number}:",
        *made,
        f"    def forward(self, {', '.join(step.asked)}):",
        f"{_DEEP}{step.made} = {_of_self(step.code, step.fixed)}",
        f"{_DEEP}{_kept(kept)}",
        f"{_DEEP}return {step.made}",
        "",
        "    def backward(self, dout):",
        f'{_DEEP}"""Return the {gradients} of {listed(step.asked)}; dout is that of {step.made}."""',
        _blank(f"step {step.number}"),
    ])  # fmt: skip


def _kept(names: Sequence[str]) -> str:
    return f"{', '.join(f'self.{name}' for name in names)} = {', '.join(names)}"


def _of_self(code: str, names: Sequence[str]) -> str:
    """An expression that reads some of its names from self.

    >>> _of_self("alpha * b", ["alpha"])
    'self.alpha * b'
    """
    text = code.encode()  # the offsets of syntax are those of bytes
    spots = {n.col_offset for n in ast.walk(ast.parse(code)) if isinstance(n, ast.Name) and n.id in names}
    for spot in sorted(spots, reverse=True):
        text = text[:spot] + b"self." + text[spot:]
    return text.decode()


def _whole_class(
    explanation: Explanation, title: str, lines: Sequence[_Line], steps: Sequence[_Step], takes: Sequence[str]
) -> str:
    asked = [one for one in takes if any(one in step.asked for step in steps)]
    gradients = "gradient" if len(asked) == 1 else "gradients"
    twice = [q.name for q in explanation.forward if sum(q.name in step.asked for step in steps) > 1]
    ends = ""
    if twice:
        ends = f"\n\n{_DEEP}The gradients of {listed(twice)} come from several steps: they add up.\n{_DEEP}"
    at = {step.made: step for step in steps if step.fixed}
    plain = [f"{_DEEP}{step.new}" for step in steps if not step.fixed]
    return "\n".join([
        f"class {explanation.name}:",
        f'    """{visible(title)}"""',
        "",
        *(["    def __init__(self):", *plain, ""] if plain else []),
        f"    def forward(self, {', '.join(takes)}):",
        *(
            f"{_DEEP}{line}"
            for name, code, _ in lines
            for line in (*([at[name].new] if name in at else []), f"{name} = {code}")
        ),
        f"{_DEEP}return {explanation.outputs[0]}",
        "",
        "    def backward(self, dout):",
        f'{_DEEP}"""Return the {gradients} of {listed(asked)}, best by calls of self.step1.backward(dout) and so on.'
        f'{ends}"""',
        _blank(BACKWARD),
    ])  # fmt: skip


def _blank(label: str) -> str:
    ask = f'{_DEEP}raise NotImplementedError("{label} is yours to write")\n'
    return "".join(marked(label, [ask], _DEEP)).rstrip("\n")


def _example(name: str, steps: Sequence[_Step], takes: Sequence[Quantity]) -> str:
    """The function that gives numbers for each class: for a step those that forward has on its way."""
    return "\n".join([
        "def dout_example():",
        '    """Numbers of the right shapes, to try the steps on."""',
        "    draw = np.random.default_rng(0)",
        "    inputs = {",
        *(f'        "{quantity.name}": {_number_text(quantity.value)},' for quantity in takes),
        "    }",
        f"    layer = {name}()",
        "    layer.forward(**inputs)",
        "    return {",
        f'        "{name}": {{"inputs": inputs}},',
        *(f'        "Step{step.number}": {{{_example_of(step)}}},' for step in steps),
        "    }",
    ])  # fmt: skip


def _example_of(step: _Step) -> str:
    init, inputs = (
        ", ".join(f'"{one}": layer.step{step.number}.{one}' for one in names) for names in (step.fixed, step.asked)
    )
    return f'"init": {{{init}}}, "inputs": {{{inputs}}}' if init else f'"inputs": {{{inputs}}}'


def _try_example(name: str, text: str) -> None:
    """Run forward of a sheet on its own numbers. Raises SheetError where its output is not finite."""
    names: dict[str, Any] = {"__name__": "sheet"}
    try:
        with np.errstate(all="ignore"):
            exec(compile(text, "the sheet", "exec"), names)
            made = names[name]().forward(**names["dout_example"]()[name]["inputs"])
            why = "" if np.all(np.isfinite(made)) else "returns a number that is not finite"
    except Exception as error:
        why = f"raises {type(error).__name__}: {visible(str(error))}"
    if why:
        raise SheetError(
            f"{visible(name)}: on numbers drawn for the sheet, forward {why}; "
            f"give {EXAMPLE}() arrays of at most {_MOST_WRITTEN} numbers, which the sheet writes out"
        )


def _number_text(value: Any) -> str:
    """An input as the sheet writes it: its numbers, or where these are many, as many drawn from their range."""
    array = np.asarray(value)
    if array.size > _MOST_WRITTEN and np.all(np.isfinite(array)):
        low, high = array.min(), array.max()
        if array.dtype.kind == "b":
            return f"draw.random({array.shape}) < {_short(array.mean())}"
        if array.dtype.kind in "iu":
            return f"draw.integers({low}, {high + 1}, size={array.shape})"
        ends = [short if low <= (short := _short(end)) <= high else float(end) for end in (low, high)]
        return f"draw.uniform({ends[0]!r}, {ends[1]!r}, size={array.shape})"
    numbers = [_short(one) for one in array.ravel()] if array.dtype.kind == "f" else array.ravel().tolist()
    return _text_of(numbers[0]) if array.ndim == 0 else f"np.array({_nested(numbers, array.shape)})"


def _short(number: Any) -> float:
    return float(f"{number:.3g}")


def _text_of(number: Any) -> str:
    """A number as Python reads it: `inf` and `nan` are names of NumPy.

    >>> _text_of(-np.inf)
    '-np.inf'
    """
    return re.sub("inf|nan", r"np.\g<0>", repr(number))


def _nested(numbers: Sequence[Any], shape: Sequence[int]) -> str:
    if len(shape) == 1:
        return f"[{', '.join(map(_text_of, numbers))}]"
    size = len(numbers) // shape[0] if shape[0] else 0
    return f"[{', '.join(_nested(numbers[i * size : (i + 1) * size], shape[1:]) for i in range(shape[0]))}]"
