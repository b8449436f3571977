"""Loops where they stand in a function: a kernel runs in place of one, if there is any for what the loop is given."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from threading import get_ident
from time import thread_time
from types import CodeType
from typing import Any

import numpy as np

from dout.engine.loop_source.contraction_runs import EVERY, ContractedLoop
from dout.engine.loop_source.first_turns import FirstTurns
from dout.engine.loop_source.liveness import Loop, Names
from dout.engine.loop_source.loop_refusal import LoopRefusal
from dout.engine.loop_source.surroundings import NotPlainError, changed_in_place, root_of, value_of
from dout.engine.loops.loop_translator import LoopArgument, LoopKernel, translated
from dout.engine.loops.loop_values import GIVEN, KINDS, TYPES
from dout.engine.runtime import kernel_cache
from dout.engine.runtime.compile_progress import CompileProgress
from dout.graph import Where

UNSET: Any = object()  # of a name that a loop did not set
_ORDERLY = 0x101  # flags of an aligned array in C order
_LETTERS = frozenset("ldf?")
_ASKING = 1e-5  # seconds that it takes to ask for a kernel
_NEAR = {"d": 1e-9, "f": 1e-4}  # of the largest element: functions round in their own way, and loops carry that on
_NUMBERS = {TYPES[kind]: kind for kind in KINDS}
_USUAL = 10  # times the median: elements of an array are mostly no larger
_SHORT = 4096  # turns in all: NumPy takes 0.02 to 0.2 s for so many
_FIRST = (4096, 1024, 256, 64, 48, 32, 24, 16, 12, 8, 6, 5, 4, 3, 2, 1)  # turns of each loop, until all are no more


@dataclass(eq=False)
class Ready:
    """A kernel for arguments of some kind, and whether a plain run has confirmed it."""

    kernel: LoopKernel
    run: Callable[..., Any]
    confirmed: bool = False


@dataclass(frozen=True, eq=False)
class UsualCall:
    """A kernel, and what the arguments of its calls have in common, to be seen sooner than by a description of each.

    Each other field holds positions of arguments: of objects, whole numbers, tuples with their lengths, arrays with
    their dtypes and axes, arrays that the kernel writes into, and all that the kernel takes.
    """

    ready: Ready
    types: tuple[type, ...]
    objects: tuple[tuple[int, Any], ...]
    whole: tuple[int, ...]
    tuples: tuple[tuple[int, int], ...]
    arrays: tuple[tuple[int, Any, int], ...]
    written: tuple[int, ...]
    taken: tuple[int, ...]

    def fits(self, given: tuple[Any, ...]) -> bool:
        """Whether arguments are of this kind, and arrays in C order."""
        if tuple(map(type, given)) != self.types:
            return False
        for i, item in self.objects:
            if given[i] is not item:
                return False
        for i, dtype, axes in self.arrays:
            array = given[i]
            if array.dtype is not dtype or array.ndim != axes or array.flags.num & _ORDERLY != _ORDERLY:
                return False
        for i in self.whole:
            if not -_MOST < given[i] < _MOST:
                return False
        return all(len(given[i]) == length and _described(given[i]) for i, length in self.tuples)

    def flat(self, given: Sequence[Any]) -> list[Any]:
        """The arguments as the kernel takes them."""
        if self.tuples:
            given = [np.array(item, np.int64) if type(item) is tuple else item for item in given]
        return [given[i] for i in self.taken]

    def share_memory(self, given: tuple[Any, ...]) -> bool:
        """Whether an array that is written into lies over another, or over itself, or may not be written into."""
        for i in self.written:
            array = given[i]
            if not array.flags.forc or not array.flags.writeable:
                return True
            for k, _, _ in self.arrays:
                if k != i and np.may_share_memory(array, given[k]):
                    return True
        return False


@dataclass(frozen=True, eq=False)
class Rehearsal:
    """What a kernel gave, until a plain run has come to the same: numbers, and arrays by their place in the call."""

    ready: Ready
    given: tuple[Any, ...]
    arrays: Mapping[int, Any]
    results: tuple[Any, ...]
    turns: int
    seconds: float
    ended: float


@dataclass(eq=False)
class LoopSite:
    """One loop of a function. `places` is what it takes from around it, in the order of the arguments of a call.

    A kernel is used once a plain run has come to the same: of the whole loop, or of the `first_turns` of a long one. In
    `loop` what it did stands in the place of the functions that are `called`.
    """

    loop: Loop
    places: Mapping[str, ast.expr]
    live: Names
    entering: Mapping[ast.stmt, Names]
    where: Where
    strict: bool
    first_turns: FirstTurns
    called: Mapping[str, tuple[Any, CodeType]]
    outer: LoopSite | None = None
    ready: dict[tuple[Any, ...], Ready | None] = field(default_factory=dict)
    why_not: list[str] = field(default_factory=list)
    pending: dict[int, Rehearsal] = field(default_factory=dict)  # by thread
    turns: int = 0
    refuted: bool = False  # whether it is no product of matrices after all, or none that pays
    latest: tuple[Any, Ready | None] = (None, None)
    usual: UsualCall | None = None  # what calls are like as a rule
    objects: dict[int, LoopArgument] = field(default_factory=dict)  # that `ready` holds

    @property
    def rehearsed(self) -> bool:
        """Whether the plain run of a loop around it is under way, with which a kernel will be compared."""
        return self.outer is not None and (get_ident() in self.outer.pending or self.outer.rehearsed)

    @property
    def waits(self) -> bool:
        """Whether the plain run that follows is to be compared with a kernel."""
        return get_ident() in self.pending

    def __call__(self, *given: Any) -> tuple[Any, ...] | None:
        """What the names are that the loop sets; None where it has to run plainly."""
        usual = self.usual
        if any(function.__code__ is not code for function, code in self.called.values()):
            return None
        if self.pending:
            self.pending.pop(get_ident(), None)
        if self.rehearsed:
            return None
        if usual is not None and usual.fits(given) and not usual.share_memory(given):
            return self._run(usual, given)
        found = tuple(self.objects.get(id(item)) or _described(item) for item in given)
        if found != self.latest[0]:  # described by the same objects as a rule, so that this is soon seen
            if None in found:
                return None
            if found not in self.ready:
                told = dict(zip(self.places, map(_with_number, found, given), strict=True))
                as_read = all(
                    told[place] == LoopArgument("object", item=one) for place, (one, _) in self.called.items()
                )
                self.ready[found] = self._found(given, told) if as_read else None
                self.objects.update((id(one.item), one) for one in found if one and one.kind == "object")
            self.latest = found, self.ready[found]
        ready = self.latest[1]
        if ready is None:
            return None
        usual = self._usual(ready, found, given)
        if usual.share_memory(given):
            return None
        if ready.confirmed:
            self.usual = usual if usual.fits(given) else None
            return self._run(usual, given)
        return self._rehearse(usual, given)

    def _usual(self, ready: Ready, found: Sequence[LoopArgument | None], given: tuple[Any, ...]) -> UsualCall:
        kinds = [one.kind if one else "" for one in found]
        numbers = {place: i for i, place in enumerate(self.places)}
        return UsualCall(
            ready,
            types=tuple(map(type, given)),
            objects=tuple((i, given[i]) for i, kind in enumerate(kinds) if kind == "object"),
            whole=tuple(i for i, kind in enumerate(kinds) if kind == "int"),
            tuples=tuple((i, len(given[i])) for i, kind in enumerate(kinds) if kind == "items"),
            arrays=tuple((i, given[i].dtype, given[i].ndim) for i, kind in enumerate(kinds) if kind == "A"),
            written=tuple(numbers[place] for place in ready.kernel.written),
            taken=tuple(i for i, kind in enumerate(kinds) if kind != "object"),
        )

    def may_take(self, names: Mapping[str, Any]) -> bool:
        """Whether a kernel can be given what these names stand for, as far as they go."""
        for node in (one for one in self.places.values() if root_of(one) in names):
            try:
                if _described(value_of(node, names)) is None:
                    return False
            except NotPlainError:
                return False
            except (AttributeError, KeyError):  # the function may set it before the loop
                continue
        return True

    def kernels(self) -> list[str]:
        """The texts of the kernels that stand for it."""
        return [one.kernel.text for one in self.ready.values() if one is not None and one.confirmed]

    def _found(self, given: Sequence[Any], told: Mapping[str, Any]) -> Ready | None:
        try:
            return self._contracted(given) or self._made(told)
        except Exception as error:  # ours: the loop runs plainly
            self._refuse(f"dout failed to read it ({type(error).__name__}: {error}), at {self.where}")
            return None

    def _contracted(self, given: Sequence[Any]) -> Ready | None:
        """Products of matrices in place of a kernel, where they do: they need not be compiled."""
        named = dict(zip(self.places, given, strict=True))
        if self.strict or self.refuted or not self.live <= changed_in_place(self.loop, named):
            return None
        try:
            found = ContractedLoop(self.loop, named)
        except LoopRefusal:
            return None
        return Ready(LoopKernel(found.text, (), (), (), found.written, found.rounds, may_leave=False), found)

    def _refute(self, ready: Ready) -> None:
        """From the next call on, a kernel does what products of matrices did."""
        self.refuted, self.usual, self.latest = True, None, (None, None)
        self.ready = {key: one for key, one in self.ready.items() if one is not ready}

    def _made(self, given: Mapping[str, Any]) -> Ready | None:
        try:
            kernel = translated(self.loop, self.places, given, self.live, self.entering)
            if self.strict and kernel.rounds:
                raise LoopRefusal("it computes what NumPy rounds in its own way", self.loop)
            with CompileProgress(f"the loop at {self.where}", 1):
                run = kernel_cache.load("loop", kernel.text, kernel.types, results=kernel.returned, meaning=kernel.text)
        except LoopRefusal as error:
            where = replace(self.where, line=getattr(error.node, "lineno", self.where.line))
            self._refuse(f"{error}, at {where}")
            return None
        return Ready(kernel, run)

    def _refuse(self, why: str) -> None:
        if why not in self.why_not:
            self.why_not.append(why)

    def _run(self, usual: UsualCall, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        kernel = usual.ready.kernel
        before = [(given[i], given[i].copy()) for i in usual.written] if kernel.may_leave else ()
        try:
            ended, turns, *values = usual.ready.run(*usual.flat(given), EVERY)
        except (TypeError, OverflowError):
            return None
        run = usual.ready.run
        if isinstance(run, ContractedLoop) and (not ended or run.restless):
            self._refute(usual.ready)
        if not ended:
            for array, content in before:
                array[...] = content
            return None
        self.turns = int(turns)
        return self._results(kernel, values)

    def _results(self, kernel: LoopKernel, values: list[Any]) -> tuple[Any, ...]:
        """A value for each name that is read after the loop; an array is changed in place, and its name stays."""
        if not self.live:
            return ()
        pairs = zip(kernel.results, values[::2], values[1::2], strict=True)
        found = {name: TYPES[KINDS[int(kind) - 1]](value) for name, value, kind in pairs if kind}
        return tuple(found.get(name, UNSET) for name in sorted(self.live))

    def _rehearse(self, usual: UsualCall, given: tuple[Any, ...]) -> tuple[Any, ...] | None:
        """Run the kernel on copies; `settle` compares it with the plain run that follows, if the loop is short."""
        found = self._on_copies(usual, given, EVERY)
        if found is None:
            return None
        self.turns = found.turns
        if found.turns <= _SHORT:
            self.pending[get_ident()] = found
            return None
        if not self._begins_alike(usual, given):
            return None
        for i, array in found.arrays.items():
            given[i][...] = array
        return found.results

    def _on_copies(self, usual: UsualCall, given: tuple[Any, ...], most: int) -> Rehearsal | None:
        """What the kernel comes to, if it comes to its end."""
        copies = {i: given[i].copy("K") for i in usual.written}
        start = thread_time()
        try:
            ended, turns, *values = usual.ready.run(*usual.flat(_exchanged(given, copies)), most)
        except (TypeError, OverflowError):
            return None
        end = thread_time()
        results = self._results(usual.ready.kernel, values) if ended else ()
        return Rehearsal(usual.ready, given, copies, results, int(turns), end - start, end) if ended else None

    def _begins_alike(self, usual: UsualCall, given: tuple[Any, ...]) -> bool:
        """Whether the kernel and the user's loop come to the same in the first turns of each loop; on copies."""
        for most in _FIRST:
            found = self._on_copies(usual, given, most)
            if found is None or found.turns <= _SHORT:
                break
        found = found and self._on_copies(usual, given, most)  # the time of a first one is no measure
        if found is None:
            return False
        copies = {i: given[i].copy("K") for i in usual.written}
        start = thread_time()
        try:
            names = self.first_turns(most, _exchanged(given, copies))
        except Exception:  # the user's: the plain run raises it again
            return False
        return self._confirms(found, names, copies, thread_time() - start)

    def settle(self, names: Mapping[str, Any]) -> None:
        """Compare a kernel with the plain run that has just ended, which left these names."""
        found = self.pending.pop(get_ident())
        self._confirms(found, names, {i: found.given[i] for i in found.arrays}, thread_time() - found.ended)

    def _confirms(self, found: Rehearsal, names: Mapping[str, Any], arrays: Mapping[int, Any], seconds: float) -> bool:
        """Whether a plain run came to the same and took longer; otherwise the kernel is not used."""
        rounds = found.ready.kernel.rounds
        values = [names.get(name, UNSET) for name in sorted(self.live)]
        same = all(_same(arrays[i], ours, rounds) for i, ours in found.arrays.items())
        same = same and all(_same_number(*pair, rounds) for pair in zip(values, found.results, strict=True))
        found.ready.confirmed = same and seconds >= found.seconds + _ASKING
        if not found.ready.confirmed and isinstance(found.ready.run, ContractedLoop):
            self._refute(found.ready)
        elif not found.ready.confirmed:
            self.latest = (None, None)
            self.ready = {key: None if one is found.ready else one for key, one in self.ready.items()}
            self._refuse(f"{'NumPy is faster' if same else 'a kernel gives other numbers'}, at {self.where}")
        return found.ready.confirmed


def _exchanged(given: Sequence[Any], others: Mapping[int, Any]) -> tuple[Any, ...]:
    return tuple(others.get(i, item) for i, item in enumerate(given))


def _described(item: Any) -> LoopArgument | None:
    kind = type(item)
    if kind is np.ndarray:
        dtype, flags = item.dtype, item.flags
        if dtype.char not in _LETTERS or not dtype.isnative or not flags.aligned or item.ndim == 0:
            return None
        return _argument("A", dtype.char, item.ndim, flags.c_contiguous)
    if kind is int:
        return _INT if -_MOST < item < _MOST else None
    if kind in _NUMBERS:
        return _argument(_NUMBERS[kind])
    if kind is tuple:
        fits = all(type(one) is int and -_MOST < one < _MOST for one in item)
        return _argument("items", "", len(item)) if fits else None
    if callable(item) or item is None:
        return LoopArgument("object", item=item)
    return None


def _with_number(one: LoopArgument | None, item: Any) -> LoopArgument | None:
    """A description with the number itself, where that may be the length of a small window."""
    return replace(one, item=item) if one is _INT and 1 < item < _LONG else one


_argument = cache(LoopArgument)
_LONG = 10
_INT, _MOST = _argument("int"), 1 << GIVEN


def _same(plain: Any, ours: Any, rounds: str) -> bool:
    if not rounds or plain.dtype.char not in _NEAR:
        return bool(np.array_equal(plain, ours, equal_nan=plain.dtype.kind == "f"))
    near = max(_NEAR[plain.dtype.char], _NEAR[rounds])
    with np.errstate(all="ignore"):
        sizes = np.abs(plain[np.isfinite(plain) & (plain != 0)])
        scale = min(sizes.max(), _USUAL * np.median(sizes)) if sizes.size else 0.0  # one large element blinds nobody
        return bool(np.allclose(ours, plain, rtol=near, atol=near * scale, equal_nan=True))


def _same_number(plain: Any, ours: Any, rounds: str) -> bool:
    if ours is UNSET:
        return True
    return type(plain) is type(ours) and _same(np.asarray(plain), np.asarray(ours), rounds)
