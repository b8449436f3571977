"""How a parallel kernel shares its chunks with the worker threads: LLVM code, which each such kernel has in it.

The caller takes chunks as every worker does, and waits only for chunks that a worker has begun. So where other programs
keep the cores busy, a parallel call takes the time of a serial one, and not, as with OpenMP, the milliseconds until the
system lets every worker run.

A job has a number. Its chunks are claimed one by one: `claims[i]` is the number of the last job in which chunk i was
taken. A worker that comes late finds all of them taken, and so never reads a job that is over. Who has nothing to do
spins for a while, then raises its flag and sleeps on a lock of its own, which is held; who takes the flag down releases
that lock.
"""

from __future__ import annotations

import platform

from dout.engine.runtime.parallel_threshold import ENOUGH

CHUNKS, WORKERS = 256, 64  # at most
CHUNKS_EACH = 4  # chunks for one thread: where one is slow, the others take more
SPINS = 3000  # 50 to 100 µs: from one step of a recurrent layer to the next
# Places in the memory that all share, from `dout.pool`; what is written by different threads is 64 bytes apart.
JOB, CALL, DONE, BUSY, ALONE, THREADS, PARTS, CLAIMS, SLEEPERS = 0, 64, 128, 192, 256, 264, 272, 512, 4096
SLEEPER = 128  # bytes for each thread: the flag that it sleeps, and its lock
SIZE = SLEEPERS + SLEEPER * WORKERS

_PAUSE = {
    "x86_64": "call void @llvm.x86.sse2.pause()",
    "AMD64": "call void @llvm.x86.sse2.pause()",
    "aarch64": "call void @llvm.aarch64.hint(i32 1)",
    "arm64": "call void @llvm.aarch64.hint(i32 1)",
}


def _at(place: int) -> str:
    return f"getelementptr (i8, ptr @dout.pool, i64 {place})"


CODE = f"""
@dout.pool = external global i8
declare i32 @PyThread_acquire_lock(ptr, i32)
declare void @PyThread_release_lock(ptr)

define hidden void @dout.pause() alwaysinline {{
  {_PAUSE.get(platform.machine(), "")}
  ret void
}}

define hidden ptr @dout.sleeper(i64 %thread) alwaysinline {{
  %far = mul i64 %thread, {SLEEPER}
  %place = getelementptr i8, ptr {_at(SLEEPERS)}, i64 %far
  ret ptr %place
}}

; Wait until the value at %place is %value, or no longer is (where %equal is false). Spin, then sleep.
define hidden void @dout.wait(ptr %place, i64 %value, i1 %equal, i64 %thread) {{
begin:
  %flag = call ptr @dout.sleeper(i64 %thread)
  %slot = getelementptr i8, ptr %flag, i64 8
  br label %look
look:
  %spin = phi i64 [ 0, %begin ], [ %more, %again ], [ 0, %slept ]
  %now = load atomic i64, ptr %place seq_cst, align 8
  %same = icmp eq i64 %now, %value
  %over = icmp eq i1 %same, %equal
  br i1 %over, label %end, label %again_or_sleep
again_or_sleep:
  %tired = icmp ugt i64 %spin, {SPINS}
  br i1 %tired, label %sleep, label %again
again:
  call void @dout.pause()
  %more = add i64 %spin, 1
  br label %look
sleep:
  %_1 = atomicrmw xchg ptr %flag, i64 1 seq_cst
  %late = load atomic i64, ptr %place seq_cst, align 8
  %same.late = icmp eq i64 %late, %value
  %over.late = icmp eq i1 %same.late, %equal
  br i1 %over.late, label %stay, label %lie
stay:
  %mine = atomicrmw xchg ptr %flag, i64 0 seq_cst
  %cleared = icmp eq i64 %mine, 1
  br i1 %cleared, label %end, label %lie
lie:
  %lock = load ptr, ptr %slot
  %_2 = call i32 @PyThread_acquire_lock(ptr %lock, i32 1)
  br label %slept
slept:
  br label %look
end:
  ret void
}}

define hidden void @dout.wake(i64 %thread) {{
  %flag = call ptr @dout.sleeper(i64 %thread)
  %sleeps = load atomic i64, ptr %flag seq_cst, align 8
  %maybe = icmp eq i64 %sleeps, 1
  br i1 %maybe, label %try, label %end
try:
  %was = atomicrmw xchg ptr %flag, i64 0 seq_cst
  %mine = icmp eq i64 %was, 1
  br i1 %mine, label %release, label %end
release:
  %slot = getelementptr i8, ptr %flag, i64 8
  %lock = load ptr, ptr %slot
  call void @PyThread_release_lock(ptr %lock)
  br label %end
end:
  ret void
}}

; One chunk of the job that runs.
define hidden void @dout.chunk(i64 %index, i64 %total) {{
begin:
  %f = load ptr, ptr {_at(CALL)}
  %data = load ptr, ptr {_at(CALL + 8)}
  %turns = load i64, ptr {_at(CALL + 16)}
  call void %f(ptr %data, i64 %index, i64 %total, i64 %turns)
  %before = atomicrmw add ptr {_at(DONE)}, i64 1 seq_cst
  %after = add i64 %before, 1
  %last = icmp eq i64 %after, %total
  br i1 %last, label %wake, label %end
wake:
  call void @dout.wake(i64 0)
  br label %end
end:
  ret void
}}

; Take chunks that nobody has taken, from this thread's own part on.
define hidden void @dout.take(i64 %job, i64 %thread) {{
begin:
  %number = lshr i64 %job, 16
  %total = and i64 %job, 65535
  %threads = load i64, ptr {_at(THREADS)}
  %scaled = mul i64 %thread, %total
  %first = udiv i64 %scaled, %threads
  br label %each
each:
  %k = phi i64 [ 0, %begin ], [ %next, %step ]
  %all = icmp uge i64 %k, %total
  br i1 %all, label %end, label %look
look:
  %far = add i64 %first, %k
  %past = icmp uge i64 %far, %total
  %near = sub i64 %far, %total
  %index = select i1 %past, i64 %near, i64 %far
  %claim = getelementptr i64, ptr {_at(CLAIMS)}, i64 %index
  %seen = load atomic i64, ptr %claim monotonic, align 8
  %free = icmp ult i64 %seen, %number
  br i1 %free, label %try, label %step
try:
  %pair = cmpxchg ptr %claim, i64 %seen, i64 %number seq_cst seq_cst
  %won = extractvalue {{ i64, i1 }} %pair, 1
  br i1 %won, label %run, label %step
run:
  call void @dout.chunk(i64 %index, i64 %total)
  br label %step
step:
  %next = add i64 %k, 1
  br label %each
end:
  ret void
}}

; A worker's whole life.
define void @dout.worker(ptr %argument) {{
begin:
  %thread = ptrtoint ptr %argument to i64
  br label %next
next:
  %last = phi i64 [ 0, %begin ], [ %job, %next ]
  call void @dout.wait(ptr {_at(JOB)}, i64 %last, i1 false, i64 %thread)
  %job = load atomic i64, ptr {_at(JOB)} seq_cst, align 8
  call void @dout.take(i64 %job, i64 %thread)
  br label %next
}}

; Run the function %f on every chunk of so many turns; on this thread alone if all of them are few %operations.
define hidden void @dout.share(ptr %f, ptr %data, i64 %turns, i64 %operations) {{
begin:
  %parts = load i64, ptr {_at(PARTS)}
  %few = icmp ult i64 %turns, %parts
  %total = select i1 %few, i64 %turns, i64 %parts
  %alone = load i64, ptr {_at(ALONE)}
  %single = icmp ult i64 %total, 2
  %one = zext i1 %single to i64
  %little = icmp ult i64 %operations, {ENOUGH}
  %alone.here = zext i1 %little to i64
  %self.one = or i64 %alone, %one
  %self = or i64 %self.one, %alone.here
  %here = icmp ne i64 %self, 0
  br i1 %here, label %serial, label %ask
ask:
  %busy = atomicrmw xchg ptr {_at(BUSY)}, i64 1 seq_cst
  %other = icmp ne i64 %busy, 0
  br i1 %other, label %serial, label %publish
serial:
  call void %f(ptr %data, i64 0, i64 1, i64 %turns)
  ret void
publish:
  store ptr %f, ptr {_at(CALL)}
  store ptr %data, ptr {_at(CALL + 8)}
  store i64 %turns, ptr {_at(CALL + 16)}
  store atomic i64 0, ptr {_at(DONE)} seq_cst, align 8
  %old = load atomic i64, ptr {_at(JOB)} seq_cst, align 8
  %shifted = lshr i64 %old, 16
  %number = add i64 %shifted, 1
  %high = shl i64 %number, 16
  %job = or i64 %high, %total
  store atomic i64 %job, ptr {_at(JOB)} seq_cst, align 8
  %threads = load i64, ptr {_at(THREADS)}
  br label %each
each:
  %w = phi i64 [ 1, %publish ], [ %next, %wake ]
  %woken = icmp uge i64 %w, %threads
  br i1 %woken, label %work, label %wake
wake:
  call void @dout.wake(i64 %w)
  %next = add i64 %w, 1
  br label %each
work:
  call void @dout.take(i64 %job, i64 0)
  call void @dout.wait(ptr {_at(DONE)}, i64 %total, i1 true, i64 0)
  store atomic i64 0, ptr {_at(BUSY)} seq_cst, align 8
  ret void
}}
"""
