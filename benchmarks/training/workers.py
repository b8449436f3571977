"""What a step costs on the workers of a Dask cluster here, and what to expect of 8, 64 and 512 of them.

    PYTHONPATH=src python -m benchmarks.training.workers [--workers 2] [--repeats 15] [--bandwidth BYTES_A_SECOND]

It measures three ways to hand out parameters and to add up gradients, the costs that the model is made of, and a
training beside the same one in a single process. Times are those of the processor, of all processes together: where
nothing else runs, a round trip takes no longer, and where much runs, they grow less than those of the clock, whose
least stand beside. With --bandwidth the model takes that of your network (1.25e8 is a gigabit) in the place of what
this machine needs to hand bytes from one process to another.
"""

import argparse
import os
import time
import warnings
from functools import partial
from math import ceil, log, log2

for name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ[name] = "1"  # one thread a worker, and before NumPy is loaded

import numpy as np  # noqa: E402
import psutil  # noqa: E402 - comes with distributed
from distributed import Client, LocalCluster  # noqa: E402

from dout.layers import Affine, Relu, SoftmaxWithLoss  # noqa: E402
from dout.train import SGD, fit, he  # noqa: E402
from dout.train.nets.spread_step import FAN  # noqa: E402

NETS = {"LeNet": 61_706, "10⁶ parameters": 10**6, "ResNet-50": 25_600_000}
TRIED = ("LeNet", "10⁶ parameters")  # of these: a hundred megabytes a step are for larger machines


def same(item):
    """Give back what is given."""
    return item


def half(params):
    """Stand for a worker's gradients."""
    return params * np.float32(0.5)


def total(*parts):
    """Add up."""
    return sum(parts[1:], parts[0])


class Halving:
    """The same as an actor: an object that lives on one worker."""

    def half(self, params):
        """Stand for a worker's gradients."""
        return params * np.float32(0.5)


def spent():
    """Seconds of the processor so far: of this process, in which the scheduler runs, too, and of the workers."""
    every = [one.cpu_times() for one in psutil.Process().children(recursive=True)]
    return time.process_time(), sum(one.user + one.system for one in every)


def taken(call, repeats):
    """Seconds that a call takes: the least by the clock, the mean of the processor, and that of this process alone."""
    call()
    before, clock = spent(), []
    for _ in range(repeats):
        begun = time.perf_counter()
        call()
        clock.append(time.perf_counter() - begun)
    own, others = (now - then for now, then in zip(spent(), before, strict=True))
    return min(clock), (own + others) / repeats, own / repeats


def ways(client, count):
    """Three ways of one step, each a function of the parameters."""
    submit = partial(client.submit, pure=False)
    actors = [client.submit(Halving, actor=True, workers=[one]).result() for one in client.nthreads()]

    def star(params):
        return total(*client.gather([submit(half, params) for _ in range(count)]))

    def tree(params):
        held = submit(same, params)
        return submit(total, *(submit(half, held) for _ in range(count))).result()

    def of_actors(params):
        return total(*(future.result() for future in [one.half(params) for one in actors]))

    return {"star": star, "tree (what fit does)": tree, "actors": of_actors}


def costs(client, repeats, bandwidth):
    """Seconds of a task alone, those of the scheduler for one of many, and bytes a second between two workers."""
    submit = partial(client.submit, pure=False)
    alone = taken(lambda: submit(same, 1).result(), 5 * repeats)[1]
    many = taken(lambda: client.gather([submit(same, i) for i in range(100)]), repeats)[2] / 100
    first, *_, last = [*client.nthreads()]
    size = 16 * 2**20
    sent = taken(lambda: submit(len, submit(bytes, size, workers=[first]), workers=[last]).result(), repeats)[1]
    kept = taken(lambda: submit(len, submit(bytes, size, workers=[first]), workers=[first]).result(), repeats)[1]
    return alone, many, bandwidth or size / max(sent - kept, 1e-6)


def overhead(workers, params, batch, alone, many, bandwidth):
    """Seconds of a step beyond its computation, by the model of docs/scaling.md."""
    levels = max(ceil(log(workers, FAN) - 1e-9), 1)
    tasks = 1 + workers + ceil(workers / (FAN - 1))
    transfers = 2 + log2(workers) + 1 + min(FAN, workers) * levels
    return (levels + 2) * alone + tasks * many + (4 * params * transfers + 2 * batch) / bandwidth


def steps(client, count, repeats):
    """Seconds of a step of an MLP in one process, and with workers, and what is sent in one."""
    generator = np.random.default_rng(0)
    x, t = generator.standard_normal((2000, 784)).astype(np.float32), generator.integers(0, 10, 2000)

    def run(**how):
        make = np.random.default_rng(1)
        W = [he(*shape, generator=make, dtype=np.float32) for shape in ((784, 100), (100, 10))]
        net = [Affine(W[0], np.zeros(100, np.float32)), Relu(), Affine(W[1], np.zeros(10, np.float32))]
        return fit(net, x, t, loss=SoftmaxWithLoss(), optimizer=SGD(0.1), epochs=2, batch=100, seed=0,
                   compiled=False, progress=False, **how)["loss"]  # fmt: skip

    losses = run(), run(client=client)
    plain, spread = taken(run, repeats), taken(partial(run, client=client), repeats)
    params = 784 * 100 + 100 + 1000 + 10
    return plain, spread, np.abs(np.subtract(*losses)).max(), 4 * params, 4 * 78_400


def main():
    """Print all of it."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--workers", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=15)
    parser.add_argument("--bandwidth", type=float, default=0.0)
    asked = parser.parse_args()
    warnings.filterwarnings("ignore", "Sending large graph")
    cluster = LocalCluster(n_workers=asked.workers, threads_per_worker=1, dashboard_address=None, silence_logs=50)
    with cluster, Client(cluster) as client:
        print(f"{asked.workers} workers, {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
        print("ms a step, of the processor (of the clock)")
        print(f"{'':24}" + "".join(f"{name:>18}" for name in TRIED))
        for name, way in ways(client, asked.workers).items():
            found = [taken(partial(way, np.ones(NETS[size], np.float32)), asked.repeats) for size in TRIED]
            told = [f"{cpu * 1e3:.1f} ({clock * 1e3:.1f})" for clock, cpu, _ in found]
            print(f"{name:24}" + "".join(f"{text:>18}" for text in told), flush=True)
        alone, many, bandwidth = costs(client, asked.repeats, asked.bandwidth)
        print(f"\na task alone {alone * 1e3:.1f} ms, the scheduler's share of one of many {many * 1e3:.2f} ms")
        print(f"{bandwidth / 1e6:.0f} MB a second from one worker to another")
        one, spread, apart, params, batch = steps(client, asked.workers, 3)
        told = [f"{found[1] / 40 * 1e3:.1f} ({found[0] / 40 * 1e3:.1f}) ms" for found in (one, spread)]
        print(f"MLP 784-100-10, batch 100, a step: {told[0]} in one process, {told[1]} with workers")
        print(
            f"{params / 1e3:.0f} kB of parameters to each and as much of gradients back, {batch / 1e3:.0f} kB of data"
        )
        print(f"the losses differ by {apart:.0e} (float32)")
        print("\noverhead of a step, and seconds that it takes one process where half of the workers' time is used")
        print(f"{'':18}" + "".join(f"{workers:>12} workers" for workers in (8, 64, 512)))
        for name, size in NETS.items():
            found = [overhead(workers, size, 400_000, alone, many, bandwidth) for workers in (8, 64, 512)]
            told = [f"{seconds:.3g} / {seconds * w:.3g} s" for seconds, w in zip(found, (8, 64, 512), strict=True)]
            print(f"{name:18}" + "".join(f"{text:>20}" for text in told))


if __name__ == "__main__":
    main()
