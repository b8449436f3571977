"""Which ways the conditions of the user's own code went in a run: `if`, `while`, `and`, `or`, `… if … else …`.

Every such condition is a conditional jump, whatever it looks at: values, sizes, flags. The jumps are watched where the
run passes them.
"""

from __future__ import annotations

import ast
import builtins
import dis
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, NamedTuple

from dout.run import EndlessError
from dout.trace.capture.call_watch import is_users
from dout.trace.capture.covered_sides import FALSE, FIRST, SECOND, TRUE, ConditionPlace, Covered, decides_nothing
from dout.trace.model.user_source import is_user_code, text_and_lines

MOST_STEPS = 200_000  # that are watched: a loop over pixels has more
MOST_LINES = 300_000  # of a run that is bounded
_MONITORING: Any = getattr(sys, "monitoring", None)
_CACHE = dis.opmap.get("CACHE", 0)
_JUMPS = {
    code: name for name, code in dis.opmap.items() if "JUMP" in name and "IF_" in name and "EXC_MATCH" not in name
}
_MAKE_NOTHING = frozenset(
    dis.opmap[name] for name in ("CACHE", "COPY", "TO_BOOL", "EXTENDED_ARG", "NOT_TAKEN") if name in dis.opmap
)
_OF_ERRORS = frozenset(
    dis.opmap[name] for name in ("CHECK_EXC_MATCH", "CHECK_EG_MATCH", "WITH_EXCEPT_START") if name in dis.opmap
)


class _Jump(NamedTuple):
    """A conditional jump: where it goes on that does not jump, and the instruction that made what is tested."""

    next: int
    tested: int


@lru_cache(maxsize=1024)
def _jumps_in(code: CodeType) -> Mapping[int, _Jump]:
    """The conditional jumps of a code object by their offsets."""
    raw, before = code.co_code, 0
    found: dict[int, _Jump] = {}
    for offset in range(0, len(raw), 2):
        if raw[offset] in _JUMPS and raw[before] not in _OF_ERRORS:
            following = offset + 2
            while following < len(raw) and raw[following] == _CACHE:
                following += 2
            found[offset] = _Jump(following, before)
        before = offset if raw[offset] not in _MAKE_NOTHING else before
    return found


@lru_cache(maxsize=1024)
def _conditions(code: CodeType, file: str, text: str) -> Mapping[int, tuple[ConditionPlace, bool]]:
    """What the jumps of a code object decide: where each condition stands, and whether it holds where they jump.

    `text` is that of its file. None of those that decide nothing.
    """
    found: dict[int, tuple[ConditionPlace, bool]] = {}
    parts: dict[ConditionPlace, int] = {}
    for offset in _jumps_in(code):
        place = _place(code, offset)
        part = parts[place] = parts.get(place, -1) + 1
        part = 0 if _is_repeated(place) else part  # a loop tests at its end once more
        place = ConditionPlace(file, place.span, part)
        if not decides_nothing(place.expression):
            found[offset] = place, _jumps_where_true(code.co_code[offset], place)
    return found


def _place(code: CodeType, offset: int) -> ConditionPlace:
    """Where a condition stands: what was tested, or `x is None`, which is one instruction with its jump."""
    own = ConditionPlace.of(code, offset)
    is_fused = _JUMPS[code.co_code[offset]].endswith("NONE") and isinstance(own.expression, ast.Compare)
    return own if is_fused else ConditionPlace.of(code, _jumps_in(code)[offset].tested)


class _Jumps:
    """The conditional jumps of one code object that went one way at most until now."""

    def __init__(self, code: CodeType) -> None:
        self.code, self.all = code, _jumps_in(code)
        self.went: dict[int, set[bool]] = {offset: set() for offset in self.all}  # whether it jumped
        self.open = set(self.all)

    def pass_by(self, offset: int, target: int) -> None:
        """A jump was passed, and the run goes on at `target`."""
        went = self.went[offset]
        went.add(target != self.all[offset].next)
        if len(went) > 1:
            self.open.discard(offset)


class _Watch:
    def __init__(self, bounded: bool) -> None:
        self.left = MOST_LINES if bounded else -1
        self.by_code: dict[int, _Jumps | None] = {}
        self.codes: list[CodeType] = []  # kept, so that no other has their identity
        self.steps = 0

    def jumps_of(self, frame: FrameType) -> _Jumps | None:
        """The jumps of the code that runs in a frame; None where it is not the user's."""
        code = frame.f_code
        if id(code) not in self.by_code:
            self.codes.append(code)
            self.by_code[id(code)] = _Jumps(code) if is_users(frame) and not _is_made(code) else None
        return self.by_code[id(code)]

    def branched(self, code: CodeType, offset: int, target: int) -> Any:
        """Python 3.12 and later tell of jumps themselves, until they are no longer asked."""
        jumps = self.jumps_of(sys._getframe(1)) if is_user_code(code.co_filename) else None
        if jumps is None or offset not in jumps.open:
            return _MONITORING.DISABLE
        jumps.pass_by(offset, target)
        return None

    def passed_line(self, code: CodeType, line: int) -> Any:
        """Count a line, as `count`."""
        if not is_user_code(code.co_filename):
            return _MONITORING.DISABLE
        self.count(None, "line", None)
        return None

    def entered(self, frame: FrameType, event: str, argument: Any) -> Callable[..., Any] | None:
        if not is_user_code(frame.f_code.co_filename):
            return None
        jumps = self.jumps_of(frame)
        if jumps is None or not jumps.open or self.steps > MOST_STEPS:
            return self.count if self.left > 0 else None
        frame.f_trace_lines, frame.f_trace_opcodes = self.left > 0, True
        passed: int | None = None
        watched = jumps

        def step(frame: FrameType, event: str, argument: Any) -> Any:
            nonlocal passed
            if event == "opcode":
                now = frame.f_lasti
                if passed is not None:
                    watched.pass_by(passed, now)
                    passed = None
                if now in watched.open:
                    passed = now
                self.steps += 1
                if not watched.open or self.steps > MOST_STEPS:
                    frame.f_trace_opcodes = False
            else:
                self.count(frame, event, argument)
            return step

        return step

    def count(self, frame: FrameType | None, event: str, argument: Any) -> Any:
        """Count a line: on other inputs a loop may have no end."""
        self.left -= event == "line"
        if self.left == 0:
            raise EndlessError
        return self.count

    def covered(self) -> Covered:
        """What was seen, by condition."""
        found = Covered()
        for jumps in filter(None, self.by_code.values()):
            file = jumps.code.co_filename
            conditions = _conditions(jumps.code, file, text_and_lines(file)[0]) if any(jumps.went.values()) else {}
            for offset, (place, true_jumps) in conditions.items():
                if went := jumps.went[offset]:
                    found.note(place, (TRUE, FALSE), {TRUE if jumped == true_jumps else FALSE for jumped in went})
        return found


def _is_made(code: CodeType) -> bool:
    """Whether a library made a method of the user's class, as dataclasses do."""
    return code.co_filename == "<string>" and code.co_name.startswith("__")


def _is_repeated(place: ConditionPlace) -> bool:
    """Whether a condition is that of a `while`, or a part of it."""
    owner = getattr(place.expression, "parent", None)
    while isinstance(owner, ast.BoolOp | ast.UnaryOp):
        owner = getattr(owner, "parent", None)
    return isinstance(owner, ast.While)


def _jumps_where_true(opcode: int, place: ConditionPlace) -> bool:
    """Whether a run that jumps found that the condition holds."""
    name = _JUMPS[opcode]
    true_jumps = "IF_TRUE" in name or name.endswith("IF_NONE")
    test = place.condition
    if name.endswith("NONE") and isinstance(test, ast.Compare) and isinstance(test.ops[0], ast.IsNot):
        return not true_jumps
    return true_jumps


def _telling(function: Callable[..., Any], found: Covered) -> Callable[..., Any]:
    """Python's own `min` or `max`, which tells whether a user's call gave its first argument or another."""

    def told(*given: Any, **options: Any) -> Any:
        answer, frame = function(*given, **options), sys._getframe(1)
        if len(given) > 1 and is_user_code(frame.f_code.co_filename) and is_users(frame):
            place = ConditionPlace.of(frame.f_code, frame.f_lasti, function.__name__)
            found.note(place, (FIRST, SECOND), {FIRST if answer is given[0] else SECOND})
        return answer

    return told


@contextmanager
def _traced(watch: _Watch) -> Iterator[None]:
    kept = sys.gettrace()  # a debugger, or a measurement of coverage, looks away for this run
    sys.settrace(watch.entered)
    try:
        yield
    finally:
        sys.settrace(kept)


@contextmanager
def _monitored(watch: _Watch, bounded: bool) -> Iterator[None]:
    events = _MONITORING.events
    tool = next((n for n in range(6) if _MONITORING.get_tool(n) is None), None)
    if tool is None:  # all places are taken: nothing is seen
        yield
        return
    _MONITORING.use_tool_id(tool, "dout")
    try:
        _MONITORING.register_callback(tool, events.BRANCH, watch.branched)
        _MONITORING.register_callback(tool, events.LINE, watch.passed_line)
        _MONITORING.set_events(tool, events.BRANCH | (events.LINE if bounded else 0))
        _MONITORING.restart_events()
        yield
    finally:
        _MONITORING.set_events(tool, 0)
        for event in (events.BRANCH, events.LINE):
            _MONITORING.register_callback(tool, event, None)
        _MONITORING.free_tool_id(tool)


@contextmanager
def watched(*, bounded: bool = False) -> Iterator[Covered]:
    """Watch the conditions that the user's code comes to inside; what is given is filled when it is over.

    With `bounded` EndlessError is raised in code that runs for too long.
    """
    watch, found = _Watch(bounded), Covered()
    chosen = builtins.min, builtins.max
    builtins.min, builtins.max = _telling(min, found), _telling(max, found)
    try:
        with _traced(watch) if _MONITORING is None else _monitored(watch, bounded):
            yield found
    finally:
        builtins.min, builtins.max = chosen
        found.add(watch.covered())
        found.codes += [jumps.code for jumps in watch.by_code.values() if jumps is not None]
