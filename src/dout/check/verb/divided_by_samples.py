"""Gradients in the run of a program that their backward divides by the number of samples."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dout.check.verb.program_gradients import kept_gradients
from dout.graph import CONSTANT, Node
from dout.judge.gradient_judge import refuted_here
from dout.judge.judged_run import JudgedRun
from dout.judge.outcomes import Judged
from dout.ops import PRIMITIVES
from dout.trace.model.derived_gradients import Derivation
from dout.trace.model.recorded import Gradient, LayerCall
from dout.trace.record.trace import Trace


def divided_by_samples(trace: Trace, calls: Sequence[LayerCall]) -> dict[Node, str]:
    """What is said of wrong gradients of these layer calls that are right once multiplied by the number of samples.

    That is the length of an axis that the upstream gradient has and the value has not: W (3, 2), dout (5, 2), five
    samples. In `dW = np.dot(dZ, A.T) / m` the loss leaves it to backward to take the mean.
    """
    wrong = {id(gradient) for gradient in trace.wrong}
    said: dict[Judged, str] = {}
    data = dict(trace.data)
    for call, name, value, gradient in _gradients(trace, calls):
        if id(gradient) in wrong and gradient.node is not None:
            for samples in samples_of(call, value):
                factor = Node(CONSTANT, (), {"value": samples}, (), int)
                times = Node(
                    PRIMITIVES["multiply"], (gradient.node, factor), {}, gradient.node.shape, gradient.node.dtype
                )
                data |= {factor: samples, times: data[gradient.node] * samples}
                judged = Judged("", value, times, derived=gradient.derived)
                said[judged] = f"{call.cls}: the gradient of {name} is 1/{samples} of the derivative, a convention"
    if not said:
        return {}
    derivation = Derivation(trace)
    scaled = [node for judged in said for node in (judged.gradient.inputs[1], judged.gradient)]
    run = JudgedRun(
        (*trace.graph.nodes, *scaled),
        data,
        {*trace.backward, *scaled},
        [*said],
        derivation.seeds,
        derivation.inputs,
    )
    refuted = {outcome.judged for outcome in refuted_here(run, confirm=False)}
    return {judged.gradient.inputs[0]: words for judged, words in said.items() if judged not in refuted}


def _gradients(trace: Trace, calls: Sequence[LayerCall]) -> Iterator[tuple[LayerCall, str, Node, Gradient]]:
    """The gradients that the backward of each layer call gave, with the values that they are for."""
    for call in calls:
        for use in trace.arguments[call]:
            if use.gradient is not None and use.argument < len(call.inputs):
                node = call.inputs[use.argument]
                yield call, trace.names.get(node) or "an argument", node, use.gradient
        for parameter, gradient in kept_gradients(trace, call):
            yield call, parameter.name, parameter.node, gradient


def samples_of(call: LayerCall, value: Node) -> tuple[int, ...]:
    """The number of rows, or of columns, that dout shares with the first input, and a parameter has not.

    Of a backward that is given none, and begins with what forward returned, that the output shares with it.
    """
    first = call.inputs[0] if call.inputs else value
    if value is first or not first.shape:  # it has the samples
        return ()
    given = [dout.shape for dout in call.douts or () if dout is not None and dout.shape]
    given = given or [output.shape for output in call.outputs if output.shape]
    lengths = [shape[end] for shape in given for end in (0, -1) if shape[end] == first.shape[end] > 1]
    return tuple(n for n in dict.fromkeys(lengths) if n not in value.shape)
