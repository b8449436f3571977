"""Object code → a Python function, through llvmlite alone: where kernels are found compiled, Numba is never loaded."""

from __future__ import annotations

import ctypes
import struct
import sysconfig
from collections.abc import Callable
from functools import cache
from typing import Any

import llvmlite.binding as llvm
import numpy as np

from dout.engine.lowering.entry_point import (
    BYTEORDER,
    DATA,
    DESCR,
    ENTRY,
    FLAGS,
    FUNCTIONS,
    HEAD,
    ITEMSIZE,
    NDIM,
    NUMBER,
    SHAPE,
    STRIDES,
    SWAPPED,
)
from dout.engine.runtime import threads

METH_FASTCALL = 0x80
NUMBERS = [*(f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)), "float32", "float64"]

OBJECTS = {  # what a wrapper names: immortal, so their addresses hold
    "dout.ndarray": np.ndarray,
    "dout.TypeError": TypeError,
    "dout.RuntimeError": RuntimeError,
    "dout.None": None,
    "dout.True": True,
    "dout.False": False,
    "dout.numpy.True": np.True_,
    "dout.numpy.False": np.False_,
} | {f"dout.numpy.{name}": np.dtype(name).type for name in NUMBERS}


class MethodDef(ctypes.Structure):
    """PyMethodDef of Python's C interface."""

    _fields_ = (
        ("name", ctypes.c_char_p),
        ("function", ctypes.c_void_p),
        ("flags", ctypes.c_int),
        ("doc", ctypes.c_char_p),
    )


@cache
def usable() -> bool:
    """Whether objects lie in memory as the wrapper reads them: where not, Numba's own dispatcher is called.

    A Python without its lock is not usable: the wrapper relies on the lock.
    """
    if struct.calcsize("P") != 8 or sysconfig.get_config_var("Py_GIL_DISABLED"):
        return False
    array = np.arange(6, dtype=np.float32).reshape(2, 3)[:, ::2]
    strange = np.zeros(2, np.dtype("f8").newbyteorder())
    flags = 0x100 * array.flags.aligned + 0x400 * array.flags.writeable + 0x1 * array.flags.c_contiguous
    seen = [
        _read(array, HEAD - 8, ctypes.c_void_p) == id(np.ndarray),
        _read(array, DATA, ctypes.c_void_p) == array.ctypes.data,
        _read(array, NDIM, ctypes.c_int) == 2,
        (ctypes.c_int64 * 2).from_address(_read(array, SHAPE, ctypes.c_void_p))[:] == [2, 2],
        (ctypes.c_int64 * 2).from_address(_read(array, STRIDES, ctypes.c_void_p))[:] == [12, 8],
        _read(array, DESCR, ctypes.c_void_p) == id(array.dtype),
        _read(array, FLAGS, ctypes.c_int) & 0x501 == flags,
        _read(array.dtype, NUMBER, ctypes.c_int) == array.dtype.num,
        _read(array.dtype, BYTEORDER, ctypes.c_char) != bytes([SWAPPED]),
        _read(array.dtype, ITEMSIZE, ctypes.c_int64) == array.itemsize,
        _read(strange.dtype, BYTEORDER, ctypes.c_char) == bytes([SWAPPED]),
        _read(np.float32(0.5), HEAD, ctypes.c_float) == 0.5,
        _read(np.int64(-7), HEAD, ctypes.c_int64) == -7,
    ]
    return all(seen)


def _read(thing: object, offset: int, kind: Any) -> Any:
    return kind.from_address(id(thing) + offset).value


@cache
def host() -> tuple[str, str]:
    """The name of this machine's processor and what it can do, as LLVM calls them."""
    return llvm.get_host_cpu_name(), llvm.get_host_cpu_features().flatten()


@cache
def vector() -> int:
    """The bytes of this machine's vectors."""
    can = host()[1].split(",")
    return 64 if "+avx512f" in can else 32 if "+avx2" in can else 16


@cache
def target() -> Any:
    """This machine, as LLVM compiles for it; what kernels name of Python is known from now on."""
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    for name, thing in OBJECTS.items():
        llvm.add_symbol(name, id(thing))
    for name in FUNCTIONS:
        llvm.add_symbol(name, ctypes.cast(getattr(ctypes.pythonapi, name), ctypes.c_void_p).value)
    return llvm.Target.from_triple(llvm.get_process_triple())


def machine(opt: int) -> Any:
    """This machine with all that it can, for which LLVM writes code, optimised so far."""
    name, features = host()
    return target().create_target_machine(cpu=name, features=features, opt=opt, jit=True)


def empty_engine() -> Any:
    """What machine code is loaded into, one for each file of it: their names never meet.

    Making one also shows LLVM the symbols of this process.
    """
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), target().create_target_machine(jit=True))


def loaded(code: bytes) -> Any:
    """An engine with object code that wants nothing but what LLVM knows already; it stays until the process ends."""
    engine = threads.keep(empty_engine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    return engine


def object_of(text: str) -> bytes:
    """The object code of a text of LLVM's."""
    code: bytes = machine(opt=2).emit_object(llvm.parse_assembly(text))
    return code


def function(definition: MethodDef, plan: bytes) -> Callable[..., Any]:
    """A function of machine code that finds what it goes by in a plan: the machine code's `self`."""
    made: Callable[..., Any] = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.py_object, ctypes.c_void_p)(
        ("PyCFunction_NewEx", ctypes.pythonapi)
    )(ctypes.addressof(definition), plan, None)
    return made


def link(name: str, kernel: bytes) -> Callable[..., Any] | None:
    """The function in a compiled kernel; None where it needs something that this process does not have.

    A compiled kernel is a line with the symbols that it wants from outside, and its object code. LLVM ends the process
    where a symbol is missing, so they are looked up before.
    """
    line, _, code = kernel.partition(b"\n")
    wanted = line.decode().split()
    engine = empty_engine()
    if threads.POOL in wanted:
        threads.prepare()
    if any(not _allowed(symbol) or llvm.address_of_symbol(symbol) is None for symbol in wanted):
        return None
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    definition = threads.keep(MethodDef(name.encode(), engine.get_function_address(ENTRY), METH_FASTCALL, None))
    if threads.POOL in wanted:
        threads.start(engine.get_function_address("dout.worker"))
    engine.detach()  # machine code lives as long as the process, for its threads do
    make = ctypes.PYFUNCTYPE(ctypes.py_object, ctypes.c_void_p, ctypes.c_void_p, ctypes.c_void_p)(
        ("PyCFunction_NewEx", ctypes.pythonapi)
    )
    function: Callable[..., Any] = make(ctypes.addressof(definition), None, None)
    return function


def _allowed(symbol: str) -> bool:
    """Numba's runtime and the parts of Python that need its lock are not for kernels."""
    return symbol in FUNCTIONS or not symbol.startswith(("Py", "_Py", "numba", "NRT"))
