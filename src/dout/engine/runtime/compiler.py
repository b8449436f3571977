"""LLVM's code of a kernel → object code; loaded only where something has to be compiled."""

from __future__ import annotations

import struct
import sys
from collections.abc import Sequence
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from dout.engine.lowering.entry_point import EntryPoint, KernelType
from dout.engine.lowering.kernel_code import kernel_code
from dout.engine.lowering.parallel_loop import SHARE
from dout.engine.runtime import binding
from dout.engine.runtime.work_stealing import CODE


def compiled(name: str, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> bytes:
    """The kernel `name` of a text and its door, as `binding.link` takes them."""
    module = optimised(name, text, types, results)
    made: bytes = _machine().emit_object(module)
    return " ".join(_undefined(module, made)).encode() + b"\n" + made


def assembly(name: str, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]] = ()) -> str:
    """The same, to read."""
    written: str = _machine().emit_assembly(optimised(name, text, types, results))
    return written


def optimised(name: str, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> Any:
    """The module of a kernel and its door, as LLVM makes machine code of it."""
    code = kernel_code(name, text, types, results)
    door = EntryPoint(name, f"{name}.native", types, results, len(results) == 1).text()
    module = _parsed(str(code))
    module.link_in(_parsed(door))
    if SHARE in code.globals:
        module.link_in(_parsed(CODE))
    for function in module.functions:
        if function.name == f"{name}.native":
            function.linkage = "internal"
    module.verify()
    _optimise(module)
    return module


@cache
def _machine() -> Any:
    return binding.machine(opt=3)


def _parsed(text: str) -> Any:
    module = llvm.parse_assembly(text)
    module.triple, module.data_layout = _machine().triple, str(_machine().target_data)
    return module


def _optimise(module: Any) -> None:
    """Take in what loops call once they are vector code (`vector_math_rare`), and drop what nothing calls then."""
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.slp_vectorization = True, False
    builder = llvm.create_pass_builder(_machine(), options)
    builder.getModulePassManager().run(module, builder)
    for function in module.functions:
        if function.linkage == llvm.Linkage.weak_odr:
            function.linkage = "internal"
    manager = llvm.create_new_module_pass_manager()
    manager.add_always_inliner_pass()
    manager.add_global_dead_code_eliminate_pass()
    manager.run(module, llvm.create_pass_builder(_machine(), llvm.create_pipeline_tuning_options()))


def _undefined(module: Any, code: bytes) -> list[str]:
    """The symbols that object code wants from outside.

    The table of an ELF file also has those that the code generator added; elsewhere, what the module declares must do.
    """
    if not code.startswith(b"\x7fELF"):
        everything = [*module.functions, *module.global_variables]
        return [one.name for one in everything if one.is_declaration and not one.name.startswith("llvm.")]
    sections = {section.name(): section.data() for section in llvm.ObjectFileRef.from_data(code).sections()}
    names, order = sections[b".strtab"], "<" if sys.byteorder == "little" else ">"
    table = struct.iter_unpack(order + "IBBHQQ", sections[b".symtab"])  # name, info, other, section, value, size
    return [
        names[start : names.index(b"\0", start)].decode()
        for start, _, _, section, _, _ in table
        if start and not section
    ]
