"""An array under a global name is an input of a recording, by whatever way the code comes to it; and comes back."""

import itertools
import subprocess
import sys
import types

import numpy as np
import pytest

import dout

X = np.array([0.5, 1.0, 1.5])
HEAD = "import functools, itertools, types, weakref\nimport numpy as np\nW = np.array([1.0, 2.0, 3.0])\nOTHER = W + 1\n"
G = "def g(x):\n    return np.exp(x) * W\n"
A = "class A:\n    def run(self, x):\n        return np.exp(x) * W\n"
F = "\ndef f(x):\n    return "
WAYS = {
    "itself": G + "f = g",
    "a function": G + F + "g(x)",
    "a function in a closure": "def make():\n    def g(x): return x * W\n    return lambda x: g(x)\nf = make()",
    "a default": "def f(x, g=lambda x: np.exp(x) * W):\n    return g(x)",
    "a decorator": "def same(h):\n    return functools.wraps(h)(lambda *a: h(*a))\n" + "@same\n" + G + "f = same(g)",
    "a partial": G + "h = functools.partial(g)\n" + F + "h(x)",
    "a cache": "@functools.lru_cache\ndef w():\n    return W * 2\n" + F + "x * w()",
    "a vectorised function's module": G + "v = np.vectorize(lambda n: n + 1)\n" + F + "g(x) + v(1)",
    "functions by type": "@functools.singledispatch\n" + G + F + "g(x)",
    "a function of a library's object": G + "r = itertools.repeat(g)\n" + F + "next(r)(x)",
    "a weak reference": A + "a = A()\nr = weakref.ref(a)\n" + F + "r().run(x)",
    "a table": G + "table = {'g': [g]}\n" + F + "table['g'][0](x)",
    "a table that cannot change": G + "t = types.MappingProxyType({'g': g})\n" + F + "t['g'](x)",
    "a factory": "from collections import defaultdict\nd = defaultdict(lambda: W)\n" + F + "x * d.pop('k', d['k'])",
    "a method": A + "f = A().run",
    "a base": A + "class B(A):\n    pass\nf = B().run",
    "an object": A + "a = A()\n" + F + "a.run(x)",
    "a new object": A + F + "A().run(x)",
    "a property": "class A:\n    @property\n    def w(self): return W\n" + F + "x * A().w",
    "a property kept": "class A:\n    @functools.cached_property\n    def w(self): return W\n" + F + "x * A().w",
    "a descriptor": "class D:\n    def __get__(self, a, b): return W\nclass A:\n    w = D()\n" + F + "x * A.w",
    "a metaclass": "class M(type):\n    def __call__(a, x): return x * W\nclass A(metaclass=M): pass\n" + F + "A(x)",
    "an operator": "class A:\n    def __mul__(self, x): return x * W\n" + F + "A() * x",
    "a class of classes": A + "class B:\n    part = A\n" + F + "B.part().run(x)",
    "subclasses": "class B: pass\n" + A.replace("A", "A(B)") + F + "B.__subclasses__()[0]().run(x)",
    "a name made as it runs": "import sys\n" + F + "x * getattr(sys.modules[__name__], ''.join(['W']))",
    "all names": F + "x * globals()['W']",
    "text": F + "eval('x * W')",
}  # fmt: skip
_count = itertools.count()


def module(source):
    """A module of this text that is loaded, as an import would."""
    new = types.ModuleType(f"reached_{next(_count)}")
    new.__file__ = __file__
    sys.modules[new.__name__] = new
    exec(compile(HEAD + source, __file__, "exec"), vars(new))
    return new


def inputs(function):
    trace = dout.trace(function, X)
    return {trace.names.get(node): node for node in trace.graph.nodes if node.primitive.name == "input"}


@pytest.mark.parametrize("way", WAYS)
def test_an_array_under_a_global_name_is_an_input_of_the_code_that_comes_to_it_by(way):
    loaded = module(WAYS[way])
    before = dict(vars(loaded))
    found = inputs(loaded.f)
    assert {"x", "W"} <= found.keys()
    assert "OTHER" not in found
    assert {name: vars(loaded)[name] for name in before} == before  # identical objects are not compared


def test_code_of_another_module_is_followed_there():
    far = module(G)
    near = module("")
    near.far, near.g = far, far.g
    for way in ("def f(x):\n    return far.g(x)", "def f(x):\n    return g(x)", "def f(x):\n    return x * far.W"):
        exec(compile(way, __file__, "exec"), vars(near))
        assert "W" in inputs(near.f)


def test_a_module_that_the_code_imports_as_it_runs_is_looked_at():
    far = module(G)
    near = module(f"def f(x):\n    import {far.__name__} as far\n    return far.g(x)")
    assert "W" in inputs(near.f)


def test_a_global_name_that_the_code_makes_holds_a_plain_array_afterwards():
    loaded = module("def f(x):\n    global made\n    made = np.exp(x) * W\n    return made + 1")
    dout.trace(loaded.f, X)
    assert type(loaded.made) is np.ndarray
    np.testing.assert_allclose(loaded.made, np.exp(X) * loaded.W)


def test_code_that_is_given_as_an_argument_is_followed_in_its_module():
    far = module(G + A)
    near = module("def f(x, g):\n    return g(x) + 1\ndef h(x, layers):\n    return layers[0].run(x)")
    for trace in (dout.trace(near.f, X, far.g), dout.trace(near.h, X, [far.A()])):
        assert "W" in trace.names.values()
        assert "exp" in [n.primitive.name for n in trace.graph.nodes]


COUNTED = """
import subprocess
import sys
import numpy as np
import dout
{imports}

def f(x):
    return getattr(np, "exp")(x)

calls = 0
def count(frame, event, argument):
    global calls
    calls += event == "call"

dout.trace(f, np.ones(3))  # which imports what a recording needs
sys.setprofile(count)
dout.trace(f, np.ones(3))
sys.setprofile(None)
print(calls)
"""


def test_what_comes_with_dout_costs_nothing_where_no_code_leads_to_it():
    none, all_of_it = (
        int(subprocess.check_output([sys.executable, "-c", COUNTED.format(imports=imports)], text=True))
        for imports in ("", "import dout.layers, dout.train")
    )
    assert all_of_it < 1.2 * none


@pytest.mark.parametrize("found", ["importlib.import_module('dout.layers')", "sys.modules['dout.layers']"])
def test_a_ready_made_layer_that_code_finds_by_text_is_recorded(found):
    function = module(f"import importlib, sys\ndef f(x):\n    return {found}.ExpLayer().forward(x)\n").f
    assert "exp" in [node.primitive.name for node in dout.trace(function, X).graph.nodes]
