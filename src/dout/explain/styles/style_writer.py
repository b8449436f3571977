"""A derived class in; its text in the style of PyTorch or JAX, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from dout.errors import TargetError
from dout.explain.derive.class_writer import DerivedClass, NotDerivedError
from dout.explain.model.explanation import Phrase
from dout.explain.styles.function_parts import FunctionParts
from dout.explain.styles.jax_text import jax_text
from dout.explain.styles.layer_parts import LayerParts, NoStyleError, wanted_names
from dout.explain.styles.seen_kinds import seen
from dout.explain.styles.torch_text import torch_text

_WRITERS: Mapping[str, Callable[[FunctionParts], str]] = {"pytorch": torch_text, "jax": jax_text}
STYLES = ("book", *_WRITERS)


def refuse_style(style: str) -> None:
    """Raise TargetError where there is no such style."""
    if style not in STYLES:
        raise TargetError(f"there is no style {style}: it is {', '.join(STYLES[:-1])} or {STYLES[-1]}")


def styled(made: DerivedClass, style: str) -> str:
    """The source of a derived class in a style. Raises NotDerivedError where something has no form there."""
    refuse_style(style)
    if style == "book":
        return made.source
    assert made.subject is not None
    try:
        try:
            found = seen(made.source, made.name, made.layer, made.subject, wanted_names(made.source))
        except Exception as error:
            raise NoStyleError(f"it does not run on its example: {type(error).__name__}: {error}") from None
        return _WRITERS[style](FunctionParts(made.name, made.source, LayerParts(found)))
    except NoStyleError as error:
        raise NotDerivedError([Phrase("strategy", {"why": str(error)})]) from None
