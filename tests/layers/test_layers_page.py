"""The page on the ready-made layers has each of them, in its family, and each says what PyTorch calls it."""

import ast
import re
from pathlib import Path

import pytest

from dout import layers

HOME = Path(layers.__file__).parent
PAGE = (Path(__file__).parents[2] / "docs" / "layers.md").read_text(encoding="utf-8")
NOWHERE = {"Bias": "an addition", "PositionalEncoding": "not in PyTorch", "TimeDistributed": "Keras's"}


def test_the_page_has_the_families_and_every_layer_in_its_own():
    families = re.findall(r"^## [^\n]*\(`([\w/.]+)`\)\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    told = {name: re.findall(r"^\| `(\w+)` \|", text, re.MULTILINE) for name, text in families}
    trees = {str(f.relative_to(HOME)): ast.parse(f.read_text(encoding="utf-8")) for f in HOME.rglob("*.py")}
    classes = {f: [n.name for n in tree.body if isinstance(n, ast.ClassDef)] for f, tree in trees.items()}
    assert told == {file: names for file, names in classes.items() if names}
    assert sorted(name for names in told.values() for name in names) == sorted(layers.__all__)


@pytest.mark.parametrize("name", sorted(set(layers.__all__) - set(NOWHERE)))
def test_a_layer_says_what_pytorch_calls_it(name):
    assert re.search(r"PyTorch: `|torchvision: `", " ".join(getattr(layers, name).__doc__.split()))


@pytest.mark.parametrize("name", layers.__all__)
def test_a_layer_says_its_shapes_and_its_source(name):
    said = getattr(layers, name).__doc__
    assert "shape" in said
    assert "Source: " in said
