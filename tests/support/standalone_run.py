"""Compares a compiled module with the file it was made from, where dout cannot be imported.

Run as: python standalone_run.py PLAIN.py FAST.py. For each line with a list of cases it prints a line: the names of the
plain methods that FAST called, or how the two differ.
"""

import contextlib
import importlib.util
import json
import sys
import traceback

import numpy as np


class NoDout:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "dout":
            raise ImportError("dout is not here")


def load(path, name):
    spec = importlib.util.spec_from_file_location(name, path)
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


def made(value, dtype, rng):
    """A number or flag as it is; a list is a shape, of labels where its first item is a text that says so."""
    if isinstance(value, list) and value and value[0] == "labels":
        return rng.integers(value[2], size=value[1])
    if isinstance(value, list) and value and value[0] == "one-hot":
        return np.eye(value[2], dtype=dtype)[rng.integers(value[2], size=value[1])]
    if isinstance(value, list):
        return rng.normal(size=value).astype(dtype)
    return value


def flat(item, path=""):
    """Every number and array in an item, by its path."""
    if isinstance(item, np.ndarray | np.generic | int | float | bool):
        yield path, item
    elif isinstance(item, dict):
        for key, part in item.items():
            yield from flat(part, f"{path}[{key!r}]")
    elif isinstance(item, list | tuple):
        for i, part in enumerate(item):
            yield from flat(part, f"{path}[{i}]")
    elif hasattr(item, "__dict__"):
        for key, part in vars(item).items():
            yield from flat(part, f"{path}.{key}")


def same(plain, fast, eps, what):
    ours, theirs = dict(flat(plain)), dict(flat(fast))
    assert ours.keys() == theirs.keys(), (what, ours.keys() ^ theirs.keys())
    for path, one in ours.items():
        other = theirs[path]
        assert type(one) is type(other), (what, path, type(one), type(other))
        a, b = np.asarray(one), np.asarray(other)
        assert (a.shape, a.dtype) == (b.shape, b.dtype), (what, path, a.shape, a.dtype, b.shape, b.dtype)
        if a.dtype.kind == "f":
            scale = max(1.0, float(np.max(np.abs(a), initial=0, where=np.isfinite(a))))
            assert np.allclose(a, b, rtol=0, atol=50 * scale * eps, equal_nan=True), (
                what,
                path,
                a,
                b,
            )
        else:
            assert np.array_equal(a, b), (what, path)


def watch(module, called):
    """Note which plain methods are called."""
    for cls in [c for c in vars(module).values() if isinstance(c, type)]:
        for name, method in list(vars(cls).items()):
            if "__plain_" in name:

                def noted(self, *args, _method=method, _name=name, **kwargs):
                    called.append(_name)
                    return _method(self, *args, **kwargs)

                setattr(cls, name, noted)


def compare(case, plain, fast):
    rng = np.random.default_rng(0)
    dtype = case["dtype"]
    eps = float(np.finfo(dtype).eps)  # also of what is computed in float32 and kept in float64
    init = {name: made(value, dtype, rng) for name, value in case.get("init", {}).items()}
    layers = [getattr(m, case["layer"])(**{n: np.copy(i) if isinstance(i, np.ndarray) else i for n, i in init.items()})
              for m in (plain, fast)]  # fmt: skip
    for call in case["calls"]:
        inputs = {name: made(value, dtype, rng) for name, value in call.get("inputs", {}).items()}
        outs, passed = [], []
        for layer in layers:
            np.random.seed(1)
            given = {n: np.copy(i) if isinstance(i, np.ndarray) else i for n, i in inputs.items()}
            passed.append(given)
            outs.append(layer.forward(**given))
        same([outs[0], passed[0], layers[0]], [outs[1], passed[1], layers[1]], eps, (case["layer"], call, "forward"))
        if call.get("backward", True):
            dout = case.get("dout")
            if dout is None:
                dout = rng.normal(size=np.shape(outs[0])).astype(outs[0].dtype)
            douts = [np.copy(dout) if isinstance(dout, np.ndarray) else dout for _ in layers]
            grads = [layer.backward(one) for layer, one in zip(layers, douts, strict=True)]
            same(
                [grads[0], douts[0], layers[0]], [grads[1], douts[1], layers[1]], eps, (case["layer"], call, "backward")
            )


if __name__ == "__main__":
    sys.meta_path.insert(0, NoDout())
    plain, fast = load(sys.argv[1], "plain_module"), load(sys.argv[2], "fast_module")
    called = []
    watch(fast, called)
    for line in sys.stdin:
        called.clear()
        failed = None
        try:
            with contextlib.redirect_stdout(sys.stderr):
                for case in json.loads(line):
                    compare(case, plain, fast)
        except Exception:
            failed = traceback.format_exc()
        print(json.dumps({"called": called, "failed": failed}), flush=True)
