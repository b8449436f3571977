"""What kernels want of Numba's runtime, in LLVM code: so that no part of it has to be loaded."""

from __future__ import annotations

from dout.engine.runtime.work_stealing import CODE

RECORD = ["i64", "ptr", "ptr", "ptr", "i64"]  # of memory: references, destructor and its argument, data, size
_DATA, _SIZE, _HEADER = 24, 32, 64

SUPPORT = {  # by the name that Numba's code calls
    "dout.share": CODE,
    # Memory for arrays that a kernel makes for itself. Python's raw allocator may be called by any thread.
    "NRT_MemInfo_alloc_aligned": f"""
declare ptr @PyMem_RawMalloc(i64)

define hidden ptr @NRT_MemInfo_alloc_aligned(i64 %size, i32 %align) {{
  %wide = zext i32 %align to i64
  %more = add i64 %wide, {_HEADER}
  %all = add i64 %size, %more
  %record = call ptr @PyMem_RawMalloc(i64 %all)
  %none = icmp eq ptr %record, null
  br i1 %none, label %end, label %fill
fill:
  %address = ptrtoint ptr %record to i64
  %first = add i64 %address, %more
  %over = urem i64 %first, %wide
  %start = sub i64 %first, %over
  %data = inttoptr i64 %start to ptr
  %at.data = getelementptr i8, ptr %record, i64 {_DATA}
  %at.size = getelementptr i8, ptr %record, i64 {_SIZE}
  call void @llvm.memset.p0.i64(ptr %record, i8 0, i64 {_HEADER}, i1 false)
  store i64 1, ptr %record
  store ptr %data, ptr %at.data
  store i64 %size, ptr %at.size
  br label %end
end:
  ret ptr %record
}}
""",
    # The last reference to such memory is gone. (The memory of arguments has no record.)
    "NRT_MemInfo_call_dtor": """
declare void @PyMem_RawFree(ptr)

define hidden void @NRT_MemInfo_call_dtor(ptr %record) {
  call void @PyMem_RawFree(ptr %record)
  ret void
}
""",
    # The strides of a reshaped array: Numba reshapes contiguous ones alone, so the result is contiguous.
    "numba_attempt_nocopy_reshape": """
define hidden i32 @numba_attempt_nocopy_reshape(
  i64 %axes, ptr %shape, ptr %strides, i64 %count, ptr %lengths, ptr %steps, i64 %itemsize, i32 %fortran
) {
begin:
  %refused = icmp ne i32 %fortran, 0
  br i1 %refused, label %no, label %each
each:
  %left = phi i64 [ %count, %begin ], [ %axis, %one ]
  %step = phi i64 [ %itemsize, %begin ], [ %next, %one ]
  %all = icmp eq i64 %left, 0
  br i1 %all, label %yes, label %one
one:
  %axis = sub i64 %left, 1
  %at.step = getelementptr i64, ptr %steps, i64 %axis
  %at.length = getelementptr i64, ptr %lengths, i64 %axis
  store i64 %step, ptr %at.step
  %length = load i64, ptr %at.length
  %next = mul i64 %step, %length
  br label %each
yes:
  ret i32 1
no:
  ret i32 0
}
""",
}
