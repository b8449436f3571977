"""The machine code of narrow products: those of many rows with a few columns, as of patches of images with filters.

The BLAS copies both factors into an order of its own, which takes as long as such a product. Here a tile of the result
stays in registers while the sums grow: elements of the first factor are read one by one where they lie, and rows of the
second as vectors. The tile is two vectors wide and `_HIGH` rows high, or one wide and twice as high; a row that is not
there is the last one again, and elements that are not there are masked.
"""

from __future__ import annotations

import re

_HIGH = 6  # with two vectors a row, one of the second factor and one element, 15 of 16 registers
_BAND, _SUMS = 48, 128  # rows, and sums: what a block of the first factor has, so that it stays in the first cache

_BLOCKS = """
declare i64 @llvm.umin.i64(i64, i64)
declare VECTOR @llvm.fma.SHORT(VECTOR, VECTOR, VECTOR)
declare VECTOR @llvm.masked.load.SHORT.p0(ptr, i32, MASK, VECTOR)
declare void @llvm.masked.store.SHORT.p0(VECTOR, ptr, i32, MASK)

define internal void @narrow(i64 %rows, i64 %columns, i64 %inner, ptr %x, i64 %x.line, i64 %x.step, ptr %y,
    i64 %y.line, ptr %out, i64 %out.line) {
begin:
  %tall = icmp ugt i64 %rows, %inner
  %high = select i1 %tall, i64 BAND, i64 %rows
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
  %adds = icmp ne i64 %l, 0
  %x.sum.far = mul i64 %l, %x.step
  %x.sum = getelementptr KIND, ptr %x, i64 %x.sum.far
  %y.sum.far = mul i64 %l, %y.line
  %y.sum = getelementptr KIND, ptr %y, i64 %y.sum.far
  br label %block
block:
  %i = phi i64 [ %top, %sum ], [ %i.next, %blocked ]
  %i.far = add i64 %i, BAND
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
  %tile.high = select i1 %one, i64 TALL, i64 HIGH
  br label %tile
tile:
  %t = phi i64 [ %i, %column ], [ %t.next, %tiled ]
  %t.next = add i64 %t, %tile.high
  %t.left = sub i64 %i.next, %t
  %end.row = sub i64 %t.left, 1
  %x.far = mul i64 %t, %x.line
  %x.tile = getelementptr KIND, ptr %x.sum, i64 %x.far
  %out.far = mul i64 %t, %out.line
  %out.place = add i64 %out.far, %j
  %out.tile = getelementptr KIND, ptr %out, i64 %out.place
  br i1 %whole, label %tile.whole, label %tile.cut
tile.whole:
  call void @tile.whole(ARGUMENTS)
  br label %tiled
tile.cut:
  br i1 %one, label %tile.tall, label %tile.wide
tile.tall:
  call void @tile.tall(ARGUMENTS)
  br label %tiled
tile.wide:
  call void @tile.wide(ARGUMENTS)
  br label %tiled
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
    "i64 %out.line, i1 %adds, MASK %mask"
)

# Where no part is narrow.
NONE = "define internal void @narrow(i64, i64, i64, ptr, i64, i64, ptr, i64, ptr, i64) { ret void }"


def text(kind: str, size: int, vector: int) -> str:
    """The function `narrow` in LLVM's words, for numbers of so many bytes in vectors of so many."""
    width = vector // size
    numbers = ", ".join(f"i64 {place}" for place in range(width))
    tiles = [_tile("whole", _HIGH, 2, cut=False), _tile("wide", _HIGH, 2, cut=True)]
    tiles += [_tile("tall", 2 * _HIGH, 1, cut=True)]
    words = {"ARGUMENTS": _ARGUMENTS, "MASK": f"<{width} x i1>", "VECTOR": f"<{width} x {kind}>", "KIND": kind}
    words |= {"SHORT": f"v{width}f{8 * size}", "WIDTH": str(width), "TWICE": str(2 * width), "NUMBERS": numbers}
    words |= {"HIGH": str(_HIGH), "TALL": str(2 * _HIGH), "BAND": str(_BAND), "SUMS": str(_SUMS), "SIZE": str(size)}
    code = _BLOCKS + "".join(tiles)
    for _ in range(2):  # the arguments have words in them
        code = re.sub("|".join(rf"\b{word}\b" for word in words), lambda found: words[found[0]], code)
    return code


def _tile(name: str, high: int, wide: int, *, cut: bool) -> str:
    """One tile of the result: `wide` vectors of `high` rows, of which the last is masked where the tile is `cut`."""
    rows, vectors = range(high), range(wide)
    every = [(i, v, "MASK %mask" if cut and v == wide - 1 else "") for i in rows for v in vectors]
    lines = [f"define internal void @tile.{name}(ARGUMENTS) noinline {{", "begin:"]
    for i in rows:
        lines += [f"%row{i} = call i64 @llvm.umin.i64(i64 %end.row, i64 {i})", f"%x.far{i} = mul i64 %row{i}, %x.line"]
        lines += [
            f"%x{i} = getelementptr KIND, ptr %x.tile, i64 %x.far{i}",
            f"%out.far{i} = mul i64 %row{i}, %out.line",
        ]
        lines += [f"%out{i} = getelementptr KIND, ptr %out.tile, i64 %out.far{i}"]
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
    fma = "call VECTOR @llvm.fma.SHORT"
    lines += [f"%new{i}.{v} = {fma}(VECTOR %all{i}, VECTOR %y{v}, VECTOR %sum{i}.{v})" for i, v, _ in every]
    lines += ["%l.next = add i64 %l, 1", "%x.next = add i64 %x.at, %x.step"]
    lines += ["%y.next = getelementptr KIND, ptr %y.at, i64 %y.line", "%over = icmp uge i64 %l.next, %length"]
    lines += ["br i1 %over, label %done, label %loop", "done:", "br i1 %adds, label %add, label %set", "add:"]
    lines += [_load(f"%old{i}.{v}", f"%out{i}.{v}", mask) for i, v, mask in every]  # all, before a row is written twice
    lines += [f"%both{i}.{v} = fadd VECTOR %old{i}.{v}, %new{i}.{v}" for i, v, _ in every]
    lines += [_store(f"%both{i}.{v}", f"%out{i}.{v}", mask) for i, v, mask in every] + ["ret void", "set:"]
    lines += [_store(f"%new{i}.{v}", f"%out{i}.{v}", mask) for i, v, mask in every] + ["ret void", "}", ""]
    return "\n".join(lines)


def _load(name: str, place: str, mask: str) -> str:
    if not mask:
        return f"{name} = load VECTOR, ptr {place}, align SIZE"
    return f"{name} = call VECTOR @llvm.masked.load.SHORT.p0(ptr {place}, i32 SIZE, {mask}, VECTOR zeroinitializer)"


def _store(value: str, place: str, mask: str) -> str:
    if not mask:
        return f"store VECTOR {value}, ptr {place}, align SIZE"
    return f"call void @llvm.masked.store.SHORT.p0(VECTOR {value}, ptr {place}, i32 SIZE, {mask})"
