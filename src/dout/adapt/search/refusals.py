"""Why a layer was not built or run, and what to write instead."""

from __future__ import annotations

import traceback

from dout.adapt.target import Target
from dout.errors import NotTakenError
from dout.trace.model.user_source import is_user_code


def takes_target(target: Target, backward: str = "") -> str:
    """That a backward takes the target, and forward does not."""
    what = f"{target.name}.{backward or target.pairs[0][1]} takes the target itself"
    return f"{what}: it is the gradient of a loss that forward does not give, so there is nothing to compare it with"


def gives_nothing(target: Target) -> str:
    """That a forward ran, and nothing came of it: a function is not complete, a class may keep its output anywhere."""
    if hasattr(target.named, "dout_pair"):
        return f"{target.name} is not complete by itself: it runs on small inputs, and returns nothing"
    return f"{target.name} runs on small inputs, and neither returns its output nor leaves it in an attribute"


def nothing_taken(target: Target, needed: list[str], open_: list[str], last: Exception | None) -> NotTakenError:
    """That nothing that was tried ran, with the last error of the user's code and its line."""
    why = f" ({type(last).__name__}: {last}{_place(last)})" if last else " (none could be made)"
    if needed:
        return target.needs(needed, why)
    short = f"{target.name} took none of the small inputs tried{why}"
    give = " ".join(f"--input '{name}=…'" for name in open_)
    give = f"give {give}, or " if give else ""
    return NotTakenError(f"{short}: {give}write dout_example() beside it", short)


def _place(error: Exception | None) -> str:
    """The innermost line of the user's in a traceback."""
    frames = [f for f in traceback.extract_tb(error.__traceback__ if error else None) if is_user_code(f.filename)]
    return f", at {frames[-1].filename}:{frames[-1].lineno}" if frames else ""
