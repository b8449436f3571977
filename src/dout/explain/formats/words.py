"""Every word that a format prints: a key in; a sentence with its formulas in their places out, in English or Japanese.

A `Phrase` is a key of this table, with what is filled in. A format prints the formulas of a sentence in its own way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from string import Formatter
from typing import Any, Literal

from dout.explain.formats.words_ja import JAPANESE, ROWS
from dout.explain.model.explanation import Phrase
from dout.explain.model.reasons import REASONS
from dout.explain.terms.terms import Symbol, Term

Language = Literal["en", "ja"]
Sentence = tuple[str | Term, ...]  # text and formulas, in their order

ENGLISH: Mapping[str, str] = {
    # the titles of the parts
    "title.forward": "forward",
    "title.backward": "backward",
    "title.backward_chain": "backward, from the output to the input",
    "title.simplified": "simplified",
    "title.beside": "your backward",
    "title.not_explained": "not explained",
    "title.explained": "{name}: the derivation of its backward",
    "title.step": "step",
    "title.operator": "operator",
    "title.local": "local derivative",
    "title.gradient": "gradient",
    "title.value": "value",
    "title.shapes": "shapes",
    "title.code": "NumPy",
    "title.picture": "one run: every value above its edge, its gradient below",
    # between formulas
    "since": "since {left} = {right}",
    "definition": "by definition",
    "formula": "{left} = {right}",
    "row": "{says}",  # the words of a primitive's row
    # what forward keeps for backward
    "keep nothing": "Nothing needs to be kept: the gradient that comes in is enough.",
    "keep the output": "The output alone is enough: keep {y}, forget {inputs}.",
    "keep the mask": "A mask is enough: keep True or False for each element of {y}, 1 byte instead of {bytes}.",
    "keep the inputs": "Needs {names}; the output is of no use.",
    "keep values": "Needs {names}.",
    "keep one of them": "Needs {names}; {y} would do as well.",
    "kept for": "{kept} (for {gradients})",
    # the user's own backward, line by line
    "line.is": "is {term}",
    "line.step": "step {step}",
    "line.steps": "steps {steps}",
    "line.wrong": "wrong",
    "line.instead": "{reason}: {instead}",
    # why no backward is written
    "style_not_run": "written for {library} from a NumPy class that was verified; this text was not run",
    # lists
    "list.comma": ", ",
    "list.and": " and ",
}  # fmt: skip

TABLES: Mapping[Language, Mapping[str, str]] = {"en": {**ENGLISH, **REASONS}, "ja": JAPANESE}


def said(key: str, language: Language = "en", **fields: Any) -> Sentence:
    """The sentence of a key, with its fields filled in: terms stay terms, all else becomes text.

    >>> said("line.step", step=2), said("title.forward", "ja")
    (('step 2',), ('順伝播',))
    """
    parts: list[str | Term] = []
    for text, field, form, _ in Formatter().parse(TABLES[language][key]):
        parts.append(text)
        if field is not None:
            parts += _filled(fields[field], form or "")
    return joined(parts)


def said_reason(reason: Phrase, language: Language = "en") -> Sentence:
    """The sentence of a reason; a tuple in it is a list, of names or of terms, or the numbers of a shape."""
    return said(reason.key, language, **{key: _spoken(item, language) for key, item in reason.fields.items()})


def _spoken(item: Any, language: Language) -> Any:
    if isinstance(item, Phrase):
        return said_reason(item, language)
    if isinstance(item, Symbol) and " " in item.name:  # words in the place of a name
        item = item.name
    if language == "ja" and isinstance(item, str):
        return ROWS.get(item, item)
    if isinstance(item, tuple) and not all(isinstance(one, int) for one in item):
        return listed([_as_sentence(one, language) for one in item], language)
    return item


def _as_sentence(item: Any, language: Language) -> Sentence:
    """A name is a formula, too."""
    spoken = _spoken(item, language)
    return spoken if isinstance(spoken, tuple) else (Symbol(spoken) if isinstance(spoken, str) else spoken,)


def word(key: str, language: Language = "en", **fields: Any) -> str:
    """The sentence of a key that has no formula in it."""
    return "".join(map(str, said(key, language, **fields)))


def listed(items: Iterable[Sentence | str], language: Language = "en") -> Sentence:
    """A list in words.

    >>> listed(["x", "W", "b"])
    ('x, W and b',)
    """
    texts = [(item,) if isinstance(item, str) else item for item in items]
    comma, last = TABLES[language]["list.comma"], TABLES[language]["list.and"]
    parts: list[str | Term] = []
    for i, text in enumerate(texts):
        parts += [last if i == len(texts) - 1 else comma] if i else []
        parts += text
    return joined(parts)


def joined(parts: Iterable[str | Term]) -> Sentence:
    """The same sentence with texts that stand beside each other as one."""
    whole: list[str | Term] = []
    for part in parts:
        if isinstance(part, str) and whole and isinstance(whole[-1], str):
            whole[-1] += part
        elif part != "":
            whole.append(part)
    return tuple(whole)


def _filled(value: Any, form: str) -> Sentence:
    if isinstance(value, Term):
        return (value,)
    if isinstance(value, tuple) and all(isinstance(part, str | Term) for part in value):
        return value
    return (format(value if form else str(value), form),)
