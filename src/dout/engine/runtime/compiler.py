"""The text of a kernel → object code, by Numba; loaded only where something has to be compiled."""

from __future__ import annotations

import re
import struct
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import llvmlite.binding as llvm
import numpy as np
from numba import types as nt
from numba.core import compiler
from numba.core.registry import cpu_target
from numba.core.runtime.nrtdynmod import _meminfo_struct_type
from numba.np.numpy_support import as_dtype, from_dtype

from dout.engine.runtime.entry_point import ArrayType, EntryPoint, KernelType, native_types
from dout.engine.runtime.numba_stubs import RECORD, SUPPORT
from dout.engine.runtime.parallel_parts import in_parts_text


def function(name: str, module: str, text: str, file: str) -> Any:
    """The decorated function `name` of a kernel's text. Python knows its module before it runs: Numba looks for it."""
    made = ModuleType(module)
    made.__file__ = file
    sys.modules[module] = made
    exec(compile(text, file, "exec"), made.__dict__)
    return getattr(made, name)


def signature(types: Sequence[KernelType]) -> tuple[Any, ...]:
    """The types, as Numba names them."""
    return tuple(
        nt.Array(from_dtype(kind.dtype), kind.ndim, "C" if kind.layout == "C" else "A")
        if isinstance(kind, ArrayType)
        else from_dtype(kind)
        for kind in types
    )


def compiled(dispatcher: Any, text: str, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> bytes | None:
    """The kernel and its wrapper as `binding.link` takes them; None where Numba calls it in another way.

    `text` is that of the dispatcher: a parallel loop in it is shared among our own threads.
    """
    if "prange(" in text:
        made = dispatcher.py_func
        dispatcher = function(
            made.__name__, f"{made.__module__}_in_parts", in_parts_text(text), made.__code__.co_filename
        )
    flags = compiler.Flags()
    dispatcher.targetdescr.options.parse_as_flags(flags, dispatcher.targetoptions)
    flags.no_cpython_wrapper = flags.no_cfunc_wrapper = flags.no_compile = True  # ours takes their place
    result = compiler.compile_extra(
        cpu_target.typing_context,
        cpu_target.target_context,
        dispatcher.py_func,
        args=signature(types),
        return_type=None,
        flags=flags,
        locals={},
    )
    module = _optimised(result.library)
    native = module.get_function(result.fndesc.llvm_func_name)
    record = [str(one) for one in _meminfo_struct_type.elements]
    if record != [re.sub("ptr", "i8*", one) for one in RECORD] or (
        [str(argument.type) for argument in native.arguments] != ["ptr", "ptr", *native_types(types)]
    ):
        return None
    returned, single = _returned(result.fndesc.restype)
    name = dispatcher.py_func.__name__
    if returned != list(results):
        raise TypeError(f"{name} returns {[str(one) for one in returned]}, not {[str(one) for one in results]}")
    text = EntryPoint(name, native.name, types, returned, single).text()
    declared = {one.name for one in module.functions if one.is_declaration}
    text += "".join(code for name, code in SUPPORT.items() if name in declared)
    door = llvm.parse_assembly(text)
    door.triple, door.data_layout = module.triple, module.data_layout
    module.link_in(door)
    module.verify()
    _inline(module)
    code: bytes = cpu_target.target_context.codegen()._tm.emit_object(module)
    return " ".join(_undefined(module, code)).encode() + b"\n" + code


def _optimised(library: Any) -> Any:
    """The module of a library that was not finished: with what it calls, but not compiled a first time by Numba."""
    for called in dict.fromkeys(library._linking_libraries):
        library._final_module.link_in(called._get_module_for_linking(), preserve=True)
    library._optimize_final_module()
    return library._final_module


def _inline(module: Any) -> None:
    """Take in what loops call since they became vector code (`vector_math_rare`), and drop what nothing calls now."""
    for function in module.functions:
        if function.linkage == llvm.Linkage.weak_odr:
            function.linkage = "internal"
    passes = llvm.create_new_module_pass_manager()
    passes.add_always_inliner_pass()
    passes.add_global_dead_code_eliminate_pass()
    target = cpu_target.target_context.codegen()._tm
    passes.run(module, llvm.create_pass_builder(target, llvm.create_pipeline_tuning_options()))


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


def _returned(kind: Any) -> tuple[list[np.dtype[Any]], bool]:
    """The dtypes that a kernel returns, and whether it is one number and not a tuple."""
    if isinstance(kind, nt.NoneType):
        return [], False
    many = isinstance(kind, nt.BaseTuple)
    return [as_dtype(one) for one in (kind if many else [kind])], not many


def dispatched(dispatcher: Any, types: Sequence[KernelType], results: Sequence[np.dtype[Any]]) -> Callable[..., Any]:
    """The kernel by Numba's own dispatcher: slower to call, and compiled anew by each process."""
    dispatcher.compile(signature(types))
    dispatcher.disable_compile()
    if any(isinstance(kind, ArrayType) and kind.layout == "rows" for kind in types):
        dispatcher = _with_rows(dispatcher, types)
    if not results:
        run: Callable[..., Any] = dispatcher
        return run

    def call(*arguments: Any) -> Any:
        out = dispatcher(*arguments)
        if isinstance(out, tuple):
            return tuple(dtype.type(value) for dtype, value in zip(results, out, strict=True))
        return results[0].type(out)

    return call


def _with_rows(dispatcher: Any, types: Sequence[KernelType]) -> Callable[..., Any]:
    """Numba does not look whether rows are contiguous."""

    def run(*arguments: Any) -> Any:
        for place, (kind, given) in enumerate(zip(types, arguments, strict=False)):
            if not isinstance(kind, ArrayType) or kind.layout != "rows":
                continue
            if getattr(given, "strides", ())[-1:] != (kind.dtype.itemsize,):
                raise TypeError(f"{dispatcher.__name__}: argument {place + 1} is not {kind}")
        return dispatcher(*arguments)

    return run
