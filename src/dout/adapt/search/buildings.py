"""Constructor arguments with which a class is built: those that raise are changed by their errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dout.adapt.search.example_repair import mended
from dout.adapt.search.failure import Failure
from dout.adapt.target import Target
from dout.run import REFUSALS, as_exception, quiet


def built(target: Target, choices: Iterable[Mapping[str, Any]]) -> Iterator[tuple[dict[str, Any], bool]]:
    """The choices of constructor arguments with which a class is built, in their order, and whether they were changed.

    Those that raise come last, changed by their errors within bounds.
    """
    failures: dict[tuple[str, ...], Failure] = {}
    for choice in choices:
        failure = _built(target, choice)
        if failure is None:
            yield dict(choice), False
        else:
            failures.setdefault(failure.key[:2], failure)
    for init, _ in mended(failures.values(), lambda init, _: _built(target, init)):
        yield dict(init), True


def _built(target: Target, init: Mapping[str, Any]) -> Failure | None:
    """What it raises with these arguments; None where it is built."""
    try:
        with quiet():
            target.fresh(init)
    except MemoryError:
        raise
    except REFUSALS as error:
        return Failure(init, {}, as_exception(error), frozenset(init))
    return None
