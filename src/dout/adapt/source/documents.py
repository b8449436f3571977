"""What is written about an argument for people: its annotation, docstrings, comments, and the shapes they tell."""

from __future__ import annotations

import ast
import inspect
import re
from typing import Any

from dout.adapt.source.syntax import Function, class_of, methods_of, name_of, read, total

Axes = tuple[str, ...]  # names, numbers or expressions; "" where nothing is known, "..." for any number of axes

# ------------------------------------------------------------------------------------------------------ annotations


def annotation_of(function: Any, name: str) -> ast.expr | None:
    """An argument's annotation as syntax, without the quotes of one that is a string and without `Optional`."""
    own = read(function)
    found = next((p.annotation for p in own.every_parameter if p.arg == name), None) if own else None
    for _ in range(8):
        match found:
            case ast.Constant(value=str(text)):
                found = ast.parse(text, mode="eval").body
            case ast.Subscript(value=value, slice=inner) if name_of(value) in ("Optional", "Annotated", "Final"):
                found = inner.elts[0] if isinstance(inner, ast.Tuple) else inner
            case ast.BinOp(left=left, op=ast.BitOr(), right=ast.Constant(value=None)):
                found = left
            case _:
                break
    return found


def head_of(annotation: ast.expr | None) -> str:
    """The name that an annotation begins with: `Literal` of Literal["same", "valid"]."""
    return name_of(annotation.value if isinstance(annotation, ast.Subscript) else annotation)


# -------------------------------------------------------------------------------------------------------- documents

_IDENT = r"[A-Za-z_]\w*"
_ENTRY = re.compile(
    rf"^(?P<indent>[\s#]*)(?:[-*•@]\s*)?(?::?(?:param|arg|type)\s+)?(?:(?:np\.)?(?:ndarray|array)\s+)?[`*]*"
    rf"(?P<names>{_IDENT}(?:\s*[,/]\s*{_IDENT})*)[`*]*\s*"
    r"(?P<rest>(?:[(（\[][^()（）]*[)）\]])?\s*(?::|：|-+\s|=|—|–|\.shape\b|(?:is|has|shape|dim|dims)\b|$).*|[(（\[].*)"
)
_LONGEST_LINE = 400
_MOST_LINES = 8  # of an entry


@total(str)
def told(function: Any, name: str, cls: type | None) -> str:
    """What the documents say about an argument, in one line; nothing where they do not name it."""
    return next((entry for lines in _documents(function, cls) if (entry := _entry(lines, name))), "")


@total(list)
def _documents(function: Any, cls: type | None) -> list[list[str]]:
    """The documents that may tell of an argument, as lines: its function's, its comments, its class's, `forward`'s."""
    own = read(function)
    cls = class_of(function, cls)
    found = [own.doc if own else getattr(function, "__doc__", None)]
    if cls is not None:
        found += [vars(base).get("__doc__") for base in cls.__mro__[:-1]]
    elif own and own.owner:
        found.append(ast.get_docstring(own.owner))
    if own:
        found += [method.doc for method in methods_of(own, cls) if method.node is not own.node]
    texts = [inspect.cleandoc(doc).splitlines() for doc in found if isinstance(doc, str)]
    return [*texts[:1], [*_comments_beside(own), *_comments(own)] if own else [], *texts[1:]]


_END = re.compile(r"\)\s*(->[^#]*)?:\s*$")


def _comments_beside(own: Function) -> list[str]:
    """The comments on lines on which one argument stands alone, as lines of a document: `x: np.ndarray,  # (B,)`.

    One after the bracket that ends them all, or with an arrow, tells of the result.
    """
    lines = [p.lineno for p in own.every_parameter]
    beside = {p.arg: own.lines[p.lineno - 1] for p in own.every_parameter if lines.count(p.lineno) == 1}
    said = {name: re.search(r"(?<!['\"])#+\s*(.+)", line) for name, line in beside.items()}
    found = {name: match for name, match in said.items() if match is not None and "->" not in match[1]}
    ended = {name for name, m in found.items() if _END.search(beside[name][: m.start()])}
    return [f"# {name}: {match[1]}" for name, match in found.items() if name not in ended]


def _comments(own: Function) -> list[str]:
    """The comments in a function and on the two lines above it, as lines of a document."""
    first, last = max(own.node.lineno - 3, 0), own.node.end_lineno or own.node.lineno
    return [f"# {m[1]}" for line in own.lines[first:last] if (m := re.search(r"(?<!['\"])#+\s*(.+)", line))]


def _entry(lines: list[str], name: str) -> str:
    """What follows an argument's name in a document, with the lines below that stand further in."""
    for i, line in enumerate(lines):
        match = _ENTRY.match(line) if len(line) < _LONGEST_LINE else None
        if match is None or name not in re.split(r"\s*[,/]\s*", match["names"]):
            continue
        indent = len(match["indent"])
        rest = []
        for later in lines[i + 1 : i + _MOST_LINES]:
            if line.startswith("#") or not later.strip() or len(later) - len(later.lstrip()) <= indent:
                break
            rest.append(later.strip())
        return " ".join([match["rest"].strip(), *rest])
    return ""


# ----------------------------------------------------------------------------------------------- the shapes they tell

_NO_ARRAY = ("int", "float", "str", "bool", "tuple", "Tuple", "dict", "Callable")
_NO_ARRAY_TOLD = re.compile(r"\W*(?:(?:an? )?(?:int|integer|float|str|bool|tuple|dict|callable)\b)", re.IGNORECASE)
_NO_ARRAY_NAMED = re.compile(r".*(size|shape|dims?|device|axis|num|path|cache|config|param).*|n_\w+", re.IGNORECASE)
_SHAPED = re.compile(
    r"(?:shapes?|sizes?|dims?|dimensions?|tensor|形状|尺寸|维度|維度|形|大小|サイズ)\W{0,3}(?:of|is|with|为|是)?\W{0,6}$",
    re.IGNORECASE,
)
_BRACKET = re.compile(r"[(（\[]([^()（）\[\]]*(?:\[[^\[\]]*\][^()（）\[\]]*)*)[)）\]]")
_ONE_OR = re.compile(r"\(1,?\) or (?=\()")  # of one sample, and of several
_CROSSED = re.compile(r"\b(\w+(?:(?: [x×] |×)\w+)+|\d+(?:x\d+)+)(?= (?:array|matrix|tensor|ndarray))")
_CROSSED_ALONE = re.compile(r"\W*(\w+(?: [x×] \w+)+|\w+(?:×\w+)+)\W*")  # "x: N x n x d"
_AXIS = re.compile(
    r"\\?\*|\?|:|\.\.\.|…|\.\.|\d+|[^\W\d]\w*(?:\[[\w +-]+\])?|\d+[^\W\d]\w*|[\w\s]+(?:[-+*/×]+[\w\s.]+)+"
)
_WORDED_AXIS = re.compile(r"[^\W\d][\w ]{0,40}")
_COUNTED = re.compile(r"(number|size|length|dimension)s? of [\w ]+", re.IGNORECASE)  # said of nothing but an axis
_NO_AXIS = re.compile(
    r"int|integer|float|str|string|bool|boolean|optional|default|array|ndarray|list|tuple|dict|callable|none|object"
    r"|required|np|numpy|type|any|true|false|function|scalar|number|mean|std|self|layer|relu|tanh|sigmoid",
    re.IGNORECASE,
)
_SIZED = re.compile(r"\w*(dim|size|len|length|features|units|channels)|(n|num)_\w+")
_MOST_TEXT = 600


def axes_told(function: Any, name: str, cls: type | None) -> Axes | None:
    """What an annotation, or else a document, tells of an argument's axes."""
    annotation = annotation_of(function, name)
    if isinstance(annotation, ast.Subscript) and head_of(annotation) != "Literal":
        match annotation.slice:
            case ast.Tuple(elts=[*_, ast.Constant(value=str(text))]):  # jaxtyping: Float[ndarray, "n d"]
                return tuple(_axis(axis.lstrip("*#")) if axis != "..." else axis for axis in text.split())
    if head_of(annotation) in _NO_ARRAY or _NO_ARRAY_NAMED.fullmatch(name):
        return None
    document = told(function, name, cls)
    axes = axes_in(document) if not _NO_ARRAY_TOLD.match(document) else None
    if axes is None and (crossed := _CROSSED_ALONE.fullmatch(document)):
        axes = tuple(map(_axis, re.split(r" ?[x×] ?", crossed[1])))
    return axes or _axes_of_the_first(function, name)


@total(lambda: None)
def _axes_of_the_first(function: Any, name: str) -> Axes | None:
    """The shape of the first argument: `def forward(self, x):  # (N, D)`, or after "Input shape:"."""
    own = read(function)
    if own is None or name not in own.arguments[:1]:
        return None
    for line in own.lines[own.node.lineno - 1 : own.node.lineno + 1]:
        if "def " in line and (match := re.search(r"#(.*)", line)) and (axes := axes_in(match[1])):
            return axes
    if own.name in ("__init__", "backward"):
        return None
    for lines in _documents(function, None):
        for i, line in enumerate(lines):
            if re.match(r"[\s#-]*inputs?(?: shape)?\s*[:：]", line, re.IGNORECASE):
                return axes_in(" shape ".join(lines[i : i + 2]))
    return None


def axes_in(text: str) -> Axes | None:
    """The axes of the first shape that a text tells: "array of shape (N, 4H)" → ("N", "4*H").

    >>> axes_in("Input data of shape (N, d_1, ..., d_k)")
    ('N', 'd_1', '...', 'd_k')
    >>> axes_in("labels, shape is (1) or (batch_size)")
    ('batch_size',)
    """
    text = _ONE_OR.sub("", text[:_MOST_TEXT])
    for match in _BRACKET.finditer(text):
        alone = not text[: match.start()].strip(" :：") and _SIZED.fullmatch(match[1].strip()) is not None
        axes = _axes_between(match[1], said=alone or _SHAPED.search(text[: match.start()]) is not None)
        if axes is not None:
            return axes
    crossed = _CROSSED.search(text)
    return _axes_between(re.sub(r" ?[x×] ?", ",", crossed[1]), said=True) if crossed else None


def _axes_between(inside: str, said: bool) -> Axes | None:
    """The axes that stand between two brackets; `said` where the words before announce a shape."""
    if re.match(r"\s*(?:shape|size|dim)s?\s*[:=]", inside):
        inside, said = re.sub(r"^[^:=]*[:=]\s*", "", inside), True
    if not said and not re.search(r"[,，]", inside):
        return None
    if said and not inside.strip():
        return ()
    between = r"[,，、]| [x×] " if said else r"[,，、]"
    items = [re.sub(r"(?<=\w)\s*=.*|[`'\"]", "", item).strip() for item in re.split(between, inside)]
    items = items[:-1] if not items[-1] else items
    worded = 1 < len(items) < 7 and (said or all(map(_COUNTED.fullmatch, items)))
    if not items or not all(_AXIS.fullmatch(i) or (worded and _WORDED_AXIS.fullmatch(i)) for i in items):
        return None
    if not said and (any(map(_NO_AXIS.fullmatch, items)) or all(re.fullmatch(r"\d+", item) for item in items)):
        return None  # types and words, or a value: not a shape
    return tuple(map(_axis, items))


def _axis(text: str) -> str:
    """An axis as one word or an expression: `4H` → `4*H`, `number of examples` → `number_of_examples`."""
    if text in ("*", "\\*", "…", "..", "..."):
        return "..."
    if text in ("?", ":", "_", "None"):
        return ""
    text = re.sub(r"\b(?:the|an?) ", "", text)
    text = re.sub(r"\b(\d+)(?=[^\W\d])", r"\1*", text).replace("×", "*")
    return re.sub(r"\s*([-+*/]+)\s*", r"\1", text).strip().replace(" ", "_")
