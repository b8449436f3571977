"""What rare arguments take, out of the way of the others, for `vector_math`.

A branch would keep the loop around it scalar; to compute both values and choose is dear where one takes long. So the
scalar function with the branch stays a call, and it tells LLVM of versions for whole vectors of arguments. These look
at all of them at once and do the rare work, number by number, only where there is some.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from llvmlite import ir

from dout.engine.math.vector_math_base import instruction

LANES = (2, 4, 8, 16)  # numbers in a vector
_OURS = "dout.rare."


def beyond(name: str, bound: float, slow: Callable[..., Any]) -> Any:
    """An instruction of x and a result: the result, or `slow(x)` where |x| reaches the bound. The name is LLVM's."""

    @instruction
    def mended(typing: Any, x: Any, result: Any) -> Any:
        full = f"{_OURS}{name}_f{x.bitwidth}"

        def rare(context: Any, builder: Any, argument: Any) -> Any:
            made = context.compile_subroutine(builder, slow, x(x)).fndesc
            callee = context.declare_function(builder.module, made)
            return context.call_conv.call_function(builder, callee, x, (x,), [argument])[1]

        def generate(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            module = builder.module
            if full not in module.globals:
                one = _scalar(module, full, context.get_value_type(x), bound, lambda *given: rare(context, *given))
                for lanes in LANES:
                    _vector(one, lanes, bound)
            return builder.call(module.globals[full], values)

        return x(x, result), generate

    return mended


def _scalar(module: Any, name: str, real: Any, bound: float, rare: Callable[..., Any]) -> Any:
    """The function of one number; its attribute names the others, as LLVM's vector function ABI has it."""
    function = _function(module, name, real, real)
    versions = ",".join(f"_ZGV_LLVM_N{lanes}vv_{name}({name}.{lanes})" for lanes in LANES)
    _attribute(function, "noinline", "readnone", "willreturn", f'"vector-function-abi-variant"="{versions}"')
    builder = ir.IRBuilder(function.append_basic_block())
    x, result = function.args
    with builder.if_then(_reaches(builder, x, bound), likely=False):
        builder.ret(rare(builder, x))
    builder.ret(result)
    return function


def _vector(one: Any, lanes: int, bound: float) -> None:
    """The function of several numbers at once."""
    kind = ir.VectorType(one.args[0].type, lanes)
    function = _function(one.module, f"{one.name}.{lanes}", kind, kind)
    _attribute(function, "alwaysinline")
    each = _one_by_one(one, lanes)
    builder = ir.IRBuilder(function.append_basic_block())
    x, result = function.args
    some = builder.bitcast(_reaches(builder, x, bound), ir.IntType(lanes))
    memory = [builder.alloca(kind), builder.alloca(kind)]
    with builder.if_then(builder.icmp_unsigned("!=", some, some.type(0)), likely=False):
        for value, place in zip((x, result), memory, strict=True):
            builder.store(value, place)
        builder.call(each, [builder.bitcast(place, each.args[0].type) for place in memory])
        builder.ret(builder.load(memory[1]))
    builder.ret(result)


def _one_by_one(one: Any, lanes: int) -> Any:
    """The function of one number over several in memory; a call, as what stood in the loop would take its registers."""
    function = _function(one.module, f"{one.name}.{lanes}.each", ir.VoidType(), one.args[0].type.as_pointer())
    _attribute(function, "noinline", "cold")
    begin, turn, end = (function.append_basic_block() for _ in range(3))
    builder = ir.IRBuilder(begin)
    builder.branch(turn)
    builder.position_at_end(turn)
    place = builder.phi(ir.IntType(32))
    at = [builder.gep(start, [place]) for start in function.args]
    builder.store(builder.call(one, [builder.load(number) for number in at]), at[1])
    after = builder.add(place, place.type(1))
    place.add_incoming(place.type(0), begin)
    place.add_incoming(after, turn)
    builder.cbranch(builder.icmp_unsigned("<", after, place.type(lanes)), turn, end)
    builder.position_at_end(end)
    builder.ret_void()
    return function


def _function(module: Any, name: str, returned: Any, taken: Any) -> Any:
    """A function that is there to stay: nothing calls the versions for vectors before the loop has become one."""
    function = ir.Function(module, ir.FunctionType(returned, [taken, taken]), name)
    function.linkage = "weak_odr"
    _attribute(function, "nounwind")
    return function


def _attribute(function: Any, *names: str) -> None:
    for name in names:
        set.add(function.attributes, name)  # llvmlite's own `add` does not know all that LLVM does


def _reaches(builder: Any, x: Any, bound: float) -> Any:
    """Where |x| is the bound or more, NaN aside."""
    many = x.type.count if isinstance(x.type, ir.VectorType) else 0
    above, below = (ir.Constant(x.type, [end] * many if many else end) for end in (bound, -bound))
    return builder.or_(builder.fcmp_ordered(">=", x, above), builder.fcmp_ordered("<=", x, below))
