"""From a captured run to a program: passes, fusion, memory, driver."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from dout.engine.driver import Program, write
from dout.engine.steps import Writer
from dout.graph import CONSTANT, INPUT
from dout.trace.capture import Capture


@dataclass(frozen=True, eq=False)
class Built:
    """A program that is ready to run."""

    driver: Callable[..., Any]
    source: str
    program: Program


def build(run: Capture, *, strict: bool = False) -> Built:
    """Make a program of a run."""
    graph = run.graph
    steps = tuple(n for n in graph.nodes if n.primitive is not INPUT and n.primitive is not CONSTANT)
    now = {node: node for node in graph.outputs.values()}
    program = Program(run, steps, now, lambda text, inputs: Writer(text, inputs, run.names))
    driver, source = write(program, "run")
    return Built(driver, source, program)
