"""Reports on layers that were not judged: they take no example, need what is not there, or raise."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from dout.adapt.argument_names import taken_by
from dout.adapt.interface.function_pairs import PAIR
from dout.adapt.search.example import constructor_arguments
from dout.adapt.search.own_faults import (
    has_chosen_parts,
    is_of_python_2,
    is_own_fault,
    makes_a_number_of,
    not_imported,
)
from dout.adapt.search.unset_attributes import completed_by, lacks_attribute
from dout.adapt.source import asked_of_objects
from dout.adapt.target import Target
from dout.check.project.discover import line_of_class
from dout.check.report.report import Report
from dout.check.report.rule import Rule
from dout.check.report.source_places import raised_at
from dout.check.report.verdicts import NothingTaken, Raised, Reason
from dout.check.rules.unjudged.d001_raises import RULE as RAISES
from dout.check.rules.unjudged.d002_not_judged import RULE as NOT_JUDGED
from dout.check.verb.missing_dependency import lacks
from dout.errors import NotTakenError, TargetError
from dout.graph import Where
from dout.trace.program.stub_modules import NeedsError

# The layer's own mistake, whatever it is given; any other error may be the fault of the inputs that were tried.
OWN = (NameError, ImportError, SyntaxError)


def not_judged(name: str, target: Any, init: Mapping[str, Any], error: TargetError) -> Report:
    """A layer that takes no example, built with the arguments `init`: the reason is its own, or that of the example."""
    broken, what = _constructor_error(target, init), Target(target)
    cause = broken or error.__cause__
    if isinstance(cause, ModuleNotFoundError) and cause.name:
        return only(name, target, NOT_JUDGED, f"{name} needs {cause.name}, which is not installed")
    own = not not_imported(cause) and (
        broken is not None
        or (isinstance(cause, OWN) and not isinstance(cause, UnboundLocalError))
        or (isinstance(cause, AttributeError) and isinstance(cause.obj, what.cls) and lacks_attribute(str(cause), what))
        or is_of_python_2(cause)
        or (isinstance(target, type) and is_own_fault(cause) and not _is_of_chosen_parts(what, init))
    )
    needed = lacks(cause)
    if needed and not own:
        return only(name, target, NOT_JUDGED, f"{name} needs {needed} ({type(cause).__name__}: {cause})")
    if isinstance(cause, NotImplementedError) or "exceptions must derive from BaseException" in str(cause):
        return only(name, target, NOT_JUDGED, f"{name} is not complete by itself: it raises NotImplementedError")
    if whole := completed_by(what.cls, cause):
        said = f"{name} is not complete by itself: {whole}, which derives from it, makes what it lacks"
        return only(name, target, NOT_JUDGED, f"{said} ({cause})")
    if cause is None or not own:
        return only(name, target, NOT_JUDGED, str(error), reason=_reason(error))
    reason = Raised.of(cause)
    left_out = broken is not None and not isinstance(broken, OWN) and bool(taken_by(target))
    refuses = left_out and not is_own_fault(broken)
    severity = "warning" if refuses else RAISES.severity
    message = f"{name} raises {reason.text}"
    if one := makes_a_number_of(cause):
        message += f" (`{one}` has one element, of which NumPy makes no number since 2.4: append .item())"
    return only(name, target, RAISES, message, raised_at(cause), reason=reason, severity=severity)


def _is_of_chosen_parts(what: Target, init: Mapping[str, Any]) -> bool:
    """Whether the arguments that were chosen for a constructor may be at fault: a size is not, a part may be."""
    asked = [p.name for p in what.constructor if p.default is p.empty and p.name not in init]
    of_objects = (asked_of_objects(what.cls, name, what.cls) for name in asked)
    return any(of_objects) or any(has_chosen_parts([*c.values()]) for c in constructor_arguments(what, init)[:1])


def _reason(error: TargetError) -> Reason | None:
    """Why there is nothing to judge, as a value."""
    raised = Raised.of(error.__cause__) if error.__cause__ is not None else None
    if not isinstance(error, NotTakenError):
        return raised
    return NothingTaken(raised.name if raised else "", raised.text if raised else "", short=error.short)


def broken(name: str, target: Any, error: BaseException) -> Report:
    """A layer that could not be judged: by what it uses and is not there, or by an exception that is not its own."""
    if isinstance(error, NeedsError):
        return only(name, target, NOT_JUDGED, f"{name} {error}")
    reason = Raised.of(error)
    return only(name, target, NOT_JUDGED, f"{name} could not be judged: {reason.text}", reason=reason)


def _constructor_error(target: Any, init: Mapping[str, Any]) -> Exception | None:
    """What the constructor of a class raises that wants no arguments, or has them all."""
    if not isinstance(target, type):
        return None
    try:
        inspect.signature(target).bind(**init)
    except (TypeError, ValueError):
        return None
    try:
        target(**init)
    except Exception as error:
        return error
    return None


def only(name: str, target: Any, rule: Rule, message: str, where: Where | None = None, **details: Any) -> Report:
    """A report with one finding alone."""
    file, line = _place(target)
    found = rule.finding(message, where, layer=name, **({} if where else {"file": file, "line": line}), **details)
    return Report(name, findings=(found,), file=file, line=line)


def _place(target: Any) -> tuple[str | None, int | None]:
    """Where the class of a layer is written."""
    what = Target(target)
    pair = getattr(what.cls, PAIR, None)
    if pair is not None:
        code = inspect.unwrap(getattr(what.cls, pair[1])).__code__
        return code.co_filename, code.co_firstlineno
    return what.file, line_of_class(what.file, what.cls.__qualname__) if what.file else None
