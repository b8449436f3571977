"""A step on several machines: the parts of a batch, each computed by a worker of Dask; the sum of their gradients out.

Workers keep nothing that the next step needs: a part is a task that brings its parameters and samples along, and Dask
gives it to another worker where one ends. On machines of one kind, neither their number nor their ends change a bit.
"""

from __future__ import annotations

import math
import threading
import time
import uuid
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial, reduce
from typing import Any

import numpy as np

from dout.errors import TrainingError
from dout.run import copied, deep_copy, generators_of, global_states
from dout.run.random_states import seed_all
from dout.train.nets.parameters import Array, length_of
from dout.train.nets.split_trial import BatchSplit, check_whole, part_of, samples_of, split_of
from dout.train.nets.train_step import TrainStep

FAN = 8  # parts whose sum one task computes
_PATIENCE = 60.0  # seconds without any worker
_TRIES = 10  # of one step
_FRESH = 2.0  # seconds for which the list of workers is believed
_SPARED = 20  # steps of each worker without a comparison at the beginning of an epoch
_LOCK = threading.Lock()  # a worker may have several threads, and a net is one
_HELD: dict[str, TrainStep] = {}  # the net of the training under way, on a worker


@dataclass(frozen=True)
class SentNet:
    """What a worker needs once: the net with its registry, and how its step is compiled."""

    key: str
    step: TrainStep
    how: Mapping[str, Any]


@dataclass(frozen=True)
class PartialSum:
    """What parts of a batch add to the loss and to the gradients; the scores of their samples, in order.

    `length` is the sum of the lengths of the parts' gradients. Parts may cancel each other, their rounding does not.
    """

    loss: float
    gradients: Mapping[str, Array]
    scores: Sequence[Any]
    length: float

    def __add__(self, other: PartialSum) -> PartialSum:
        found = dict(self.gradients)
        for name, gradient in other.gradients.items():
            found[name] = found[name] + gradient if name in found else gradient
        return PartialSum(self.loss + other.loss, found, [*self.scores, *other.scores], self.length + other.length)


def computed_part(
    sent: SentNet, params: Mapping[str, Array], x: Any, t: Any, share: float, seed: int | None, with_scores: bool
) -> PartialSum:
    """One part of a step, on a worker. Raises TrainingError as a step does, with the address of the worker."""
    from distributed import get_worker

    with _LOCK:
        if sent.key not in _HELD:
            _HELD.clear()
            _HELD[sent.key] = deep_copy(sent.step)  # a cluster of threads alone is given the very net of the user
            _HELD[sent.key].compile(**sent.how)
        step = _HELD[sent.key]
        step.rows = None  # the caller knows them
        for name, array in step.registry.arrays().items():
            array[...] = params[name]
        step.registry.put_numbers()
        own = generators_of(**step.roots)
        put_back = global_states(own)
        try:
            if seed is not None:
                seed_all(seed, own)
            loss, scores = step.checked_call(copied(x), copied(t), f"worker {get_worker().address}")
        finally:
            put_back()
        gradients = {name: gradient * share for name, gradient in step.registry.gradients().items()}
        shown = [np.array(scores)] if with_scores and np.ndim(scores) else []
        return PartialSum(float(loss) * share, gradients, shown, length_of(gradients))


def forgotten(key: str) -> None:
    """Release the net of a training that has ended, on a worker."""
    with _LOCK:
        _HELD.pop(key, None)


def added(*parts: PartialSum) -> PartialSum:
    """The sum of parts, from the first to the last: in each run the same bits."""
    return reduce(PartialSum.__add__, parts)


def _as_sent(where: str, step: TrainStep) -> TrainStep:
    """The step as a worker is given it."""
    import cloudpickle

    try:
        return deep_copy(cloudpickle.loads(cloudpickle.dumps(step)))  # type: ignore[no-any-return] # our own, of now
    except Exception as error:
        raise TrainingError(f"{where}: the net cannot be sent to workers ({type(error).__name__}: {error})") from error


def identity(item: Any) -> Any:
    """Return the argument. Dask hands the result from worker to worker, and makes it again where it is lost."""
    return item


class SpreadStep:
    """What a `TrainStep` is to a training, computed by the workers of a Dask `client` in so many `parts`."""

    def __init__(self, step: TrainStep, client: Any, how: Mapping[str, Any], *, with_metrics: bool) -> None:
        if not all(callable(getattr(client, name, None)) for name in ("submit", "nthreads")):
            raise TrainingError(f"client is {client!r}: give a Client of dask.distributed: client=Client()")
        self.step, self.client, self.how, self.with_metrics = step, client, how, with_metrics
        self.split: BatchSplit | None = None
        self.sent_registry: Any = None  # the one that workers know
        self.sent: Any = None
        self.key = ""  # of the net that workers hold
        self.count, self.compared_at, self.longest = 0, 0, 0.0  # steps, the last one compared, the longest gradient
        self.addresses: list[str] = []
        self.seen = -math.inf
        self.parts = len(self._workers()) or 1

    def __call__(self, x: Any, t: Any, where: str) -> tuple[float, Any, dict[str, Array], float]:
        """The loss, the scores, the gradient of each parameter, and the length of all of them."""
        if self.step.looks:  # a step of this process alone shows which parameters there are
            put_back = global_states(generators_of(**self.step.roots))
            self.step(x, t, where)
            put_back()
        if not self.step.registry:
            return self.step(x, t, where)
        self.split = self.split or split_of(self.step, x, t, partial(_as_sent, where), where)
        found = self._found(x, t, where)
        gradients = {name: np.asarray(gradient) for name, gradient in found.gradients.items()}
        norm = length_of(gradients)
        if not math.isfinite(found.loss + norm):
            self.step(x, t, where)  # says what is not finite, and where that begins
            raise TrainingError(
                f"{where}: a part of this batch gives NaN or infinity, the whole batch does not; train without a client"
            )
        self._compare(x, t, gradients, found.length, where)
        scores = np.concatenate(found.scores) if found.scores else None
        if scores is not None and self.split is not None and self.step.loss is not None:
            self.split.check_loss(self.step.loss, scores, t, found.loss, where)
        return found.loss, scores if self.with_metrics else None, gradients, norm

    def _compare(self, x: Any, t: Any, gradients: Mapping[str, Array], length: float, where: str) -> None:
        """Compare now and then with the whole batch, computed here. Raises TrainingError where they differ.

        That is at steps 1, 2, 4, 8, …, and at the first of an epoch, unless the last comparison was a short time ago:
        a step here takes as long as all workers together need for it.
        """
        self.count += 1
        is_due = self.step.begins_epoch and self.count - self.compared_at >= _SPARED * self.parts
        if not is_due and self.count & (self.count - 1):
            return
        self.compared_at, self.longest = self.count, max(self.longest, length)
        if self.split is not None and not self.split.draws:
            try:
                check_whole(self.step, x, t, gradients, (length, self.longest), where)
            except TrainingError:
                split_of(self.step, x, t, partial(_as_sent, where), where)  # names the layer, if this batch shows it
                raise
        elif self.split is not None and self.count > 1:  # parts draw other numbers than the whole: try copies again
            split_of(self.step, x, t, partial(_as_sent, where), where)

    def _found(self, x: Any, t: Any, where: str) -> PartialSum:
        """The sum over all parts, computed again where Dask has lost some of it."""
        tasks = partial(self._tasks, self._parts_of(x, t, where), self.step.registry.arrays())
        for _ in range(_TRIES):
            try:
                found = self._waited(tasks)
            except Exception as error:
                from distributed import CancelledError

                if not isinstance(error, CancelledError | OSError):
                    raise
                self.sent_registry = None  # what workers know may be lost
                continue
            if isinstance(found, PartialSum):
                return found
            raise self._explained(found, x, t, where) from found
        raise TrainingError(f"{where}: Dask has lost this step {_TRIES} times; a checkpoint goes on, with a new client")

    def _explained(self, error: BaseException, x: Any, t: Any, where: str) -> TrainingError:
        """The error of a task as one of a training. Raises the one of a step here, if that fails, too."""
        from distributed import KilledWorker

        if isinstance(error, KilledWorker):
            said = "a part of this batch has ended several workers, one after the other"
            return TrainingError(f"{where}: {said} ({error})")
        self.step(x, t, where)  # names the layer, and the row of the data
        said = str(error) if isinstance(error, TrainingError) else f"a worker raises {type(error).__name__}: {error}"
        return TrainingError(f"{where}: {said}")

    def _parts_of(self, x: Any, t: Any, where: str) -> list[tuple[Any, ...]]:
        """For each part its samples, its share of the whole, and a seed, if the net draws."""
        count = samples_of(x, t, where)
        draws = self.split is not None and self.split.draws
        start = int(np.random.randint(2**31)) if draws else 0  # noqa: NPY002 - it is in the checkpoint
        ends = [count * (i + 1) // self.parts for i in range(self.parts)]
        cuts = [slice(begin, end) for begin, end in zip([0, *ends], ends, strict=False) if end > begin]
        is_mean = self.split is None or self.split.is_mean
        return [
            (part_of(x, cut), part_of(t, cut), (cut.stop - cut.start) / count if is_mean else 1.0,
             (start + place) % 2**32 if draws else None)
            for place, cut in enumerate(cuts)
        ]  # fmt: skip

    def _tasks(self, parts: list[tuple[Any, ...]], params: Mapping[str, Array]) -> Any:
        """Hand out one step; the future of its sum."""
        submit: Callable[..., Any] = partial(self.client.submit, pure=False)
        if self.sent_registry is not self.step.registry:
            self.release()
            self.key = uuid.uuid4().hex
            self.sent = submit(identity, SentNet(self.key, self.step, self.how))
            self.sent_registry = self.step.registry
        now = submit(identity, dict(params))
        with_scores = self.with_metrics or (self.split is not None and self.split.few_scores)
        addresses = self._workers()
        level = [
            submit(computed_part, self.sent, now, *part, with_scores, allow_other_workers=True,
                   workers=[addresses[place % len(addresses)]])
            for place, part in enumerate(parts)
        ]  # fmt: skip
        while len(level) > 1:
            level = [submit(added, *level[i : i + FAN]) for i in range(0, len(level), FAN)]
        return level[0]

    def _waited(self, tasks: Callable[[], Any]) -> PartialSum | BaseException:
        """The sum, or the error that a task raised. What this raises itself comes from Dask, not from a layer."""
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "Sending large graph")  # parameters are as large as they are
            future = tasks()
        while True:
            try:
                error: BaseException | None = future.exception(timeout=_PATIENCE)
                found: PartialSum | BaseException = error or future.result(timeout=_PATIENCE)
                return found
            except TimeoutError:
                self.seen = -math.inf
                self._workers()
            except Exception:
                if future.status != "error":  # else a part was computed again, and raised
                    raise

    def _workers(self) -> list[str]:
        """The addresses of the workers that there are, as of lately."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() - self.seen > _FRESH:
            self.addresses = sorted(self.client.nthreads())
            self.seen = time.monotonic() if self.addresses else -math.inf
            if not self.addresses and time.monotonic() > until:
                raise TrainingError(f"the client has had no worker for {_PATIENCE:g} s: start one, with resume=True")
            if not self.addresses:
                time.sleep(0.1)
        return self.addresses

    def release(self) -> None:
        """Have the workers forget the net. Nobody waits for that, and a lost cluster has nothing to forget."""
        if not self.key:
            return
        from distributed import fire_and_forget

        with suppress(Exception):
            for address in self.client.nthreads():
                task = self.client.submit(forgotten, self.key, workers=[address], allow_other_workers=True, pure=False)
                fire_and_forget(task)
