"""Constructor arguments with which a class is built: those that raise are changed by their errors."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from dout.adapt.search.example_repair import changes
from dout.adapt.search.failure import Failure
from dout.adapt.target import Target
from dout.run import quiet

MOST_TRIALS = 60
DEEPEST = 4  # changes of one choice


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
    trials, seen = 0, set[str]()
    for failure in failures.values():
        stack = [(failure, changes(failure))]
        while stack and trials < MOST_TRIALS:
            last, ways = stack[-1]
            change = next(ways, None)
            if change is None:
                stack.pop()
                continue
            choice = {**last.init, **{n: x for n, x in change.items() if n in last.init}}
            if (look := repr(choice)) in seen:
                continue
            seen.add(look)
            trials += 1
            again = _built(target, choice)
            if again is None:
                yield choice, True
            elif len(stack) < DEEPEST and _said(again) != _said(last):
                stack.append((again, changes(again)))


def _said(failure: Failure) -> tuple[str, ...]:
    """Where it raised, what it said and of which arguments: if this stays the same, a change has changed nothing."""
    return (*failure.key[1:3], *failure.arguments)


def _built(target: Target, init: Mapping[str, Any]) -> Failure | None:
    """What it raises with these arguments; None where it is built."""
    try:
        with quiet():
            target.fresh(init)
    except MemoryError:
        raise
    except Exception as error:
        return Failure(init, {}, error, frozenset(init))
    return None
