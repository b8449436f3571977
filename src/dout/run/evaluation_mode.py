"""A net that trains in; the same net behaving as it is used, while it lasts: `with evaluating(net): ...`.

Layers like dropout say in several ways that they train. Each of them is a fact of the object or of its class: a flag
(`self.training = True`), a word (`self.mode = "train"`), an argument (`forward(x, train_flg=True)`), or a pair of
methods (`train()` and `eval()`).
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import lru_cache, wraps
from types import CodeType, FunctionType
from typing import Any

from dout.run.attributes import attributes_of, mro_of, vars_of
from dout.run.held_objects import objects_in

_TRAINS = re.compile(r"_*(is_?|in_?)?train(ing)?(_?(flg|flag|mode|phase))?", re.IGNORECASE)
_EVALUATES = re.compile(r"_*(is_?|in_?)?(eval\w*|(test(ing)?|infer(ence)?)(_?(flg|flag|mode|phase))?)", re.IGNORECASE)
_MODES = re.compile(r"_*(mode|phase)", re.IGNORECASE)
_WORDS = ("eval", "evaluation", "evaluate", "test", "testing", "inference", "infer", "predict", "valid", "validation")
_RUNS = ("forward", "predict", "loss")  # methods that may take a flag
_ABSENT = object()


@contextmanager
def evaluating(*nets: Any) -> Iterator[None]:
    """Layers within reach that behave otherwise while they train do not while this lasts; then all is as it was.

    What a caller gives a method as the flag stays: `layer.forward(x, train_flg)` is the net's own word.
    """
    items = list({id(item): item for net in nets for item in objects_in(net)}.values())
    put: list[tuple[dict[str, Any], str, Any]] = []

    def set_(attributes: dict[str, Any], name: str, value: Any) -> None:
        put.append((attributes, name, attributes.get(name, _ABSENT)))
        attributes[name] = value

    words = tuple(word for item in items for word in _words_of(type(item)))
    try:
        for item in items:
            if _has_modes(type(item)):
                put += _called_off(item, items)
        for item in items:
            attributes = attributes_of(item)
            for name, value in {**_of_class(item), **attributes}.items():
                other = _off(name, value, words)
                if other is not _ABSENT:
                    set_(attributes, name, other)
            for name in _RUNS:
                method = getattr(type(item), name, None)
                flags = _flags_of(method, words) if type(method) is FunctionType else {}
                if flags and name not in attributes and type(item).__dictoffset__:
                    set_(attributes, name, _with_flags(getattr(item, name), flags))
        yield
    finally:
        for attributes, name, value in reversed(put):
            if value is _ABSENT:
                attributes.pop(name, None)
            else:
                attributes[name] = value


def _off(name: str, value: Any, words: tuple[str, ...]) -> Any:
    """What a flag or word that says "training" is while a net is used; _ABSENT where it says nothing of that."""
    if not isinstance(name, str) or type(value) not in (bool, int, str):
        return _ABSENT
    if type(value) is str:
        is_mode = _MODES.fullmatch(name) or _TRAINS.fullmatch(name)
        return (words or ["eval"])[0] if is_mode and value in ("train", "training") else _ABSENT
    if _TRAINS.fullmatch(name) and value == 1:
        return type(value)(0)
    return True if _EVALUATES.fullmatch(name) and value is False else _ABSENT


def _of_class(item: Any) -> dict[str, Any]:
    """The flags that stand in the class: `training = True`."""
    if not type(item).__dictoffset__:
        return {}
    return {name: value for cls in reversed(mro_of(type(item))) for name, value in vars_of(cls).items()}


def _words_of(cls: type) -> Iterator[str]:
    """The words for a net that is used, which the methods of a class know."""
    for method in (item for one in mro_of(cls) for item in vars_of(one).values() if type(item) is FunctionType):
        yield from _words_in(method.__code__)


@lru_cache(maxsize=1000)
def _words_in(code: CodeType) -> tuple[str, ...]:
    known = [held if isinstance(held, tuple | frozenset) else (held,) for held in code.co_consts]
    return tuple(word for words in known for word in _WORDS if word in words)


@lru_cache(maxsize=1000)
def _flags_of(method: FunctionType, words: tuple[str, ...]) -> dict[str, tuple[float, Any]]:
    """The arguments of a method that say whether it trains: the place of each, and its value while the net is used."""
    found: dict[str, tuple[float, Any]] = {}
    parameters = list(inspect.signature(method).parameters.values())
    for place, one in enumerate(parameters[1:]):
        has_none = one.default is one.empty and bool(_TRAINS.fullmatch(one.name))
        value = _off(one.name, True if has_none else one.default, words)
        if value is not _ABSENT and one.kind in (one.POSITIONAL_OR_KEYWORD, one.KEYWORD_ONLY):
            found[one.name] = (place if one.kind is one.POSITIONAL_OR_KEYWORD else float("inf")), value
    return found


def _with_flags(method: Callable[..., Any], flags: dict[str, tuple[float, Any]]) -> Callable[..., Any]:
    """A method that takes these values where its caller gives none."""

    @wraps(method)
    def call(*given: Any, **named: Any) -> Any:
        missing = {name: value for name, (place, value) in flags.items() if place >= len(given) and name not in named}
        return method(*given, **missing, **named)

    return call


def _has_modes(cls: type) -> bool:
    """Whether a class has `train()` and `eval()`, as PyTorch's modules have."""
    methods = [getattr(cls, name, None) for name in ("train", "eval")]
    return all(
        type(method) is FunctionType
        and all(p.default is not p.empty for p in list(inspect.signature(method).parameters.values())[1:])
        for method in methods
    )


def _called_off(item: Any, items: list[Any]) -> list[tuple[dict[str, Any], str, Any]]:
    """Call `eval()`, and tell which flags it has changed, and what they were."""
    before = [(one, dict(attributes_of(one))) for one in items]
    with suppress(Exception):  # another method of this name
        item.eval()
    return [
        (attributes, name, held.get(name, _ABSENT))
        for one, held in before for attributes in (attributes_of(one),) for name, value in attributes.items()
        if value is not held.get(name, _ABSENT)
    ]  # fmt: skip
