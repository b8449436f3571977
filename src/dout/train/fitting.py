"""A net, data, a loss and an optimizer in; the trained net and the history of its training out. `fit` is the verb."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from dout.errors import CheckpointError, TargetError, TrainingError
from dout.files import remove_drafts
from dout.run import attributes_of, quiet
from dout.run.random_states import seed_all, state_written
from dout.train.batches import ArrayBatches, Batches, are_batches, batches_of, fingerprint
from dout.train.evaluation import measured
from dout.train.fit_settings import FitSettings, check_compiled, metrics_of, numbers_of, whole_number
from dout.train.history import History, Row
from dout.train.layer_checks import check_layers
from dout.train.layer_log import log_to
from dout.train.metrics import Metric, measures
from dout.train.nets.shown_round import ShownRound
from dout.train.nets.spread_step import SpreadStep
from dout.train.nets.train_step import TrainStep, no_parameters
from dout.train.optimizers import Adam, clipped, forget_other_nets, remember_net, takes_dicts, update
from dout.train.schedules import Schedule
from dout.train.state.checkpoints import DAMAGE, SUFFIX, read_checkpoint, save_checkpoint, unusable
from dout.train.state.kept_trees import KeptState
from dout.train.state.net_state import NetState, check_states, put_states, states_written
from dout.train.state.optimizer_memory import check_memory
from dout.train.training_bar import TrainingBar

_LEAST_VALIDATED = 32  # samples at a time, where batches are small
_INFINITE = float("inf")
_TOGETHER = 500  # samples of a validation that metrics are given at once; the net is given a batch


@dataclass
class Progressed:
    """How far a training is: what is next, and what has been measured in this epoch."""

    epoch: int = 0
    batch: int = 0
    step: int = 0
    samples: int = 0
    sums: dict[str, float] = field(default_factory=dict)
    best: float = _INFINITE
    since_best: int = 0

    def means(self) -> Row:
        """What was measured in this epoch so far, for each sample."""
        return {name: total / max(self.samples, 1) for name, total in self.sums.items()}


def fit(
    net: Any, x: Any, t: Any = None, *, loss: Any = None, optimizer: Any = None, epochs: int = 10, batch: int = 100,
    validation: Any = None, metrics: Iterable[Metric] = (), seed: int | None = None, shuffle: bool = True,
    schedule: Schedule | None = None, clip: float | None = None, patience: int | None = None, keep: str = "last",
    checkpoint: str | Path | None = None, save_every: int | None = None, resume: bool = False, check: bool = False,
    compiled: bool | str | None = None, progress: bool | None = None, log: Any = None, client: Any = None,
) -> History:  # fmt: skip
    """Train a net, in place, and return what the training was like.

    `net` is any object with `forward` and `backward`, a list of layers, or one with `params` and `gradient(x, t)`;
    `loss` a layer whose forward takes the scores and the target, where the net does not have its own. `x` and `t` are
    arrays, paths of `.npy` files, which are mapped, or, in the place of both, what makes batches `(x, t)`: something to
    iterate over in each epoch, or a function that returns one. `validation` is a pair `(x, t)`, `metrics` are functions
    of scores and target. The last batch of an epoch may be smaller.

    `seed` decides the order of the data, the global random states, and those that the net holds; without it the order
    follows from NumPy's global state. `schedule` takes the share of the training that is done, and returns a factor of
    `optimizer.lr`. `clip` is the greatest length of all gradients together. After `patience` epochs without a smaller
    loss (that of the validation, if there is one) the training stops; `keep="best"` then leaves the parameters of the
    best epoch in the net.

    In the folder `checkpoint` it keeps `last.safetensors`, written after each epoch and every `save_every` steps, and
    `best.safetensors`. `resume=True` goes on where the last one was written, with the same bits; where there is none
    yet, from the start. `check=True` checks the backward of every layer of yours before the first step.

    Where Numba is there and there is enough to do, or with `compiled=True`, steps are compiled: results differ by some
    units in the last place. With a checkpoint folder they are compiled in the slower way that gives NumPy's bits,
    except with `compiled="fast"`.

    With a `client` of dask.distributed its workers compute the gradients of each batch, a part each.

    Raises TrainingError, before the parameters change, where something does not fit or is not finite, and
    CheckpointError where a checkpoint is of another net. Control-C ends after the step, with a checkpoint.
    """
    check_compiled(compiled)
    step = TrainStep(net, loss)
    folder = Path(checkpoint) if checkpoint is not None else None
    plan = FitSettings(
        epochs, batch, metrics_of(metrics), schedule, clip, patience, keep, folder, save_every, resume, progress,
        log_to(log),
    )  # fmt: skip
    training = NetTraining(step, Adam() if optimizer is None else optimizer, plan)
    training.take(x, t, validation, seed, shuffle)
    if step.round.is_open():
        with training.shown.hidden():
            step.settle(*training.batches.first())
        training.state = NetState(**step.roots, optimizer=training.optimizer)
    if check:
        check_layers(step, training.batches.first())
    samples = training.batches.samples if isinstance(training.batches, ArrayBatches) else None
    looked_at = training.validation.samples if isinstance(training.validation, ArrayBatches) else 0
    keeps_bits = folder is not None and compiled != "fast"
    how: dict[str, Any] = {"wanted": None if compiled is None else bool(compiled), "keeps_bits": keeps_bits}
    how |= {"samples": samples and samples * plan.epochs, "looked_at": looked_at * plan.epochs}
    if client is not None:
        training.measure = SpreadStep(step, client, how, with_metrics=bool(plan.metrics))
    else:
        step.compile(**how)
    try:
        return training.run()
    finally:
        if isinstance(training.measure, SpreadStep):
            training.measure.release()


class NetTraining:
    """One training: all that it needs, and how far it is."""

    def __init__(self, step: TrainStep, optimizer: Any, plan: FitSettings) -> None:
        self.given = numbers_of(optimizer, attributes_of(optimizer))
        if plan.schedule is not None and "lr" not in self.given:
            raise TrainingError(f"{type(optimizer).__name__} has no lr: a schedule changes that")
        forget_other_nets(optimizer, step.net)
        self.step, self.optimizer, self.plan = step, optimizer, plan
        self.takes_dicts = takes_dicts(optimizer)
        self.state = NetState(**step.roots, optimizer=optimizer)
        self.drawn: list[Any] = []  # generators that the data draws from
        self.print = 0  # of the latest batch of an iterator
        self.shown = ShownRound()
        self.settled_at = -1  # the step after which it was asked what a checkpoint can leave out
        self.now, self.history = Progressed(), History()
        self.best: KeptState | None = None
        self.epoch_states: Any = None
        self.latest: Any = None  # the batch of the latest step
        self.measure: TrainStep | SpreadStep = step  # what computes the gradients of a batch

    def take(self, x: Any, t: Any, validation: Any, seed: int | None, shuffle: bool) -> None:
        """Take the data, and seed everything that draws."""
        seed = None if seed is None else whole_number("seed", seed, 0, 2**32 - 1)
        self.seeded, self.seed = seed is not None, seed if seed is not None else int(np.random.randint(2**31))  # noqa: NPY002
        if seed is not None:
            seed_all(seed, self.state.generators())
        self.batches: Batches = batches_of(x, t, self.plan.batch, seed=self.seed, shuffle=shuffle)
        self.validation: Batches | None = None
        if validation is not None:
            is_pair = isinstance(validation, tuple | list) and len(validation) == 2 and not are_batches(validation)
            inputs, targets = validation if is_pair else (validation, None)
            batch = self.plan.batch * max(1, _LEAST_VALIDATED // self.plan.batch)
            self.validation = batches_of(inputs, targets, batch, shuffle=False)
            self.history.watched = "validation loss"
        self.drawn = self.batches.generators()

    # --- the loop ---

    def run(self) -> History:
        """Train until the epochs are over, nothing gets better, or a person stops it."""
        if self.plan.folder is not None:
            self._open_folder(self.plan.folder)
        done = self.now.epoch * (self.batches.per_epoch or 0) + self.now.batch
        bar = TrainingBar(self.plan.epochs, self.batches.per_epoch, done, self.plan.progress)
        with bar, self.shown.hidden(), self._own_rate(), _interrupts() as asked:
            while self.now.epoch < self.plan.epochs and not self.history.stopped:
                for x, t in self._batches():
                    self._one(x, t)
                    bar.step(self.now.epoch, self.now.means())
                    if asked():
                        self.keep("last")
                        raise KeyboardInterrupt
                    if self.plan.save_every and not self.now.step % self.plan.save_every:
                        self.keep("last")
                self._end_epoch()
                bar.epoch(self.history.rows[-1])
        if self.latest is not None and not self.step.registry:
            raise no_parameters(self.step, *self.latest)
        self._leave()
        return self.history

    @contextmanager
    def _own_rate(self) -> Iterator[None]:
        """The optimizer has its own rate again when this ends, also by Control-C: a schedule has changed it."""
        try:
            yield
        finally:
            if self.plan.schedule is not None:
                self.optimizer.lr = self.given["lr"]

    def _leave(self) -> None:
        """Leave in the net what is to be kept; the best epoch may have been before a training went on."""
        if self.plan.keep == "best":
            path = self.plan.folder / f"best{SUFFIX}" if self.plan.folder is not None else None
            best = self.best or (read_checkpoint(path)[0] if path is not None and path.exists() else None)
            if best is not None:
                self.state.put(best, with_random_states=False, own=self.best is not None)

    def _batches(self) -> Iterator[Any]:
        """What is left of this epoch."""
        if not self.batches.draws or not self.now.batch:
            self.epoch_states = states_written(self.drawn) if self.batches.draws else None
            return self.batches.of(self.now.epoch, self.now.batch)
        kept, known = states_written(self.state.generators()), self.print
        put_states(self.drawn, self.epoch_states)

        def passed(latest: Any = None) -> None:
            shares = states_written([])["global"] != self.epoch_states["global"]  # its draws lay between the net's
            put_states(self.state.generators(), kept)  # those of the data are where the passed batches leave them
            if known and not shares and fingerprint(latest) != known:
                said = f"batch {self.now.batch} of epoch {self.now.epoch + 1} is another one than before the stop"
                raise CheckpointError(
                    f"{said}: let the data draw from NumPy's global state, or from a seeded generator of its own"
                )

        return self.batches.of(self.now.epoch, self.now.batch, passed)

    def _one(self, x: Any, t: Any) -> None:
        self.shown.next(self.step, x, t)
        now = self.now
        where = f"epoch {now.epoch + 1}, batch {now.batch + 1}"
        if self.plan.folder is not None and self.batches.draws:
            self.print = fingerprint((x, t))
        self.step.rows, self.step.begins_epoch = self.batches.rows, not now.batch
        if self.plan.schedule is not None:
            self.optimizer.lr = self.given["lr"] * self.plan.factor(self._done())
        if self.plan.log is not None and self.plan.log.wants(now.step):
            loss, scores, gradients, norm = self.plan.log.watch(self.step, x, t, where, now.step)
        else:
            loss, scores, gradients, norm = self.measure(x, t, where)
        if self.plan.clip is not None:
            gradients = clipped(gradients, self.plan.clip, norm)
        found = measures(self.plan.metrics, scores, t, where)
        params = self.step.registry.arrays()
        update(self.optimizer, params, gradients, self.takes_dicts, where)
        remember_net(self.optimizer, params)
        self.step.registry.put_numbers()
        count = len(t) if np.ndim(t) else 1
        now.sums["loss"] = now.sums.get("loss", 0.0) + loss * count
        for name, value in found.items():
            now.sums[name] = now.sums.get(name, 0.0) + value * count
        now.samples += count
        now.batch += 1
        now.step += 1
        self.latest = x, t

    def _done(self) -> float:
        """The share of the training that is done."""
        per_epoch = self.batches.per_epoch
        return min((self.now.epoch + (self.now.batch / per_epoch if per_epoch else 0)) / self.plan.epochs, 1.0)

    def _end_epoch(self) -> None:
        now = self.now
        row: Row = {"epoch": now.epoch + 1.0, **now.means()}
        if self.validation is not None:
            together = _TOGETHER if isinstance(self.validation, ArrayBatches) else 1
            found = measured(self.step, self.validation, self.plan.metrics, together)
            row |= {f"validation {name}": value for name, value in found.items()}
        if hasattr(self.optimizer, "lr"):
            row["lr"] = float(self.optimizer.lr)
        self.history.rows.append(row)
        now.epoch, now.batch, now.samples, now.sums = now.epoch + 1, 0, 0, {}
        is_best = row[self.history.watched] < now.best
        now.best, now.since_best = (row[self.history.watched], 0) if is_best else (now.best, now.since_best + 1)
        self.history.stopped = self._said_stopped()
        if is_best and self.plan.keep == "best":
            self.best = self.state.taken(strict=False)
        if is_best:
            self.keep("best")
        self.keep("last")

    def _said_stopped(self) -> str:
        """Why the training ends here; nothing where it goes on."""
        if self.plan.patience is None or self.now.since_best < self.plan.patience:
            return ""
        return f"stopped: {self.history.watched} was not smaller for {self.now.since_best} epochs"

    # --- checkpoints ---

    def keep(self, name: str) -> None:
        """Write a checkpoint, if there is a folder for it."""
        if self.plan.folder is None:
            return
        if self.latest is not None and self.settled_at != self.now.step:
            with quiet():
                self.state.settle(self._try, (self.step, self.optimizer), self._look)
            self.settled_at = self.now.step
        now = self.now
        training = {
            **{key: getattr(now, key) for key in ("epoch", "batch", "step", "samples", "since_best")},
            "sums": {key: repr(value) for key, value in now.sums.items()}, "best": repr(now.best),
            "rows": [{key: repr(value) for key, value in row.items()} for row in self.history.rows],
            "stopped": self.history.stopped, "seed": self.seed, "given": {k: repr(v) for k, v in self.given.items()},
            "data": self._data(), "epoch states": self.epoch_states, "print": self.print,
            "parameters": list(self.step.registry.parameters),
            "data states": [state_written(one) for one in self.drawn], "left out": sorted(self.state.left_out or ()),
        }  # fmt: skip
        if isinstance(self.measure, SpreadStep):
            training["parts"] = self.measure.parts
        save_checkpoint(self.plan.folder / f"{name}{SUFFIX}", self.state.taken(), training)

    def _try(self, through: Any) -> Any:
        """One step more, of copies."""
        step, optimizer = through
        loss, _ = step.run(*self.latest)
        update(optimizer, step.registry.arrays(), step.registry.gradients(), self.takes_dicts)
        step.registry.put_numbers()
        return loss

    def _look(self, through: Any) -> Any:
        """An evaluation, of copies."""
        step, _ = through
        step.look = step.loss_of
        return measured(step, batches_of([self.latest], None, 1), ())

    def _data(self) -> list[int]:
        """The sizes that decide what the next batch is."""
        return [self.batches.samples, self.plan.batch] if isinstance(self.batches, ArrayBatches) else []

    def _open_folder(self, folder: Path) -> None:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise TargetError(f"{folder} cannot be a folder of checkpoints: {error.strerror}") from None
        remove_drafts(folder)
        path = folder / f"last{SUFFIX}"
        if not path.exists():
            return
        if not self.plan.resume:
            said = "--resume (in Python resume=True) goes on with it; or give another folder, or remove it"
            raise TargetError(f"{path} is there: {said}")
        kept, training = read_checkpoint(path)
        try:
            self._go_on(kept, training)
        except CheckpointError as error:
            raise unusable(path, error) from None
        except DAMAGE:
            raise unusable(path, "dout does not write what it says of the training") from None

    def _go_on(self, kept: KeptState, training: dict[str, Any]) -> None:
        if training["data"] != self._data():
            said = f"of {training['data'] or 'an iterator'}, here of {self._data() or 'an iterator'}"
            raise CheckpointError(f"samples and batches are {said}: the order of the data would be another one")
        if self.seeded and training["seed"] != self.seed:
            raise CheckpointError(f"it was made with seed {training['seed']!r}, not {self.seed}")
        numbers = {key: _whole(training[key]) for key in ("epoch", "batch", "step", "samples", "since_best")}
        sums = {str(key): float(value) for key, value in training["sums"].items()}
        rows = [{str(key): float(value) for key, value in row.items()} for row in training["rows"]]
        if isinstance(self.measure, SpreadStep) and "parts" in training:
            self.measure.parts = max(_whole(training["parts"]), 1)  # other parts are other bits
        now = Progressed(**numbers, sums=sums, best=float(training["best"]))
        given = {str(key): float(value) for key, value in training["given"].items()}
        self.epoch_states, self.seed = training["epoch states"], _whole(training["seed"])
        self.print = _whole(training["print"])
        self.state.left_out = {(str(kind), str(name)) for kind, name in training["left out"]}
        if self.batches.draws and now.batch:
            check_states(self.drawn, self.epoch_states)
        self.state.fits(kept)
        check_memory(kept, self.optimizer, self.step.roots, training["parameters"], self.takes_dicts)
        put_states(self.drawn, {"generators": training["data states"], "global": kept.document["global"]})
        self.state.put(kept)
        self.now, self.history.rows = now, rows
        self.history.stopped = self._said_stopped()  # somebody may have more patience now
        if isinstance(self.batches, ArrayBatches):
            self.batches.seed = self.seed
        for name, value in self.given.items():
            if value != given.get(name):  # somebody wants another one from now on
                setattr(self.optimizer, name, value)


def _whole(number: Any) -> int:
    if type(number) is not int or number < 0:
        raise CheckpointError(f"{str(number)[:40]!r} is no number of steps")
    return number


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Control-C is a question that is asked after each step; a second one ends at once."""
    heard: list[int] = []

    def hear(number: int, frame: Any) -> None:
        if heard:
            raise KeyboardInterrupt
        heard.append(number)

    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    kept = signal.signal(signal.SIGINT, hear)
    try:
        yield lambda: bool(heard)
    finally:
        signal.signal(signal.SIGINT, kept)
