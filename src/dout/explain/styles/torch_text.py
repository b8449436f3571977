"""A derived class in; an autograd.Function of PyTorch, and a module around it, as source, out."""

from __future__ import annotations

import ast

from dout.explain.spelling.written_text import indented
from dout.explain.styles.function_parts import FunctionParts
from dout.explain.styles.layer_parts import Given
from dout.explain.styles.torch_translator import TorchTranslator
from dout.explain.styles.translator import StatementLines, listed


def torch_text(parts: FunctionParts) -> str:
    """The source, with its imports."""
    body = [*_function(parts), *_module(parts)]
    text = "\n".join(body)
    imports = ["import math", ""] if "math." in text else []
    head = [*imports, "import torch", "from torch.autograd.function import once_differentiable"]
    return "\n".join([*head, "", "", text]).rstrip() + "\n"


def _function(parts: FunctionParts) -> list[str]:
    lines = [f"class {parts.name}Function(torch.autograd.Function):", *indented(parts.docstring)]
    lines += indented(["@staticmethod", *_forward(parts), ""])
    return lines + indented(["@staticmethod", "@once_differentiable", *_backward(parts)])


def _forward(parts: FunctionParts) -> list[str]:
    names = parts.forward_names
    translator = TorchTranslator(parts.layer, names, parts.like)

    def at_return(value: ast.expr) -> list[str]:
        tensors = [names.get(k.path, k.path) for k in parts.saved if k.kind.is_tensor]
        plain = [names.get(k.path, k.path) for k in parts.saved if not k.kind.is_tensor]
        saves = [f"ctx.save_for_backward({', '.join(tensors)})"] if tensors else []
        return [*saves, *(f"ctx.{name} = {name}" for name in plain), f"return {listed(value)}"]

    source = StatementLines(parts.source, translator, at_return)
    method = parts.layer.forward
    given = ", ".join(["ctx", *(names.get(g.path, g.path) for g in parts.given)])
    return [f"def forward({given}):", *indented(source.of_method(method))]


def _backward(parts: FunctionParts) -> list[str]:
    names = dict(parts.backward_names)
    forward = parts.forward_names
    tensors = [k for k in parts.saved if k.kind.is_tensor]
    for one in parts.saved:
        if not one.kind.is_tensor:
            names[one.path] = f"ctx.{forward.get(one.path, one.path)}"
    method = parts.layer.backward
    douts = [a.arg for a in method.args.args][1:]
    translator = TorchTranslator(parts.layer, names, douts[0])

    def at_return(value: ast.expr) -> list[str]:
        return [f"return {', '.join(parts.gradients(value, names))}"]

    source = StatementLines(parts.source, translator, at_return)
    lines = source.of_method(method)
    read = [names[k.path] for k in tensors]
    saved = [f"{f'({read[0]},)' if len(read) == 1 else ', '.join(read)} = ctx.saved_tensors"] if read else []
    return [f"def backward(ctx, {', '.join(douts)}):", *indented([*saved, *lines])]


def _module(parts: FunctionParts) -> list[str]:
    """A module that holds the parameters; without any the function is all."""
    held = [g for g in parts.given if g.is_held]
    if not any(g.gradient is not None for g in held):
        return []
    names = parts.forward_names
    heads = [f"{names[g.path]}={g.default!r}" if g.default is not None else names[g.path] for g in held]
    sets = [_stored(g, names[g.path]) for g in held]
    inputs = [g.path for g in parts.given if not g.is_held]
    call = ", ".join([*inputs, *(f"self.{names[g.path]}" for g in held)])
    return [
        "", "", f"class {parts.name}(torch.nn.Module):",
        f"    def __init__(self, {', '.join(heads)}):", "        super().__init__()",
        *(f"        {s}" for s in sets), "",
        f"    def forward({', '.join(['self', *inputs])}):", f"        return {parts.name}Function.apply({call})",
    ]  # fmt: skip


def _stored(given: Given, name: str) -> str:
    if given.gradient is not None:
        return f"self.{name} = torch.nn.Parameter(torch.as_tensor({name}))"
    if given.kind.is_tensor:
        return f'self.register_buffer("{name}", torch.as_tensor({name}))'
    return f"self.{name} = {name}"
