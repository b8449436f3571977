"""Plain NumPy layers in; seen, verified, explained and fast layers out.

The verbs load what they need when they are first used: `import dout` itself loads next to nothing.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

from dout.errors import EXTRAS, DoutError, TargetError, needs

if TYPE_CHECKING:
    from dout.check.report.report import Report as Report
    from dout.check.verb.check_layer import check as check
    from dout.draw import Picture as Picture
    from dout.draw import draw as draw
    from dout.engine.compile.compiled import compile as compile
    from dout.explain.verb.derive_verb import DerivedLayer as DerivedLayer
    from dout.explain.verb.derive_verb import derive as derive
    from dout.explain.verb.explain_verb import Explained as Explained
    from dout.explain.verb.explain_verb import explain as explain
    from dout.export.onnx_export import ExportedModel as ExportedModel
    from dout.export.onnx_export import export as export
    from dout.trace.record.trace import Trace as Trace
    from dout.trace.record.trace_reader import load as load
    from dout.trace.record.trace_verbs import grad as grad
    from dout.trace.record.trace_verbs import trace as trace
    from dout.trace.record.trace_verbs import value_and_grad as value_and_grad

__version__ = "0.1.0"
__all__ = [
    "DerivedLayer",
    "DoutError",
    "Explained",
    "ExportedModel",
    "Picture",
    "Report",
    "Trace",
    "check",
    "compile",
    "derive",
    "draw",
    "explain",
    "export",
    "grad",
    "load",
    "trace",
    "value_and_grad",
]

_HOMES = {
    "trace": "dout.trace.record.trace_verbs",
    "grad": "dout.trace.record.trace_verbs",
    "value_and_grad": "dout.trace.record.trace_verbs",
    "load": "dout.trace.record.trace_reader",
    "Trace": "dout.trace.record.trace",
    "check": "dout.check.verb.check_layer",
    "Report": "dout.check.report.report",
    "draw": "dout.draw.picture.picture",
    "Picture": "dout.draw.picture.picture",
    "compile": "dout.engine.compile.compiled",
    "explain": "dout.explain.verb.explain_verb",
    "Explained": "dout.explain.verb.explain_verb",
    "derive": "dout.explain.verb.derive_verb",
    "DerivedLayer": "dout.explain.verb.derive_verb",
    "export": "dout.export.onnx_export",
    "ExportedModel": "dout.export.onnx_export",
}


def load_ipython_extension(shell: Any) -> None:
    """Give a notebook `%%check` and `%%explain`: IPython calls it for `%load_ext dout`."""
    importlib.import_module("dout.notebook_magics").load(shell)


def _public(name: str) -> property:
    def get(package: ModuleType) -> Any:
        try:
            found = getattr(importlib.import_module(_HOMES[name]), name)
            if _HOMES["Trace"] in sys.modules:
                importlib.import_module("dout.draw")  # a trace can then draw itself: docs/decisions/0005
            return found
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            raise TargetError(needs(f"dout.{name}", error.name)) from None

    # Importing the folder dout/trace/ makes Python set `dout.trace` to it: the verb stays. See docs/decisions/0002.
    return property(get, lambda package, folder: None)


class _Package(ModuleType):
    """The package: its attributes are the verbs, also where a folder has the same name."""

    (
        trace, grad, value_and_grad, load, Trace, check, Report, draw, Picture, compile, explain, Explained, derive,
        DerivedLayer, export, ExportedModel,
    ) = map(_public, _HOMES)  # fmt: skip

    def __getattr__(self, name: str) -> Any:
        if name in ("layers", "train"):
            return importlib.import_module(f"dout.{name}")
        raise AttributeError(f"module 'dout' has no attribute {name!r}")

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *_HOMES, "layers", "train"})


sys.modules[__name__].__class__ = _Package
