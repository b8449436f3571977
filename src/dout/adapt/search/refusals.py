"""Why a layer was not built or run, and what to write instead."""

from __future__ import annotations

import inspect
import traceback
from typing import Any

from dout.adapt.interface.interface import pairs_of
from dout.errors import NotTakenError
from dout.trace.model.user_source import is_user_code


def name_of(target: Any) -> str:
    """What a class, a function, or the class of an instance is called."""
    return getattr(target, "__qualname__", None) or type(target).__qualname__


def needs(target: Any, missing: list[str], why: str = "") -> NotTakenError:
    """That constructor arguments are missing."""
    short, give = f"{name_of(target)} needs {', '.join(missing)}", " ".join(f"--init '{name}=…'" for name in missing)
    return NotTakenError(f"{short} to be built: give {give}{why}", short + why)


def takes_target(target: Any) -> str:
    """That a backward takes the target, and forward does not."""
    _, backward = pairs_of(target if inspect.isclass(target) else type(target))[0]
    what = f"{name_of(target)}.{backward} takes the target itself"
    return f"{what}: it is the gradient of a loss that forward does not give, so there is nothing to compare it with"


def gives_nothing(target: Any) -> str:
    """That a forward ran, and nothing came of it: a function is not complete, a class may keep its output anywhere."""
    if hasattr(target, "dout_pair"):
        return f"{name_of(target)} is not complete by itself: it runs on small inputs, and returns nothing"
    return f"{name_of(target)} runs on small inputs, and neither returns its output nor leaves it in an attribute"


def nothing_taken(target: Any, needed: list[str], open_: list[str], last: Exception | None) -> NotTakenError:
    """That nothing that was tried ran, with the last error of the user's code and its line."""
    why = f" ({type(last).__name__}: {last}{_place(last)})" if last else " (none could be made)"
    if needed:
        return needs(target, needed, why)
    short, give = (
        f"{name_of(target)} took none of the small inputs tried{why}",
        " ".join(f"--input '{n}=…'" for n in open_),
    )
    return NotTakenError(f"{short}: give {give}, or write dout_example() beside it", short)


def _place(error: Exception | None) -> str:
    """The innermost line of the user's in a traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__ if error else None) if is_user_code(f.filename)]
    return f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
