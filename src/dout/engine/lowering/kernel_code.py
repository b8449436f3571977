"""The text of a kernel → LLVM's code: its parameters, its body, and the numbers that it returns."""

from __future__ import annotations

import ast
import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from llvmlite import ir

from dout.engine.lowering.entry_point import ArrayType, KernelType
from dout.engine.lowering.function_sources import module
from dout.engine.lowering.function_syntax import changing
from dout.engine.lowering.kernel_statements import Body
from dout.engine.lowering.routine import Routine
from dout.engine.lowering.typed_values import I32, I64, TypedArray, TypedNumber, memory_type, number, store

_COMPARED = 8  # pairs of arrays that LLVM's vectors look at in each call, whether they overlap; of more it makes none


def kernel_code(name: str, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> ir.Module:
    """The module with the function `name` of a text: int32(place of what it returns, its arguments one by one)."""
    tree = ast.parse(text)
    definition: Any = next(one for one in tree.body if isinstance(one, ast.FunctionDef))
    code = ir.Module(name)
    returned = ir.LiteralStructType([memory_type(dtype) for dtype in results])
    kinds = [kind for one in types for kind in _kinds(one)]
    routine = Routine(code, f"{name}.native", [returned.as_pointer(), *kinds])
    body = _Kernel(routine, _imported(tree), changing(definition), _rounding(definition))
    body.out, body.results = routine.function.args[0], results
    routine.builder.rounding = body.rounding
    given = list(routine.function.args[1:])
    many_pairs = _written_pairs(types) > _COMPARED
    for parameter, kind in zip(definition.args.args, types, strict=True):
        many = len(list(_kinds(kind)))
        body.set(parameter.arg, _parameter(routine, kind, given[:many]))
        if many_pairs and isinstance(kind, ArrayType) and kind.written:
            given[0].add_attribute("noalias")  # an output that is also an input is given once
        given = given[many:]
    body.run(definition.body)
    routine.finish()
    return code


class _Kernel(Body):
    """The body of a kernel, which returns numbers through memory."""

    out: Any
    results: Sequence[np.dtype[Any]]

    def _return(self, statement: ast.Return) -> None:
        found = () if statement.value is None else self.value(statement.value)
        numbers = [number(one) for one in (found if isinstance(found, tuple) else (found,))]
        kinds, wanted = [one.kind for one in numbers], [dtype.name for dtype in self.results]
        if kinds != wanted:
            raise TypeError(f"{self.routine.module.name} returns {kinds}, not {wanted}")
        for place, (one, dtype) in enumerate(zip(numbers, self.results, strict=True)):
            store(self.builder, one, self.builder.gep(self.out, [I32(0), I32(place)]), dtype)
        self.routine.leave()


def _kinds(kind: KernelType) -> list[Any]:
    """LLVM's types of an argument: of an array where it begins, its lengths, and its strides."""
    if isinstance(kind, ArrayType):
        return [memory_type(kind.dtype).as_pointer(), *[I64] * (2 * kind.ndim)]
    return [memory_type(kind)]


def _written_pairs(types: Sequence[KernelType]) -> int:
    """How many pairs of arrays there are of which one is written."""
    arrays = [kind for kind in types if isinstance(kind, ArrayType)]
    read = sum(not kind.written for kind in arrays)
    return math.comb(len(arrays), 2) - math.comb(read, 2)


def _parameter(routine: Routine, kind: KernelType, given: Sequence[Any]) -> Any:
    if not isinstance(kind, ArrayType):
        value = given[0]
        if kind == np.bool_:
            value = routine.builder.icmp_unsigned("!=", value, value.type(0))
        return TypedNumber(value, kind.name)
    shape, strides = tuple(given[1 : 1 + kind.ndim]), tuple(given[1 + kind.ndim :])
    return TypedArray(kind.dtype, given[0], shape, None if kind.layout == "C" else strides)


def _imported(tree: ast.Module) -> Mapping[str, Any]:
    """What the names that a text imports mean."""
    names: dict[str, Any] = {}
    for one in tree.body:
        if isinstance(one, ast.Import):
            names.update({alias.asname or alias.name: module(alias.name) for alias in one.names})
        elif isinstance(one, ast.ImportFrom):
            names.update({alias.name: getattr(module(str(one.module)), alias.name) for alias in one.names})
    return names


def _rounding(definition: Any) -> tuple[str, ...]:
    """How far LLVM may round otherwise: what the text says as `fastmath`."""
    options = definition.decorator_list[0]
    given = {key.arg: key.value for key in getattr(options, "keywords", ())}
    return tuple(sorted(ast.literal_eval(given["fastmath"]))) if "fastmath" in given else ()
