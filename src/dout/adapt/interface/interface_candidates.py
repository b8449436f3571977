"""The interfaces that names in a class allow, the likeliest first: what the arguments of backward may be for."""

from __future__ import annotations

import ast
import functools
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

from dout.adapt.argument_names import (
    any_number_of,
    given_after,
    looks_like_two,
    names_cache,
    names_context,
    names_gradients,
    names_label,
    names_loss,
    names_optimizer,
    names_output,
    names_penalty,
    names_plain_upstream,
    names_rate,
    names_samples,
    names_slope,
    names_switch,
    names_upstream,
    taken_by,
    takes_target,
    upstream_after,
)
from dout.adapt.combinations import combined
from dout.adapt.interface.interface import (
    CACHE,
    CONTEXT,
    DOUT,
    EACH,
    GRADS,
    OPTIMIZER,
    OUTPUT,
    PENALTY,
    RATE_ROLE,
    ROWS,
    SLOPE,
    Interface,
)
from dout.adapt.interface.method_pairs import is_static, optional, pairs_of, required, required_by
from dout.adapt.source import kinds_for, may_be_none
from dout.adapt.source.empty_methods import kept_when_called, read_by
from dout.adapt.source.linear_use import handed_to, only_multiplied, only_passed_on
from dout.adapt.source.returned_names import items_returned
from dout.adapt.source.switches import switches_for
from dout.adapt.source.syntax import name_of, read, walk
from dout.trace.model.user_source import behind, class_source

MOST_CANDIDATES, MOST_COMBINED = 24, 20_000
_LOCAL = re.compile(r"back|b_?prop|bwd", re.IGNORECASE)
_SETTINGS = (
    (names_rate, RATE_ROLE), (names_optimizer, OPTIMIZER), (names_gradients, GRADS), (names_switch, "True"),
    (names_samples, ROWS), (names_penalty, PENALTY),
)  # fmt: skip


def candidates(cls: type) -> Iterator[Interface]:
    """Every interface that the names in a class allow, the likeliest first."""
    for forward, backward in pairs_of(cls):
        if forward == backward:
            yield Interface(forward, backward, ())
            return
        if _is_as_written(cls, forward, backward):
            yield from (Interface(), *(of_methods(cls, "__call__", backward) if kept_when_called(cls) else ()))
            return
        yield from of_methods(cls, forward, backward)


def unproven_candidates(cls: type) -> Iterator[Interface]:
    """The interfaces in which what is called as a target, `backward(y)`, is the upstream gradient: a run must tell."""
    for forward, backward in pairs_of(cls):
        if forward != backward and not _is_as_written(cls, forward, backward):
            yield from of_methods(cls, forward, backward, unproven=True)


def meant_pairs(cls: type) -> list[tuple[str, str]]:
    """The pairs of a forward and a backward that their arguments allow: with `backward(X, y)`, a `loss(X, y)`."""
    every = pairs_of(cls)
    return [pair for pair in every if pair[0] == pair[1] or _is_allowed(cls, *pair)] or every


def _is_allowed(cls: type, forward: str, backward: str) -> bool:
    return _is_as_written(cls, forward, backward) or any(True for _ in of_methods(cls, forward, backward))


def _is_as_written(cls: type, forward: str, backward: str) -> bool:
    """Whether a class is called by its `forward` and its `backward(dout)`: it is adapted, or its names say so."""
    return hasattr(cls, "dout_interface") or ((forward, backward) == ("forward", "backward") and is_plain(cls))


def setting_role(name: str, otherwise: str) -> str:
    """What an argument of backward is for that is called as a setting: a rate, a switch; else that."""
    return next((role for is_named, role in _SETTINGS if is_named(name)), otherwise)


def method_names(cls: type) -> tuple[str, str] | None:
    """The forward and the backward of a class whose backward takes the upstream gradient; None where none is clear."""
    first = next(candidates(cls), None)
    if first and DOUT in first.roles and not (first.local or first.context):
        return first.forward, first.backward
    return None


def is_plain(cls: type) -> bool:
    """Whether the names alone say that a class is written as `forward(*inputs)` and `backward(dout)`."""
    if is_static(cls, "forward") or is_static(cls, "backward"):
        return False
    names = required(cls.backward, bound=True)  # type: ignore[attr-defined]
    plain = len(names) == 1 and names_plain_upstream(names[0])
    return plain and not given_after(cls.backward, 2, switches_for(cls.forward))  # type: ignore[attr-defined]


def of_methods(cls: type, forward: str, backward: str, unproven: bool = False) -> Iterator[Interface]:
    """The interfaces with these two methods, by what the arguments of backward may be for.

    None where backward takes the target; `unproven` ones, where alone it does, take that for the upstream gradient.
    """
    context, taken = _inputs(cls, forward)
    arrays = [name for name in taken if kinds_for(behind(getattr(cls, forward)), name)[:1] != ("bool",)]
    loss = names_loss(cls.__qualname__) or names_loss(forward) or looks_like_two(arrays)
    wanted = _wanted(cls, forward, backward, loss)
    passed = _passed_on(cls, forward, backward, [name for name in wanted if name not in taken]) if not loss else []
    arrives = len(passed) == 1 or any(names_plain_upstream(name) for name in wanted if name not in taken)
    local = not (_LOCAL.search(backward) or arrives)
    idle = {n for n in wanted if names_label(n) and n not in taken} - read_by(getattr(cls, backward), wanted)
    idle |= {n for n in wanted if "deriv" in n.lower() and any(map(names_plain_upstream, {*wanted} - {n}))}  # a factor
    active = [n for n in wanted if n not in idle]
    alone = len(wanted) == 1 and (local or only_multiplied(getattr(cls, backward), wanted[0]))
    if takes_target(active, taken, loss or alone) != unproven or _asks_for_more(cls, forward, active, taken, local):
        return
    if local and not loss and _is_of_another(cls, forward, wanted, taken):
        return
    several = sum(not setting_role(name, "") or name in taken for name in wanted) > 1
    settings = optional(getattr(cls, forward))
    keeps = [CACHE] if items_returned(behind(getattr(cls, forward))) > 1 else []
    choices = [
        [slope]
        if (slope := _slope_of(getattr(cls, forward), name, taken))
        else ["True"]
        if name in idle
        else [f"{name}="]
        if name in settings
        else [DOUT]
        if unproven and names_label(name)
        else _roles(name, taken, loss, local or several, context, keeps)
        for name in wanted
    ]
    if loss and len(wanted) > 1 and wanted == taken:  # `loss(x, t)` and `gradient(x, t)`: the same call
        choices = [[name] for name in wanted]
    again = handed_to(getattr(cls, backward), forward) if local and taken else set[str]()
    every = any_number_of(taken_by(behind(getattr(cls, forward))))  # of `*args` no single one is meant
    choices = [[role for role in c if role != every] or c for c in choices]
    empty = [n for n in wanted if n not in taken and not names_upstream(n) and may_be_none(getattr(cls, backward), n)]
    choices = [["None", *c] if n in empty else c for n, c in zip(wanted, choices, strict=True)]
    choices = [[taken[0]] if n in again and OUTPUT in c else c for n, c in zip(wanted, choices, strict=True)]
    choices = [[DOUT] if [n] == passed and n not in idle else c for n, c in zip(wanted, choices, strict=True)]
    choices = _with_left(cls, choices) if loss else _upstream_first(choices, wanted, taken, local)
    allowed = (roles for roles in islice(combined(choices), MOST_COMBINED) if _is_sensible(roles, wanted))
    for roles in islice(allowed, MOST_CANDIDATES):
        is_local = DOUT not in roles and not loss and bool(local or roles)
        yield Interface(forward, backward, roles, context=context, local=is_local)
    if len(wanted) > 1 and wanted == taken and not loss:  # `log_prob(x, a)`, `grad_log_prob(x, a)`: of one number
        yield Interface(forward, backward, tuple(wanted), context=context)


def _passed_on(cls: type, forward: str, backward: str, names: Sequence[str]) -> list[str]:
    """Which of these arguments backward passes on: whatever it is called, beside an input it is the upstream gradient.

    Of several arguments of it alone, and of what is called otherwise none: a label, an output, a setting of forward's.
    """
    if len(required_by(cls, backward)) < 2:
        return []
    known = optional(getattr(cls, forward))
    open_ = [n for n in names if n not in known and not (names_label(n) or names_output(n) or setting_role(n, ""))]
    return [name for name in open_ if only_passed_on(getattr(cls, backward), name)]


def _wanted(cls: type, forward: str, backward: str, loss: bool) -> list[str]:
    """What backward must be given; after it one with a default: a rate, a switch of forward's, an upstream gradient.

    Without an instance there is nothing to step, and `alpha` is a slope.
    """
    wanted, static = required_by(cls, backward), is_static(cls, backward)
    place = len(wanted) + (not static)
    given = given_after(getattr(cls, backward), place, switches_for(behind(getattr(cls, forward))))
    given = [name for name in given if not (static and names_rate(name))]
    return [*wanted, *given, *([] if loss else upstream_after(getattr(cls, backward), place))]


def _upstream_first(
    choices: list[list[str]], wanted: Sequence[str], taken: Sequence[str], local: bool
) -> list[list[str]]:
    """The choices with the upstream gradient first where only one argument can be it."""
    others = [i for i, name in enumerate(wanted) if name not in taken and DOUT in choices[i]]
    if not (local or any(c[0] == DOUT for c in choices)) and len(others) == 1:  # all else forward was given
        choices = [[DOUT, *(r for r in c if r != DOUT)] if i in others else c for i, c in enumerate(choices)]
    if any(c[0] == DOUT for c in choices):
        return choices
    greek = len(wanted) == 1 and wanted[0] in ("eta", "alpha")  # some call the error so
    first = (GRADS, RATE_ROLE) if greek else (GRADS,)  # `backward(grads, lr)`: what else would come from above?
    return [[DOUT, c[0]] if c[0] in first else c for c in choices]


def _with_left(cls: type, choices: list[list[str]]) -> list[list[str]]:
    """The choices with what a loss with its activation has left in itself: `backward(self.output, y)`."""
    text = _source(cls)
    left = [f"self.{name}" for name in _LEFT if re.search(rf"self\.{name} =|setattr\(self, .{name}\b", text)]
    return [[*c, *left[:2]] if OUTPUT in c else c for c in choices]


def _slope_of(forward: Any, name: str, taken: Sequence[str]) -> str:
    """The role of the derivative of a function that forward calls, `fn_prime` of `fn`; "" for any other argument."""
    functions = [n for n in taken if n != name and n in name and names_slope(name)]
    called = [n for n in functions if kinds_for(behind(forward), n)[:1] == ("callable",)]
    return f"{SLOPE} of {called[0]}" if called else ""


def given_again(cls: type, interface: Interface) -> Interface | None:
    """The interface with forward's `*args` for those of backward, where it reads them, and forward takes any number."""
    method = getattr(cls, interface.backward)
    own = any_number_of(taken_by(behind(method)))
    takes_any = any_number_of(taken_by(behind(getattr(cls, interface.forward))))
    asks = own and takes_any and own not in required_by(cls, interface.backward) and own in read_by(method, [own])
    return replace(interface, roles=(*interface.roles, EACH)) if asks and EACH not in interface.roles else None


@functools.lru_cache(maxsize=256)
def cache_place(forward: Any, length: int) -> int | None:
    """Where among so many results forward returns its cache, by what it calls that; None where it does not say.

    What follows are no outputs either: `return out, cache, running_mean`.
    """
    own = read(forward)
    returned = [node.value for node in walk(own.node) if isinstance(node, ast.Return)] if own else []
    names = [[name_of(item) for item in value.elts] for value in returned if isinstance(value, ast.Tuple)]
    places = {next((i for i, n in enumerate(ns) if i and names_cache(n)), None) for ns in names if len(ns) == length}
    return places.pop() if len(places) == 1 else None


def _is_sensible(roles: Sequence[str], names: Sequence[str]) -> bool:
    """Whether nothing is given twice, but upstream gradients to arguments that are all called so."""
    twice = {role for role in roles if roles.count(role) > 1}
    called = [name for name, role in zip(names, roles, strict=True) if role == DOUT]
    return not twice - {DOUT, CACHE, "True", "None", PENALTY} and (
        DOUT not in twice or all(map(names_upstream, called))
    )


_LEFT = ("output", "outputs", "out", "y_pred", "y", "probs", "prediction", "softmax", "a", "A")


@functools.lru_cache(maxsize=256)
def _source(cls: type) -> str:
    try:
        return class_source(cls)
    except (OSError, TypeError):
        return ""


def _asks_for_more(cls: type, forward: str, wanted: Sequence[str], taken: Sequence[str], local: bool) -> bool:
    """Whether a derivative wants what its function is not given: `delta(z, a, y)` of `fn(a, y)`.

    So does that of a loss by a network's `outputs`, where the loss is given the network's `inputs`.
    """
    own = [name for name in wanted if name not in optional(getattr(cls, forward))]
    by_outputs = len(own) == len(taken) > 1 and (own[0], taken[0]) == ("outputs", "inputs")
    asked = [name for name in own if name in taken or not names_output(name)]
    return local and (len(asked) > len(taken) > 0 or by_outputs)


def _is_of_another(cls: type, forward: str, wanted: Sequence[str], taken: Sequence[str]) -> bool:
    """Whether it is the derivative of another function: of what it takes nothing is called as forward's arguments."""
    known = {*taken, *optional(getattr(cls, forward)), *filter(names_output, wanted)}
    return len(wanted) > 1 and known.isdisjoint(wanted)


def _inputs(cls: type, forward: str) -> tuple[bool, list[str]]:
    names = required_by(cls, forward)
    context = bool(names) and names_context(names[0])
    return context, names[context:]


def _roles(name: str, taken: Sequence[str], loss: bool, local: bool, context: bool, keeps: Sequence[str]) -> list[str]:
    """What an argument of backward may be for, the likeliest first; `keeps`: what forward returns beside it."""
    for is_named, role in _SETTINGS:
        if is_named(name) and name not in taken:
            return [role, DOUT] if role in (GRADS, RATE_ROLE) else [role]
    if names_context(name) and name not in taken:
        return [CONTEXT] if context else [CACHE] if keeps else [CACHE, CONTEXT]
    labels = [n for n in taken if names_label(n)]
    others = [n for n in taken if n not in labels]
    if names_cache(name):
        return [CACHE, *others, OUTPUT] if local else [CACHE]
    if name in taken and (len(taken) > 1 or local) and not names_upstream(name):
        if names_label(name) and (loss or len(name) > 1):
            return [name]
        may_be_output = len(name) == 1 or (local and len(taken) == 1)  # `y`
        return [name, DOUT, OUTPUT] if may_be_output else [name, DOUT]
    if names_label(name) and loss:
        return [*labels, *others]
    if names_upstream(name) and not (local and name in taken):
        return [DOUT, OUTPUT, *others, *labels] if loss else [DOUT]
    if names_output(name):
        if loss:
            return [*keeps, *others, OUTPUT, DOUT]
        return [OUTPUT, *others, DOUT] if local else [DOUT, OUTPUT, *others]
    return [*others, *labels, *keeps, OUTPUT, DOUT] if local else [DOUT, *keeps, *others, *labels, OUTPUT, CACHE]
