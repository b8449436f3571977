"""A target in; its forward as an ONNX model, with operators that others run, out. `export` is its one verb."""

__all__ = [
    "onnx_export",
]
