"""A plan as a person reads it, in lines."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from dout.engine.compile.plan_lines import FunctionPlan, Kept, PlanLine, ProgramPlan
from dout.engine.runtime.roofline import arithmetic, bandwidth
from dout.errors import visible
from dout.styled_lines import Line

Functions = Sequence[FunctionPlan]
_STYLES = {"kernel": "good", "NumPy": "", "copy": "", "view": "dim"}
_LATER = "nothing is compiled yet: the first call compiles it"


def lines_of(functions: Functions) -> list[Line]:
    """All lines of a plan. Text that comes from the user is made safe to show."""
    lines: list[Line] = []
    for function in functions:
        lines += [[], *_function(function)] if lines else _function(function)
    return lines


def _function(function: FunctionPlan) -> Iterator[Line]:
    yield [(visible(function.name), "title")]
    for loop in function.loops:
        if loop.plainly:
            yield [("  ", ""), (f"loop runs plainly: {visible(loop.plainly)}", "fair")]
        else:
            yield [
                ("  ", ""),
                ("loop  ", "good"),
                (f"{visible(loop.place)}  ", ""),
                (f"{loop.turns:,} turns at the last call", "dim"),
            ]
    if function.parts:
        yield [("  ", ""), (f"compiled by themselves: {visible(', '.join(function.parts))}", "")]
    if function.loops or function.parts:
        yield [("  the rest runs as it is written", "dim")]
    if not (function.programs or function.plainly or function.loops or function.parts):
        yield [("  ", ""), (_LATER, "dim")]
    for program in function.programs:
        yield from _program(program)
    for why in function.plainly:
        other = "any other call" if function.programs else "it"
        yield [("  ", ""), (f"{other} runs plainly: {visible(why)}", "fair")]


def _program(program: ProgramPlan) -> Iterator[Line]:
    yield [("  ", ""), (visible(", ".join(program.arguments) or "no arguments"), "")]
    for guard in program.guards:
        yield [(f"    as long as {visible(guard)}", "dim")]
    yield from _steps(program.steps)
    yield [(f"    leaves {_left(program.kept)}", "dim")]
    yield [(f"    {_moved(program)}", "dim")]
    yield [(f"    memory: {_memory(program)}", "dim")]


def _steps(steps: tuple[PlanLine, ...]) -> Iterator[Line]:
    cells = [(f"{i}", _how(step), size(step.nbytes) if step.how != "view" else "", step.place)
             for i, step in enumerate(steps, start=1)]  # fmt: skip
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    for step, (number, how, moved, place) in zip(steps, cells, strict=True):
        over = f"  (over {step.over})" if step.over else ""
        yield [
            (f"    {number:>{widths[0]}}  ", "dim"),
            (f"{how:{widths[1]}}  ", _STYLES[step.how]),
            (f"{moved:>{widths[2]}}  {place:{widths[3]}}  ", "dim"),
            (step.text, ""),
            (over, "dim"),
        ]
    if not steps:
        yield [("    no steps: it computes nothing", "dim")]


def _how(step: PlanLine) -> str:
    return "kernel, parallel" if step.parallel else step.how


def _left(kept: tuple[Kept, ...]) -> str:
    parts = [f"{visible(' and '.join(one.names))} ({'as given' if one.given else size(one.nbytes)})" for one in kept]
    return ", ".join(parts) or "nothing"


def _moved(program: ProgramPlan) -> str:
    memory, products = bandwidth(), any(step.products for step in program.steps)
    least = program.seconds(memory, arithmetic())
    speed = f"the {memory.seconds(1) ** -1 / 1e9:.0f} GB/s of this machine's memory"
    speed += f" and the {arithmetic().single / 1e9:.0f} GFLOP/s of its products" if products else ""
    caches = ", less in its caches" if program.nbytes < memory.size else ""
    return f"moves {size(program.nbytes)}: {duration(least)} at {speed}{caches}"


def _memory(program: ProgramPlan) -> str:
    return f"{size(program.fresh)} from the pool and {size(program.own)} by NumPy a call, {size(program.peak)} at most"


def size(nbytes: float) -> str:
    """Bytes for a person.

    >>> size(0), size(999), size(256_000), size(67_108_864)
    ('0 B', '999 B', '256 kB', '67.1 MB')
    """
    return _scaled(nbytes, "B", ("", "k", "M", "G", "T"), 1)


def duration(seconds: float) -> str:
    """Seconds for a person.

    >>> duration(1.2e-8), duration(0.00034), duration(2)
    ('12 ns', '340 µs', '2 s')
    """
    return _scaled(seconds, "s", ("n", "µ", "m", ""), 1e-9)


def _scaled(number: float, unit: str, prefixes: tuple[str, ...], first: float) -> str:
    scaled = number / first
    for prefix in prefixes:
        if scaled < 999.5 or prefix == prefixes[-1]:
            break
        scaled /= 1000
    return f"{scaled:.3g} {prefix}{unit}"
