"""A refuted gradient, and whether its layer is a loss: what the rules of conventions ask."""

from __future__ import annotations

import inspect
import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_output
from dout.check.conventions.fused_loss import times_of_both
from dout.check.conventions.sample_scaling import Constant, Samples
from dout.check.conventions.softmax import handed_on
from dout.check.exact.judge import Judgement
from dout.check.exact.ratio import Likeness
from dout.check.exact.subject import Subject
from dout.judge.judged_run import is_label
from dout.judge.outcomes import Outcome
from dout.run import otherwise


@dataclass(frozen=True, eq=False)
class RefutedGradient:
    """One refuted gradient, with everything else that is known of its layer."""

    subject: Subject
    judgement: Judgement
    outcome: Outcome
    samples: Samples
    is_of_a_loss: bool

    @property
    def name(self) -> str:
        """The input or parameter that the gradient is for."""
        return self.outcome.judged.name

    @property
    def is_of_a_parameter(self) -> bool:
        """Whether it is the gradient of a parameter."""
        return self.name in self.judgement.parameters

    @property
    def likeness(self) -> Likeness:
        """How the gradient compares with the derived one."""
        return self.judgement.likeness.get(self.name, Likeness())

    @property
    def times_if_handed_on(self) -> float:
        """How many times right it is if a softmax at the end hands dout on; NaN where that says nothing."""
        name, examination = self.name, self.judgement.examination
        if examination is not None and not self.outcome.judged.parameter:
            named = dict(zip(examination.call.inputs, self.subject.names, strict=False))  # a trace may rename them
            name = named.get(self.outcome.judged.node, name)
        return handed_on(self.subject).get(name, math.nan)

    @cached_property
    def times_of_both(self) -> float | None:
        """How many times prediction minus target it is, if a loss has it of its activation too; None for others."""
        if self.likeness.ratio is not None or self.name in self.judgement.partly or not self.is_of_a_loss:
            return None  # a multiple of the right one: a square has this gradient by itself
        return times_of_both(self.subject, self.name)

    def constant(self, guesses: Iterable[Constant]) -> Constant | None:
        """The first of these constants that the gradient is right up to, on other numbers of samples as well."""
        ratio = self.likeness.ratio
        if ratio is None or not math.isfinite(ratio):
            return None
        return self.samples.first_that_holds(self.name, ratio, self.likeness.close, guesses)


def is_loss(subject: Subject, judgement: Judgement, samples: Samples) -> bool:
    """Whether forward gives one number, or one a sample, of arrays, and compares with a target or is called a loss.

    Beside a prediction, `loss(y, ŷ)`, a `y` is a target if backward takes no upstream gradient.
    A mean or a norm gives one number, too: in the middle of a network a factor there is no convention.
    """
    if len(judgement.outputs) != 1 or math.prod(samples.shape) < 2:
        return False
    (output,) = judgement.outputs
    rows = samples.shape[0]
    if subject.ends and output == samples.shape:
        output = ()  # one number an element, and the gradient of their sum
    one_a_sample = len(samples.shape) > 1 and output in ((rows,), (rows, 1)) and not judgement.parameters
    if math.prod(output) != 1 and not one_a_sample:
        return False
    arrays = [i for i, x in enumerate(subject.inputs) if isinstance(x, np.ndarray)]
    names = [subject.names[i] for i in arrays[1:] if i < len(subject.names)]
    compares = any(names_label(n) and n.lower() != "y" for n in names) or any(
        is_label(subject.inputs[i]) for i in arrays[1:]
    )
    predicts = subject.ends and any(names_output(n) and n.lower() not in ("a", "p") for n in subject.names)
    compares = compares or (predicts and any(map(names_label, subject.names)))
    return compares or names_loss(subject.name.rpartition(".")[2]) or _assumes_one(subject)


@otherwise(False)
def _assumes_one(subject: Subject) -> bool:
    """Whether backward can be called without an upstream gradient, as that of the end of a network."""
    arguments = list(inspect.signature(subject.again().backward).parameters.values())
    return not arguments or arguments[0].default in (1, 1.0)
