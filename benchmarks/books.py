"""The layers of both volumes of "Deep Learning from Scratch", traced as their author wrote them.

    python benchmarks/books.py PATH_TO/deep-learning-from-scratch PATH_TO/deep-learning-from-scratch-2

Takes checkouts of the books' repositories (oreilly-japan/deep-learning-from-scratch and -2); nothing of them is part of
dout. For each layer class it prints whether forward and hand-written backward trace, whether the replay is the same to
the bit, whether every float input and parameter has a gradient, and what came out on the way. Goal: 38 of 38.
"""

import importlib
import os
import subprocess
import sys
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

import dout
from dout.grad import backpropagate

N, T, D, H, V = 3, 4, 5, 6, 7  # batch, time, input, hidden, vocabulary: all different


def normal(*shape: int) -> np.ndarray:
    """Random numbers, the same in every run."""
    return np.random.default_rng(len(shape)).normal(size=shape)


def labels(*shape: int, below: int = V) -> np.ndarray:
    """Random class labels."""
    return np.random.default_rng(7).integers(below, size=shape)


def gates(n: int, d: int = D) -> tuple[np.ndarray, ...]:
    """Wx, Wh and b of a recurrent layer with n gates."""
    return normal(d, n * H), normal(H, n * H), normal(n * H)


Case = tuple[Callable[[], tuple[Any, ...]], Callable[[], tuple[Any, ...]]]
VOLUME_1: dict[str, dict[str, Case]] = {
    "common.layers": {
        "Relu": (lambda: (), lambda: (normal(N, D),)),
        "Sigmoid": (lambda: (), lambda: (normal(N, D),)),
        "Affine": (lambda: (normal(D, H), normal(H)), lambda: (normal(N, D),)),
        "SoftmaxWithLoss": (lambda: (), lambda: (normal(N, V), labels(N))),
        "Dropout": (lambda: (), lambda: (normal(N, D),)),
        "BatchNormalization": (lambda: (np.ones(D), np.zeros(D)), lambda: (normal(N, D),)),
        "Convolution": (lambda: (normal(2, 3, 3, 3), normal(2), 1, 1), lambda: (normal(N, 3, 5, 6),)),
        "Pooling": (lambda: (2, 2, 2), lambda: (normal(N, 2, 4, 6),)),
    },
    "ch05.layer_naive": {
        "MulLayer": (lambda: (), lambda: (100, 2)),
        "AddLayer": (lambda: (), lambda: (200, 450)),
    },
}
VOLUME_2: dict[str, dict[str, Case]] = {
    "common.layers": {
        "MatMul": (lambda: (normal(D, H),), lambda: (normal(N, D),)),
        "Affine": (lambda: (normal(D, H), normal(H)), lambda: (normal(N, D),)),
        "Softmax": (lambda: (), lambda: (normal(N, V),)),
        "SoftmaxWithLoss": (lambda: (), lambda: (normal(N, V), labels(N))),
        "Sigmoid": (lambda: (), lambda: (normal(N, D),)),
        "SigmoidWithLoss": (lambda: (), lambda: (normal(N), labels(N, below=2))),
        "Dropout": (lambda: (), lambda: (normal(N, D),)),
        "Embedding": (lambda: (normal(V, D),), lambda: (labels(N),)),
    },
    "common.time_layers": {
        "RNN": (lambda: gates(1), lambda: (normal(N, D), normal(N, H))),
        "TimeRNN": (lambda: gates(1), lambda: (normal(N, T, D),)),
        "LSTM": (lambda: gates(4), lambda: (normal(N, D), normal(N, H), normal(N, H))),
        "TimeLSTM": (lambda: gates(4), lambda: (normal(N, T, D),)),
        "TimeEmbedding": (lambda: (normal(V, D),), lambda: (labels(N, T),)),
        "TimeAffine": (lambda: (normal(D, V), normal(V)), lambda: (normal(N, T, D),)),
        "TimeSoftmaxWithLoss": (lambda: (), lambda: (normal(N, T, V), labels(N, T))),
        "TimeDropout": (lambda: (), lambda: (normal(N, T, D),)),
        "TimeBiLSTM": (lambda: (*gates(4), *gates(4)), lambda: (normal(N, T, D),)),
        "TimeSigmoidWithLoss": (lambda: (), lambda: (normal(N, T), labels(N, T, below=2))),
        "GRU": (lambda: gates(3), lambda: (normal(N, D), normal(N, H))),
        "TimeGRU": (lambda: gates(3), lambda: (normal(N, T, D),)),
        "Simple_TimeSoftmaxWithLoss": (lambda: (), lambda: (normal(N, T, V), labels(N, T))),
        "Simple_TimeAffine": (lambda: (normal(D, V), normal(V)), lambda: (normal(N, T, D),)),
    },
    "ch04.negative_sampling_layer": {
        "EmbeddingDot": (lambda: (normal(V, D),), lambda: (normal(N, D), labels(N))),
        "NegativeSamplingLoss": (
            lambda: (normal(V, D), list(range(V)) * 3, 0.75, 2),
            lambda: (normal(N, D), labels(N)),
        ),
    },
    "ch08.attention_layer": {
        "WeightSum": (lambda: (), lambda: (normal(N, T, H), np.abs(normal(N, T)))),
        "AttentionWeight": (lambda: (), lambda: (normal(N, T, H), normal(N, H))),
        "Attention": (lambda: (), lambda: (normal(N, T, H), normal(N, H))),
        "TimeAttention": (lambda: (), lambda: (normal(N, T, H), normal(N, 2, H))),
    },
}

MODELS_1: dict[str, dict[str, Case]] = {
    "ch05.two_layer_net": {"TwoLayerNet": (lambda: (D, H, V), lambda: (normal(N, D), labels(N)))},
    "common.multi_layer_net": {
        "MultiLayerNet": (lambda: (D, [H, 4], V, "relu", "relu", 0.1), lambda: (normal(N, D), labels(N)))
    },
    "common.multi_layer_net_extend": {
        "MultiLayerNetExtend": (
            lambda: (D, [H, 4], V, "relu", "relu", 0, True, 0.5, True),
            lambda: (normal(N, D), labels(N)),
        )
    },
    "ch07.simple_convnet": {
        "SimpleConvNet": (
            lambda: ((1, 8, 8), {"filter_num": 2, "filter_size": 3, "pad": 0, "stride": 1}, 4, V),
            lambda: (normal(2, 1, 8, 8), labels(2)),
        )
    },
    "ch08.deep_convnet": {"DeepConvNet": (lambda: ((1, 28, 28),), lambda: (normal(2, 1, 28, 28), labels(2)))},
}
CORPUS = list(range(V)) * 4
SENTENCES = (labels(N, T), labels(N, T))
ONE_HOT = (np.eye(V)[labels(N, 2)], np.eye(V)[labels(N)])
MODELS_2: dict[str, dict[str, Case]] = {
    "ch03.simple_cbow": {"SimpleCBOW": (lambda: (V, H), lambda: ONE_HOT)},
    "ch03.simple_skip_gram": {"SimpleSkipGram": (lambda: (V, H), lambda: ONE_HOT)},
    "ch04.cbow": {"CBOW": (lambda: (V, H, 2, CORPUS), lambda: (labels(N, 4), labels(N)))},
    "ch04.skip_gram": {"SkipGram": (lambda: (V, H, 2, CORPUS), lambda: (labels(N, 4), labels(N)))},
    "ch05.simple_rnnlm": {"SimpleRnnlm": (lambda: (V, D, H), lambda: SENTENCES)},
    "ch06.rnnlm": {"Rnnlm": (lambda: (V, D, H), lambda: SENTENCES)},
    "ch06.better_rnnlm": {"BetterRnnlm": (lambda: (V, H, H), lambda: SENTENCES)},
    "ch07.seq2seq": {"Seq2seq": (lambda: (V, D, H), lambda: SENTENCES)},
    "ch07.peeky_seq2seq": {"PeekySeq2seq": (lambda: (V, D, H), lambda: SENTENCES)},
    "ch08.attention_seq2seq": {"AttentionSeq2seq": (lambda: (V, D, H), lambda: SENTENCES)},
}


def verdict(layer: Any, inputs: tuple[Any, ...]) -> tuple[bool, str]:
    """Whether a layer traces as it should, and what is to be said."""
    said = []
    try:
        trace = dout.trace(layer, *inputs)
    except AttributeError as error:  # a defect of the book's own backward: its forward is to be traced all the same
        said.append(f"backward raises {type(error).__name__}: {error}")
        trace = dout.trace(layer.forward, *inputs)
    except Exception as error:
        return False, f"{type(error).__name__}: {error}"
    kinds = Counter(event.kind for event in trace.events)
    lost = [kind for kind in ("orphan", "escape", "replay", "alias", "specialised") if kinds[kind]]
    reached = backpropagate({end: end for end in trace.graph.outputs.values()}).of
    inputs_ = {name: node for name, node in trace.graph.inputs.items() if node in reached}
    values = {name: trace.by_node[node] for name, node in inputs_.items()}
    blank = [name for name, v in values.items() if v.gradient is None and not any(use.gradient for use in v.uses)]
    wrong = [v.name for v in trace.values if v.gradient is not None and v.gradient.expected is not None]
    said = [f"{len(trace.graph.nodes)} nodes", *said, *lost]
    said += [f"no gradient of {', '.join(map(str, blank))}"] if blank else []
    said += [f"differs: {', '.join(map(str, wrong))}"] if wrong else []
    said += [event.message for event in trace.events if event.kind == "write"]
    return not lost and not blank, "; ".join(said)


def run(checkout: Path) -> None:
    """Trace every layer and model of one checkout and print its part of the table."""
    sys.path[:0] = [str(checkout), *(str(folder) for folder in sorted(checkout.glob("ch0*")))]
    os.chdir(checkout)  # the models look for their files from there
    warnings.simplefilter("ignore")
    second = (checkout / "common" / "time_layers.py").exists()
    for table in (VOLUME_2, MODELS_2) if second else (VOLUME_1, MODELS_1):
        for module, cases in table.items():
            for name, (build, inputs) in cases.items():
                np.random.seed(0)  # noqa: NPY002 - the books draw from the global generator
                made = getattr(importlib.import_module(module), name)(*build())
                target = made if hasattr(made, "backward") else made.gradient
                good, said = verdict(target, inputs())
                print(f"{'ok  ' if good else 'FAIL'}  {module + '.' + name:50}{said}", flush=True)


def main() -> None:
    """Each checkout in a process of its own, for both call their package `common`."""
    if sys.argv[1:2] == ["--one"]:
        run(Path(sys.argv[2]).resolve())
        return
    lines = []
    for checkout in sys.argv[1:]:
        command = [sys.executable, __file__, "--one", checkout]
        lines += subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout.splitlines()
    print("\n".join(lines))
    models = {name for table in (MODELS_1, MODELS_2) for cases in table.values() for name in cases}
    for what, wanted in (("layer classes", False), ("models", True)):
        mine = [line for line in lines if (line[6:56].split()[0].rpartition(".")[2] in models) == wanted]
        print(f"{sum(line.startswith('ok') for line in mine)} of {len(mine)} {what}")


if __name__ == "__main__":
    main()
