"""A derived class in; a function of JAX with a custom_vjp, as source, out."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from dout.explain.spelling.syntax_trees import names_of
from dout.explain.spelling.written_text import indented, tupled
from dout.explain.styles.function_parts import FunctionParts, Saved
from dout.explain.styles.jax_translator import JaxTranslator
from dout.explain.styles.layer_parts import NoStyleError, said
from dout.explain.styles.translator import StatementLines
from dout.run import deep_copy


def jax_text(parts: FunctionParts) -> str:
    """The source, with its imports."""
    text = "\n".join(_Writing(parts).lines())
    imports = [
        *(["import math"] if "math." in text else []),
        *(["from functools import partial"] if "partial(" in text else []),
    ]
    return (
        "\n".join([*imports, *([""] if imports else []), "import jax", "import jax.numpy as jnp", "", "", text]) + "\n"
    )


@dataclass(eq=False)
class _Writing:
    parts: FunctionParts

    @cached_property
    def name(self) -> str:
        """The function's name: log_softmax for LogSoftmax."""
        name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", self.parts.name).lower()
        taken = {self.parts.forward_names.get(g.path, g.path) for g in self.parts.given} | {
            "jax",
            "jnp",
            "math",
            "partial",
        }
        return f"{name}_layer" if name in taken or not name.isidentifier() else name

    def lines(self) -> Iterator[str]:
        """The lines of the function, of its forward with residuals, and of its backward."""
        names = self.parts.forward_names
        call = ", ".join(names.get(g.path, g.path) for g in self.parts.given)
        plain = self._plain
        places = tupled(list(map(str, plain)))
        yield f"@partial(jax.custom_vjp, nondiff_argnums={places})" if plain else "@jax.custom_vjp"
        yield f"def {self.name}({self._head()}):"
        yield from indented(self.parts.docstring[:1])
        yield f"    return {self.name}_fwd({call})[0]"
        yield from ("", "", f"def {self.name}_fwd({call}):", *indented(self._forward()))
        yield from ("", "", *self._backward(), "", "")
        yield f"{self.name}.defvjp({self.name}_fwd, {self.name}_bwd)"

    @property
    def _plain(self) -> list[int]:
        """The places of arguments that are no arrays: JAX must know their values."""
        return [i for i, g in enumerate(self.parts.given) if not g.kind.is_tensor]

    def _head(self) -> str:
        """Arguments of the function; the last ones with the layer's own numbers as defaults."""
        given, heads, may = list(self.parts.given), list[str](), True
        for one in reversed(given):
            name = self.parts.forward_names.get(one.path, one.path)
            may = may and one.default is not None
            heads.insert(0, f"{name}={one.default!r}" if may else name)
        return ", ".join(heads)

    # --- the two functions --------------------------------------------------------------------------------------------

    @cached_property
    def _residuals(self) -> list[tuple[str, str]]:
        """What is kept: each path with its local name in forward."""
        names = self.parts.forward_names
        kept = [(k.path, names.get(k.path, k.path)) for k in self.parts.saved if k.kind.is_tensor]
        for one in self.parts.saved:
            if not one.kind.is_tensor and not one.path_is_given(self.parts.given):
                kept += [
                    (f"argument {n}", n)
                    for n in self._arguments_of(self._source_of(one))
                    if n not in dict(kept).values()
                ]
        return list(dict.fromkeys(kept))

    def _source_of(self, one: Saved) -> ast.expr:
        """The expression of a kept number: shapes are known again from the arrays."""
        method = self.parts.layer.forward
        found = [
            n
            for n in ast.walk(method)
            if isinstance(n, ast.Assign) and self.parts.layer.path_of(n.targets[0]) == one.path
        ]
        if len(found) != 1:
            raise NoStyleError(f"{one.path} is kept, and is no array: it has no form in JAX")
        value = found[0].value
        bound = [n.id for n in ast.walk(method) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
        for node in ast.walk(value):
            if isinstance(node, ast.Name) and (node.id not in self.parts.layer.arguments or node.id in bound):
                raise NoStyleError(f"a kept number of {node.id} has no form in JAX: {said(found[0])}")
        return value

    def _read_again(self, one: Saved) -> ast.expr:
        """The expression of a kept number, in backward's names."""
        value = deep_copy(self._source_of(one))
        for node in ast.walk(value):
            if isinstance(node, ast.Name):
                path = next((path for path, name in self._residuals if name == node.id), node.id)
                node.id = self._name_in_backward(path, node.id)
        return value

    def _name_in_backward(self, path: str, name: str) -> str:
        names = self.parts.backward_names
        if path in names:
            return names[path]
        used = names_of(self.parts.layer.backward) | set(names.values())
        return f"kept_{name}" if name in used else name

    def _arguments_of(self, value: ast.expr) -> list[str]:
        kinds = {g.path: g.kind for g in self.parts.given}
        return [n.id for n in ast.walk(value) if isinstance(n, ast.Name) and kinds[n.id].is_tensor]

    def _forward(self) -> list[str]:
        translator = JaxTranslator(self.parts.layer, self.parts.forward_names, self.parts.like)
        kept = [name for _, name in self._residuals]
        residuals = tupled(kept)

        def at_return(value: ast.expr) -> list[str]:
            return [f"return {ast.unparse(value)}, {residuals}"]

        method = self.parts.layer.forward
        return StatementLines(self.parts.source, translator, at_return).of_method(method)

    def _backward(self) -> Iterator[str]:
        method, names = self.parts.layer.backward, dict(self.parts.backward_names)
        given = self.parts.given
        for one in self.parts.saved:
            if not one.kind.is_tensor:
                is_given = one.path_is_given(given)
                forward = self.parts.forward_names.get(one.path, one.path)
                names[one.path] = forward if is_given else f"({ast.unparse(self._read_again(one))})"
        douts = [a.arg for a in method.args.args][1:]
        translator = JaxTranslator(self.parts.layer, names, douts[0])

        def at_return(value: ast.expr) -> list[str]:
            found = [g for i, g in enumerate(self.parts.gradients(value, names)) if i not in self._plain]
            return [f"return ({found[0]},)" if len(found) == 1 else f"return {', '.join(found)}"]

        plain = [self.parts.forward_names.get(given[i].path, given[i].path) for i in self._plain]
        head = [*plain, "residuals", "douts" if len(douts) > 1 else douts[0]]
        yield f"def {self.name}_bwd({', '.join(head)}):"
        read = [self._name_in_backward(path, name) for path, name in self._residuals]
        if read:
            yield f"    {f'({read[0]},)' if len(read) == 1 else ', '.join(read)} = residuals"
        if len(douts) > 1:
            yield f"    {', '.join(douts)} = douts"
        lines = StatementLines(self.parts.source, translator, at_return).of_method(method)
        yield from indented(lines)
