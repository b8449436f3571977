"""The machine code of products in parts: what it reads of each part, and its text."""

from __future__ import annotations

import re
from typing import NamedTuple

from dout.engine.lowering.entry_point import DATA, SHAPE, STRIDES
from dout.engine.runtime import product_tiles

_ROW_MAJOR = 101


class ProductPart(NamedTuple):
    """A product, or a part of one, as the machine code reads it: all numbers have 64 bits.

    `x`, `y` and `out` are numbers of arguments. `x_axis` is cut, from `x_from` on. `x_skip` are the axes before
    those of the matrices of a stack. `x_far` and `out_far` count bytes. The sums are added up in `pieces`, each of
    which finds its factors in the cache. `tiles` is the address of a function that stands for the BLAS, or 0.
    What `adds` is added to what is there.

    Tiles take `turns` products, each of `pieces` whose sums have the length `inner`. From turn to turn and from piece
    to piece the factors and the result begin so many elements later.
    """

    x: int
    y: int
    out: int
    left: int
    right: int
    rows: int
    columns: int
    inner: int
    x_axis: int
    x_from: int
    x_skip: int
    x_far: int
    y_axis: int
    y_from: int
    y_skip: int
    y_far: int
    out_far: int
    out_line: int
    pieces: int
    tiles: int
    adds: int
    turns: int
    x_turn: int
    y_turn: int
    out_turn: int
    x_jump: int
    y_jump: int


ONE_TURN = 1, 0, 0, 0, 0, 0

# @entry takes x, y and out of every product. Its `self` is a plan: what tells and sets the number of the BLAS' threads,
# its product, how many parts there are, and the parts. What @place finds is on the stack: lines of x and y, and where
# x, y and the result begin.
_CODE = """
declare ptr @PyEval_SaveThread()
declare void @PyEval_RestoreThread(ptr)
declare void @Py_IncRef(ptr)
@"dout.True" = external global i8
@"dout.False" = external global i8

define internal i64 @at(ptr %base, i64 %index) alwaysinline {
  %place = getelementptr i64, ptr %base, i64 %index
  %value = load i64, ptr %place
  ret i64 %value
}

define internal ptr @to(ptr %base, i64 %index) alwaysinline {
  %place = getelementptr ptr, ptr %base, i64 %index
  %value = load ptr, ptr %place
  ret ptr %value
}

define internal ptr @part(ptr %plan, i64 %index) alwaysinline {
  %far = mul i64 %index, FIELDS
  %place = add i64 %far, 4
  %part = getelementptr i64, ptr %plan, i64 %place
  ret ptr %part
}

define internal i1 @place(ptr %array, i64 %how, ptr %cut, ptr %line.at, ptr %begin.at) {
  %data = call ptr @to(ptr %array, i64 DATA)
  %shape.all = call ptr @to(ptr %array, i64 SHAPE)
  %strides.all = call ptr @to(ptr %array, i64 STRIDES)
  %skip = call i64 @at(ptr %cut, i64 2)
  %shape = getelementptr i64, ptr %shape.all, i64 %skip
  %strides = getelementptr i64, ptr %strides.all, i64 %skip
  %lines = sub i64 %how, AS_IT_IS
  %along = sub i64 1, %lines
  %step = call i64 @at(ptr %strides, i64 %along)
  %line = call i64 @at(ptr %strides, i64 %lines)
  %length = call i64 @at(ptr %shape, i64 %along)
  %least = mul i64 %length, SIZE
  %elements = sdiv i64 %line, SIZE
  %whole = mul i64 %elements, SIZE
  %good.1 = icmp eq i64 %step, SIZE
  %good.2 = icmp eq i64 %line, %whole
  %good.3 = icmp sge i64 %line, %least
  %good.4 = and i1 %good.1, %good.2
  %good = and i1 %good.3, %good.4
  %axis = call i64 @at(ptr %cut, i64 0)
  %from = call i64 @at(ptr %cut, i64 1)
  %stride = call i64 @at(ptr %strides, i64 %axis)
  %far.cut = mul i64 %from, %stride
  %far.matrix = call i64 @at(ptr %cut, i64 3)
  %far = add i64 %far.cut, %far.matrix
  %begin = getelementptr i8, ptr %data, i64 %far
  store i64 %elements, ptr %line.at
  store ptr %begin, ptr %begin.at
  ret i1 %good
}

define internal void @run(ptr %data, i64 %index, i64 %total, i64 %turns) {
begin:
  %plan = call ptr @to(ptr %data, i64 0)
  %gemm = call ptr @to(ptr %plan, i64 2)
  %from.all = mul i64 %index, %turns
  %from = udiv i64 %from.all, %total
  %next = add i64 %index, 1
  %to.all = mul i64 %next, %turns
  %to = udiv i64 %to.all, %total
  br label %look
look:
  %k = phi i64 [ %from, %begin ], [ %more, %added ]
  %over = icmp uge i64 %k, %to
  br i1 %over, label %end, label %work
work:
  %far = mul i64 %k, 5
  %found = getelementptr i64, ptr %data, i64 %far
  %x.line = call i64 @at(ptr %found, i64 1)
  %x = call ptr @to(ptr %found, i64 2)
  %y.line = call i64 @at(ptr %found, i64 3)
  %y = call ptr @to(ptr %found, i64 4)
  %out = call ptr @to(ptr %found, i64 5)
  %part = call ptr @part(ptr %plan, i64 %k)
  %left.64 = call i64 @at(ptr %part, i64 3)
  %left = trunc i64 %left.64 to i32
  %right.64 = call i64 @at(ptr %part, i64 4)
  %right = trunc i64 %right.64 to i32
  %rows = call i64 @at(ptr %part, i64 5)
  %columns = call i64 @at(ptr %part, i64 6)
  %inner = call i64 @at(ptr %part, i64 7)
  %out.line = call i64 @at(ptr %part, i64 17)
  %x.plain = icmp eq i64 %left.64, AS_IT_IS
  %x.row = select i1 %x.plain, i64 %x.line, i64 1
  %x.step = select i1 %x.plain, i64 1, i64 %x.line
  %tiles = call ptr @to(ptr %part, i64 19)
  %adds.64 = call i64 @at(ptr %part, i64 20)
  %adds = icmp ne i64 %adds.64, 0
  %pieces = call i64 @at(ptr %part, i64 18)
  %blas = icmp eq ptr %tiles, null
  br i1 %blas, label %plain, label %several
several:
  %many = call i64 @at(ptr %part, i64 21)
  %x.turn = call i64 @at(ptr %part, i64 22)
  %y.turn = call i64 @at(ptr %part, i64 23)
  %out.turn = call i64 @at(ptr %part, i64 24)
  %x.jump = call i64 @at(ptr %part, i64 25)
  %y.jump = call i64 @at(ptr %part, i64 26)
  %stays = icmp eq i64 %out.turn, 0
  br label %turn
turn:
  %t = phi i64 [ 0, %several ], [ %t.next, %turned ]
  %x.t = mul i64 %t, %x.turn
  %y.t = mul i64 %t, %y.turn
  %out.t = mul i64 %t, %out.turn
  %out.tile = getelementptr KIND, ptr %out, i64 %out.t
  %later.turn = icmp ne i64 %t, 0
  %later.same = and i1 %later.turn, %stays
  %adds.turn = or i1 %later.same, %adds
  br label %tile
tile:
  %p = phi i64 [ 0, %turn ], [ %p.next, %tile ]
  %x.p = mul i64 %p, %x.jump
  %y.p = mul i64 %p, %y.jump
  %x.off = add i64 %x.t, %x.p
  %y.off = add i64 %y.t, %y.p
  %x.tile = getelementptr KIND, ptr %x, i64 %x.off
  %y.tile = getelementptr KIND, ptr %y, i64 %y.off
  %later.piece = icmp ne i64 %p, 0
  %grows = or i1 %later.piece, %adds.turn
  call void %tiles(i64 %rows, i64 %columns, i64 %inner, ptr %x.tile, i64 %x.row, i64 %x.step, ptr %y.tile,
    i64 %y.line, ptr %out.tile, i64 %out.line, i1 %grows)
  %p.next = add i64 %p, 1
  %p.over = icmp uge i64 %p.next, %pieces
  br i1 %p.over, label %turned, label %tile
turned:
  %t.next = add i64 %t, 1
  %t.over = icmp uge i64 %t.next, %many
  br i1 %t.over, label %added, label %turn
plain:
  %y.plain = icmp eq i64 %right.64, AS_IT_IS
  %y.step = select i1 %y.plain, i64 %y.line, i64 1
  br label %sum
sum:
  %piece = phi i64 [ 0, %plain ], [ %piece.next, %sum ]
  %piece.next = add i64 %piece, 1
  %first.all = mul i64 %piece, %inner
  %first = udiv i64 %first.all, %pieces
  %last.all = mul i64 %piece.next, %inner
  %last = udiv i64 %last.all, %pieces
  %length = sub i64 %last, %first
  %x.far = mul i64 %first, %x.step
  %x.here = getelementptr KIND, ptr %x, i64 %x.far
  %y.far = mul i64 %first, %y.step
  %y.here = getelementptr KIND, ptr %y, i64 %y.far
  %first.piece = icmp eq i64 %piece, 0
  %replaces = xor i1 %adds, true
  %begins = and i1 %first.piece, %replaces
  %before = select i1 %begins, KIND 0.0, KIND 1.0
  call void %gemm(i32 ROW_MAJOR, i32 %left, i32 %right, i64 %rows, i64 %columns, i64 %length, KIND 1.0, ptr %x.here,
    i64 %x.line, ptr %y.here, i64 %y.line, KIND %before, ptr %out, i64 %out.line)
  %done = icmp eq i64 %piece.next, %pieces
  br i1 %done, label %added, label %sum
added:
  %more = add i64 %k, 1
  br label %look
end:
  ret void
}

define ptr @entry(ptr %self, ptr %given, i64 %count) {
begin:
  %plan = getelementptr i8, ptr %self, i64 HEAD
  %turns = call i64 @at(ptr %plan, i64 3)
  %room.found = mul i64 %turns, 5
  %room = add i64 %room.found, 1
  %data = alloca i64, i64 %room
  store ptr %plan, ptr %data
  br label %look
look:
  %k = phi i64 [ 0, %begin ], [ %more, %next ]
  %over = icmp uge i64 %k, %turns
  br i1 %over, label %go, label %work
work:
  %far = mul i64 %k, 5
  %found = getelementptr i64, ptr %data, i64 %far
  %x.line = getelementptr i64, ptr %found, i64 1
  %x.begin = getelementptr i64, ptr %found, i64 2
  %y.line = getelementptr i64, ptr %found, i64 3
  %y.begin = getelementptr i64, ptr %found, i64 4
  %out.begin = getelementptr i64, ptr %found, i64 5
  %part = call ptr @part(ptr %plan, i64 %k)
  %x.number = call i64 @at(ptr %part, i64 0)
  %x = call ptr @to(ptr %given, i64 %x.number)
  %x.how = call i64 @at(ptr %part, i64 3)
  %x.cut = getelementptr i64, ptr %part, i64 8
  %x.good = call i1 @place(ptr %x, i64 %x.how, ptr %x.cut, ptr %x.line, ptr %x.begin)
  %y.number = call i64 @at(ptr %part, i64 1)
  %y = call ptr @to(ptr %given, i64 %y.number)
  %y.how = call i64 @at(ptr %part, i64 4)
  %y.cut = getelementptr i64, ptr %part, i64 12
  %y.good = call i1 @place(ptr %y, i64 %y.how, ptr %y.cut, ptr %y.line, ptr %y.begin)
  %out.number = call i64 @at(ptr %part, i64 2)
  %out = call ptr @to(ptr %given, i64 %out.number)
  %out.data = call ptr @to(ptr %out, i64 DATA)
  %out.far = call i64 @at(ptr %part, i64 16)
  %out.part = getelementptr i8, ptr %out.data, i64 %out.far
  store ptr %out.part, ptr %out.begin
  %good = and i1 %x.good, %y.good
  br i1 %good, label %next, label %no
next:
  %more = add i64 %k, 1
  br label %look
no:
  call void @Py_IncRef(ptr @"dout.False")
  ret ptr @"dout.False"
go:
  %number = call ptr @to(ptr %plan, i64 0)
  %put = call ptr @to(ptr %plan, i64 1)
  %lock = call ptr @PyEval_SaveThread()
  %before = call i32 %number()
  %many = icmp ne i32 %before, 1
  br i1 %many, label %fewer, label %share
fewer:
  call void %put(i32 1)
  br label %share
share:
  call void @dout.share(ptr @run, ptr %data, i64 %turns, i64 -1)
  br i1 %many, label %back, label %end
back:
  call void %put(i32 %before)
  br label %end
end:
  call void @PyEval_RestoreThread(ptr %lock)
  call void @Py_IncRef(ptr @"dout.True")
  ret ptr @"dout.True"
}
"""


def text(kind: str, size: int, vector: int) -> str:
    """The machine code for one dtype, in LLVM's words, where vectors have so many bytes."""
    words = {"FIELDS": len(ProductPart._fields), "HEAD": bytes.__basicsize__ - 1, "SIZE": size, "KIND": kind}
    words |= {"DATA": DATA // 8, "SHAPE": SHAPE // 8, "STRIDES": STRIDES // 8}
    words |= {"AS_IT_IS": product_tiles.AS_IT_IS, "ROW_MAJOR": _ROW_MAJOR}
    code = re.sub("|".join(rf"\b{word}\b" for word in words), lambda found: str(words[found[0]]), _CODE)
    return code + product_tiles.text(kind, vector // size)
