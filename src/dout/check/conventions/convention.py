"""Conventions are not bugs: a gradient that is right up to a constant that people choose, or passed on to its loss.

Each rule looks at one refuted gradient and returns the convention that it keeps, or None. Another convention is another
rule in `RULES`.
"""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import product
from typing import Literal

import numpy as np

from dout.adapt.argument_names import names_label, names_loss, names_output, stands_for
from dout.check.conventions.clipping import is_cut_at_a_limit, is_limited, right_by_differences, right_where_small
from dout.check.conventions.fused_loss import times_of_both
from dout.check.conventions.optimizer_steps import decay_of, is_an_optimizers
from dout.check.conventions.sample_scaling import Axes, Constant, CountedLengths, Samples
from dout.check.conventions.setting_penalty import BY_DIFFERENCES, penalties_in, strength_of_what_is_added
from dout.check.conventions.softmax import (
    gives_diagonal,
    handed_on,
    is_last_sigmoid,
    is_softmax,
    names_last,
    passes_a_sigmoid,
)
from dout.check.conventions.squares import depends_by_squares
from dout.check.conventions.stop_gradient import (
    freezes_rows,
    goes_straight_through,
    scaling_setting,
    stops_the_gradient,
)
from dout.check.exact.exact_route import Examination
from dout.check.exact.judge import Convention, Judgement
from dout.check.exact.ratio import Likeness
from dout.check.exact.subject import Subject
from dout.check.report.verdicts import Verdict
from dout.graph import Node, topological
from dout.judge.judged_run import is_label
from dout.judge.judging_points import generic, spread_out
from dout.judge.outcomes import CLOSE, RIGHT, Outcome, Word
from dout.run import otherwise

Role = Literal["input", "parameter", "loss", "losses"]

_SAMPLES, _LAST = Axes("N", (0,), "samples"), Axes("N", (-1,), "samples")
_STEPS = Axes("T", (1,), "steps")
BY_BACKWARD_ALONE = ", and forward no such penalty"
STEP = "step"  # the constant of a step that the layer takes by itself


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

    def constant(self, guesses: Iterable[Constant]) -> Constant | None:
        """The first of these constants that the gradient is right up to, on other numbers of samples as well."""
        ratio = self.likeness.ratio
        if ratio is None or not math.isfinite(ratio):
            return None
        return self.samples.first_that_holds(self.name, ratio, self.likeness.close, guesses)


_PARAMETERS = ("W", "Wh", "W2", "b", "b2", "gamma")
ConventionRule = Callable[[RefutedGradient], Convention | None]


def by_convention(subject: Subject, judgement: Judgement) -> Judgement:
    """Return the judgement without the refutations that are conventions: those have a word of their own.

    A gradient that stays refuted may get a remark, if it would be a convention in another place.
    """
    samples = Samples(subject, numerically=judgement.examination is None)
    if subject.interface is not None:  # functions are handed their parameters: `affine_forward(x, w)`, `loss(W, x)`
        handed = (n for n in subject.names[not subject.interface.gives :] if stands_for(n) in _PARAMETERS)
        judgement = replace(judgement, parameters=judgement.parameters | {*handed})
    found: dict[str, Convention] = {}
    remarks: dict[str, str] = {}
    loss = is_loss(subject, judgement, samples)
    uses_dout = not judgement.ignores_dout or loss
    for outcome in judgement.refuted.values():
        gradient = RefutedGradient(subject, judgement, outcome, samples, loss)
        convention = next(filter(None, (rule(gradient) for rule in (RULES if uses_dout else (_stops,)))), None)
        if convention is not None and convention.is_of_all and judgement.elsewhere:
            remarks[gradient.name] = f"it is {convention.because} there alone"  # as given it is the derivative itself
        elif convention is not None:
            found[gradient.name] = convention
        elif uses_dout and (remark := _lacks_the_rest(gradient) or _compounds(gradient)) is not None:
            remarks[gradient.name] = remark
    one = all(math.prod(shape) == 1 for shape in judgement.outputs)
    role: Role = ("loss" if one else "losses") if loss else "input"
    for name, remark in _disagreeing(found, judgement, role).items():
        del found[name]
        remarks[name] = remark
    return replace(
        judgement,
        verdicts=tuple(_said(v, found.get(v.argument), judgement, role) for v in judgement.verdicts),
        refuted={node: o for node, o in judgement.refuted.items() if o.judged.name not in found},
        conventions=found,
        excused={node: o for node, o in judgement.refuted.items() if o.judged.name in found},
        remarks=remarks,
    )


def _said(verdict: Verdict, convention: Convention | None, judgement: Judgement, role: Role) -> Verdict:
    """The verdict in the convention's words, with what compares it with those on other layers."""
    mine: Role = "parameter" if role == "input" and verdict.argument in judgement.parameters else role
    if convention is None:
        return replace(verdict, role=mine, constant="1" if verdict.word in RIGHT | CLOSE else "")
    word, because = convention.word, convention.because
    return replace(verdict, word=word, because=because, role=mine, constant=convention.constant)


def _disagreeing(found: Mapping[str, Convention], judgement: Judgement, role: Role) -> dict[str, str]:
    """Those up to a constant that not all gradients of the layer have: of its parameters, or of all that a loss gives.

    An average is a convention of a whole layer: `dW` averaged and `db` summed is a mistake.
    """
    scaled = {name: kept for name, kept in found.items() if kept.word == Word.SCALED and kept.constant != STEP}
    ratios = {name: one.ratio for name, one in judgement.likeness.items()}
    compared = judgement.parameters if role != "losses" and judgement.parameters else ratios.keys()
    left = [(n, ratio) for n, ratio in ratios.items() if ratio and n in compared and n not in found]
    right = [name for name, ratio in left if abs(ratio - 1) < BY_DIFFERENCES]
    constants = dict.fromkeys(kept.because for kept in scaled.values())
    passed = {name: kept.constant for name, kept in found.items() if kept.word == Word.PASSED and kept.constant}
    whole = [name for name, constant in passed.items() if constant == "1" and name in judgement.parameters]
    if whole and {*passed.values()} > {"1"}:
        others = f"it averages over the samples, and the gradient of {whole[0]} does not"
        return {name: others for name, constant in passed.items() if constant != "1"}
    if len(constants) < 2 and not (scaled and right):
        return {}
    others = f"the gradient of {right[0]} is the derivative itself" if right else "others are another constant of it"
    return {name: f"it is {kept.because}, and {others}" for name, kept in scaled.items()}


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


# --- the rules --------------------------------------------------------------------------------------------------------


def _of_a_loss(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples or the elements where forward sums, or the other way; ½ or 2 of a square dropped."""
    if not gradient.is_of_a_loss:
        return None
    squared = depends_by_squares(gradient.judgement.examination, gradient.outcome.judged.node)
    shape, output = gradient.samples.lengths
    last = [_LAST] if len(shape) == 2 and (output == shape or math.prod(output) == 1) else []  # else there is one a row
    guesses = _factors_of_a_loss(len(shape), (1.0, 0.5, 2.0) if squared else (1.0,), last)
    return _scaled(gradient, filter(gradient.samples.may_count, guesses))


def _factors_of_a_loss(axes: int, numbers: Iterable[float], last: Iterable[Axes]) -> Iterator[Constant]:
    rest = Axes("C", tuple(range(1, axes)), "numbers a sample")
    counted: list[tuple[Axes, ...]] = [(_SAMPLES,), *((axes,) for axes in last)]
    counted += [(_SAMPLES, _STEPS)] if axes > 2 else []
    counted += [(_SAMPLES, rest), (rest,)] if axes > 1 else []
    for number in numbers:
        yield from (Constant(number, these, power) for these, power in product(counted, (-1, 1)))
        if number != 1:
            yield Constant(number)


def _of_parameters(gradient: RefutedGradient) -> Convention | None:
    """Averaged over the samples in the layer instead of in the loss; what goes on to other layers is not."""
    judgement = gradient.judgement
    names = {outcome.judged.name for outcome in judgement.refuted.values()} - judgement.parameters
    inputs_are_scaled = any(judgement.likeness.get(name, Likeness()).ratio is not None for name in names)
    if gradient.is_of_a_loss or not gradient.is_of_a_parameter or inputs_are_scaled:
        return None
    return _scaled(gradient, _averages(gradient.samples.lengths))


def _averages(lengths: CountedLengths) -> Iterator[Constant]:
    axes, out = len(lengths.input), len(lengths.output)
    yield from (Constant(1.0, (where,), -1) for where in (_SAMPLES, _LAST)[:axes])
    if axes > 2:
        yield Constant(1.0, (_SAMPLES, _STEPS), -1)
    for places in (tuple(range(2, out)), tuple(range(1, out - 1))) if out > 2 else ():
        yield Constant(1.0, (_SAMPLES, Axes("P", places, "places", output=True)), -1)


def _scaled(gradient: RefutedGradient, guesses: Iterable[Constant]) -> Convention | None:
    constant = gradient.constant(guesses)
    if constant is None:
        return None
    undivided = gradient.is_of_a_loss and constant.power > 0
    return Convention(Word.SCALED, constant.says(gradient.samples.lengths), constant.symbol, undivided=undivided)


def _lacks_the_rest(gradient: RefutedGradient) -> str | None:
    """Of a softmax that is given dout: it could say more than its diagonal."""
    if not gives_diagonal(gradient.subject):
        return None
    return "the whole gradient of a softmax is y * (dout - sum(y * dout))"


def _compounds(gradient: RefutedGradient) -> str | None:
    """Of an input that is averaged in the middle of a network: no convention, although it looks like one."""
    if gradient.is_of_a_loss or gradient.is_of_a_parameter:
        return None
    constant = gradient.constant(_averages(gradient.samples.lengths))
    if constant is None:
        return None
    return f"it is {constant.says(gradient.samples.lengths)}, and with every such layer once more: divide in the loss"


def _passes_on(gradient: RefutedGradient) -> Convention | None:
    """A softmax that hands dout on, alone or at the end of a layer: its loss gives the gradient of both together.

    So does a sigmoid in a layer that says it is the last.
    """
    subject = gradient.subject
    alone = not gradient.judgement.parameters and len(subject.inputs) == 1
    if alone and gradient.likeness.passed and (is_softmax(subject) or is_last_sigmoid(subject)):
        return Convention(Word.PASSED, "backward passes dout on")
    parameters = gradient.judgement.parameters
    if parameters and names_last(subject) and passes_a_sigmoid(subject, parameters):
        return Convention(Word.PASSED, "the sigmoid at the end passes dout on")
    constants = {"1": 1.0}
    if gradient.is_of_a_parameter and gradient.samples.shape:
        constants["1/N"] = 1 / gradient.samples.shape[0]
    for symbol, value in constants.items():
        if math.isclose(gradient.times_if_handed_on, value, rel_tol=1e-4):
            averaged = "" if symbol == "1" else ", and averages over the samples"
            because = f"the softmax at the end passes dout on{averaged}"
            return Convention(Word.PASSED, because, symbol)
    return None


def _is_diagonal(gradient: RefutedGradient) -> Convention | None:
    """A softmax as one of many activations, each with a derivative number by number: it can give no more."""
    interface = gradient.subject.interface
    if interface is None or not interface.local or not gives_diagonal(gradient.subject):
        return None
    return Convention(Word.DIAGONAL, "y (1 − y), the diagonal of its derivative")


def _of_both(gradient: RefutedGradient) -> Convention | None:
    """A loss that is given probabilities, and gives the gradient of what they were made of."""
    if gradient.likeness.ratio is not None or gradient.name in gradient.judgement.partly or not gradient.is_of_a_loss:
        return None  # a multiple of the right one: a square has this gradient by itself
    times, because = times_of_both(gradient.subject, gradient.name), "of the loss and its softmax or sigmoid together"
    if times is None:
        return None
    lengths = gradient.samples.lengths
    factors = (one for one in _factors_of_a_loss(len(lengths.input), (1.0,), ()) if one.at(lengths) > 1)
    left_out = next((one for one in factors if math.isclose(one.at(lengths), times, rel_tol=1e-3)), None)
    if left_out is None:
        return Convention(Word.JOINED, because)
    return Convention(Word.JOINED, because, left_out.symbol, undivided=True)


def _of_steps(gradient: RefutedGradient) -> Convention | None:
    """A step that a layer takes by itself, with a momentum of its own: a constant times rate and gradient."""
    interface, ratio = gradient.subject.interface, gradient.likeness.ratio
    if not gradient.is_of_a_parameter or ratio is None or not 0 < ratio < math.inf:
        return None
    steps, rate = (interface.steps, interface.rate) if interface is not None else (False, None)
    decay = decay_of(gradient.subject, gradient.name) if rate is None or not steps else None
    if decay is not None and math.isclose(ratio, 1 - decay):
        because = f"a running mean of gradients, at first {ratio:.4g} × this one"
        return Convention(Word.SCALED, because, STEP)
    if not steps or (rate is None and decay is None):
        return None
    others = [one.ratio for name, one in gradient.judgement.likeness.items() if name in gradient.judgement.parameters]
    mean = gradient.constant(_averages(gradient.samples.lengths))
    lengths = {*gradient.samples.lengths.input, *gradient.samples.lengths.output}
    if 1 in others and (mean or any(math.isclose(ratio * n, 1) for n in lengths)):
        return None  # no momentum averages one gradient alone
    constant = mean.symbol if mean else STEP
    return Convention(Word.SCALED, f"the first step is {ratio:.4g} × rate × gradient", constant)


def _penalised(gradient: RefutedGradient) -> Convention | None:
    """A penalty on a parameter, λ·W, λ·sign(W) or both, that backward alone adds, maybe to an average over samples."""
    outcome = _where_it_varies(gradient)
    value = outcome.point.get(outcome.judged.node)
    if not gradient.is_of_a_parameter or value is None or outcome.index is None or np.size(value) < 2:
        return None
    if gradient.judgement.examination is not None and _has_a_penalty(
        gradient.judgement.examination, outcome.judged.node
    ):
        return None  # it is of another strength there
    value, expected = np.asarray(value, dtype=float), np.asarray(outcome.expected, dtype=float)
    averages = [constant.at(gradient.samples.lengths) for constant in _averages(gradient.samples.lengths)]
    shares, exact = dict.fromkeys((1.0, *averages)), gradient.judgement.examination is not None
    penalty = next(penalties_in(gradient.name, value, np.asarray(outcome.got), expected, shares, exact=exact), None)
    if penalty is None:
        return None
    averaged = "" if penalty.share == 1 else "averages over the samples, "
    return Convention(Word.PENALISED, f"backward {averaged}adds {penalty.said}{BY_BACKWARD_ALONE}")


def _penalised_by_a_setting(gradient: RefutedGradient) -> Convention | None:
    """A penalty on what forward gives, say: backward adds it, and a number of the layer is its strength."""
    setting = "" if gradient.is_of_a_parameter else strength_of_what_is_added(gradient.subject, gradient.name)
    because = f"backward adds a penalty, whose strength is self.{setting}{BY_BACKWARD_ALONE}"
    return Convention(Word.PENALISED, because) if setting else None


def _clipped(gradient: RefutedGradient) -> Convention | None:
    """A gradient that backward limits, by value or by norm."""
    examination, outcome = gradient.judgement.examination, gradient.outcome
    if outcome.index is None or not is_limited(outcome.got, outcome.expected):
        return None
    subject = gradient.subject
    right = right_by_differences(subject) if examination is None else right_where_small(subject, examination)
    cut = subject.ends and is_cut_at_a_limit(subject, outcome.got, outcome.expected)
    if gradient.name not in right and not cut:
        return None
    return Convention(Word.CLIPPED, "backward clips it: it is the derivative where dout is small")


def _of_an_optimizer(gradient: RefutedGradient) -> Convention | None:
    """A step that a layer takes by itself, of a size that an optimizer chooses."""
    outcome = gradient.outcome
    if not gradient.is_of_a_parameter or not is_an_optimizers(
        gradient.subject, gradient.name, outcome.got, outcome.expected
    ):
        return None
    return Convention(Word.SCALED, "an optimizer's, with its sign and a size that is not linear in dout", STEP)


def _has_a_penalty(examination: Examination, parameter: Node) -> bool:
    """Whether forward makes a number of a parameter alone, and of other numbers."""
    alone = {parameter}
    for node in topological([*examination.seeds]):
        if not alone.isdisjoint(node.inputs) and all(i in alone or not i.shape for i in node.inputs):
            if not node.shape:
                return True
            alone.add(node)
    return False


def _where_it_varies(gradient: RefutedGradient) -> Outcome:
    """The outcome at a point where the parameter has both signs: a bias of zeros has none."""
    node, known = gradient.outcome.judged.node, gradient.judgement.examination
    found = [gradient.outcome]
    for make, seed in ((generic, 0), (spread_out, 0), (spread_out, 1), (spread_out, 2)):
        if known is None or gradient.judgement.only_here or len({*np.sign(found[-1].point.get(node, ())).flat}) > 1:
            break
        found += [outcome for outcome in known.outcomes(make(known, seed))[0] if outcome.judged.node is node]
    else:
        return gradient.outcome
    return found[-1]


def _stops(gradient: RefutedGradient) -> Convention | None:
    """What goes in comes out, and 0 goes back: it has no other use than to stop the gradient."""
    return Convention(Word.STOPPED, "backward gives 0") if stops_the_gradient(gradient.subject) else None


def _frozen(gradient: RefutedGradient) -> Convention | None:
    frozen = gradient.is_of_a_parameter and freezes_rows(gradient.subject, gradient.outcome)
    return Convention(Word.STOPPED, "backward sets some of its rows to 0, and they do not learn") if frozen else None


def _straight_through(gradient: RefutedGradient) -> Convention | None:
    """A step, whose derivative is 0: nothing before it would learn."""
    through = goes_straight_through(gradient.subject)
    return Convention(Word.THROUGH, "forward has steps, whose derivative is 0") if through else None


def _by_a_setting(gradient: RefutedGradient) -> Convention | None:
    """What goes in comes out, and a number of the layer scales what goes back: for that it is there."""
    factor = scaling_setting(gradient.subject)
    because = f"{factor} times the derivative of forward, which hands its input on"
    return Convention(Word.SCALED, because, factor) if factor else None


RULES: tuple[ConventionRule, ...] = (
    _passes_on,
    _by_a_setting,
    _straight_through,
    _is_diagonal,
    _of_a_loss,
    _of_parameters,
    _of_both,
    _of_steps,
    _penalised,
    _penalised_by_a_setting,
    _clipped,
    _frozen,
    _of_an_optimizer,
)
