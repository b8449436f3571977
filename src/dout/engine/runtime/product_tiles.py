"""Small products of matrices in registers: the text of two functions, for factors that stay in a core's cache.

A tile of the result is summed up in registers while both factors are read as they lie: nothing is copied. Tiles at the
end overlap those before, so no tile is smaller than others; a result that is smaller than a tile is left to the BLAS.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import product

AS_IT_IS, TRANSPOSED = 111, 112  # as CBLAS counts
HEIGHTS = (4, 5)  # rows of a tile whose columns are beside each other
WIDTH = 2  # vectors beside each other in it: its sums, and what they are made of, fit into 16 registers
ACROSS = (3, 4)  # rows and columns of a tile whose sums go along the rows of both factors
NAMES = (*(f"beside.{height}" for height in HEIGHTS), "across")
_MOST = 10**6  # multiplications of a product whose factors stay in the cache
_DEEP = 1 << 14  # bytes of a strip of y that is read again for each tile
_LONG = 12  # vectors of a sum along rows, below which it takes too long to add up their lanes
_WASTE = 1.2  # times as many elements as the result has are computed, at most

_BEGIN = """
define void @{name}(i64 %rows, i64 %columns, i64 %inner, ptr %x, i64 %x.row, i64 %x.step, ptr %y, i64 %y.line,
    ptr %out, i64 %out.line, i1 %adds) {{
begin:
  %rows.last = sub i64 %rows, {height}
  %columns.last = sub i64 %columns, {width}
  br label %strip
strip:
  %j = phi i64 [ 0, %begin ], [ %j.next, %stripped ]
  %j.over = icmp ugt i64 %j, %columns.last
  %j.at = select i1 %j.over, i64 %columns.last, i64 %j
  br label %tile
tile:
  %i = phi i64 [ 0, %strip ], [ %i.next, %tiled ]
  %i.over = icmp ugt i64 %i, %rows.last
  %i.at = select i1 %i.over, i64 %rows.last, i64 %i
"""
_END = """
  br label %tiled
tiled:
  %i.next = add i64 %i, {height}
  %i.more = icmp ult i64 %i.next, %rows
  br i1 %i.more, label %tile, label %stripped
stripped:
  %j.next = add i64 %j, {width}
  %j.more = icmp ult i64 %j.next, %columns
  br i1 %j.more, label %strip, label %end
end:
  ret void
}}
"""


def text(kind: str, lanes: int) -> str:
    """The functions for one dtype, with so many numbers in a vector: those of `NAMES`."""
    lines = [
        f"declare <{lanes} x {kind}> @llvm.fmuladd.{_suffix(kind, lanes)}"
        f"(<{lanes} x {kind}>, <{lanes} x {kind}>, <{lanes} x {kind}>)",
        f"declare <{lanes} x {kind}> @llvm.masked.load.{_suffix(kind, lanes)}.p0"
        f"(ptr, i32, <{lanes} x i1>, <{lanes} x {kind}>)",
    ]
    for height in HEIGHTS:
        size = {"height": height, "width": WIDTH * lanes}
        lines += [_BEGIN.format(name=f"beside.{height}", **size), *_beside(kind, lanes, height), _END.format(**size)]
    size = dict(zip(("height", "width"), ACROSS, strict=True))
    lines += [_BEGIN.format(name="across", **size), *_across(kind, lanes), _END.format(**size)]
    return "\n".join(lines)


def function(
    rows: int, columns: int, inner: int, left: int, right: int, adds: int, *, size: int, vector: int
) -> str | None:
    """The function that is faster than the BLAS for a product; None where none is.

    `left` and `right` say how the factors lie, `size` and `vector` are the bytes of a number and of a vector. Where the
    product `adds` to what is there, tiles must not overlap.
    """
    lanes = vector // size
    ways = {f"beside.{height}": (height, WIDTH * lanes) for height in HEIGHTS} if right == AS_IT_IS else {}
    if right == TRANSPOSED and left == AS_IT_IS and inner >= _LONG * lanes:
        ways = {"across": ACROSS}
    if rows * columns * inner > _MOST or not inner or (right == AS_IT_IS and inner * WIDTH * vector > _DEEP):
        return None
    computed = {
        name: -(-rows // height) * height * -(-columns // width) * width
        for name, (height, width) in ways.items()
        if rows >= height and columns >= width
    }
    least = min(computed, key=lambda name: computed[name], default=None)
    return least if least and computed[least] <= (1 if adds else _WASTE) * rows * columns else None


def _suffix(kind: str, lanes: int) -> str:
    return f"v{lanes}f{32 if kind == 'float' else 64}"


def _place(name: str, base: str, row: str, line: str, column: str, kind: str) -> list[str]:
    """The address of an element."""
    return [
        f"%{name}.down = mul i64 {row}, {line}",
        f"%{name}.far = add i64 %{name}.down, {column}",
        f"%{name} = getelementptr {kind}, ptr {base}, i64 %{name}.far",
    ]


def _beside(kind: str, lanes: int, height: int) -> Iterator[str]:
    """A tile of rows of vectors: an element of x times a vector of y, which is read along its rows."""
    vector = f"<{lanes} x {kind}>"
    tile = list(product(range(height), range(WIDTH)))
    for r in range(height):
        yield f"%r{r} = add i64 %i.at, {r}"
        yield from _place(f"x{r}", "%x", f"%r{r}", "%x.row", "0", kind)
    yield "br label %sum\nsum:\n%k = phi i64 [ 0, %tile ], [ %k.next, %sum ]"
    for r, c in tile:
        yield f"%s{r}.{c} = phi {vector} [ zeroinitializer, %tile ], [ %t{r}.{c}, %sum ]"
    yield from _place("y.k", "%y", "%k", "%y.line", "%j.at", kind)
    for c in range(WIDTH):
        yield f"%y{c}.k = getelementptr {vector}, ptr %y.k, i64 {c}"
        yield f"%y{c} = load {vector}, ptr %y{c}.k, align {_align(kind)}"
    yield "%x.far = mul i64 %k, %x.step"
    for r in range(height):
        yield f"%x{r}.k = getelementptr {kind}, ptr %x{r}, i64 %x.far"
        yield f"%x{r}.one = load {kind}, ptr %x{r}.k"
        yield f"%x{r}.first = insertelement {vector} poison, {kind} %x{r}.one, i64 0"
        yield f"%x{r}.all = shufflevector {vector} %x{r}.first, {vector} poison, <{lanes} x i32> zeroinitializer"
    for r, c in tile:
        yield _multiplied(f"t{r}.{c}", f"x{r}.all", f"y{c}", f"s{r}.{c}", kind, lanes)
    yield "%k.next = add i64 %k, 1\n%k.more = icmp ult i64 %k.next, %inner\nbr i1 %k.more, label %sum, label %store"
    yield "store:"
    for r, c in tile:
        yield f"%j{r}.{c} = add i64 %j.at, {c * lanes}"
        yield from _place(f"o{r}.{c}", "%out", f"%r{r}", "%out.line", f"%j{r}.{c}", kind)
        yield from _stored(f"t{r}.{c}", f"o{r}.{c}", kind, lanes)


def _across(kind: str, lanes: int) -> Iterator[str]:
    """A tile of sums along rows of x and rows of y: of a vector that is full or not, then of those before it."""
    vector, (height, width) = f"<{lanes} x {kind}>", ACROSS
    rows = [("x", "%x", "%i.at", "%x.row", r) for r in range(height)]
    rows += [("y", "%y", "%j.at", "%y.line", c) for c in range(width)]
    tile, align = list(product(range(height), range(width))), _align(kind)
    yield f"%less = sub i64 %inner, 1\n%over = urem i64 %less, {lanes}\n%whole = sub i64 %less, %over"
    yield f"%over.first = insertelement <{lanes} x i64> poison, i64 %over, i64 0"
    yield f"%over.all = shufflevector <{lanes} x i64> %over.first, <{lanes} x i64> poison, {_numbers([0] * lanes)}"
    places = ", ".join(f"i64 {lane}" for lane in range(lanes))
    yield f"%there = icmp ule <{lanes} x i64> <{places}>, %over.all"
    for name, base, first, line, number in rows:
        yield f"%{name}{number}.at = add i64 {first}, {number}"
        yield from _place(f"{name}{number}", base, f"%{name}{number}.at", line, "0", kind)
        yield f"%{name}{number}.l = getelementptr {kind}, ptr %{name}{number}, i64 %whole"
        masked = f"@llvm.masked.load.{_suffix(kind, lanes)}.p0(ptr %{name}{number}.l, i32 {align}"
        yield f"%{name}{number}.m = call {vector} {masked}, <{lanes} x i1> %there, {vector} zeroinitializer)"
    for r, c in tile:
        yield f"%f{r}.{c} = fmul {vector} %x{r}.m, %y{c}.m"
    yield "%several = icmp ne i64 %whole, 0\nbr i1 %several, label %sum, label %store"
    yield "sum:\n%k = phi i64 [ 0, %tile ], [ %k.next, %sum ]"
    for r, c in tile:
        yield f"%s{r}.{c} = phi {vector} [ %f{r}.{c}, %tile ], [ %t{r}.{c}, %sum ]"
    for name, *_, number in rows:  # those of y are used at once: there are no more registers
        yield f"%{name}{number}.k = getelementptr {kind}, ptr %{name}{number}, i64 %k"
        yield f"%{name}{number}.v = load {vector}, ptr %{name}{number}.k, align {align}"
        for r in range(height) if name == "y" else ():
            yield _multiplied(f"t{r}.{number}", f"x{r}.v", f"y{number}.v", f"s{r}.{number}", kind, lanes)
    yield f"%k.next = add i64 %k, {lanes}\n%k.more = icmp ult i64 %k.next, %whole"
    yield "br i1 %k.more, label %sum, label %store\nstore:"
    for r, c in tile:
        yield f"%u{r}.{c} = phi {vector} [ %f{r}.{c}, %tile ], [ %t{r}.{c}, %sum ]"
    for r in range(height):
        yield from _added_up(f"u{r}", kind, lanes)
        yield from _place(f"o{r}", "%out", f"%x{r}.at", "%out.line", "%j.at", kind)
        yield from _stored(f"u{r}", f"o{r}", kind, 4)


def _added_up(name: str, kind: str, lanes: int) -> Iterator[str]:
    """The sums of the lanes of four vectors `name.0` to `name.3`, as one vector `name`: neighbours first."""
    half, vector = lanes // 2, f"<{lanes} x {kind}>"

    def pairs(odd: int) -> list[int]:
        near = range(odd, min(lanes, 4), 2)  # lanes that are near each other move fastest
        return [side + group + one for group in range(0, lanes, 4) for side in (0, lanes) for one in near]

    def added(to: str, left: str, right: str) -> Iterator[str]:
        for odd in (0, 1):
            moved = f"shufflevector {vector} %{left}, {vector} %{right}, {_numbers(pairs(odd))}"
            yield f"%{to}.{'eo'[odd]} = {moved}"
        yield f"%{to} = fadd {vector} %{to}.e, %{to}.o"

    yield from added(f"{name}.a", f"{name}.0", f"{name}.1")
    yield from added(f"{name}.b", f"{name}.2", f"{name}.3")
    if lanes == 2:
        yield f"%{name} = shufflevector {vector} %{name}.a, {vector} %{name}.b, {_numbers([0, 1, 2, 3])}"
        return
    last = f"{name}.w{lanes}" if lanes > 4 else name
    yield from added(last, f"{name}.a", f"{name}.b")
    while lanes > 4:
        to = f"{name}.w{half}" if half > 4 else name
        for begin in (0, half):
            moved = f"shufflevector <{lanes} x {kind}> %{last}, <{lanes} x {kind}> poison"
            yield f"%{to}.from{begin} = {moved}, {_numbers(range(begin, begin + half))}"
        yield f"%{to} = fadd <{half} x {kind}> %{to}.from0, %{to}.from{half}"
        last, lanes, half = to, half, half // 2


def _numbers(lanes: Iterable[int]) -> str:
    """The lanes that a shuffle takes."""
    listed = [f"i32 {lane}" for lane in lanes]
    return f"<{len(listed)} x i32> <{', '.join(listed)}>"


def _align(kind: str) -> int:
    return 4 if kind == "float" else 8


def _stored(name: str, place: str, kind: str, lanes: int) -> Iterator[str]:
    """A vector of the result goes to its place, or is added to what is there."""
    vector = f"<{lanes} x {kind}>"
    yield f"%{place}.there = load {vector}, ptr %{place}, align {_align(kind)}"
    yield f"%{place}.more = fadd {vector} %{place}.there, %{name}"
    yield f"%{place}.now = select i1 %adds, {vector} %{place}.more, {vector} %{name}"
    yield f"store {vector} %{place}.now, ptr %{place}, align {_align(kind)}"


def _multiplied(name: str, x: str, y: str, before: str, kind: str, lanes: int) -> str:
    """A vector more in a sum."""
    vector = f"<{lanes} x {kind}>"
    called = f"@llvm.fmuladd.{_suffix(kind, lanes)}"
    return f"%{name} = call {vector} {called}({vector} %{x}, {vector} %{y}, {vector} %{before})"
