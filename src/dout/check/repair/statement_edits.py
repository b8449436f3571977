"""What an assignment may have been meant to be: += for =, -= for +=, /= for *=; two names exchanged."""

from __future__ import annotations

import ast
from collections.abc import Iterator

from dout.check.repair.scratch_functions import ExpressionPlace
from dout.check.repair.written_expressions import bare

Spans = tuple[tuple[int, int, str], ...]
Other = tuple[float, str, str, Spans]  # cost, word, what to run in the place of the expression, what to write


def of_statement(place: ExpressionPlace) -> Iterator[Other]:
    """Another sign of assignment: += for =, -= for +=, /= for *=."""
    statement = place.statement
    if place.parents[0] is not statement:
        return
    source, text = place.function.source, bare(place, place.node)
    start, _ = source.span(place.node)
    if isinstance(statement, ast.AugAssign) and statement.value is place.node:
        target = bare(place, statement.target)
        after = source.span(statement.target)[1]
        sign = {ast.Add: "+=", ast.Sub: "-=", ast.Mult: "*=", ast.Div: "/="}.get(type(statement.op))
        swapped = {"+=": ("-=", f"-({text})", "sign"), "-=": ("+=", f"-({text})", "sign"),
                   "*=": ("/=", f"1 / ({text})", "factor"), "/=": ("*=", f"1 / ({text})", "factor")}  # fmt: skip
        if sign:
            fresh, run, word = swapped[sign]
            yield 0.9, word, run, ((after, start, f" {fresh} "),)
        if sign == "+=":
            yield 1.4, "extra term", f"({text}) - {target}", ((after, start, " = "),)
    elif isinstance(statement, ast.Assign) and statement.value is place.node and len(statement.targets) == 1:
        target_node = statement.targets[0]
        if isinstance(target_node, ast.Tuple) and not isinstance(place.node, ast.Tuple):
            yield from _unpacked(place, target_node, text)
        if isinstance(target_node, ast.Name | ast.Subscript | ast.Attribute):
            target = bare(place, target_node)
            after = source.span(target_node)[1]
            yield 1.2, "missing term", f"{target} + ({text})", ((after, start, " += "),)


def _unpacked(place: ExpressionPlace, target: ast.Tuple, text: str) -> Iterator[Other]:
    """Two of the names that a tuple is unpacked into, exchanged."""
    source = place.function.source
    for i, first in enumerate(target.elts):
        for j, second in enumerate(target.elts[i + 1 :], i + 1):
            if not isinstance(first, ast.Starred) and not isinstance(second, ast.Starred):
                order = [*range(len(target.elts))]
                order[i], order[j] = j, i
                run = f"(lambda t: ({', '.join(f't[{k}]' for k in order)},))(tuple({text}))"
                (a, b), (c, d) = source.span(first), source.span(second)
                spans = ((a, b, source.data[c:d].decode()), (c, d, source.data[a:b].decode()))
                yield 1.0, "swapped", run, spans
