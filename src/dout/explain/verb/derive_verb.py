"""`dout.derive`: a class with the backward that its forward has, as source and as a live class."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields
from html import escape
from typing import Any

from dout.explain.derive.class_text import DerivedClass
from dout.explain.loops.looped_class import derived
from dout.explain.styles.style_writer import refuse_style, styled


@dataclass(frozen=True, eq=False, repr=False)
class DerivedLayer(DerivedClass):
    """A class with a derived backward: its `source`, a `module` with its imports, and the live class, `layer`."""

    def __repr__(self) -> str:
        gradients = ", ".join(f"{name} {word}" for name, word in self.verdict.items())
        return f"<derived {self.name}: {gradients}>"

    def __str__(self) -> str:
        return self.source

    def __rich__(self) -> Any:
        from rich.syntax import Syntax

        return Syntax(self.source, "python", background_color="default")

    def _repr_html_(self) -> str:
        return f"<pre><code>{escape(self.source)}</code></pre>"


def derive(
    target: Any, /, *inputs: Any, init: Mapping[str, Any] | None = None, style: str = "book", **named: Any
) -> DerivedLayer:
    """Derive the backward of a layer from its forward, and write the class that has it.

    `target` is a class, a layer, or a function. Inputs that are not given, by position or by name, are chosen. What is
    written was run, judged exactly, and is finite where the derivative is. With `style` "pytorch" the source is a
    `torch.autograd.Function`, with "jax" a function with `jax.custom_vjp`: the same formulas, written for the library
    and not run; `layer` is the NumPy class that they were written from. Raises TargetError where no example runs, and
    NotDerivedError where no backward can be written that holds.

    >>> from dout.layers import MulLayer
    >>> layer = derive(MulLayer).layer()
    >>> layer.forward(100.0, 2.0), layer.backward(1.0)
    (200.0, (2.0, 100.0))
    """
    given = {**{str(i): item for i, item in enumerate(inputs)}, **named}
    refuse_style(style)
    made = styled(derived(target, init, given), style)
    return DerivedLayer(**{field.name: getattr(made, field.name) for field in fields(DerivedClass)})
