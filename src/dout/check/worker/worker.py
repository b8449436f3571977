"""The process in which one file runs: it loads the file, checks each layer in it, and sends what it finds as it goes.

Messages, in order: ("at", file, line) before each statement that loading runs and ("stop", Stop) where one came to no
good end; ("lost", name, reason) for a class that stands on what is not there; ("layers", names); for each layer
("start", name), or with how bad it is if it is stopped, then ("ran", name) and ("kept", Checked) where it is tried
again, and ("done", Checked); ("problem", text, traceback) where something cannot be loaded; ("end",) at last, and
anywhere ("remark", text), ("refused", text), ("data", text), ("went_back", key), ("read", path). The user's code may
even end it.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import threading
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

from dout.adapt.interface.interface import Interface
from dout.adapt.repository.declared_example import given_beside
from dout.adapt.search.example import example
from dout.adapt.search.example_search import Example
from dout.adapt.search.written_builds import written_builds
from dout.adapt.target import Target
from dout.check.program.layer_use import LayerUse
from dout.check.program.observed_layers import Observer
from dout.check.program.sibling_uses import uses_by_layer
from dout.check.program.used_example import UsedExample, place_of, used_examples
from dout.check.project.discover import Job, layers_in, named
from dout.check.project.finding_pictures import picture
from dout.check.repair.test_stand import KIND_ALONE
from dout.check.report.report import Report
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.rules.unjudged.d003_stopped import RULE as STOPPED
from dout.check.verb.check_layer import checked_on
from dout.check.verb.grounds import Grounds
from dout.check.verb.recorded_round import RecordedRound, key_of, of_unknown_loss
from dout.check.verb.unjudged_reports import broken, not_judged, only
from dout.check.worker import kept_answers
from dout.check.worker.job_loading import Loading, needing
from dout.check.worker.jobs import Checked, GivenArguments, portable
from dout.check.worker.post_run import UsesOfOldNames, excused, patched, severity_of_stop, without_memory
from dout.check.worker.sandbox import put_back, take_place
from dout.check.worker.work_sharing import Turns
from dout.clock import was_ended_by_the_clock
from dout.errors import DoutError, TargetError, UnknownLossError, UserCodeError
from dout.files import near
from dout.run import arrays, is_class, keeping_random_states, quiet
from dout.trace.session.side_effects import KeptRuntime


def work(pipe: Any, job: Job, given: GivenArguments, skipped: frozenset[str], turns: Turns) -> None:
    """Run a job, without the layers in `skipped` or of others, and end the process; nothing of the user outlives it."""
    here, lock = os.getpid(), threading.RLock()

    def send(*message: Any) -> None:
        if os.getpid() != here:
            os._exit(0)  # the user's code has forked, and this is the copy
        with lock:  # what another thread reads is told from there
            pipe.send(message)

    kept_answers.listen(partial(send, "read"))
    importlib.invalidate_caches()  # a folder that is searched for modules is listed, and heard, in this process
    try:
        take_place(given.memory)
        _run(job, given, skipped, turns, send)
        send("end")
    except BaseException as error:  # SystemExit and the like at an odd moment: the parent sees a process that ended
        with contextlib.suppress(BaseException):
            send("problem", f"{job.where}: {type(error).__name__}: {error}", "")
            send("end")
    finally:
        os._exit(0)  # no atexit of the user's, no waiting for threads


@keeping_random_states()
def _run(job: Job, given: GivenArguments, skipped: frozenset[str], turns: Turns, send: Any) -> None:
    KIND_ALONE.set(given.kind_alone)
    loading = Loading(job, given.rules, send)
    try:
        if job.kind == "program":
            _as_used(loading, loading.program(), given, skipped, send)
        elif job.kind == "recording":
            _as_recorded(job, loading.recording(), send)
        else:
            _as_defined(loading, given, skipped, turns, send)
    except UserCodeError as error:
        send("problem", str(error), error.traceback)
    except DoutError as error:
        send("problem", str(error), "")
    except BaseException as error:  # the user's code may raise anything while it is loaded
        send("problem", f"{job.where} raised {type(error).__name__}: {error}", "")


def _as_used(loading: Loading, seen: Observer, given: GivenArguments, skipped: frozenset[str], send: Any) -> None:
    """Check the layers that a program used, each on what it was given there."""
    uses = uses_by_layer(seen.uses, loading.job.names)
    send("layers", list(uses))
    old_names = UsesOfOldNames(loading.removed, {found[0].name: found[0].target for found in uses.values()})
    for key in sorted((key for key in uses if key not in skipped), key=lambda key: _numbers_of(uses[key][0])):
        send("start", key)
        use, examples = uses[key][0], _examples_of(uses[key])
        check = partial(_check_one, loading, use.name, given=given, old_names=old_names)
        checked = _first_wrong_of(examples, check) if examples else None
        if use.back.came_back:
            send("went_back", key)
        if checked is not None and (given.unjudged or checked.report.verdicts or not checked.report.ok):
            send("done", checked)
            continue
        if examples is not None and loading.job.names is None:  # nothing else asks for the layers of a named program
            _send_alone(use, check(use.target), send)


def _numbers_of(use: LayerUse) -> int:
    """How many numbers a layer and its inputs hold: the time may be over before the whole network, not its parts."""
    return sum(array.size for item in (use.layer, *use.inputs.values()) for array in arrays(item).values())


def _as_recorded(job: Job, found: RecordedRound, send: Any) -> None:
    """Tell what a recorded round of a program says of its layers."""
    keys = [key for key in job.names or () if key_of(*key.rpartition(":")[::2]) in found.rows]
    send("layers", keys)
    for key in keys:
        file, _, name = key.rpartition(":")
        send("start", key)
        send("done", portable(Checked(found.report(name, file), used=f"as recorded in {near(job.where)}", file=file)))


def _examples_of(uses: Sequence[LayerUse]) -> list[UsedExample] | None:
    """The examples that a layer's uses give; None where its author gives one, for the layer as it is defined."""
    with quiet(), contextlib.suppress(BaseException):  # of the user's code, on numbers of ours
        return None if given_beside(uses[0].target, []) is not None else used_examples(uses)
    return []


def _first_wrong_of(examples: Sequence[UsedExample], check: Callable[[UsedExample], Checked]) -> Checked:
    """A layer judged in each of its manners of use: the first that is wrong, or the first that is judged at all."""
    found = [check(examples[0])]
    while len(found) < len(examples) and found[-1].report.ok:
        found.append(check(examples[len(found)]))
    if not found[-1].report.ok:
        return found[-1]
    first = next((i for i, one in enumerate(found) if one.report.verdicts), 0)
    others = ", ".join(dict.fromkeys(one.place for one in examples if one.place != examples[first].place))
    return replace(found[first], used=f"{found[first].used} (so too in {others})") if others else found[first]


def _send_alone(use: LayerUse, alone: Checked, send: Any) -> None:
    """Tell what was found of a layer whose use gives no example, on inputs that were chosen."""
    said = f"used in {place_of(use)}, and judged on inputs that were chosen"
    if alone.report.ok or alone.report.verdicts:
        send("done", replace(alone, used=said, turn=use.back.turn, file=use.file))
    else:
        send("remark", f"{use.name}, {said.partition(',')[0]}, was not judged: it runs on no small inputs")


def _as_defined(loading: Loading, given: GivenArguments, skipped: frozenset[str], turns: Turns, send: Any) -> None:
    """Check the layers that a file defines."""
    job, module = loading.job, loading.module()
    needs = needing(module, loading.at)
    every = layers_in(module, exported=job.kind == "module") if job.names is None else job.names
    names = [name for name in every if job.names is not None or name not in needs]
    needs.update((name, "could not be made") for name in loading.lost if name not in needs)
    for name in [name for name in needs if job.names is None or name in job.names]:
        send("lost", name, needs[name])
    names = [name for name in names if name not in needs]
    send("layers", names)
    old_names = UsesOfOldNames(loading.removed, {name: getattr(module, name, None) for name in names})
    for name in turns.of(names):
        if name in skipped:
            continue
        try:
            target = named(module, name)
        except TargetError as error:
            send("problem", str(error), "")
            continue
        send("start", name, severity_of_stop(target))
        send("done", _check_one(loading, name, target, given, old_names, send))
    for remark in () if turns.helps else old_names.of_no_layer():
        send("remark", remark)


def _check_one(
    loading: Loading, name: str, target: Any, given: GivenArguments, old_names: UsesOfOldNames,
    send: Callable[..., None] = lambda *message: None,
) -> Checked:  # fmt: skip
    """Check a layer as it is defined, or as a program used it; what is found.

    `send` hears that an example was found, and what was found first where more is tried.
    """
    before = len(loading.guard.refused)
    used = target if isinstance(target, UsedExample) else None
    with put_back(loading.kept) as changed:
        checked = _checked(name, used.target if used else target, given, loading.kept, send, used)
    report = excused(checked.report, loading.guard.refused[before:])
    return portable(replace(checked, report=old_names.noted(patched(report, changed))))


def _checked(
    name: str, target: Any, given: GivenArguments, kept: KeptRuntime, send: Callable[..., None],
    used: UsedExample | None = None,
) -> Checked:  # fmt: skip
    """Check one layer; whatever happens that Python can catch becomes a finding."""
    was_ended_by_the_clock()  # what was before is another layer's
    try:
        checked = _checked_as_it_is(name, target, given, partial(send, "ran", name), used)
        if used is None and not checked.report.verdicts:
            send("kept", portable(checked))
            checked = _checked_as_built(name, target, given) or checked
        return replace(checked, report=replace(checked.report, timed=was_ended_by_the_clock()))
    except BaseException as error:  # in code of ours, which runs on names that the layer may have replaced
        replaced = kept.put_back()
        return Checked(patched(broken(name, target, error), replaced))


def _checked_as_built(name: str, target: Any, given: GivenArguments) -> Checked | None:
    """A class judged as the repository's own code builds it; None where no gradient of it is judged then either."""
    for build in written_builds(target, Target(target).file) if is_class(target) and not given.init else ():
        built = replace(given, init=build.init) if build.layer is None else given
        found = _checked_as_it_is(name, build.layer or target, built, lambda: None, None)
        if found.report.verdicts:
            own = frozenset(option for option in found.took if not option.startswith("--init"))
            return replace(found, used=build.said, took=own)
    return None


def _checked_as_it_is(
    name: str, target: Any, given: GivenArguments, ran: Callable[[], None], used: UsedExample | None
) -> Checked:
    took: frozenset[str] = frozenset()
    chosen, trace, has_run = Example({}, {}), None, False
    try:
        if used is not None:
            if given.unjudged:
                return Checked(Report(name), used.example.init, used.example.inputs, used=used.said, file=used.use.file)
            grounds = Grounds.of_use(used)
        else:
            init, inputs = given.taken_by(target)
            took = frozenset({*(f"--init {key}" for key in init), *(f"--input {key}" for key in inputs)})
            how = Interface.parse(given.interface) if given.interface else None
            if given.kind_alone and how is not None and is_class(target):
                init, inputs = _by_forward_alone(target, init, inputs, how)
            grounds = Grounds.of(target, init, inputs, how)
        chosen = grounds.example
        ran()
        has_run = True
        grounds, report = checked_on(grounds)
        chosen = grounds.example
        trace = picture(report, grounds.layer, grounds.ordered, chosen.init) if given.pictures else None
    except TargetError as error:
        found = of_unknown_loss(target, error) if isinstance(error, UnknownLossError) else None
        report = found if found is not None else not_judged(name, target, given.taken_by(target)[0], error)
        chosen = replace(chosen, interface=None)  # a trial found it, and the verdict does not rest on it
    except DoutError as error:
        report = only(name, target, NOT_JUDGED, f"{name} could not be judged: {error}")
    except SystemExit as stop:
        said = f"{name} ends the interpreter: it raises SystemExit({stop.code!r})"
        report = only(name, target, STOPPED, said, severity=severity_of_stop(target), cause="died")
    except KeyboardInterrupt:
        report = only(name, target, STOPPED, f"{name} raises KeyboardInterrupt", cause="died")
    except BaseException as error:
        report = broken(name, target, error)
    report = report.with_each(partial(without_memory, name, has_run))
    called = str(chosen.interface or Interface())
    called = "" if called == str(Interface()) else called
    checked = Checked(replace(report, layer=name), chosen.chosen_init, chosen.chosen_inputs, took, called, trace)
    if used is None:
        return checked
    use, back = used.use, used.use.back
    return replace(
        checked, used=used.said, turn=back.turn, dout_of=back.dout_of, file=use.file, of_one_sample=use.of_one_sample
    )


def _by_forward_alone(
    target: Any, init: dict[str, Any], inputs: dict[str, Any], how: Interface
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Constructor arguments and inputs as they are chosen without backward: an answer has no say in its examples.

    A gradient that nobody sums is right, for one, where a bias is as large as the output.
    """
    left_out = {how.backward, "__dict__", "__weakref__"}
    names = {name: item for name, item in vars(target).items() if name not in left_out}
    try:
        found = example(type(target)(target.__name__, target.__bases__, names), init, inputs)
    except DoutError:
        return init, inputs
    return dict(found.init), dict(found.inputs)
