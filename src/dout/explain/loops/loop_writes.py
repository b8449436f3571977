"""The lines of a backward with loops in; the same with less in the loops out: sums over all turns, and what stays."""

from __future__ import annotations

import ast
import re
from collections.abc import Collection, Iterator, Sequence

from dout.explain.spelling.syntax_trees import items_of, names_of

Loops = tuple[ast.For, ...]
_FEW = 2  # sizes of one array that are read where they are


def written_once(lines: Sequence[str]) -> list[str]:
    """The lines, in which a place of an array of zeros that one turn alone reaches is assigned: `dx[:, t] = …`."""
    found = list(lines)
    statements = list(_in_loops(ast.parse("\n".join(lines)).body))
    for statement, loops in statements:
        if not isinstance(statement, ast.AugAssign) or not isinstance(statement.target, ast.Subscript):
            continue
        buffer = ast.unparse(statement.target.value)
        inner = _since_zeros(buffer, loops, statements)
        places = items_of(statement.target.slice)
        is_first = next((one for one, _ in statements if _adds_to(one, buffer)), None) is statement
        if is_first and inner and all(any(_counts(place, loop) for place in places) for loop in inner):
            at = statement.lineno - 1
            found[at] = found[at].replace(" += ", " = ", 1)
    return found


def sums_moved_out(lines: Sequence[str], dout: str, outputs: Collection[str]) -> list[str]:
    """The lines, in which sums of parts of dout over all turns are one sum: `db = dout.sum(axis=(0, 2))`.

    `outputs` are the names of what dout is the gradient of: the loops go over whole axes of that.
    """
    found: list[str | None] = list(lines)
    statements = list(_in_loops(ast.parse("\n".join(lines)).body))
    for statement, loops in statements:
        if not isinstance(statement, ast.AugAssign) or isinstance(statement.target, ast.Subscript):
            continue
        target = ast.unparse(statement.target)
        inner = _since_zeros(target, loops, statements)
        key, axes = _summed(statement, dout, statements)
        if not inner or inner != loops or axes is None or len(key) - len(axes[0]) != len(inner):
            continue
        if not all(_goes_over_all(loop, key, dout, outputs) for loop in inner):
            continue
        kept, own = axes
        every = sorted(
            [i for i, k in enumerate(key) if i not in kept] + [(*kept, *range(len(key), 99))[i] for i in own]
        )
        start = next(one for one, _ in statements if _is_zeros(one, target))
        new = f"{target} = {dout}.sum(axis={every[0] if len(every) == 1 else tuple(every)})"
        at = statement.lineno - 1
        comment = lines[at - 1].strip() if lines[at - 1].lstrip().startswith("#") else ""
        found[at] = None
        found[at - 1] = None if comment else found[at - 1]
        found[start.lineno - 1] = f"{comment}\n{new}" if comment else new
    return [line for one in found if one is not None for line in one.split("\n")]


def constants_moved_out(lines: Sequence[str]) -> list[str]:
    """The lines, in which a value that is the same at each turn is computed before the loop."""
    found = list(lines)
    while (constant := _constant(list(_in_loops(ast.parse("\n".join(found)).body)))) is not None:
        statement, loop = constant
        first, last = statement.lineno - 1, statement.end_lineno or statement.lineno
        first -= found[first - 1].lstrip().startswith("#")
        moved = [line[statement.col_offset - loop.col_offset :] for line in found[first:last]]
        found[first:last] = []
        found[loop.lineno - 1 : loop.lineno - 1] = moved
    return found


def with_sizes_named(lines: Sequence[str], forward: Sequence[ast.stmt]) -> list[str]:
    """The lines, in which sizes of a parameter have the names that forward gives them: `O, C, h, w = self.W.shape`."""
    text = "\n".join(lines)
    for statement in forward:
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        if not isinstance(target, ast.Tuple) or not isinstance(statement, ast.Assign):
            continue
        shape, names = ast.unparse(statement.value), [ast.unparse(one) for one in target.elts]
        uses = [int(n) for n in re.findall(rf"(?<![\w.]){re.escape(shape)}\[(\d+)\]", text)]
        taken = names_of(ast.parse(text))
        named = [name if i in uses else "_" for i, name in enumerate(names)]
        is_known = re.fullmatch(r"self\.\w+\.shape", shape) and all(map(str.isidentifier, names))
        if is_known and len(uses) > _FEW and max(uses) < len(names) and taken.isdisjoint(named):
            for i in set(uses):
                text = re.sub(rf"(?<![\w.]){re.escape(shape)}\[{i}\]", names[i], text)
            text = f"{', '.join(named)} = {shape}\n{text}"
    return text.splitlines()


def _constant(statements: Sequence[tuple[ast.stmt, Loops]]) -> tuple[ast.stmt, ast.For] | None:
    """The first assignment whose value does not depend on the loop around it, and that loop."""
    stores = [n for one, _ in statements for n in _targets(one)]
    for statement, loops in statements:
        if not loops or not isinstance(statement, ast.Assign) or not isinstance(statement.targets[0], ast.Name):
            continue
        name, value = statement.targets[0].id, statement.value
        changed = {*map(ast.unparse, ast.walk(loops[-1].target))}
        changed |= {one for inner, around in statements if loops[-1] in around for one in _targets(inner)}
        read = {ast.unparse(n) for n in ast.walk(value) if isinstance(n, ast.Name | ast.Attribute)}
        is_new = any(isinstance(n, ast.Call) and ast.unparse(n.func).startswith("np.") for n in ast.walk(value))
        if not is_new and stores.count(name) == 1 and read and read.isdisjoint(changed):
            return statement, loops[-1]
    return None


def _targets(statement: ast.stmt) -> list[str]:
    """What a statement gives a value, or a value in: `a`, `self.a` and `a[i]`."""
    targets = statement.targets if isinstance(statement, ast.Assign) else [getattr(statement, "target", None)]
    parts = [part for t in targets if t is not None for part in items_of(t)]
    return [ast.unparse(part.value if isinstance(part, ast.Subscript) else part) for part in parts]


def _in_loops(body: Sequence[ast.stmt], around: Loops = ()) -> Iterator[tuple[ast.stmt, Loops]]:
    """Every statement, with the loops around it, outermost first."""
    for statement in body:
        yield statement, around
        if isinstance(statement, ast.For):
            yield from _in_loops(statement.body, (*around, statement))


def _adds_to(statement: ast.stmt, buffer: str) -> bool:
    """Whether a statement writes into places of an array."""
    target = getattr(statement, "target", None) or next(iter(getattr(statement, "targets", ())), None)
    return isinstance(target, ast.Subscript) and ast.unparse(target.value) == buffer


def _is_zeros(statement: ast.stmt, name: str) -> bool:
    """Whether a statement is `name = np.zeros(…)` or `name = np.zeros_like(…)`."""
    match statement:
        case ast.Assign(targets=[target], value=ast.Call(func=function)):
            return ast.unparse(target) == name and ast.unparse(function) in ("np.zeros", "np.zeros_like")
    return False


def _since_zeros(name: str, loops: Loops, statements: Sequence[tuple[ast.stmt, Loops]]) -> Loops:
    """The loops between the line that makes zeros and the only line that names them; none if there are several."""
    made = [around for one, around in statements if _is_zeros(one, name)]
    if len(made) != 1 or loops[: len(made[0])] != made[0]:
        return ()
    inner = loops[len(made[0]) :]
    named = [n for n in ast.walk(inner[0]) if isinstance(n, ast.expr) and ast.unparse(n) == name] if inner else []
    return inner if len(named) == 1 else ()


def _counts(place: ast.expr, loop: ast.For) -> bool:
    """Whether a place is another one at each turn: the number of the turn, or some places after it."""
    if isinstance(place, ast.BinOp) and isinstance(place.op, ast.Add):
        place = place.left if isinstance(place.right, ast.Constant) else place
        place = place.right if isinstance(place, ast.BinOp) and isinstance(place.left, ast.Constant) else place
    return isinstance(place, ast.Name) and place.id in names_of(loop.target)


def _goes_over_all(loop: ast.For, key: Sequence[ast.expr], dout: str, outputs: Collection[str]) -> bool:
    """Whether a loop takes a turn for each place of the axis that its number indexes, of dout or of what that is of."""
    axis = next((i for i, k in enumerate(key) if isinstance(k, ast.Name) and _counts(k, loop)), None)
    shapes = [f"{dout}.shape", *(f"self.{name}_shape" for name in outputs), *(f"self.{name}.shape" for name in outputs)]
    return axis is not None and ast.unparse(loop.iter) in {f"reversed(range({shape}[{axis}]))" for shape in shapes}


def _summed(
    statement: ast.AugAssign, dout: str, statements: Sequence[tuple[ast.stmt, Loops]]
) -> tuple[list[ast.expr], tuple[list[int], list[int]] | None]:
    """The index of `dout[:, i].sum(axis=0)`, the places of its whole axes, and which of those are summed."""
    match statement.value:
        case ast.Call(ast.Attribute(part, "sum"), [], [ast.keyword("axis", axes)]):
            pass
        case _:
            return [], None
    if isinstance(part, ast.Name):
        name = part.id
        made = [one for one, _ in statements if isinstance(one, ast.Assign) and name in map(ast.unparse, one.targets)]
        part = made[0].value if len(made) == 1 else part
    if not isinstance(part, ast.Subscript) or ast.unparse(part.value) != dout:
        return [], None
    key = items_of(part.slice)
    try:
        axis = ast.literal_eval(axes)
    except ValueError:
        return [], None
    own = [axis] if isinstance(axis, int) else list(axis)
    kept = [i for i, k in enumerate(key) if ast.unparse(k) == ":"]
    return key, ((kept, own) if all(i >= 0 for i in own) else None)
