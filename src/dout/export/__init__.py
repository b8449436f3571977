"""A target in; its forward as an ONNX model, with operators that others run, out. `export` is its one verb."""

from dout.files import Kind

__all__ = ["MODEL", "batch_numbers", "onnx_export", "onnx_writer"]

MODEL = Kind("an ONNX model", (".onnx",), rb"\A\x08.\x12\x04dout")  # the version of the format, and who wrote it
