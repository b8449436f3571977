"""What the verdict on a layer rests on: an error stands on facts, and what stands on a guess is a warning.

Facts are what the user gave, what a program does with the layer, and the layer's own code. Guesses are an example that
was chosen, and the loss of a network whose own code computes none.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from dout.adapt.argument_names import names_double, names_upstream
from dout.adapt.interface.collaborators import ContainedPart
from dout.adapt.interface.function_pairs import pair_of
from dout.adapt.interface.interface import DOUT, Interface
from dout.adapt.interface.method_pairs import required_by
from dout.adapt.interface.network_loss import NetworkLoss, loss_of
from dout.adapt.search.example import as_found, example
from dout.adapt.search.example_search import Example
from dout.adapt.search.refusals import takes_target
from dout.adapt.search.unset_attributes import lacks_attribute
from dout.adapt.source import axes_for, kinds_for
from dout.adapt.source.empty_methods import replaced_by
from dout.adapt.target import Target
from dout.check.conventions.softmax import is_made_for_a_cross_entropy, is_right_at_a_cross_entropy
from dout.check.conventions.stated_conditions import under_conditions
from dout.check.conventions.stop_gradient import has_steps
from dout.check.exact.subject import Subject
from dout.check.lab.example_doubts import of_sequences
from dout.check.program.used_example import UsedExample
from dout.check.project.foreign_gradients import foreign_layer
from dout.check.repair.line_search import lines_that_run
from dout.check.report.report import Report
from dout.check.report.verdicts import Finding, Raised, Refuted
from dout.check.rules.shapes.d506_other_rows import RULE as FIXED_SIZE
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.check.rules.unjudged.d001_raises import refusing
from dout.check.verb.as_used import as_used
from dout.check.verb.judged_layer import is_right, subject_of
from dout.check.verb.missing_dependency import lacks_target
from dout.check.verb.other_meanings import OtherMeanings, wrong_here
from dout.check.verb.second_example import second_example, shapes_of
from dout.check.verb.unjudged_reports import OWN
from dout.errors import TargetError, UnknownLossError
from dout.judge.outcomes import CLOSE, RIGHT, Word
from dout.run import flat, otherwise

_IMAGES = 4  # axes


@dataclass(frozen=True, eq=False)
class Grounds:
    """What a report rests on: the layer as it was judged, with its inputs, its example, and a program's use of it.

    `is_told` says that the user gave the interface.
    """

    target: Any
    layer: Any
    ordered: Sequence[Any]
    example: Example
    used: UsedExample | None = None
    is_told: bool = False

    @classmethod
    def of(cls, target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], how: Interface | None) -> Grounds:
        """What a check of a target has, with what the user gives and what is chosen for the rest.

        Raises TargetError where nothing is taken.
        """
        foreign = foreign_layer(target)
        if foreign is not None:
            chosen = Example({}, inputs) if inputs else example(foreign(), {}, {})
            return cls(target, target, [*chosen.inputs.values()], chosen, is_told=how is not None)
        target = pair_of(target) or target
        if Target(target).is_function:
            raise TargetError(f"{Target(target).name} is a function, and no backward stands beside it")
        chosen, what = example(target, init, inputs, interface=how), Target(target)
        _, keywords = what.arguments(chosen.inputs, chosen.interface)
        if keywords:
            told = f"{', '.join(keywords)} by name only, and inputs are given by place"
            raise TargetError(f"{what.name}.forward takes {told}")
        return cls(target, *as_found(target, chosen), chosen, is_told=how is not None)._of_sequences()

    @property
    def _subject(self) -> Subject:
        return subject_of(self.layer, self.ordered, self.example.init)

    def _of_sequences(self) -> Grounds:
        """The same on two sequences where one was chosen, and the layer is right for several alone."""
        inputs = self.example.inputs
        if len(self.ordered) != 1 or {*inputs} != {*self.example.chosen_inputs}:
            return self
        several = of_sequences(self._subject)
        if several is None:
            return self
        return replace(self, ordered=[several], example=replace(self.example, inputs=dict.fromkeys(inputs, several)))

    def with_other_choices(self, report: Report) -> Grounds | None:
        """The same on another choice that is no worse by what is known, if more is right then.

        Samples may be columns, a slope may take what its function gives, and a flag may ask for a prediction alone.
        """
        if self.used is not None:
            return None
        other = OtherMeanings(self.target, self.layer, self.ordered, self.example).more_right(report)
        if other is None:
            return None
        layer, ordered = as_found(self.target, other)
        return replace(self, layer=layer, ordered=ordered, example=other)

    def where_backward_raises(self) -> Grounds | None:
        """The same on the example before, where a change of the lines that raise there makes backward right.

        Whatever was chosen after it was chosen because a mistake raised.
        """
        before = self.example.before
        if before is None or self.used is not None:
            return None
        layer, ordered = as_found(self.target, before)
        subject = subject_of(layer, ordered, before.init)
        try:
            subject.run()
        except Exception as error:  # the layer's own
            if lines_that_run(subject, error) is not None:
                return replace(self, layer=layer, ordered=ordered, example=before)
        return None

    @classmethod
    def of_use(cls, used: UsedExample) -> Grounds:
        """The same of a layer as a program uses it."""
        return cls(used.target, *as_found(used.target, used.example), used.example, used)

    def weighed(self, report: Report) -> Report:
        """The report with each error that rests on a guess as a warning, which says so.

        Raises UnknownLossError where nothing tells for which loss backward is meant.
        """
        weighed = self._weighed(report)
        changed = [item.severity for item in weighed.findings] != [item.severity for item in report.findings]
        if self.example.refused is not None and report.verdicts:
            found = refusing(weighed.layer, *self.example.refused, names=[*self.example.chosen_inputs])
            weighed = replace(weighed, findings=(*weighed.findings, found))
        return replace(weighed, in_doubt=changed)

    def _weighed(self, report: Report) -> Report:
        what = Target(self.target)
        raised = filter(None, map(_raised, report.findings))
        network = loss_of(what.cls) if not self.is_told else None  # whoever says how it is called says what it takes
        if any(lacks_target(self.target, self.example.interface, reason.text) for reason in raised) or (
            network is not None and network.assumed and (not report.verdicts or _is_meant_otherwise(report, network))
        ):
            ran_on = partial(Target(self.layer).fresh, self.example.init), tuple(self.ordered)
            raise UnknownLossError(takes_target(what), ran_on)
        report = _of_network(report, network).with_each(self._of_the_example).with_each(self._of_its_interface)
        if wrong_here(report) and not any(item.expected for item in wrong_here(report)) and self._has_steps():
            steps = "forward has steps, whose derivative is 0: it may be meant so"
            return _doubted(report, steps, wrong_here(report))
        is_of_a_test = re.match(r"tests?_|.*_tests?$", Path(what.file or "").stem)
        if wrong_here(report) and is_of_a_test and names_double(what.name):
            return _doubted(report, "it is called as what stands for a layer in a test", wrong_here(report))
        backward = self.example.interface.backward if self.example.interface else "backward"
        if self.used is None and wrong_here(report) and (other := replaced_by(what.cls, backward)):
            handed = (
                f"{what.name}.{backward} hands on what it is given, and {other}, which derives from it, has its own"
            )
            return _doubted(report, handed, wrong_here(report))
        if wrong_here(report) and (doubt := self._of_its_roles(report)):
            return _doubted(report, doubt, wrong_here(report))
        may_be_entropy = self.used is None or self.used.use.back.of_entropy
        if wrong_here(report) and may_be_entropy and is_made_for_a_cross_entropy(self._subject):
            return _doubted(report, "it is right for the dout of a cross entropy", wrong_here(report))
        if wrong_here(report) and self.example.stand_ins and self._gives_several():
            return _doubted(report, "its parts were chosen here, and it gives several outputs", wrong_here(report))
        if network is not None and self._has_chosen_parts():
            last = "; its layers were chosen here, and its loss may be meant for an activation as the last one"
            report = report.with_each(lambda item: item.doubted(last) if isinstance(item.reason, Refuted) else item)
        if not self.example.chosen_inputs:
            return report
        names = list(self.example.inputs) if len(self.example.inputs) == len(self.ordered) else []
        right: Callable[..., bool] = partial(is_right, self.layer, init=self.example.init)
        is_sure = self.used is not None or self.is_told or foreign_layer(self.target) is not None
        wrong = () if is_sure else wrong_here(report)
        meanings = OtherMeanings(self.target, self.layer, self.ordered, self.example)
        if wrong_here(report) and not self.is_told and (doubt := meanings.of_something_else(report)):
            return _doubted(report, doubt, wrong_here(report))
        # A sum over samples is right for one sample, too.
        if wrong and (doubt := meanings.on_fewer_axes() or meanings.with_one_row()):
            return _doubted(report, doubt, wrong)
        told = under_conditions(report, self.ordered, right, names)
        if told is not report:
            return told
        if self.used is not None:
            return as_used(told, self.used)
        doubts = () if is_sure else meanings.doubts(report)
        report = _doubted(report, *next(((why, errors) for why, errors in doubts if why and errors), ("", ())))
        return self._confirmed(report)

    def _confirmed(self, report: Report) -> Report:
        """An error on the numbers of a gradient that are right on a second example, of other sizes, is a warning.

        So it is where no other sizes run, and the example was found by what the layer raised on others.
        """
        errors = [item for item in wrong_here(report) if item.index is not None]
        second = second_example(self.target, self.example) if errors else None
        if second is None:
            doubt = f"the layer takes no example of other sizes, and it holds for {shapes_of(self.example)}"
            return _doubted(report, doubt, errors if self.example.mended else ())
        right = [item for item in errors if str(item.argument) in second.right]
        lost = [item for item in errors if str(item.argument) not in second.judged]  # of one shape by chance
        report = _doubted(report, f"on {second.words} backward leaves nothing of its shape", lost)
        return _doubted(report, f"on {second.words} it is right", right)

    @otherwise(False)
    def _has_steps(self) -> bool:
        """Whether forward gives whole numbers, or the same nearby and something else far away: backward approximates.

        Codes, places and comparisons are whole numbers.
        """
        here = self._subject.forward()
        is_whole = bool(here) and all(np.asarray(output).dtype.kind in "biu" for output in here)
        return is_whole or has_steps(self._subject)

    def _has_chosen_parts(self) -> bool:
        """Whether the layers in it are ours."""
        given = self.example.interface.setup if self.example.interface is not None else ()
        return any(isinstance(part, ContainedPart) for _, items in given for item in items for part in flat(item))

    def _of_the_example(self, item: Finding) -> Finding:
        """A warning for an error that may be the fault of what was chosen.

        What forward takes, a plain backward has to take as well.
        """
        example, what, reason = self.example, Target(self.target), _raised(item)
        no_parts = any(type(one) is list and not one for one in example.chosen_init.values())  # it may be no example
        if no_parts and item.severity == "error" and isinstance(item.reason, Refuted):
            return item.doubted("; it was built with an empty list, and may have no parts")
        if reason is None:
            return self._of_its_shapes(item)
        shapes = [np.shape(x) for x in example.chosen_inputs.values()]
        is_thin = any(len(s) >= _IMAGES and 1 in s[1:] for s in shapes)  # forward may have repeated the one channel
        after = reason.after_forward and not (no_parts or is_thin) and self._is_handed_by_name()
        after = after and not self._reads_more_axes()
        if after and self._is_for_a_cross_entropy():
            return item.doubted(", and is right for the dout of a cross entropy")
        is_own = reason.name in {cls.__name__ for cls in OWN} or lacks_attribute(reason.text, what)
        is_sure = is_own or reason.always or after or not example.chosen
        return item if is_sure else item.doubted(", on inputs that were chosen")

    @otherwise(False)
    def _is_for_a_cross_entropy(self) -> bool:
        """Whether backward is right for what a cross entropy gives: targets with one 1 a row."""
        table = np.linspace(-1, 1, 12).reshape(3, 4)
        return is_right_at_a_cross_entropy(subject_of(self.layer, [table], self.example.init))

    @otherwise(False)
    def _gives_several(self) -> bool:
        return len(self._subject.forward()) > 1

    @otherwise(False)
    def _reads_more_axes(self) -> bool:
        """Whether backward reads more axes of its upstream gradient than forward gives: another layer adds them."""
        cls, interface = Target(self.target).cls, self.example.interface or Interface()
        (output,) = self._subject.forward()
        axes = [axes_for(getattr(cls, interface.backward), name, cls) for name in self._handed()]
        return any(number is not None and number > np.ndim(output) for number in axes)

    def _is_handed_by_name(self) -> bool:
        """Whether a name says which argument of backward is the upstream gradient, or there is no other."""
        interface = self.example.interface
        if interface is None or interface.is_plain or DOUT not in interface.roles or len(interface.roles) < 2:
            return True
        return any(map(names_upstream, self._handed()))

    def _handed(self) -> list[str]:
        """The arguments of backward that are taken for upstream gradients."""
        interface = self.example.interface or Interface()
        asked = required_by(Target(self.target).cls, interface.backward)
        return [name for name, role in zip(asked, interface.roles, strict=False) if role == DOUT]

    def _of_its_interface(self, item: Finding) -> Finding:
        """A refutation that says whether it rests on an interface that was found out by trial."""
        interface = self.example.interface
        guessed = interface is not None and not interface.is_plain and not interface.gives
        return replace(item, reason=replace(item.reason, guessed=guessed)) if isinstance(item.reason, Refuted) else item

    def _of_its_roles(self, report: Report) -> str:
        """What to say where no gradient fits, and backward was handed None, or inputs under names of others.

        One change that mends all gradients confirms what it was handed; a line derived anew for each does not.
        """
        interface = self.example.interface
        if interface is None or self.is_told or {v.word for v in report.verdicts} != {Word.REFUTED}:
            return ""
        cls = Target(self.target).cls
        own = required_by(cls, interface.backward)
        inputs = {p.name for p in Target(self.target).inputs(interface)}
        wrong = wrong_here(report)
        if all(item.fix and item.fix == wrong[0].fix for item in wrong):
            return ""
        empty = [name for name, role in zip(own, interface.roles, strict=False) if role == "None"]
        if empty:
            return f"what {interface.backward} gives where {empty[0]} is None may be the gradient of something else"
        if len(inputs) == 1:
            return ""
        handed = [name for name, role in zip(own, interface.roles, strict=False) if role in inputs and name != role]
        has_no_shape = any(item.index is None for item in wrong)
        return f"what {interface.backward} means by {handed[0]} is a guess" if handed and has_no_shape else ""

    def _of_its_shapes(self, item: Finding) -> Finding:
        """A warning for an error that is one of shapes alone, where the example may not be what is meant."""
        name = str(item.argument)
        if not isinstance(item.reason, Refuted) or item.index is not None:
            return item
        if item.severity != "error" or name not in self.example.chosen:
            return item
        if self.example.mended or len(item.got) > len(item.expected) + 1:
            doubt = "the example was chosen by what the layer raised on others, and may not be what is meant"
        elif item.got == item.expected[1:] and "tuple" in kinds_for(Target(self.target).forward, name):
            doubt = f"forward unpacks {name}, which may be several inputs, and the gradient that of one"
        elif item.reason.zero:
            doubt = "what is returned may be the gradient of what it is made into, as rows with one 1 of whole numbers"
        else:
            return item
        return item.doubted(f"; {doubt}")


def rests_on_a_guess(report: Report) -> bool:
    """Whether there is no verdict, or nothing but errors that a recorded round of a program may contradict.

    Beside a right gradient a wrong one is wrong: that the one is right confirms what backward was given.
    """
    errors = [item for item in report.findings if item.severity == "error"]
    open_ = [
        (isinstance(item.reason, Refuted) and item.reason.guessed and not item.reason.elsewhere)
        or (isinstance(item.reason, Raised) and not item.reason.always)
        for item in errors
    ]
    confirmed = not (RIGHT | CLOSE).isdisjoint(verdict.word for verdict in report.verdicts)
    return all(open_) and not confirmed and bool(errors or not report.verdicts)


def runs_elsewhere(report: Report, program: str) -> Report:
    """The report on a layer that a program runs: what it raises here is the fault of what was chosen."""
    doubt = f", on inputs that were chosen; {program} runs it"
    return report.with_each(lambda item: item.doubted(doubt) if _raised(item) is not None else item)


def _doubted(report: Report, doubt: str, errors: Sequence[Finding]) -> Report:
    """The report with warnings for these errors, which say the doubt."""
    ids = [*map(id, errors)]
    return report.with_each(lambda item: item.doubted(f"; {doubt}") if id(item) in ids else item)


def _raised(item: Finding) -> Raised | None:
    """What the layer raises on the inputs it was given, and not at another setting alone; None of other findings."""
    is_here = item.code == RAISES.code and item.severity == "error"
    return item.reason if is_here and isinstance(item.reason, Raised) else None


def _is_meant_otherwise(report: Report, network: NetworkLoss) -> bool:
    """Whether no gradient is right: then backward may be meant for another loss.

    Of a loss that is only assumed one has to be right as it is: a factor and a penalty make much out of another loss.
    """
    words = {v.word for v in report.verdicts} - {Word.INCONCLUSIVE}
    return words == {Word.REFUTED} or (network.assumed and Word.REFUTED in words and words.isdisjoint(RIGHT | CLOSE))


def _of_network(report: Report, network: NetworkLoss | None) -> Report:
    """A report without what is about a loss that is ours; and a doubt, where backward may be meant for another one."""
    if network is None:
        return report
    ours = {FIXED_SIZE.code} if network.takes_weights else set()  # the first input is a weight: its rows are no samples
    hidden = (*ours, "D4") if network.assumed else (*ours,)
    report = replace(report, findings=tuple(f for f in report.findings if not f.code.startswith(hidden)))
    if network.assumed:
        rows = "; no code says whether its loss is averaged over them"
        report = report.with_each(lambda item: item.doubted(rows) if item.code == FIXED_SIZE.code else item)
    if _is_meant_otherwise(report, network) and not network.is_called:
        other = f"; it may be meant for another loss than {network.loss}"
        return report.with_each(lambda item: item.doubted(other) if isinstance(item.reason, Refuted) else item)
    return report
