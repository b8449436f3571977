"""Products of matrices in registers: the text of functions for factors that are small, or of which one is narrow.

The BLAS copies both factors into an order of its own, which takes as long as such a product. Here a tile of the result
stays in registers while its sums grow, and both factors are read where they lie.

`beside` takes rows of the second factor as vectors, and elements of the first one by one. Its tiles are two vectors
wide and 4 to 6 rows high, or one wide and up to 8 high, as evenly as the rows allow: 28 rows are three tiles of 6 and
two of 5, and none is computed twice. Where there are fewer rows the last one is taken again, and elements that
are not there are masked. More than eight rows a power of two apart would not stay in the first cache together.
`across` adds up along rows of both factors, a piece of each sum after the other, so that few pages and no more than
the first caches are in use. Its tiles at the end overlap those before.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import product

AS_IT_IS, TRANSPOSED = 111, 112  # as CBLAS counts
HEIGHTS = range(4, 7)  # of tiles, two vectors wide: eight sums at least, for a processor works at so many, and 15 of 16
TALLS = range(4, 9)  # registers; of those one vector wide: caches keep eight lines of memory that are 4 KB apart
ACROSS = (3, 4)  # rows and columns of a tile whose sums go along the rows of both factors
NAMES = ("beside", "across")
_BAND = 48  # rows of a block of the first factor, at most
_SUMS = 128  # of a block of the first factor, so that it stays in the first cache
MASKS = 32  # bytes of the shortest vectors whose loads and stores have masks
_MOST = 10**6  # multiplications of a small product, whose factors stay in the cache
_FEW = 8  # rows of a larger one that are so few that a copy of the second factor would cost more,
_BLOCK = 1 << 12  # or numbers of the second factor, in a block of sums, which the first cache keeps for all rows
_MASKED = 1.7  # times as many elements as the result has are computed, at most, where the others are masked
_LONG = 320  # bytes of a sum along rows, below which it takes too long to add up the lanes of vectors
_PIECE = 4096  # bytes of a piece of a sum along rows
_NARROW = 32  # rows of a larger product whose sums go along rows, for which pieces of them are faster
_TWICE = 1.2  # times as many elements as the result has are computed, at most, where tiles overlap

_DECLARED = """
declare i64 @llvm.umin.i64(i64, i64)
declare i32 @llvm.umax.i32(i32, i32)
declare VECTOR @llvm.fmuladd.SHORT(VECTOR, VECTOR, VECTOR)
declare VECTOR @llvm.masked.load.SHORT.p0(ptr, i32, MASK, VECTOR)
"""
_BESIDE = """
define internal i32 @height(i32 %left, i32 %most, i32 %least) alwaysinline {
  %less = sub i32 %most, 1
  %far = add i32 %left, %less
  %tiles = udiv i32 %far, %most
  %tiles.less = sub i32 %tiles, 1
  %all = add i32 %left, %tiles.less
  %even = udiv i32 %all, %tiles
  %high = call i32 @llvm.umax.i32(i32 %even, i32 %least)
  ret i32 %high
}

define void @beside(i64 %rows, i64 %columns, i64 %inner, ptr %x, i64 %x.line, i64 %x.step, ptr %y,
    i64 %y.line, ptr %out, i64 %out.line, i1 %adds) {
begin:
  %bands.far = add i64 %rows, BANDLESS
  %bands = udiv i64 %bands.far, BAND
  %bands.less = sub i64 %bands, 1
  %some.far = add i64 %rows, %bands.less
  %some = udiv i64 %some.far, %bands
  %tall = icmp ugt i64 %rows, %inner
  %high = select i1 %tall, i64 %some, i64 %rows
  br label %band
band:
  %top = phi i64 [ 0, %begin ], [ %bottom, %banded ]
  %bottom.far = add i64 %top, %high
  %bottom = call i64 @llvm.umin.i64(i64 %bottom.far, i64 %rows)
  br label %sum
sum:
  %l = phi i64 [ 0, %band ], [ %l.next, %summed ]
  %l.far = add i64 %l, SUMS
  %l.next = call i64 @llvm.umin.i64(i64 %l.far, i64 %inner)
  %length = sub i64 %l.next, %l
  %later = icmp ne i64 %l, 0
  %grows = or i1 %later, %adds
  %x.sum.far = mul i64 %l, %x.step
  %x.sum = getelementptr KIND, ptr %x, i64 %x.sum.far
  %y.sum.far = mul i64 %l, %y.line
  %y.sum = getelementptr KIND, ptr %y, i64 %y.sum.far
  br label %block
block:
  %i = phi i64 [ %top, %sum ], [ %i.next, %blocked ]
  %i.far = add i64 %i, %some
  %i.next = call i64 @llvm.umin.i64(i64 %i.far, i64 %bottom)
  br label %column
column:
  %j = phi i64 [ 0, %block ], [ %j.next, %columned ]
  %j.next = add i64 %j, TWICE
  %left = sub i64 %columns, %j
  %y.column = getelementptr KIND, ptr %y.sum, i64 %j
  %one = icmp ule i64 %left, WIDTH
  %whole = icmp uge i64 %left, TWICE
  %before = select i1 %one, i64 0, i64 WIDTH
  %last = sub i64 %left, %before
  %last.first = insertelement <WIDTH x i64> poison, i64 %last, i32 0
  %last.all = shufflevector <WIDTH x i64> %last.first, <WIDTH x i64> poison, <WIDTH x i32> zeroinitializer
  %mask = icmp ult <WIDTH x i64> <NUMBERS>, %last.all
  br label %tile
tile:
  %t = phi i64 [ %i, %column ], [ %t.next, %tiled ]
  %t.left = sub i64 %i.next, %t
  %left.32 = trunc i64 %t.left to i32
  %high.one = call i32 @height(i32 %left.32, i32 TALLMOST, i32 LEAST)
  %high.two = call i32 @height(i32 %left.32, i32 HIGHMOST, i32 LEAST)
  %tile.32 = select i1 %one, i32 %high.one, i32 %high.two
  %tile.high = zext i32 %tile.32 to i64
  %t.next = add i64 %t, %tile.high
  %end.row = sub i64 %t.left, 1
  %x.far = mul i64 %t, %x.line
  %x.tile = getelementptr KIND, ptr %x.sum, i64 %x.far
  %out.far = mul i64 %t, %out.line
  %out.place = add i64 %out.far, %j
  %out.tile = getelementptr KIND, ptr %out, i64 %out.place
  br i1 %one, label %tile.tall, label %tile.two
tile.two:
  br i1 %whole, label %tile.whole, label %tile.wide
TILES
tiled:
  %t.over = icmp uge i64 %t.next, %i.next
  br i1 %t.over, label %columned, label %tile
columned:
  %j.over = icmp uge i64 %j.next, %columns
  br i1 %j.over, label %blocked, label %column
blocked:
  %i.over = icmp uge i64 %i.next, %bottom
  br i1 %i.over, label %summed, label %block
summed:
  %l.over = icmp uge i64 %l.next, %inner
  br i1 %l.over, label %banded, label %sum
banded:
  %over = icmp uge i64 %bottom, %rows
  br i1 %over, label %end, label %band
end:
  ret void
}
"""
_ARGUMENTS = (
    "i64 %end.row, i64 %length, ptr %x.tile, i64 %x.line, i64 %x.step, ptr %y.column, i64 %y.line, ptr %out.tile, "
    "i64 %out.line, i1 %grows, i64 %last, MASK %mask"
)
_ACROSS = """
define void @across(i64 %rows, i64 %columns, i64 %inner, ptr %x, i64 %x.line, i64 %x.step, ptr %y, i64 %y.line,
    ptr %out, i64 %out.line, i1 %adds) {
begin:
  %rows.last = sub i64 %rows, HIGH
  %columns.last = sub i64 %columns, BROAD
  br label %piece
piece:
  %l = phi i64 [ 0, %begin ], [ %l.next, %pieced ]
  %l.far = add i64 %l, PIECE
  %l.next = call i64 @llvm.umin.i64(i64 %l.far, i64 %inner)
  %length = sub i64 %l.next, %l
  %l.later = icmp ne i64 %l, 0
  %grows = or i1 %l.later, %adds
  %x.l = getelementptr KIND, ptr %x, i64 %l
  %y.l = getelementptr KIND, ptr %y, i64 %l
  br label %strip
strip:
  %j = phi i64 [ 0, %piece ], [ %j.next, %stripped ]
  %j.over = icmp ugt i64 %j, %columns.last
  %j.at = select i1 %j.over, i64 %columns.last, i64 %j
  br label %tile
tile:
  %i = phi i64 [ 0, %strip ], [ %i.next, %tiled ]
  %i.over = icmp ugt i64 %i, %rows.last
  %i.at = select i1 %i.over, i64 %rows.last, i64 %i
TILE
  br label %tiled
tiled:
  %i.next = add i64 %i, HIGH
  %i.more = icmp ult i64 %i.next, %rows
  br i1 %i.more, label %tile, label %stripped
stripped:
  %j.next = add i64 %j, BROAD
  %j.more = icmp ult i64 %j.next, %columns
  br i1 %j.more, label %strip, label %pieced
pieced:
  %l.more = icmp ult i64 %l.next, %inner
  br i1 %l.more, label %piece, label %end
end:
  ret void
}
"""


def text(kind: str, lanes: int) -> str:
    """The functions for one dtype in LLVM's words, with so many numbers in a vector: those of `NAMES`."""
    size = 4 if kind == "float" else 8
    numbers = ", ".join(f"i64 {place}" for place in range(lanes))
    words = {"ARGUMENTS": _ARGUMENTS, "MASK": f"<{lanes} x i1>", "VECTOR": f"<{lanes} x {kind}>", "KIND": kind}
    words |= {"SHORT": f"v{lanes}f{8 * size}", "WIDTH": str(lanes), "TWICE": str(2 * lanes), "NUMBERS": numbers}
    words |= {"SUMS": str(_SUMS), "PIECE": str(_PIECE // size), "SIZE": str(size)}
    tiles = {"whole": (HEIGHTS, 2), "wide": (HEIGHTS, 2), "tall": (TALLS, 1)}
    chosen = "\n".join(_chosen(name, heights) for name, (heights, _) in tiles.items())
    high = {"HIGHMOST": str(max(HEIGHTS)), "TALLMOST": str(max(TALLS)), "LEAST": str(min(HEIGHTS))}
    code = [_DECLARED, _filled(_BESIDE, {"TILES": chosen, "BAND": str(_BAND), "BANDLESS": str(_BAND - 1)} | high)]
    for name, (heights, wide) in tiles.items():
        code += [_tile(f"{name}.{height}", height, wide, lanes, cut=name != "whole") for height in heights]
    sizes = {"HIGH": str(ACROSS[0]), "BROAD": str(ACROSS[1]), "TILE": "\n".join(_across(lanes))}
    code.append(_filled(_ACROSS, sizes))
    return _filled(_filled("".join(code), words), words)  # twice: the arguments have words in them


def _chosen(name: str, heights: Iterable[int]) -> str:
    """A jump to the tile of this height."""
    labels = " ".join(f"i64 {height}, label %{name}.{height}" for height in heights)
    lines = [f"tile.{name}:", f"switch i64 %tile.high, label %{name}.{min(heights)} [{labels}]"]
    for height in heights:
        lines += [f"{name}.{height}:", f"call void @{name}.{height}(ARGUMENTS)", "br label %tiled"]
    return "\n".join(lines)


def function(rows: int, columns: int, inner: int, left: int, right: int, *, size: int, vector: int) -> str | None:
    """The function that is faster than the BLAS for a product; None where none is.

    `left` and `right` say how the factors lie, `size` and `vector` are the bytes of a number and of a vector.
    """
    lanes, multiplications = vector // size, rows * columns * inner
    if vector < MASKS or not multiplications:
        return None
    small = multiplications <= _MOST
    if right == AS_IT_IS:
        computed = max(rows, min(HEIGHTS)) * _whole(columns, lanes)
        stays = small or rows <= _FEW or min(inner, _SUMS) * columns <= _BLOCK
        return "beside" if stays and computed <= _MASKED * rows * columns else None
    fits = left == AS_IT_IS and inner * size >= _LONG and rows >= ACROSS[0] and columns >= ACROSS[1]
    computed = _whole(rows, ACROSS[0]) * _whole(columns, ACROSS[1])
    return "across" if fits and (small or rows <= _NARROW) and computed <= _TWICE * rows * columns else None


def _whole(length: int, unit: int) -> int:
    """A length rounded up to units."""
    return -(-length // unit) * unit


def _filled(code: str, words: Mapping[str, str]) -> str:
    return re.sub("|".join(rf"\b{word}\b" for word in words), lambda found: words[found[0]], code)


def _tile(name: str, high: int, wide: int, lanes: int, *, cut: bool) -> str:
    """One tile of the result: `wide` vectors of `high` rows, of which the last is masked where the tile is `cut`."""
    rows, vectors = range(high), range(wide)
    every = [(i, v, "MASK %mask" if cut and v == wide - 1 else "") for i in rows for v in vectors]
    lines = [f"define internal void @{name}(ARGUMENTS) noinline {{", "begin:"]
    for i in rows:
        lines += [f"%row{i} = call i64 @llvm.umin.i64(i64 %end.row, i64 {i})"]
        lines += _place(f"x{i}", "%x.tile", f"%row{i}", "%x.line", "0")
        lines += _place(f"out{i}", "%out.tile", f"%row{i}", "%out.line", "0")
    lines += [f"%out{i}.{v} = getelementptr VECTOR, ptr %out{i}, i64 {v}" for i, v, _ in every]
    lines += ["br label %loop", "loop:", "%l = phi i64 [ 0, %begin ], [ %l.next, %loop ]"]
    lines += ["%x.at = phi i64 [ 0, %begin ], [ %x.next, %loop ]"]
    lines += ["%y.at = phi ptr [ %y.column, %begin ], [ %y.next, %loop ]"]
    lines += [f"%sum{i}.{v} = phi VECTOR [ zeroinitializer, %begin ], [ %new{i}.{v}, %loop ]" for i, v, _ in every]
    lines += [f"%y.at{v} = getelementptr VECTOR, ptr %y.at, i64 {v}" for v in vectors]
    lines += [_load(f"%y{v}", f"%y.at{v}", mask) for _, v, mask in every[:wide]]
    for i in rows:
        lines += [f"%x.at{i} = getelementptr KIND, ptr %x{i}, i64 %x.at", f"%one{i} = load KIND, ptr %x.at{i}"]
        lines += [f"%first{i} = insertelement VECTOR poison, KIND %one{i}, i32 0"]
        lines += [f"%all{i} = shufflevector VECTOR %first{i}, VECTOR poison, <WIDTH x i32> zeroinitializer"]
    lines += [_multiplied(f"%new{i}.{v}", f"%all{i}", f"%y{v}", f"%sum{i}.{v}") for i, v, _ in every]
    lines += ["%l.next = add i64 %l, 1", "%x.next = add i64 %x.at, %x.step"]
    lines += ["%y.next = getelementptr KIND, ptr %y.at, i64 %y.line", "%over = icmp uge i64 %l.next, %length"]
    lines += ["br i1 %over, label %done, label %loop", "done:", "br i1 %grows, label %add, label %put", "add:"]
    lines += [_load(f"%old{i}.{v}", f"%out{i}.{v}", mask) for i, v, mask in every]  # all, before a row is written twice
    lines += [f"%both{i}.{v} = fadd VECTOR %old{i}.{v}, %new{i}.{v}" for i, v, _ in every] + ["br label %put", "put:"]
    lines += [f"%put{i}.{v} = phi VECTOR [ %new{i}.{v}, %done ], [ %both{i}.{v}, %add ]" for i, v, _ in every]
    lines += [f"store VECTOR %put{i}.{v}, ptr %out{i}.{v}, align SIZE" for i, v, mask in every if not mask]
    cuts = [(f"%put{i}.{v}", f"%out{i}.{v}") for i, v, mask in every if mask]
    return "\n".join([*lines, *(_cut_stores(cuts, lanes) if cut else ()), "ret void", "}", ""])


def _cut_stores(vectors: Sequence[tuple[str, str]], lanes: int) -> Iterator[str]:
    """Stores of the first `%last` numbers of vectors, in halves: a masked store takes AMD's cores 15 cycles."""
    yield "%full = icmp uge i64 %last, WIDTH\nbr i1 %full, label %store, label %half0\nstore:"
    yield from (f"store VECTOR {value}, ptr {place}, align SIZE" for value, place in vectors)
    yield "ret void\nhalf0:"
    for level in range(lanes.bit_length() - 1):
        wide = lanes >> (level + 1)
        yield f"%bit{level} = and i64 %last, {wide}\n%has{level} = icmp ne i64 %bit{level}, 0"
        for k, (value, _) in enumerate(vectors):
            both = f"<{2 * wide} x KIND> {value}, <{2 * wide} x KIND> poison"
            yield f"%low{k}.{level} = shufflevector {both}, {_numbers(range(wide))}"
            yield f"%high{k}.{level} = shufflevector {both}, {_numbers(range(wide, 2 * wide))}"
        yield f"br i1 %has{level}, label %store{level}, label %half{level + 1}\nstore{level}:"
        for k, (_, place) in enumerate(vectors):
            yield f"store <{wide} x KIND> %low{k}.{level}, ptr {place}, align SIZE"
            yield f"%later{k}.{level} = getelementptr KIND, ptr {place}, i64 {wide}"
        yield f"br label %half{level + 1}\nhalf{level + 1}:"
        for k, (_, place) in enumerate(vectors):
            ways = f"%store{level} ], [", f"%half{level} ]"
            yield f"%rest{k}.{level} = phi <{wide} x KIND> [ %high{k}.{level}, {ways[0]} %low{k}.{level}, {ways[1]}"
            yield f"%at{k}.{level} = phi ptr [ %later{k}.{level}, {ways[0]} {place}, {ways[1]}"
        vectors = [(f"%rest{k}.{level}", f"%at{k}.{level}") for k in range(len(vectors))]


def _load(name: str, place: str, mask: str) -> str:
    if not mask:
        return f"{name} = load VECTOR, ptr {place}, align SIZE"
    return f"{name} = call VECTOR @llvm.masked.load.SHORT.p0(ptr {place}, i32 SIZE, {mask}, VECTOR zeroinitializer)"


def _across(lanes: int) -> Iterator[str]:
    """A tile of sums along rows of x and rows of y: of a vector that is full or not, then of those before it."""
    height, width = ACROSS
    rows = [("x", "%x.l", "%i.at", "%x.line", r) for r in range(height)]
    rows += [("y", "%y.l", "%j.at", "%y.line", c) for c in range(width)]
    tile = list(product(range(height), range(width)))
    yield "%less = sub i64 %length, 1\n%over = urem i64 %less, WIDTH\n%whole = sub i64 %less, %over"
    yield "%over.first = insertelement <WIDTH x i64> poison, i64 %over, i64 0"
    yield "%over.all = shufflevector <WIDTH x i64> %over.first, <WIDTH x i64> poison, <WIDTH x i32> zeroinitializer"
    yield "%mask = icmp ule <WIDTH x i64> <NUMBERS>, %over.all"
    for name, base, first, line, number in rows:
        yield f"%{name}{number}.at = add i64 {first}, {number}"
        yield from _place(f"{name}{number}", base, f"%{name}{number}.at", line, "0")
        yield f"%{name}{number}.l = getelementptr KIND, ptr %{name}{number}, i64 %whole"
        yield _load(f"%{name}{number}.m", f"%{name}{number}.l", "MASK %mask")
    for r, c in tile:
        yield f"%f{r}.{c} = fmul VECTOR %x{r}.m, %y{c}.m"
    yield "%several = icmp ne i64 %whole, 0\nbr i1 %several, label %sum, label %store"
    yield "sum:\n%k = phi i64 [ 0, %tile ], [ %k.next, %sum ]"
    for r, c in tile:
        yield f"%s{r}.{c} = phi VECTOR [ %f{r}.{c}, %tile ], [ %t{r}.{c}, %sum ]"
    for name, *_, number in rows:  # those of y are used at once: there are no more registers
        yield f"%{name}{number}.k = getelementptr KIND, ptr %{name}{number}, i64 %k"
        yield _load(f"%{name}{number}.v", f"%{name}{number}.k", "")
        for r in range(height) if name == "y" else ():
            yield _multiplied(f"%t{r}.{number}", f"%x{r}.v", f"%y{number}.v", f"%s{r}.{number}")
    yield "%k.next = add i64 %k, WIDTH\n%k.more = icmp ult i64 %k.next, %whole"
    yield "br i1 %k.more, label %sum, label %store\nstore:"
    for r, c in tile:
        yield f"%u{r}.{c} = phi VECTOR [ %f{r}.{c}, %tile ], [ %t{r}.{c}, %sum ]"
    yield "%twice = sub i64 %j, %j.at"  # so many columns are there already, and so many rows
    yield "%twice.first = insertelement <4 x i64> poison, i64 %twice, i64 0"
    yield "%twice.all = shufflevector <4 x i64> %twice.first, <4 x i64> poison, <4 x i32> zeroinitializer"
    yield "%new.columns = icmp uge <4 x i64> <i64 0, i64 1, i64 2, i64 3>, %twice.all"
    yield "%i.twice = sub i64 %i, %i.at"
    for r in range(height):
        yield from _added_up(f"u{r}", lanes)
        yield from _place(f"o{r}", "%out", f"%x{r}.at", "%out.line", "%j.at")
        yield f"%o{r}.there = load <4 x KIND>, ptr %o{r}, align SIZE"
        yield f"%o{r}.more = fadd <4 x KIND> %o{r}.there, %u{r}"
        yield f"%new{r} = icmp uge i64 {r}, %i.twice"
        yield f"%new{r}.first = insertelement <4 x i1> poison, i1 %new{r}, i64 0"
        yield f"%new{r}.all = shufflevector <4 x i1> %new{r}.first, <4 x i1> poison, <4 x i32> zeroinitializer"
        yield f"%new{r}.both = and <4 x i1> %new.columns, %new{r}.all"
        yield f"%o{r}.grown = select <4 x i1> %new{r}.both, <4 x KIND> %o{r}.more, <4 x KIND> %o{r}.there"
        yield f"%o{r}.now = select i1 %grows, <4 x KIND> %o{r}.grown, <4 x KIND> %u{r}"
        yield f"store <4 x KIND> %o{r}.now, ptr %o{r}, align SIZE"


def _place(name: str, base: str, row: str, line: str, column: str) -> list[str]:
    """The address of an element."""
    return [
        f"%{name}.down = mul i64 {row}, {line}",
        f"%{name}.far = add i64 %{name}.down, {column}",
        f"%{name} = getelementptr KIND, ptr {base}, i64 %{name}.far",
    ]


def _added_up(name: str, lanes: int) -> Iterator[str]:
    """The sums of the lanes of four vectors `name.0` to `name.3`, as one vector `name`: neighbours first."""
    half, vector = lanes // 2, f"<{lanes} x KIND>"

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
            moved = f"shufflevector <{lanes} x KIND> %{last}, <{lanes} x KIND> poison"
            yield f"%{to}.from{begin} = {moved}, {_numbers(range(begin, begin + half))}"
        yield f"%{to} = fadd <{half} x KIND> %{to}.from0, %{to}.from{half}"
        last, lanes, half = to, half, half // 2


def _numbers(lanes: Iterable[int]) -> str:
    """The lanes that a shuffle takes."""
    listed = [f"i32 {lane}" for lane in lanes]
    return f"<{len(listed)} x i32> <{', '.join(listed)}>"


def _multiplied(name: str, x: str, y: str, before: str) -> str:
    """A vector more in a sum."""
    return f"{name} = call VECTOR @llvm.fmuladd.SHORT(VECTOR {x}, VECTOR {y}, VECTOR {before})"
