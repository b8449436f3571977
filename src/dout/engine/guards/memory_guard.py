"""Whether arrays that are written into share memory with others, in one call of machine code.

NumPy's `may_share_memory` takes 0.3 µs a pair.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import cache
from itertools import combinations, product
from typing import Any

import numpy as np

from dout.engine.guards.array_guard import ANSWERS
from dout.engine.lowering.entry_point import DATA, DESCR, HEAD, ITEMSIZE, NDIM, SHAPE, STRIDES
from dout.engine.runtime import binding, kernel_cache, threads

_MANY = 1 << 15  # pairs, which take as long to compare as it takes to ask for owners


@cache
def apart(written: int, arrays: int) -> Callable[..., bool]:
    """The function that tells whether the first arrays, so many as are `written` into, share no memory with any other.

    Arrays share memory if the one begins before the other ends.
    """
    if not binding.usable() or written * arrays > _MANY:
        return lambda *given: _are_apart(given[:written], given[written:])
    with kernel_cache.lock:  # no fork while LLVM compiles
        return binding.function(_definition(), struct.pack("q", written))


def _are_apart(written: tuple[Any, ...], others: tuple[Any, ...]) -> bool:
    """The same in Python: arrays of different owners share none; where some have one owner all are compared."""
    owners, owners_of_others = set(map(_owner, written)), set(map(_owner, others))
    if len(owners) == len(written) and None not in owners | owners_of_others and owners.isdisjoint(owners_of_others):
        return True
    pairs = [*combinations(written, 2), *product(written, others)]
    return not any(np.may_share_memory(one, other) for one, other in pairs)


def _owner(array: Any) -> int | None:
    """The identity of the array that owns an array's memory; None where that is another kind of object."""
    owner = array if array.base is None else array.base
    return id(owner) if type(owner) is np.ndarray and owner.flags.owndata else None


@cache
def _definition() -> Any:
    """The function, whose `self` is the number of arrays that are written into."""
    engine = binding.loaded(kernel_cache.object_code("are_apart", _CODE, lambda: _CODE))
    address = engine.get_function_address("dout.are_apart")
    return threads.keep(binding.MethodDef(b"are_apart", address, binding.METH_FASTCALL, None))


_CODE = f"""
declare void @Py_IncRef(ptr)
declare i64 @llvm.umin.i64(i64, i64)
@"dout.ndarray" = external global i8
@"dout.True" = external global i8
@"dout.False" = external global i8

define ptr @"dout.are_apart"(ptr %self, ptr %given, i64 %count) {{
begin:
  %plan = getelementptr i8, ptr %self, i64 {bytes.__basicsize__ - 1}
  %written = load i64, ptr %plan
  %slots = add i64 %written, 1
  %begins = alloca i64, i64 %slots
  %ends = alloca i64, i64 %slots
  br label %next
next:
  %k = phi i64 [ 0, %begin ], [ %k.next, %passed ]
  %array.at = getelementptr ptr, ptr %given, i64 %k
  %array = load ptr, ptr %array.at
  %type.at = getelementptr i8, ptr %array, i64 {HEAD - 8}
  %type = load ptr, ptr %type.at
  %is.array = icmp eq ptr %type, @"dout.ndarray"
  br i1 %is.array, label %look, label %no
look:
  %data.at = getelementptr i8, ptr %array, i64 {DATA}
  %data = load i64, ptr %data.at
  %descr.at = getelementptr i8, ptr %array, i64 {DESCR}
  %descr = load ptr, ptr %descr.at
  %size.at = getelementptr i8, ptr %descr, i64 {ITEMSIZE}
  %size = load i64, ptr %size.at
  %behind = add i64 %data, %size
  %axes.at = getelementptr i8, ptr %array, i64 {NDIM}
  %axes = load i32, ptr %axes.at
  %shape.at = getelementptr i8, ptr %array, i64 {SHAPE}
  %shape = load ptr, ptr %shape.at
  %strides.at = getelementptr i8, ptr %array, i64 {STRIDES}
  %strides = load ptr, ptr %strides.at
  br label %axis
axis:
  %i = phi i32 [ 0, %look ], [ %i.next, %along ]
  %first = phi i64 [ %data, %look ], [ %first.next, %along ]
  %last = phi i64 [ %behind, %look ], [ %last.next, %along ]
  %i.more = icmp slt i32 %i, %axes
  br i1 %i.more, label %long, label %found
long:
  %length.at = getelementptr i64, ptr %shape, i32 %i
  %length.i = load i64, ptr %length.at
  %is.empty = icmp eq i64 %length.i, 0
  br i1 %is.empty, label %found, label %along
along:
  %stride.at = getelementptr i64, ptr %strides, i32 %i
  %stride = load i64, ptr %stride.at
  %steps = sub i64 %length.i, 1
  %far = mul i64 %steps, %stride
  %back = icmp slt i64 %far, 0
  %first.far = add i64 %first, %far
  %last.far = add i64 %last, %far
  %first.next = select i1 %back, i64 %first.far, i64 %first
  %last.next = select i1 %back, i64 %last, i64 %last.far
  %i.next = add i32 %i, 1
  br label %axis
found:
  %begins.now = phi i64 [ %first, %axis ], [ 0, %long ]
  %ends.now = phi i64 [ %last, %axis ], [ 0, %long ]
  %before = call i64 @llvm.umin.i64(i64 %k, i64 %written)
  %begins.at = getelementptr i64, ptr %begins, i64 %before
  store i64 %begins.now, ptr %begins.at
  %ends.at = getelementptr i64, ptr %ends, i64 %before
  store i64 %ends.now, ptr %ends.at
  br label %other
other:
  %j = phi i64 [ 0, %found ], [ %j.next, %compare ]
  %j.more = icmp ult i64 %j, %before
  br i1 %j.more, label %compare, label %passed
compare:
  %its.begin.at = getelementptr i64, ptr %begins, i64 %j
  %its.begin = load i64, ptr %its.begin.at
  %its.end.at = getelementptr i64, ptr %ends, i64 %j
  %its.end = load i64, ptr %its.end.at
  %meets.1 = icmp ult i64 %begins.now, %its.end
  %meets.2 = icmp ult i64 %its.begin, %ends.now
  %meet = and i1 %meets.1, %meets.2
  %j.next = add i64 %j, 1
  br i1 %meet, label %no, label %other
passed:
  %k.next = add i64 %k, 1
  %k.more = icmp ult i64 %k.next, %count
  br i1 %k.more, label %next, label %yes
{ANSWERS}}}
"""
