"""Parallel loops of kernels: each becomes a function of some of its turns, which threads call for parts of their own.

A kernel's text has `prange`, as Numba's parallel kernels do. Numba's own way to compile it takes about three times as
long as this one, and more memory at each call.
"""

from __future__ import annotations

import ast
from typing import Any

import llvmlite.binding as llvm
from llvmlite import ir
from numba import types as nt
from numba.core import cgutils, compiler
from numba.core.registry import cpu_target
from numba.extending import intrinsic

from dout.engine.runtime.parallel_threshold import WORK

SHARE = "dout.share"  # void(chunk, data, turns, work), where a chunk is void(data, its number, their number, turns)
llvm.add_symbol(SHARE, id(None))  # Numba links what it compiles; nobody runs that, and ours has the function itself


def in_parts_text(text: str) -> str:
    """The text of a kernel's module with each `prange` loop of its function as a call of `in_parts`."""
    module = ast.parse(text)
    function = next(item for item in module.body if isinstance(item, ast.FunctionDef))
    known = {argument.arg for argument in function.args.args}
    body: list[ast.stmt] = []
    parts: list[Any] = []
    for statement in function.body:
        if _is_parallel(statement):
            name = f"{function.name}_part{len(parts)}"
            part, call = _apart(statement, name, known)
            parts.append(part)
            body.append(call)
        else:
            body.append(statement)
            known |= _names(statement, ast.Store)
    function.body = body
    for item in (function, *parts):
        item.decorator_list = [_without_parallel(function.decorator_list[0])]
    place = module.body.index(function)
    module.body[place:place] = parts
    return f"{_IMPORTS}\n{ast.unparse(ast.fix_missing_locations(module))}\n"


_IMPORTS = "from dout.engine.math.accumulate import indices\nfrom dout.engine.runtime.parallel_parts import in_parts"


def _is_parallel(statement: ast.stmt) -> bool:
    return (
        isinstance(statement, ast.For)
        and isinstance(statement.iter, ast.Call)
        and getattr(statement.iter.func, "id", "") == "prange"
    )


def _apart(loop: Any, name: str, known: set[str]) -> tuple[Any, Any]:
    """The function that runs some turns of a loop, and the statement that has all of them run."""
    own = _names(loop, ast.Store)
    given = sorted(_names(loop, ast.Load) & known - own)
    (count,) = loop.iter.args
    part: Any = ast.parse(f"def {name}(first_turn, last_turn, {', '.join(given)}):\n    pass").body[0]
    loop.iter = ast.parse("indices(first_turn, last_turn)", mode="eval").body
    part.body = [loop]
    work = WORK if WORK in known else "-1"  # all that there is
    call = ast.parse(f"in_parts({name}, {ast.unparse(count)}, {work}, ({', '.join(given)},))").body[0]
    return part, call


def _names(item: ast.AST, context: type) -> set[str]:
    return {one.id for one in ast.walk(item) if isinstance(one, ast.Name) and isinstance(one.ctx, context)}


def _without_parallel(decorator: Any) -> Any:
    return ast.Call(decorator.func, decorator.args, [item for item in decorator.keywords if item.arg != "parallel"])


@intrinsic(prefer_literal=True)  # type: ignore[untyped-decorator]
def in_parts(typing: Any, part: Any, count: Any, work: Any, given: Any) -> Any:
    """Run `part(first, last, *given)` for parts of range(count), on all threads unless `work` is little."""
    flags = compiler.Flags()
    dispatcher = part.dispatcher
    dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True
    flags.noalias = True  # an output that is also an input has one name
    kinds = (nt.int64, nt.int64, *(nt.unliteral(kind) for kind in given))
    context = cpu_target.target_context
    compiled = compiler.compile_extra(
        typing, context, dispatcher.py_func, args=kinds, return_type=None, flags=flags, locals={}
    )

    def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        _, turns, operations, held = values
        library = context.active_code_library
        for called in compiled.library._linking_libraries:
            library.add_linking_library(called)
        library._final_module.link_in(compiled.library._final_module)
        chunk = _chunk(context, builder.module, compiled, held.type)
        data = cgutils.alloca_once_value(builder, held)
        kind = ir.FunctionType(ir.VoidType(), [chunk.type, cgutils.voidptr_t, ir.IntType(64), ir.IntType(64)])
        share = cgutils.get_or_insert_function(builder.module, kind, SHARE)
        numbers = zip((turns, operations), signature.args[1:3], strict=True)
        counts = [context.cast(builder, number, kind, nt.int64) for number, kind in numbers]
        builder.call(share, [chunk, builder.bitcast(data, cgutils.voidptr_t), *counts])
        return context.get_dummy_value()

    return nt.void(part, nt.unliteral(count), nt.unliteral(work), nt.Tuple(kinds[2:])), generate


def _chunk(context: Any, module: Any, compiled: Any, held: Any) -> Any:
    """The function that threads call: the part of one chunk, with what `data` points at."""
    whole = ir.IntType(64)
    kind = ir.FunctionType(ir.VoidType(), [cgutils.voidptr_t, whole, whole, whole])
    chunk = ir.Function(module, kind, f"{compiled.fndesc.mangled_name}.chunk")
    chunk.linkage = "internal"
    builder = ir.IRBuilder(chunk.append_basic_block())
    data, number, many, turns = chunk.args
    first = builder.udiv(builder.mul(number, turns), many)
    last = builder.udiv(builder.mul(builder.add(number, whole(1)), turns), many)
    values = builder.load(builder.bitcast(data, held.as_pointer()))
    given = cgutils.unpack_tuple(builder, values)
    callee = context.declare_function(module, compiled.fndesc)
    context.call_conv.call_function(
        builder, callee, compiled.fndesc.restype, compiled.fndesc.argtypes, [first, last, *given]
    )
    builder.ret_void()
    return chunk
