"""`dout.compile` on code in modules that no name leads to: cells run by `exec`, files loaded by path, attributes."""

import importlib
import importlib.util
import sys
from types import SimpleNamespace

import numpy as np
import pytest

import dout

HELPERS = """
import numpy as np

rate, calls, weight, seen = 0.5, 0, np.ones(3), []

def counted(x):
    global calls
    calls += 1
    seen.append(rate)
    return np.tanh(x) * rate + calls

def weighed(x):
    return x * np.arange(3) * weight
"""
LAYER = """
class Layer:
    def counted(self, x):
        return counted(x)

    def weighed(self, x):
        return weighed(x)
"""


def a_layer_of_cells(tmp_path, monkeypatch):
    """An object whose class was run in one set of names, and what it calls in another."""
    helpers = {"__name__": "helpers"}
    exec(HELPERS, helpers)
    cell = {"__name__": "cell", "counted": helpers["counted"], "weighed": helpers["weighed"]}
    exec(LAYER, cell)
    return SimpleNamespace(held=cell["Layer"]()), helpers


def a_module_in_an_attribute(tmp_path, monkeypatch):
    """A module of which `sys.modules` knows nothing."""
    file = tmp_path / "solution.py"
    file.write_text(HELPERS)
    spec = importlib.util.spec_from_file_location("solution", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return SimpleNamespace(held=module), vars(module)


def a_loaded_module_in_an_attribute(tmp_path, monkeypatch):
    """A module that no other names."""
    holder, names = a_module_in_an_attribute(tmp_path, monkeypatch)
    monkeypatch.setitem(sys.modules, "solution", holder.held)
    return holder, names


ways = pytest.mark.parametrize("made", [a_layer_of_cells, a_module_in_an_attribute, a_loaded_module_in_an_attribute])


@ways
def test_numbers_in_modules_that_no_name_leads_to_are_read_and_set(made, tmp_path, monkeypatch):
    holder, names = made(tmp_path, monkeypatch)
    fast = dout.compile(lambda holder, x: holder.held.counted(x))
    for call in range(1, 7):
        names["rate"] = 0.5 if call < 4 else 0.25
        np.testing.assert_allclose(fast(holder, np.ones(3)), [np.tanh(1) * names["rate"] + call] * 3, rtol=1e-14)
        assert names["calls"] == call
    assert names["seen"] == [0.5] * 3 + [0.25] * 3
    assert fast.plan().programs


@ways
def test_arrays_in_modules_that_no_name_leads_to_are_inputs(made, tmp_path, monkeypatch):
    holder, names = made(tmp_path, monkeypatch)
    fast = dout.compile(lambda holder, x: holder.held.weighed(x))
    assert fast(holder, np.ones(3)).tolist() == [0, 1, 2]
    names["weight"][2] = 9
    assert fast(holder, np.ones(3)).tolist() == [0, 1, 18]
    names["weight"] = np.full(3, 2.0)
    assert fast(holder, np.ones(3)).tolist() == [0, 2, 4]
    assert fast.plan().programs
    assert names["np"] is np


settings = None  # a module, as `import settings` gives


def test_numbers_in_dicts_and_lists_of_other_modules_are_read_and_set(tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_run.py").write_text("of_adam, rates = {'decay': 2.0, 'steps': 0}, [0.5]")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "settings_of_a_run", raising=False)
    monkeypatch.setattr(sys.modules[__name__], "settings", importlib.import_module("settings_of_a_run"))

    def step(x):
        settings.of_adam["steps"] += 1
        return x * settings.of_adam["decay"] + settings.rates[0] + settings.of_adam["steps"]

    fast = dout.compile(step)
    for call, (decay, rate) in enumerate([(2.0, 0.5), (2.0, 0.5), (3.0, 0.5), (3.0, 0.25)], 1):
        settings.of_adam["decay"], settings.rates[0] = decay, rate
        assert fast(np.ones(1)).tolist() == [decay + rate + call]
        assert settings.of_adam["steps"] == call
    assert len(fast.plan().programs) == 1


def by_an_import(held, x):
    import settings_of_a_run

    return x * settings_of_a_run.rate if settings_of_a_run.mode == "on" else x


def by_an_import_of_the_name(held, x):
    from settings_of_a_run import mode, rate

    return x * rate if mode == "on" else x


def by_the_modules(held, x):
    module = sys.modules["settings_of_a_run"]
    return x * module.rate if module.mode == "on" else x


HELD = [
    (lambda module: module, lambda held, x: x * held.rate if held.mode == "on" else x),
    (lambda module: [module], lambda held, x: x * held[0].rate if held[0].mode == "on" else x),
    (lambda module: {"by": module}, lambda held, x: x * held["by"].rate if held["by"].mode == "on" else x),
    (lambda module: (module,), lambda held, x: x * held[0].rate if held[0].mode == "on" else x),
    (lambda module: None, by_an_import),
    (lambda module: None, by_an_import_of_the_name),
    (lambda module: None, by_the_modules),
]


@pytest.mark.parametrize(("hold", "function"), HELD)
def test_what_a_module_holds_is_looked_at_in_each_call_however_it_is_found(hold, function, tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_run.py").write_text("rate, mode = 0.5, 'on'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "settings_of_a_run", raising=False)
    module = importlib.import_module("settings_of_a_run")
    fast, held = dout.compile(function), hold(module)
    for rate, mode in [(0.5, "on"), (0.5, "on"), (0.25, "on"), (0.25, "off"), (2.0, "on")]:
        module.rate, module.mode = rate, mode
        assert fast(held, np.ones(1)).tolist() == [rate if mode == "on" else 1]
    assert fast.plan().programs


@pytest.mark.parametrize("function", [by_an_import, by_an_import_of_the_name])
def test_a_module_that_the_first_call_loads_is_looked_at_from_the_second_on(function, tmp_path, monkeypatch):
    (tmp_path / "settings_of_a_run.py").write_text("rate, mode = 0.5, 'on'")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "settings_of_a_run", raising=False)
    fast = dout.compile(function)
    assert fast(None, np.ones(1)).tolist() == [0.5]
    for rate in (0.5, 0.25, 2.0):
        sys.modules["settings_of_a_run"].rate = rate
        assert fast(None, np.ones(1)).tolist() == [rate]
    assert len(fast.plan().programs) == 1


this = sys.modules[__name__]  # leads to the numbers of this module a second time


def test_a_name_for_the_loaded_modules_leaves_them_as_they_are():
    cell = {"__name__": "cell", "np": np, "loaded": sys.modules}
    exec("def squared(x): return np.square(x) if np is loaded['numpy'] else None", cell)
    assert dout.compile(cell["squared"])(np.array([3.0])).tolist() == [9]
    assert cell["np"] is sys.modules["numpy"] is np
    other = dout.compile(lambda x: np.square(x))
    assert other(np.array([3.0])).tolist() == [9]
    assert other.plan().programs


@pytest.mark.long
def test_numbers_in_the_rows_of_a_long_table_are_watched():
    table = [[0.5, 1.0] for _ in range(2000)]
    fast = dout.compile(lambda x: x * table[3][1])
    assert fast(np.ones(1)).tolist() == [1]
    table[3][1] = 4.0
    assert fast(np.ones(1)).tolist() == [4]
    table[3].append(2.0)
    assert fast(np.ones(1)).tolist() == [4]
    assert fast.plan().programs
