"""Nodes in; operators of ONNX out: one table of rules a file, where a row's own operator is not enough."""

__all__ = ["array_operators", "elementwise_operators", "index_operators", "loop_operators"]
