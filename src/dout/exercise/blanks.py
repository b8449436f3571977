"""The text of a file in; the sheet of one class in it, without the lines that are to be written, out.

Nothing is executed. Only what the class needs comes along: another class of the file may show what is to be found. So
may what belongs to the lines that go: comments beside them, methods that only they call, and the method of a base class
that they replace.
"""

from __future__ import annotations

import ast
import tokenize
from collections.abc import Iterator, Sequence

from dout.adapt.repository.declared_example import NAME as EXAMPLE
from dout.errors import SheetError, visible
from dout.exercise.sheet import UNREADABLE, UNWRITTEN, Sheet, first_line, marked, syntax
from dout.files import lines_of

BACKWARD = "backward"
_NUMPY = "import numpy as np"  # whoever writes a backward has it


def blanked(
    text: str, name: str, *, method: str = BACKWARD, lines: tuple[int, int] | None = None, where: str = "the file"
) -> Sheet:
    """Return the sheet of a class: what `method` does is blank, or the statements in `lines`, the first and the last.

    The docstring of the method stays. Raises SheetError where there is no such class, method or statement.
    """
    where = visible(where)
    try:
        tree = syntax(text)
    except UNREADABLE as error:
        raise SheetError(f"{where} cannot be read as Python: {visible(str(error))}") from None
    definition = _class_in(tree, name, where)
    first, last, label = _span(definition, method, where) if lines is None else _chosen(definition, lines, where)
    source = lines_of(text)
    if not source[-1].endswith("\n"):
        source[-1] += "\n"
    head, indent = _head_and_indent(source, definition, first)
    behind = list(_only_behind(tree, definition, first, last))
    if lines is None:
        _clear_beside(source, tree, definition, label)
    first, last = (first, last) if head else _with_comments(source, first, last)
    ask = f'{indent}raise NotImplementedError("{label} is yours to write")\n'
    # Lines that go leave an empty text behind, so that the numbers of all others stay.
    blank = [*head, *marked(label, [ask], indent)]
    source[first - 1 : last] = ["".join(blank), *[""] * (last - first)]
    for helper in behind:
        start, end = _above(source, first_line(helper)), helper.end_lineno or helper.lineno
        source[start - 1 : end] = [""] * (end - start + 1)
    kept = _needed(tree, source, definition)
    imports, others = _partition(kept)
    heads = ["".join(source[first_line(item) - 1 : item.end_lineno]).strip("\n") for item in imports]
    if not any("np" in _binds(item) for item in kept):
        heads.append(_NUMPY)
    blocks = ["".join(source[first_line(item) - 1 : item.end_lineno]).strip("\n") for item in others]
    title = f'"""Exercise: write {name}.{label}.\n\nYour lines stand between the two marks.\n"""'
    made = "\n\n\n".join([f"{title}\n\n" + "\n".join(heads), *blocks]) + "\n"
    try:
        syntax(made)
        return Sheet.made(name, made)
    except (*UNREADABLE, SheetError):
        raise SheetError(
            f"{where}:{first}: no sheet can be made of {name}.{label}: write its statements on lines of their own, and "
            "no line that looks like a mark of a sheet"
        ) from None


def _partition(items: Sequence[ast.stmt]) -> tuple[list[ast.stmt], list[ast.stmt]]:
    """The imports, which come first, and all else."""
    imports: list[ast.stmt] = [item for item in items if isinstance(item, ast.Import | ast.ImportFrom)]
    return imports, [item for item in items if item not in imports]


def _class_in(tree: ast.Module, name: str, where: str) -> ast.ClassDef:
    classes = [item for item in tree.body if isinstance(item, ast.ClassDef)]
    found = [item for item in classes if item.name == name]
    if not found:
        there = ", ".join(item.name for item in classes[:8]) or "none"
        raise SheetError(f"{where} has no class {visible(name)}; its classes are: {there}")
    return found[-1]


def _span(definition: ast.ClassDef, method: str, where: str) -> tuple[int, int, str]:
    """The first and the last line of what a method does, below its docstring, with the comments there."""
    methods = [item for item in _methods(definition) if item.name == method]
    if not methods:
        names = ", ".join(item.name for item in _methods(definition)) or "none"
        raise SheetError(
            f"{where}:{definition.lineno}: {definition.name} has no method {visible(method)}; its methods are: {names}"
        )
    function = methods[-1]
    body = function.body[1:] if ast.get_docstring(function, clean=False) is not None else function.body
    if not body:
        raise SheetError(f"{where}:{function.lineno}: {definition.name}.{method} has nothing but a docstring")
    return body[0].lineno, function.end_lineno or function.lineno, method


def _with_comments(source: Sequence[str], first: int, last: int) -> tuple[int, int]:
    """The lines with the comments around them, as far as they are indented like them: these tell what stands there."""
    deep = len(source[first - 1]) - len(source[first - 1].lstrip())

    def is_comment(line: str) -> bool:
        return not line.strip() or (line.lstrip().startswith("#") and len(line) - len(line.lstrip()) >= deep)

    while first > 1 and is_comment(source[first - 2]):
        first -= 1
    while last < len(source) and is_comment(source[last]):
        last += 1
    while not source[last - 1].strip():
        last -= 1
    return first, last


def _chosen(definition: ast.ClassDef, lines: tuple[int, int], where: str) -> tuple[int, int, str]:
    """Lines that someone chose: whole statements of one method."""
    first, last = lines
    for function in definition.body:
        if isinstance(function, ast.FunctionDef) and function.lineno < first <= last <= (function.end_lineno or 0):
            for block in _blocks(function):
                inside = [s for s in block if first <= first_line(s) and (s.end_lineno or 0) <= last]
                if inside and first_line(inside[0]) <= first and (inside[-1].end_lineno or 0) >= last:
                    return first, last, function.name
    raise SheetError(f"{where}: lines {first}-{last} are not whole statements of one method of {definition.name}")


def _blocks(function: ast.FunctionDef) -> Iterator[list[ast.stmt]]:
    """Every list of statements in a function."""
    for node in ast.walk(function):
        for field in ("body", "orelse", "finalbody"):
            block = getattr(node, field, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _head_and_indent(source: Sequence[str], definition: ast.ClassDef, first: int) -> tuple[list[str], str]:
    """How far the lines are indented; and what stands before them on their first line, which stays: `def f(self):`."""
    function = next(m for m in _methods(definition) if m.lineno <= first <= (m.end_lineno or 0))
    line = source[first - 1]
    statement = next((s for block in _blocks(function) for s in block if s.lineno == first and not _is_text(s)), None)
    before = line.encode()[: statement.col_offset].decode() if statement is not None else ""
    if not before.strip():
        return [], line[: len(line) - len(line.lstrip())]
    own = source[function.lineno - 1]
    indent = own[: len(own) - len(own.lstrip())]
    return [before.rstrip().rstrip(";") + "\n"], f"{indent}\t" if indent.startswith("\t") else f"{indent}    "


def _is_text(statement: ast.stmt) -> bool:
    """Whether a statement is a string, as a docstring is."""
    return isinstance(statement, ast.Expr) and isinstance(statement.value, ast.Constant)


def _methods(definition: ast.ClassDef) -> list[ast.FunctionDef]:
    return [item for item in definition.body if isinstance(item, ast.FunctionDef)]


def _only_behind(tree: ast.Module, definition: ast.ClassDef, first: int, last: int) -> Iterator[ast.stmt]:
    """What of a class only the lines that go use, and others of their name: they show what is to be found.

    These are methods that only these lines call, or that only such methods call; and a lambda that nothing else in the
    class uses.
    """
    methods = _methods(definition)
    own = next(m for m in methods if m.lineno <= first <= (m.end_lineno or 0))
    bases = _bases(tree, definition)
    alone = len(bases) == sum(
        len(item.bases) for item in (definition, *bases)
    )  # nobody else uses what nothing here does
    called: dict[ast.stmt, set[str]] = {method: _attributes(method, 0, 0) for method in methods}
    called |= {base: _attributes(base, 0, 0) for base in bases}
    called[own] = _attributes(own, first, last)
    named = {item: name for item in definition.body if (name := _lambda_name(item))}
    behind: set[ast.stmt] = {method for method in methods if method is not own and method.name == own.name}
    while True:
        gone = _attributes(own, 0, 0).union(*(called.get(item, _attributes(item, 0, 0)) for item in behind))
        stays = {m: names for m, names in called.items() if m not in behind}
        names = {item: named.get(item) or getattr(item, "name", "") for item in (*methods, *named) if item is not own}
        more = {
            item
            for item, name in names.items()
            if item not in behind
            and (name in gone - called[own] or (alone and item in named))
            and not any(name in used for other, used in stays.items() if other is not item)
        }
        if not more:
            yield from behind
            return
        behind |= more


def _lambda_name(item: ast.stmt) -> str:
    """The name that a class gives to a lambda."""
    is_one = (
        isinstance(item, ast.Assign) and isinstance(item.value, ast.Lambda) and isinstance(item.targets[0], ast.Name)
    )
    return item.targets[0].id if is_one else ""  # type: ignore[attr-defined]


def _above(source: Sequence[str], line: int) -> int:
    """The first of the comment lines that stand right above a line."""
    while line > 1 and source[line - 2].lstrip().startswith("#"):
        line -= 1
    return line


def _clear_beside(source: list[str], tree: ast.Module, definition: ast.ClassDef, method: str) -> None:
    """Take away what stands beside a method and may say what it does: comments, and the method of a base class."""
    function = next(m for m in reversed(_methods(definition)) if m.name == method)
    start, end = first_line(function), function.end_lineno or function.lineno
    docstring = _is_text(function.body[0])
    head = (function.body[0].end_lineno or 0) if docstring else function.body[0].lineno - 1
    for line, column in _comments(source):
        if start <= line <= head:
            source[line - 1] = source[line - 1][:column].rstrip() + "\n"
    for at in range(_above(source, start), start):
        source[at - 1] = ""
    while end < len(source) and source[end].lstrip().startswith("#"):
        source[end] = ""
        end += 1
    if not _calls_on(function):
        for base in _bases(tree, definition):
            for other in (m for m in _methods(base) if m.name == method):
                _ask_nothing(source, base, other)


def _comments(source: Sequence[str]) -> list[tuple[int, int]]:
    """The line and the column of each comment."""
    tokens = tokenize.generate_tokens(iter(source).__next__)
    return [token.start for token in tokens if token.type == tokenize.COMMENT]


def _calls_on(function: ast.FunctionDef) -> bool:
    """Whether a method needs that of a base class: it calls super()."""
    return any(isinstance(node, ast.Name) and node.id == "super" for node in ast.walk(function))


def _bases(tree: ast.Module, definition: ast.ClassDef) -> list[ast.ClassDef]:
    """The classes of the file that a class inherits from."""
    classes = {item.name: item for item in tree.body if isinstance(item, ast.ClassDef) and item is not definition}
    found: list[ast.ClassDef] = []
    names = [base.id for base in definition.bases if isinstance(base, ast.Name)]
    while names:
        base = classes.pop(names.pop(), None)
        if base is not None:
            found.append(base)
            names.extend(item.id for item in base.bases if isinstance(item, ast.Name))
    return found


def _ask_nothing(source: list[str], definition: ast.ClassDef, function: ast.FunctionDef) -> None:
    """Make a method one that says nothing: its lines would show what another class is to do."""
    first, last = function.body[0].lineno, function.end_lineno or function.lineno
    head, indent = _head_and_indent(source, definition, first)
    source[first - 1 : last] = ["".join([*head, f"{indent}raise {UNWRITTEN}\n"]), *[""] * (last - first)]


def _attributes(function: ast.stmt, first: int, last: int) -> set[str]:
    """The attributes that a function names, outside of some lines."""
    return {
        node.attr for node in ast.walk(function) if isinstance(node, ast.Attribute) and not first <= node.lineno <= last
    }


def _needed(tree: ast.Module, source: list[str], definition: ast.ClassDef) -> list[ast.stmt]:
    """The class and what else of the file it needs as it is now, in the order of the file."""
    found: set[ast.stmt] = set()
    names = _names("".join(source[first_line(definition) - 1 : definition.end_lineno]))
    while True:
        more = {
            item
            for item in tree.body
            if item not in found
            and definition.name not in (binds := _binds(item))
            and (binds & names or _is_always(item))
        }
        if not more:
            return [item for item in tree.body if item in found or item is definition]
        found |= more
        names |= set().union(*(_names("".join(source[first_line(item) - 1 : item.end_lineno])) for item in more))


def _names(text: str) -> set[str]:
    return {node.id for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Name)}


def _binds(item: ast.stmt) -> set[str]:
    """The names that a statement of a module binds; a block for programs alone binds none."""
    if isinstance(item, ast.If) and "__name__" in _names(ast.unparse(item.test)):
        return set()
    found: set[str] = set()
    for node in ast.walk(item):
        if isinstance(node, ast.Import | ast.ImportFrom):
            found |= {(alias.asname or alias.name).partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            found.add(node.id)
    own = isinstance(item, ast.FunctionDef | ast.ClassDef)
    return {item.name} if own else found  # type: ignore[attr-defined]


def _is_always(item: ast.stmt) -> bool:
    """Whether a statement comes along whatever is used: imports of all names, and of the future, and the example."""
    if isinstance(item, ast.FunctionDef):
        return item.name == EXAMPLE
    return isinstance(item, ast.ImportFrom) and (item.module == "__future__" or item.names[0].name == "*")
