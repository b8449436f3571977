"""Values on the command line, read and written: Python literals, and arrays by their shape alone.

    x=[[1.0, -0.5], [-2.0, 3.0]]   an array
    shape=(2, 3)                   a tuple
    sizes=list([2, 3])             a list that stays one
    W=array(3,4)                   numbers of this shape; the name W decides their order
    x=2*array(3,4)                 the same, twice as large
    x=2*array(3,4,y)               in the order of another name
    y_pred=probabilities(3,4)      numbers between 0 and 1, each row's sum is 1

`read` turns the text that `written` gives back into the same value, to the last bit.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Container, Iterable, Mapping
from typing import Any

import numpy as np

from dout.adapt.sizes.proposed_arrays import numbers, probabilities
from dout.errors import TargetError
from dout.trace.model.replay import same_bits_deep

MOST_TEXT = 400  # characters of a value that is written element by element
MOST_ELEMENTS = 10_000_000  # of an array given by its shape
_CALL = re.compile(
    r"(?:(?P<factor>[-+.\de]+) *\* *)?(?P<maker>array|probabilities) *"
    r"\( *(?P<shape>\d+(?: *, *\d+)*)? *,? *(?P<name>[^\W\d]\w*)? *\)"
)
_FACTORS = (1.0, 2.0, 0.5)


class Values(dict[str, Any]):
    """Values by the name of their argument, or by their place; `texts` are the options as they were typed."""

    def __init__(self, items: Mapping[str, Any], texts: Mapping[str, str]) -> None:
        super().__init__(items)
        self.texts = texts


def parse(given: Iterable[str], option: str) -> Values:
    """Read the `NAME=VALUE` or `VALUE` texts of an option. Raises TargetError.

    >>> parse(("x=[1.0, 2.0]", "n=3"), "--input")
    {'x': array([1., 2.]), 'n': 3}
    """
    values, texts = {}, {}
    for place, text in enumerate(given):
        name, equals, literal = text.partition("=")
        name = name.strip()
        if not (equals and name.isidentifier()):
            name, literal = str(place), text
        try:
            values[name], texts[f"{option} {name}"] = read(literal, name), text
        except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
            example = f"{option} 'x=[[1.0, -0.5], [-2.0, 3.0]]' or {option} 'x=array(2,2)'"
            raise TargetError(f"{option} {text!r}: not a Python literal; write {example}") from None
    return Values(values, texts)


def read(text: str, name: str = "") -> Any:
    """The value that a text on the command line means for the argument `name`. Raises ValueError or SyntaxError.

    >>> read("[1.0, 2.0]"), read("(2, 3)"), read("2*array(2,2)")
    (array([1., 2.]), (2, 3), array([[ 1.5,  0.5],
           [-0.5, -1.5]]))
    """
    text = text.strip()
    call = _CALL.fullmatch(text)
    if call is None:
        kept = re.fullmatch(r"list\((\[.*\])\)", text, re.DOTALL)
        value = ast.literal_eval(kept[1] if kept else text)
        return np.array(value) if isinstance(value, list) and not kept else value
    shape = tuple(map(int, call["shape"].split(","))) if call["shape"] else ()
    if np.prod(shape, dtype=float) > MOST_ELEMENTS:
        raise ValueError(f"{text} is too large")
    make = numbers if call["maker"] == "array" else probabilities
    made = make(shape, call["name"] or name)
    return made if call["factor"] is None else made * float(call["factor"])


def written(value: Any, name: str = "") -> str | None:
    """The shortest text that `read` turns into this very value; None where there is none. A number is a plain one.

    >>> written(np.array([1, 2])), written((2, 3)), written(numbers((9, 9), "x") * 2, "x")
    ('[1, 2]', '(2, 3)', '2*array(9,9)')
    """
    texts = list(_by_shape(value, name)) if isinstance(value, np.ndarray | np.generic) else []
    literal = repr(value.tolist()) if isinstance(value, np.ndarray) and value.ndim else repr(value)
    literal = f"list({literal})" if isinstance(value, list) else literal
    plain = repr(value.item()) if isinstance(value, np.generic) else ""
    literal = literal if '"' in literal else literal.replace("'", '"')  # an option stands in single quotes
    if not isinstance(value, np.generic) and len(literal) <= MOST_TEXT and "..." not in literal:
        texts.append(literal)
    found = next((text for text in sorted(texts, key=len) if _means(text, name, value)), None)
    return found or (plain if plain and _means(plain, name, value.item()) else None)


def as_options(option: str, values: Mapping[str, Any], given: Container[str]) -> list[str]:
    """The options that repeat these values, without values that were given and values that have no text.

    >>> as_options("--input", {"x": np.array([1, 2]), "y": 3}, {"y"})
    ["--input 'x=[1, 2]'"]
    """
    texts = {name: written(value, name) for name, value in values.items() if name not in given}
    return [f"{option} {_quoted(f'{name}={text}')}" for name, text in texts.items() if text is not None]


def _quoted(text: str) -> str:
    """A text as a shell reads it back, in single quotes."""
    return "'" + text.replace("'", "'\"'\"'") + "'"


def _by_shape(value: Any, name: str) -> list[str]:
    shape = ",".join(map(str, value.shape))
    texts = [f"probabilities({shape})"]
    for other in ("", "x", "y"):
        inside = ",".join(filter(None, (shape, other)))
        texts += [f"{'' if factor == 1 else f'{factor:g}*'}array({inside})" for factor in _FACTORS]
    return texts


def _means(text: str, name: str, value: Any) -> bool:
    """Whether a text is read as exactly this value."""
    try:
        return same_bits_deep(read(text, name), value)
    except (ValueError, SyntaxError, TypeError, MemoryError, RecursionError):
        return False
