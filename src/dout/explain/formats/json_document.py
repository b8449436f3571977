"""An explanation in; versioned JSON out, as docs/explaining.md describes it: every formula as text and as LaTeX."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from dout.explain.formats.latex_cells import latex_of
from dout.explain.formats.terminal_lines import sentence_text
from dout.explain.formats.words import Language, said_reason
from dout.explain.model.explanation import BackwardLine, DerivationStep, Explanation, Phrase, Quantity, StepPart
from dout.explain.terms import text_printer
from dout.explain.terms.terms import Term
from dout.files import Kind
from dout.graph import Where, dtype_name

VERSION = 1
DOCUMENT = Kind("an explanation", (".json",), rb'\A\{\s*"dout":\s*"explanation"')
_MOST = 1_000  # elements of an array that is written whole


def to_document(explanation: Explanation, *, language: Language = "en") -> dict[str, Any]:
    """The document, of plain dicts, lists, strings and numbers; every key is always there."""
    return {
        "dout": "explanation",
        "version": VERSION,
        "language": language,
        "name": explanation.name,
        **_place(explanation.where),
        "outputs": list(explanation.outputs),
        "formula": _term(explanation.formula),
        "forward": [_quantity(quantity) for quantity in explanation.forward],
        "definitions": [[_term(left), _term(right)] for left, right in explanation.definitions],
        "steps": [_step(step, language) for step in explanation.steps],
        "simplified": [
            {
                "of": one.of,
                "forms": [{**(_term(term) or {}), "reason": _reason(reason, language)} for term, reason in one.forms],
                "code": one.code or None,
            }
            for one in explanation.simplified
        ],
        "keeping": [
            {
                "names": list(one.names),
                "numbers": one.numbers,
                "bytes": one.bytes,
                "reason": _reason(one.reason, language),
            }
            for one in explanation.keeping
        ],
        "backward": [_line(line, language) for line in explanation.backward],
        "not_explained": [_reason(reason, language) for reason in explanation.not_explained],
    }


def to_json(explanation: Explanation, *, language: Language = "en") -> str:
    """The document as text."""
    return json.dumps(to_document(explanation, language=language), ensure_ascii=True, allow_nan=False, indent=1) + "\n"


def _quantity(quantity: Quantity) -> dict[str, Any]:
    return {
        "name": quantity.name,
        "term": _term(quantity.term),
        "parameter": quantity.parameter,
        "axes": list(quantity.axes),
        "shape": list(quantity.node.shape),
        "dtype": dtype_name(quantity.node.dtype),
        "value": _data(quantity.value),
    }


def _step(step: DerivationStep, language: Language) -> dict[str, Any]:
    return {
        "number": step.number,
        "operator": step.operator,
        "name": step.name,
        "says": _reason(step.says, language),
        "parts": [_part(part, language) for part in step.parts],
    }


def _part(part: StepPart, language: Language) -> dict[str, Any]:
    return {
        "of": part.of,
        "local": [_term(term) for term in part.local],
        "gradient": _term(part.gradient),
        "index": None if part.index is None else [_term(side) for side in part.index],
        "shapes": part.shapes or None,
        "code": part.code or None,
        "share": part.share,
        "value": _data(part.value),
        "reason": _reason(part.reason, language),
    }


def _line(line: BackwardLine, language: Language) -> dict[str, Any]:
    return {
        **_place(line.where),
        "source": line.source,
        "step": line.step,
        "steps": list(line.steps),
        "matches": _term(line.matches),
        "wrong": line.wrong,
        "instead": line.instead or None,
        "reason": _reason(line.reason, language),
    }


def _term(term: Term | None) -> dict[str, str] | None:
    return None if term is None else {"text": text_printer.text(term), "latex": latex_of(term)}


def _reason(reason: Phrase | None, language: Language) -> dict[str, Any] | None:
    """A reason: its key, and its sentence in words."""
    return None if reason is None else {"key": reason.key, "sentence": sentence_text(said_reason(reason, language))}


def _place(where: Where | None) -> Mapping[str, Any]:
    return {"file": where.file if where else None, "line": where.line if where else None}


def _data(value: Any) -> Any:
    """Numbers, nested lists of them; NaN and the infinities are spelt out; None for a large array."""
    if isinstance(value, np.ndarray | np.generic):
        return _data(value.tolist()) if value.size <= _MOST else None
    if isinstance(value, list | tuple):
        return [_data(one) for one in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    return value if isinstance(value, bool | int | str | None) else str(value)
