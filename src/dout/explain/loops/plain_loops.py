"""A function with loops in other clothes in; its text with a plain `for` in the place of one of them out.

A sum over a generator, a list of a comprehension, a `while` that counts, a counter beside a `for`, a value read as the
attribute that keeps it, and a state that is an attribute. What comes out does the same; where it does not, the derived
class gives other bits than forward, and is not shown.
"""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator, Sequence

from dout.explain.derive.forward_source import ForwardSource
from dout.explain.spelling.syntax_trees import is_text, names_of, own_attribute


def with_plain_loop(source: ForwardSource, owner: type | None) -> str | None:
    """The text with one more plain `for`; None where there is nothing to rewrite. `owner` is the class of a method."""
    for rule in (_of_comprehension, _of_while, _of_counter):
        if (text := rule(source)) is not None:
            return text
    if owner is None:
        return None
    return _of_kept_value(source, owner) or _of_attribute(source, owner)


def stored(trees: Sequence[ast.AST]) -> Iterator[str]:
    """The names that statements give a value."""
    for tree in trees:
        for node in ast.walk(tree):
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id


def called(over: ast.AST, name: str) -> bool:
    """Whether an expression is a call of a function of Python's by its name, without keywords."""
    is_call = isinstance(over, ast.Call) and isinstance(over.func, ast.Name) and over.func.id == name
    return is_call and not over.keywords  # type: ignore[attr-defined]


# --- the rules --------------------------------------------------------------------------------------------------------


def _of_comprehension(source: ForwardSource) -> str | None:
    """`sum(f(i) for i in range(n))` and `[f(i) for i in range(n)]` as a loop that adds to a total, or to a list."""
    names = [n.id for n in ast.walk(source.tree) if isinstance(n, ast.Name)] + source.parameters
    for statement in source.statements():
        if not isinstance(statement, ast.Assign | ast.AugAssign | ast.Return):
            continue
        for node in ast.walk(statement):
            is_sum = called(node, "sum") and len(node.args) == 1  # type: ignore[attr-defined]
            made = node.args[0] if is_sum else node  # type: ignore[attr-defined]
            if not isinstance(made, ast.ListComp | (ast.GeneratorExp if is_sum else ast.ListComp)):
                continue
            (first, *more), targets = made.generators, set(stored([made.generators[0].target]))
            inside = sum(isinstance(n, ast.Name) and n.id in targets for n in ast.walk(made))
            if more or first.ifs or inside != sum(names.count(name) for name in targets):
                continue
            name = next(n for n in ("total" if is_sum else "items", "total_", "items_", "made_") if n not in names)
            element = ast.unparse(made.elt)
            turn = f"{name} = {name} + {element}" if is_sum else f"{name}.append({element})"
            loop = f"for {ast.unparse(first.target).strip('()')} in {ast.unparse(first.iter)}:"
            whole = ast.get_source_segment(source.text, statement) or ""
            own = whole.replace(ast.get_source_segment(source.text, node) or "", name, 1)
            return replaced(source, statement, [f"{name} = {0 if is_sum else '[]'}", loop, f"    {turn}", own])
    return None


def _of_while(source: ForwardSource) -> str | None:
    """`while t < n:` that ends in `t += 1` as `for t in range(t, n):`."""
    for loop in source.statements():
        test = loop.test if isinstance(loop, ast.While) and not loop.orelse else None
        if not isinstance(test, ast.Compare) or not isinstance(test.left, ast.Name) or len(test.ops) != 1:
            continue
        assert isinstance(loop, ast.While)
        name, step, changed = test.left.id, _step_of(loop.body[-1]), set(stored(loop.body))
        end = ast.unparse(test.comparators[0])
        bound = names_of(test.comparators[0])
        if step is None or step[0] != name or name in stored(loop.body[:-1]) or bound & changed or len(loop.body) < 2:
            continue
        if isinstance(test.ops[0], ast.LtE):
            end = f"{end} + 1"
        elif not isinstance(test.ops[0], ast.Lt):
            continue
        start = _start(source, loop, name)
        if start is None:
            continue
        by = f", {step[1]}" if step[1] != 1 else ""
        begin = "" if ast.unparse(start.value) == "0" and not by else f"{ast.unparse(start.value)}, "
        head = f"for {name} in range({begin}{end}{by}):"
        return replaced(source, loop, [head, *body_lines(source, loop.body[:-1], 1)])
    return None


def _start(source: ForwardSource, loop: ast.stmt, name: str) -> ast.Assign | None:
    """The statement in front of a loop that begins to count, `t = 0`; None where something else reads that name."""
    block = _block_of(source, loop)
    for statement in reversed(block[: block.index(loop)]):
        if name in stored([statement]):
            is_plain = isinstance(statement, ast.Assign) and isinstance(statement.targets[0], ast.Name)
            value = statement.value if is_plain else None  # type: ignore[attr-defined]
            if not (isinstance(value, ast.Constant) and type(value.value) is int):
                return None
            others = [n for n in ast.walk(source.tree) if isinstance(n, ast.Name) and n.id == name]
            inside = {id(n) for n in ast.walk(loop)}
            lines = [n.lineno for n in others if id(n) not in inside and isinstance(n.ctx, ast.Load)]
            assert isinstance(statement, ast.Assign)
            return None if any(line > statement.lineno for line in lines) else statement
    return None


def _of_counter(source: ForwardSource) -> str | None:
    """`c = 0`, and `c += 1` at the end of each turn, as `for c, j in enumerate(…):`."""
    for loop in source.statements():
        if not isinstance(loop, ast.For) or loop.orelse or called(loop.iter, "enumerate"):
            continue
        for statement in loop.body[1:]:
            step = _step_of(statement)
            if step is None or step[1] != 1:
                continue
            name, before = step[0], loop.body[: loop.body.index(statement)]
            after = loop.body[len(before) + 1 :]
            loads = [n for s in after for n in ast.walk(s) if isinstance(n, ast.Name) and n.id == name]
            if loads or name in stored([*before, loop.target]) or (start := _start(source, loop, name)) is None:
                continue
            if ast.unparse(start.value) != "0":
                continue
            head = f"for {name}, {_target(loop.target)} in enumerate({ast.unparse(loop.iter)}):"
            return replaced(source, loop, [head, *body_lines(source, [*before, *after], 1)])
    return None


def _target(target: ast.expr) -> str:
    text = ast.unparse(target)
    return f"({text.strip('()')})" if isinstance(target, ast.Tuple) else text


def _step_of(statement: ast.stmt) -> tuple[str, int] | None:
    """The name and the number of `t += 1` or `t = t + 1`."""
    if isinstance(statement, ast.Assign) and len(statement.targets) == 1 and isinstance(statement.value, ast.BinOp):
        target, value = statement.targets[0], statement.value
        is_own = isinstance(target, ast.Name) and ast.unparse(value.left) == target.id
        operator, number = value.op if is_own else None, value.right
    elif isinstance(statement, ast.AugAssign):
        target, operator, number = statement.target, statement.op, statement.value
    else:
        return None
    is_number = isinstance(number, ast.Constant) and type(number.value) is int and number.value > 0
    if isinstance(target, ast.Name) and isinstance(operator, ast.Add) and is_number:
        return target.id, number.value  # type: ignore[attr-defined]
    return None


def kept_values(source: ForwardSource) -> Iterator[tuple[ast.stmt, str, str, list[ast.AST]]]:
    """The statements `self.x = x` after which both stay what they are: each with x, the attribute, and all its uses."""
    body = source.definition.body if source.parameters[:1] == ["self"] else []
    for i, statement in enumerate(body):
        if not isinstance(statement, ast.Assign) or not isinstance(statement.value, ast.Name):
            continue
        for attribute in filter(None, map(own_attribute, statement.targets)):
            uses = [n for n in ast.walk(source.definition) if own_attribute(n) == attribute]
            is_one = sum(isinstance(n.ctx, ast.Store) for n in uses) == 1  # type: ignore[attr-defined]
            if is_one and statement.value.id not in stored(body[i:]):
                yield statement, statement.value.id, attribute, uses


def _of_kept_value(source: ForwardSource, owner: type) -> str | None:
    """What is read of an attribute behind `self.x = x`, by the name of the value."""
    for statement, value, attribute, uses in kept_values(source):
        loads = [n for n in uses if isinstance(n.ctx, ast.Load)]  # type: ignore[attr-defined]
        behind = len(uses) == len(loads) + 1 and all(n.lineno > statement.lineno for n in loads)  # type: ignore[attr-defined]
        if loads and behind and _is_own_matter(source, owner, attribute):
            return "\n".join(_with_name(source, loads, value)) + "\n"
    return None


def _of_attribute(source: ForwardSource, owner: type) -> str | None:
    """What a loop writes to an attribute, `self.h = …`, under a local name; the attribute is given that behind it."""
    if source.parameters[:1] != ["self"]:
        return None
    loops = [node for node in ast.walk(source.definition) if isinstance(node, ast.For | ast.While)]
    written = {name for loop in loops for node in ast.walk(loop) if (name := _written_attribute(node))}
    names = names_of(source.tree) | set(source.parameters)
    hidden = [n for n in ast.walk(source.definition) if isinstance(n, ast.Lambda | ast.FunctionDef)][1:]
    written -= {n.attr for one in hidden for n in ast.walk(one) if isinstance(n, ast.Attribute)}
    written = {name for name in written if _is_own_matter(source, owner, name)}
    if not written:
        return None
    attribute = min(written)
    name = attribute.strip("_") or "state"
    while name in names:
        name += "_"
    return _with_local(source, attribute, name)


def _is_own_matter(source: ForwardSource, owner: type, attribute: str) -> bool:
    """Whether nothing but the function sees an attribute while it runs: no method that it calls, and no descriptor."""
    if hasattr(inspect.getattr_static(owner, attribute, None), "__set__"):
        return False
    if any(inspect.getattr_static(owner, name, None) is not getattr(object, name) for name in _WATCHING):
        return False
    calls = [node for node in ast.walk(source.definition) if isinstance(node, ast.Call)]
    given = (part for call in calls for part in (*call.args, *(keyword.value for keyword in call.keywords)))
    if any(isinstance(part, ast.Name) and part.id == "self" for part in given):
        return False
    waiting, seen = [name for call in calls if (name := own_attribute(call.func))], set[str]()
    while waiting:
        name = waiting.pop()
        code = getattr(inspect.getattr_static(owner, name, None), "__code__", None)
        if name in seen or code is None:
            continue
        seen.add(name)
        if attribute in code.co_names:
            return False
        waiting += code.co_names
    return True


_WATCHING = ("__setattr__", "__getattribute__")


def _written_attribute(node: ast.AST) -> str | None:
    """The attribute of self that a node writes: as a whole, at an index, or at the end of a list."""
    if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store):
        return own_attribute(node)
    if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Store):
        while isinstance(node, ast.Subscript):
            node = node.value
        return own_attribute(node)
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append":
        return own_attribute(node.func.value)
    return None


def _with_local(source: ForwardSource, attribute: str, name: str) -> str:
    """The text in which an attribute of self is a local name, and is given that where a loop or statement ends."""
    uses = [n for n in ast.walk(source.definition) if own_attribute(n) == attribute]
    stores = [n for n in uses if isinstance(n.ctx, ast.Store)]  # type: ignore[attr-defined]
    first = min((n.lineno for n in stores), default=len(source.lines))  # type: ignore[attr-defined]
    reads = any(n.lineno <= first and n not in stores for n in uses)  # type: ignore[attr-defined]
    lines = _with_name(source, uses, name)
    behind: dict[int, str] = {}
    for statement in source.statements():  # those outside before those inside
        inner = {id(n) for n in ast.walk(statement)}
        is_end = isinstance(statement, ast.For | ast.While | ast.Assign | ast.AugAssign)
        if is_end and any(id(n) in inner for n in stores):
            behind[statement.end_lineno or 0] = " " * statement.col_offset + f"self.{attribute} = {name}"
            stores = [n for n in stores if id(n) not in inner]
    body = source.definition.body
    begin = body[is_text(body[0]) and len(body) > 1].lineno
    found = list[str]()
    for number, line in enumerate(lines, 1):
        if number == begin and reads:
            found.append(" " * body[0].col_offset + f"{name} = self.{attribute}")
        found.append(line)
        if number in behind:
            found.append(behind[number])
    return "\n".join(found) + "\n"


def _with_name(source: ForwardSource, uses: Sequence[ast.AST], name: str) -> list[str]:
    """The lines of a function with a name in the place of some of its expressions."""
    lines = [line.encode() for line in source.lines]  # columns count bytes
    for node in sorted(uses, key=lambda n: (n.lineno, n.col_offset), reverse=True):  # type: ignore[attr-defined]
        line, start, end = node.lineno - 1, node.col_offset, node.end_col_offset or 0  # type: ignore[attr-defined]
        lines[line] = lines[line][:start] + name.encode() + lines[line][end:]
    return [line.decode() for line in lines]


# --- text -------------------------------------------------------------------------------------------------------------


def _block_of(source: ForwardSource, statement: ast.stmt) -> list[ast.stmt]:
    """The statements among which one stands."""
    for node in (source.definition, *source.statements()):
        for block in (getattr(node, "body", ()), getattr(node, "orelse", ())):
            if statement in block:
                return list(block)
    return [statement]


def body_lines(source: ForwardSource, statements: Sequence[ast.stmt], depth: int) -> list[str]:
    """The lines of statements, indented for a body at a depth."""
    found = list[str]()
    for one in statements:
        lines = source.lines[one.lineno - 1 : one.end_lineno]
        found += textwrap.dedent("\n".join(lines)).splitlines()
    return ["    " * depth + line for line in found]


def replaced(source: ForwardSource, statement: ast.stmt, lines: Sequence[str]) -> str:
    """The text of the function with other lines in the place of a statement."""
    before, after = source.lines[: statement.lineno - 1], source.lines[statement.end_lineno or 0 :]
    indent = " " * statement.col_offset
    return "\n".join([*before, *(indent + line for line in lines), *after]) + "\n"
