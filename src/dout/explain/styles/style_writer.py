"""A derived class in; its text in the style of PyTorch or JAX, out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from dout.errors import TargetError
from dout.explain.derive.class_text import DerivedClass
from dout.explain.derive.class_writer import NotDerivedError
from dout.explain.model.explanation import Phrase
from dout.explain.styles.function_parts import FunctionParts
from dout.explain.styles.jax_text import jax_text
from dout.explain.styles.layer_parts import LayerParts, NoStyleError, wanted_names
from dout.explain.styles.seen_kinds import seen
from dout.explain.styles.torch_text import torch_text

_WRITERS: Mapping[str, tuple[str, Callable[[FunctionParts], str]]] = {
    "pytorch": ("PyTorch", torch_text), "jax": ("JAX", jax_text),
}  # fmt: skip
STYLES = ("book", *_WRITERS)


def refuse_style(style: str) -> None:
    """Raise TargetError where there is no such style."""
    if style not in STYLES:
        raise TargetError(f"there is no style {style}: it is {', '.join(STYLES[:-1])} or {STYLES[-1]}")


def styled(made: DerivedClass, style: str) -> DerivedClass:
    """A derived class with its source in a style; the live class stays that of NumPy.

    Raises TargetError where there is no such style, NotDerivedError where something has no form there.
    """
    refuse_style(style)
    if style == "book":
        return made
    library, write = _WRITERS[style]
    try:
        text = write(_parts(made))
    except NoStyleError as error:
        raise NotDerivedError([Phrase("derive no style", {"why": str(error)})]) from None
    note = Phrase("style_not_run", {"library": library})
    return replace(made, source=text, module=text, notes=(*made.notes, note))


def _parts(made: DerivedClass) -> FunctionParts:
    assert made.subject is not None
    source = made.source
    for own, plain in zip(made.methods, ("forward", "backward"), strict=True):
        source = source.replace(f"def {own}(", f"def {plain}(")
    try:
        found = seen(source, made.name, made.layer, made.subject, wanted_names(source))
    except Exception as error:  # whatever the user's code raises
        raise NoStyleError(f"it does not run on its example: {type(error).__name__}: {error}") from None
    return FunctionParts(made.name, source, LayerParts(found))
