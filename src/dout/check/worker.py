"""The process in which one file runs: it loads the file, checks each layer in it, and sends what it finds as it goes.

Messages, in order: ("at", file, line) before each statement that loading runs and ("stop", Stop) where one came to no
good end; ("lost", name, reason) for a class that stands on what is not there; ("layers", names), and for each layer
("start", name) and ("done", Checked); ("problem", text, traceback) where something cannot be loaded; ("end",) at last,
and anywhere ("remark", text). The user's code may do anything here, even end it.
"""

from __future__ import annotations

import contextlib
import inspect
import os
import signal
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from dout.adapt.example import Example, arguments, as_found, example, forward_of
from dout.adapt.faults import WHATEVER, is_own_fault, lacks_attribute
from dout.adapt.functions import PAIR
from dout.adapt.interface import Interface, required
from dout.adapt.refusals import name_of, takes_target
from dout.check.afterwards import UsesOfOldNames, excused
from dout.check.codes import finding
from dout.check.conditions import under_conditions
from dout.check.discover import Job, layers_in, line_of_class, named
from dout.check.elsewhere import lacks, lacks_target
from dout.check.foreign import foreign_layer
from dout.check.isolate import Rules
from dout.check.loading import Loading, needing
from dout.check.model import Finding, Report
from dout.check.pictures import picture
from dout.check.places import raised_at
from dout.check.turns import Turns
from dout.check.verb import check_adapted, is_right
from dout.errors import DoutError, TargetError, UserCodeError
from dout.graph import Where

MOST_TEXT = 2000  # characters of one message


@dataclass(frozen=True)
class Given:
    """Constructor arguments and inputs that the user gave, for every layer that takes them; limits of a process."""

    init: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    memory: float = 0.0  # GB
    rules: Rules = field(default_factory=Rules)
    interface: str = ""  # how every layer is called; found out where it is empty
    pictures: bool = False  # whether the recording of a layer with a wrong gradient is wanted


@dataclass(frozen=True)
class Checked:
    """A report, what was chosen to make it (constructor arguments and inputs), and which given names the layer took.

    `interface` says how the layer was called, where that is not the plain `forward(x)` and `backward(dout)`; `trace` is
    the document of a recording that shows a wrong gradient, where pictures are wanted.
    """

    report: Report
    init: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    took: frozenset[str] = frozenset()
    interface: str = ""
    trace: Mapping[str, Any] | None = None


class Told(str):
    """An object of the user's classes, as text: it cannot be written on a command line."""

    __slots__ = ()


def work(pipe: Any, job: Job, given: Given, skipped: frozenset[str], turns: Turns) -> None:
    """Run a job, without the layers in `skipped` or of others, and end the process; nothing of the user outlives it."""
    here = os.getpid()

    def send(*message: Any) -> None:
        if os.getpid() != here:
            os._exit(0)  # the user's code has forked, and this is the copy
        pipe.send(message)

    try:
        _take_place(given.memory)
        _run(job, given, skipped, turns, send)
        send("end")
    except BaseException as error:  # SystemExit and the like at an odd moment: the parent sees a process that ended
        with contextlib.suppress(BaseException):
            send("problem", f"{job.where}: {type(error).__name__}: {error}", "")
            send("end")
    finally:
        os._exit(0)  # no atexit of the user's, no waiting for threads


def _take_place(memory: float) -> None:
    """Become a process of its own: its group, its limits, nothing to read, and nobody who hears it."""
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_DFL)
    if hasattr(os, "setsid"):
        with contextlib.suppress(OSError):
            os.setsid()
    _die_with_the_parent()
    _limit(memory)
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    sys.stdin = open(os.devnull, encoding="utf-8")  # noqa: PTH123, SIM115 - as long as the process
    sys.stdout = sys.stderr = open(os.devnull, "w", encoding="utf-8")  # noqa: PTH123, SIM115


def _die_with_the_parent() -> None:
    if sys.platform == "linux":
        with contextlib.suppress(Exception):
            import ctypes

            ctypes.CDLL(None).prctl(1, signal.SIGKILL)  # PR_SET_PDEATHSIG


def _limit(memory: float) -> None:
    try:
        import resource
    except ImportError:  # Windows
        return
    with contextlib.suppress(OSError, ValueError):
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    if memory > 0:
        most = int(memory * 2**30) + _mapped()
        with contextlib.suppress(OSError, ValueError):
            resource.setrlimit(resource.RLIMIT_AS, (most, most))


def _mapped() -> int:
    """Bytes of address space that this process has already."""
    try:
        return int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, AttributeError):
        return 2**30


def _run(job: Job, given: Given, skipped: frozenset[str], turns: Turns, send: Any) -> None:
    loading = Loading(job, given.rules, send)
    try:
        module = loading.module()
        needs = needing(module)
        names = [name for name in layers_in(module) if name not in needs] if job.names is None else list(job.names)
    except UserCodeError as error:
        send("problem", str(error), error.traceback)
        return
    except DoutError as error:
        send("problem", str(error), "")
        return
    except BaseException as error:  # the user's code may raise anything while it is loaded
        send("problem", f"{job.where} raised {type(error).__name__}: {error}", "")
        return
    needs.update((name, "could not be made") for name in loading.lost if name not in needs)
    for name in [name for name in needs if job.names is None or name in job.names]:
        send("lost", name, needs[name])
    names = [name for name in names if name not in needs]
    send("layers", names)
    uses = UsesOfOldNames(loading.removed, module, names)
    for name in turns.of(names):
        if name in skipped:
            continue
        try:
            target = named(module, name)
        except TargetError as error:
            send("problem", str(error), "")
            continue
        send("start", name)
        before = loading.guard.refused
        with _put_back() as changed:
            checked = _checked(name, target, given)
        report = excused(checked.report, loading.guard.refused > before)
        if changed:
            report = _with(report, _patched(report, changed))
        send("done", _portable(replace(checked, report=uses.noted(report))))
    for remark in () if turns.helps else uses.left():
        send("remark", remark)


def _checked(name: str, target: Any, given: Given) -> Checked:
    """Check one layer; whatever happens that Python can catch becomes a finding."""
    took: frozenset[str] = frozenset()
    chosen, trace = Example({}, {}), None
    try:
        init, inputs = _taken(target, given)
        took = frozenset({*(f"--init {key}" for key in init), *(f"--input {key}" for key in inputs)})
        how = Interface.parse(given.interface) if given.interface else None
        chosen, ordered = _example(name, target, init, inputs, how)
        layer, ordered = (target, ordered) if foreign_layer(target) is not None else as_found(target, chosen)
        report = _doubted(check_adapted(layer, ordered, chosen.init), chosen, target)
        if chosen.chosen_inputs:
            report = under_conditions(report, ordered, lambda simpler: is_right(layer, simpler, chosen.init))
        trace = picture(report, layer, ordered, chosen.init) if given.pictures else None
    except TargetError as error:
        report = _not_judged(name, target, given, error)
    except MemoryError:
        report = _only(name, target, "D003", f"{name} needs more memory than it may have; it was stopped")
    except DoutError as error:
        report = _only(name, target, "D002", f"{name} could not be judged: {error}")
    except SystemExit as stop:
        message = f"{name} ends the interpreter: it raises SystemExit({stop.code!r})"
        chosen_for_it = isinstance(target, type) and bool(required(target))  # it may be right to refuse what we chose
        report = _only(name, target, "D003", message, severity="warning" if chosen_for_it else "error")
    except KeyboardInterrupt:
        report = _only(name, target, "D003", f"{name} raises KeyboardInterrupt")
    except BaseException as error:
        report = _only(name, target, "D002", f"{name} could not be judged: {type(error).__name__}: {error}")
    report = replace(report, findings=tuple(_memory(name, item) for item in report.findings))
    called = str(chosen.interface or Interface())
    called = "" if called == str(Interface()) else called
    return Checked(replace(report, layer=name), chosen.chosen_init, chosen.chosen_inputs, took, called, trace)


def _example(
    name: str, target: Any, init: Mapping[str, Any], inputs: Mapping[str, Any], how: Interface | None
) -> tuple[Example, list[Any]]:
    """What to build a layer with and to run it on, and its inputs by place."""
    foreign = foreign_layer(target)
    if foreign is not None:
        chosen = example(foreign(), {}, {}) if not inputs else Example({}, inputs)
        return chosen, list(chosen.inputs.values())
    chosen = example(target, init, inputs, interface=how)
    ordered, keywords = arguments(target, chosen.inputs)
    if keywords:
        raise TargetError(f"{name}.forward takes {', '.join(keywords)} by name only, and inputs are given by place")
    return chosen, ordered


def _taken(target: Any, given: Given) -> tuple[dict[str, Any], dict[str, Any]]:
    """What of the given arguments this layer takes."""

    def of(function: Any, values: Mapping[str, Any], unbound: int) -> dict[str, Any]:
        try:
            parameters = list(inspect.signature(function).parameters.values())[unbound:]
        except (TypeError, ValueError):
            return {}
        any_name = any(p.kind is p.VAR_KEYWORD for p in parameters)
        names = {p.name for p in parameters}
        place = {key for key in values if key.isdigit() and int(key) < len(parameters)}
        return {key: value for key, value in values.items() if any_name or key in names or key in place}

    is_class = isinstance(target, type)
    forward = forward_of(target)  # a function of JAX has none
    return (of(target, given.init, 0) if is_class else {}), of(forward, given.inputs, int(is_class))


# The layer's own mistake, whatever it is given; any other error may be the fault of the inputs that were tried.
_OWN = (NameError, ImportError, SyntaxError)


def _doubted(report: Report, chosen: Example, target: Any) -> Report:
    """On inputs that were chosen, an error that a layer raises may be the fault of the inputs: then it is a warning."""
    own = {cls.__name__ for cls in _OWN}
    if any(f.code == "D001" and lacks_target(target, chosen.interface, f.message) for f in report.findings):
        return _only(name_of(target), target, "D002", takes_target(target))
    found = [
        replace(f, severity="warning", message=f"{f.message}, on inputs that were chosen")
        if f.code == "D001"
        and chosen.chosen
        and not (f.cause in own or WHATEVER in f.message)
        and not lacks_attribute(f.message, target)
        else f
        for f in report.findings
    ]
    return replace(report, findings=tuple(found))


def _not_judged(name: str, target: Any, given: Given, error: TargetError) -> Report:
    cause = error.__cause__
    broken = _constructor_error(target, given)
    if broken is not None:
        cause = broken
    own = (
        broken is not None
        or (isinstance(cause, _OWN) and not isinstance(cause, UnboundLocalError))
        or (isinstance(cause, AttributeError) and _is_own(cause.obj, target) and lacks_attribute(str(cause), target))
        or (isinstance(target, type) and not required(target) and is_own_fault(cause))
    )
    needed = lacks(cause)
    if needed and not own:
        return _only(name, target, "D002", f"{name} needs {needed} ({type(cause).__name__}: {cause})")
    if isinstance(cause, NotImplementedError) or "exceptions must derive from BaseException" in str(cause):
        return _only(name, target, "D002", f"{name} is not complete by itself: it raises NotImplementedError")
    if cause is None or not own:
        return _only(name, target, "D002", str(error))
    return _only(name, target, "D001", f"{name} raises {type(cause).__name__}: {cause}", raised_at(cause))


def _constructor_error(target: Any, given: Given) -> Exception | None:
    """What the constructor of a class raises that wants no arguments, or has them all."""
    if not isinstance(target, type):
        return None
    init, _ = _taken(target, given)
    try:
        inspect.signature(target).bind(**init)
    except (TypeError, ValueError):
        return None
    try:
        target(**init)
    except Exception as error:
        return error
    return None


def _is_own(item: Any, target: Any) -> bool:
    cls = target if isinstance(target, type) else type(target)
    return isinstance(item, cls)


def _only(name: str, target: Any, code: str, message: str, where: Where | None = None, **details: Any) -> Report:
    file, line = _place(target)
    found = finding(code, message, where, layer=name, **({} if where else {"file": file, "line": line}), **details)
    return Report(name, findings=(found,), file=file, line=line)


def _place(target: Any) -> tuple[str | None, int | None]:
    """Where the class of a layer is written."""
    cls = target if isinstance(target, type) else type(target)
    pair = getattr(cls, PAIR, None)
    if pair is not None:
        code = getattr(cls, pair[1]).__code__
        return code.co_filename, code.co_firstlineno
    try:
        file = inspect.getsourcefile(cls)
    except (TypeError, OSError):
        file = None
    return file, line_of_class(file, cls.__qualname__) if file else None


def _memory(name: str, item: Finding) -> Finding:
    if item.code == "D001" and " raises MemoryError" in item.message:
        message = f"{name} needs more memory than it may have; it was stopped"
        return finding("D003", message, layer=name, file=item.file, line=item.line)
    return item


def _with(report: Report, item: Finding) -> Report:
    return replace(report, findings=(*report.findings, item))


def _patched(report: Report, changed: list[str]) -> Finding:
    message = f"{report.layer} replaces {', '.join(changed)} for everyone while it runs; it was put back"
    return finding("D003", message, layer=report.layer, file=report.file, line=report.line, severity="warning")


@contextmanager
def _put_back() -> Iterator[list[str]]:
    """Afterwards NumPy, its error state, the folder and the streams are as before; yields the names that were not."""
    changed: list[str] = []
    modules = [sys.modules[m] for m in ("numpy", "numpy.linalg", "numpy.random", "math") if m in sys.modules]
    before = [(module, dict(vars(module))) for module in modules]
    folder, streams, path = os.getcwd(), (sys.stdin, sys.stdout, sys.stderr), list(sys.path)  # noqa: PTH109
    with np.errstate():
        yield changed
    for module, names in before:
        for name, item in names.items():
            if vars(module).get(name, module) is not item:
                changed.append(f"{module.__name__}.{name}")
                setattr(module, name, item)
    sys.stdin, sys.stdout, sys.stderr = streams
    sys.path[:] = path
    with contextlib.suppress(OSError):
        os.chdir(folder)


def _portable(checked: Checked) -> Checked:
    """The same without any object of the user's classes, which the parent does not know."""
    report = checked.report
    findings = tuple(
        replace(
            item,
            message=_cut(item.message),
            because=_cut(item.because),
            expected=_plain(item.expected),
            got=_plain(item.got),
            inputs={str(key): _plain(value) for key, value in item.inputs.items()},
        )
        for item in report.findings
    )
    init = {key: _plain(value) for key, value in checked.init.items()}
    inputs = {key: _plain(value) for key, value in checked.inputs.items()}
    return replace(checked, report=replace(report, findings=findings), init=init, inputs=inputs)


def _cut(text: str) -> str:
    """Text without its middle, where an error of the user's says more than anyone reads."""
    return text if len(text) <= MOST_TEXT else f"{text[: MOST_TEXT // 2]} … {text[-MOST_TEXT // 2 :]}"


def _plain(value: Any) -> Any:
    if value is None or type(value) in (bool, int, float, str):
        return value
    if isinstance(value, tuple | list):
        return type(value)([_plain(item) for item in value]) if type(value) in (tuple, list) else str(value)
    if isinstance(value, np.ndarray | np.generic) and value.dtype.kind in "biufc":
        return np.array(value, subok=False)[()]
    return Told(_cut(str(value)))
