"""The door from Python into a kernel: LLVM code that takes NumPy arrays apart and calls the kernel, a METH_FASTCALL.

It reads the fields of the arrays where NumPy's C interface puts them, so a call needs no conversion and no dispatch. It
first looks at every argument, and raises a TypeError before the kernel has touched anything where one is not what the
kernel was compiled for. Every symbol that it needs from outside is either one of CPython's functions or begins with
"dout."; `link` in binding.py gives them their addresses.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

import numpy as np

ENTRY = "dout.entry"
WORK = "work"  # the name of the number of its operations in the text of a parallel kernel
HEAD = object.__basicsize__  # the reference count and the type, before the fields of every object
POINTER = 8
# Where the fields of an array and of a dtype are: PyArrayObject_fields and _PyArray_Descr of NumPy 2.
DATA, NDIM, SHAPE, STRIDES, DESCR, FLAGS = (HEAD + offset for offset in (0, 8, 16, 24, 40, 48))
BYTEORDER, NUMBER, ITEMSIZE = HEAD + 10, HEAD + 12, HEAD + 24
C_CONTIGUOUS, ALIGNED, WRITEABLE = 0x1, 0x100, 0x400
SWAPPED = ord(">" if sys.byteorder == "little" else "<")


class ArrayType(NamedTuple):
    """What a kernel asks of an array: "C" layout is contiguous, "rows" is along its last axis, "A" any.

    `written` ones may not be read-only.
    """

    dtype: np.dtype[Any]
    ndim: int
    layout: str = "C"
    written: bool = False

    def __str__(self) -> str:
        """How an error message calls it."""
        words = ["a", "writeable"] if self.written else ["an"]
        words += ["aligned", "C-contiguous"] if self.layout == "C" else ["aligned"]
        rows = " and contiguous rows" if self.layout == "rows" else ""
        return " ".join([*words, f"array of {self.dtype} with {self.ndim} axes{rows}"])


KernelType = ArrayType | np.dtype[Any]

LLVM_TYPES = {"f": {4: "float", 8: "double"}, "b": {1: "i8"}}


def llvm_type(dtype: np.dtype[Any]) -> str:
    """How LLVM calls a number of this dtype, as an argument and in memory."""
    return LLVM_TYPES.get(dtype.kind, {}).get(dtype.itemsize) or f"i{8 * dtype.itemsize}"


def native_types(types: Sequence[KernelType]) -> list[str]:
    """The arguments of the compiled function itself.

    >>> native_types([np.dtype("f4"), ArrayType(np.dtype("f8"), 1)])
    ['float', 'ptr', 'i64', 'i64']
    """
    flat = []
    for kind in types:
        if isinstance(kind, ArrayType):  # where it begins, its lengths, its strides
            flat += ["ptr"] + ["i64"] * (2 * kind.ndim)
        else:
            flat.append(llvm_type(kind))
    return flat


@dataclass(eq=False)
class EntryPoint:
    """Writes the function `dout.entry`, which Python calls with arguments of `types`, and which calls `native`.

    `returned` are the dtypes of the NumPy scalars that it returns: one alone, if `single`, or a tuple.
    """

    name: str
    native: str
    types: Sequence[KernelType]
    returned: Sequence[np.dtype[Any]]
    single: bool
    lines: list[str] = field(default_factory=list)
    messages: list[tuple[str, str]] = field(default_factory=list)
    symbols: set[str] = field(default_factory=set)
    count: int = 0

    def text(self) -> str:
        """The whole module, in LLVM's code."""
        arguments = [
            self._number(index, kind) if not isinstance(kind, ArrayType) else ""
            for index, kind in enumerate(self.types)
        ]  # conversions first: they may run code of the user's
        for index, kind in enumerate(self.types):
            if isinstance(kind, ArrayType):
                self._check(index, kind)
        for index, kind in enumerate(self.types):
            if isinstance(kind, ArrayType):
                arguments[index] = self._array(index, kind)
        self._call(arguments)
        self._return()
        body, self.lines = self.lines, []
        self._begin()
        lines = self.lines + body + self._failures() + ["}"]
        return "\n".join([*self._declarations(), *lines, ""])

    def new(self, text: str) -> str:
        """The name of a new value, which `text` computes."""
        self.count += 1
        self.lines.append(f"  %v{self.count} = {text}")
        return f"%v{self.count}"

    def member(self, pointer: str, offset: int, kind: str) -> str:
        """The value of a member of a C structure."""
        address = self.new(f"getelementptr i8, ptr {pointer}, i64 {offset}")
        return self.new(f"load {kind}, ptr {address}")

    def symbol(self, name: str) -> str:
        """The address of an object or function of Python's."""
        self.symbols.add(name)
        return f'@"{name}"'

    def need(self, condition: str, failure: str) -> None:
        """Go on only where `condition` holds."""
        self.count += 1
        self.lines += [f"  br i1 {condition}, label %go{self.count}, label %{failure}", f"go{self.count}:"]

    def fail(self, message: str, error: str = "TypeError") -> str:
        """The label of the place that raises an error with `message`."""
        self.messages.append((error, message))
        return f"bad{len(self.messages) - 1}"

    def _begin(self) -> None:
        structure = ", ".join(map(llvm_type, self.returned)) or "ptr"
        self.lines = [
            f'define ptr @"{ENTRY}"(ptr %self, ptr %arguments, i64 %count) {{',
            f"  %returned = alloca {{{structure}}}",
            f"  %right = icmp eq i64 %count, {len(self.types)}",
            f"  br i1 %right, label %begin, label %{self.fail(f'{self.name} takes {len(self.types)} arguments')}",
            "begin:",
        ]

    def _object(self, index: int) -> str:
        return self.member("%arguments", POINTER * index, "ptr")

    def _check(self, index: int, kind: ArrayType) -> None:
        bad = self.fail(f"{self.name}: argument {index + 1} is not {kind}")
        array = self._object(index)
        which = self.member(array, HEAD - POINTER, "ptr")
        self.need(self.new(f"icmp eq ptr {which}, {self.symbol('dout.ndarray')}"), bad)
        axes = self.member(array, NDIM, "i32")
        self.need(self.new(f"icmp eq i32 {axes}, {kind.ndim}"), bad)
        wanted = ALIGNED | (C_CONTIGUOUS if kind.layout == "C" else 0) | (WRITEABLE if kind.written else 0)
        flags = self.new(f"and i32 {self.member(array, FLAGS, 'i32')}, {wanted}")
        self.need(self.new(f"icmp eq i32 {flags}, {wanted}"), bad)
        if kind.layout == "rows":
            stride = self.member(self.member(array, STRIDES, "ptr"), POINTER * (kind.ndim - 1), "i64")
            self.need(self.new(f"icmp eq i64 {stride}, {kind.dtype.itemsize}"), bad)
        descr = self.member(array, DESCR, "ptr")
        number = self.member(descr, NUMBER, "i32")
        self.need(self.new(f"icmp ult i32 {number}, 32"), bad)
        bit = self.new(f"and i32 {self.new(f'shl i32 1, {number}')}, {numbers(kind.dtype)}")
        self.need(self.new(f"icmp ne i32 {bit}, 0"), bad)
        self.need(self.new(f"icmp ne i8 {self.member(descr, BYTEORDER, 'i8')}, {SWAPPED}"), bad)

    def _array(self, index: int, kind: ArrayType) -> str:
        array = self._object(index)
        data = self.member(array, DATA, "ptr")
        lists = [self.member(array, offset, "ptr") if kind.ndim else "" for offset in (SHAPE, STRIDES)]
        shape, strides = ([self.member(where, 8 * axis, "i64") for axis in range(kind.ndim)] for where in lists)
        return ", ".join([f"ptr {data}", *(f"i64 {extent}" for extent in (*shape, *strides))])

    def _number(self, index: int, dtype: np.dtype[Any]) -> str:
        value = self._object(index)
        if dtype.kind == "f":
            number = self.new(f"call double {self.symbol('PyFloat_AsDouble')}(ptr {value})")
            self._raised(self.new(f"fcmp oeq double {number}, -1.0"))
            return (
                f"double {number}" if dtype.itemsize == 8 else f"float {self.new(f'fptrunc double {number} to float')}"
            )
        if dtype.kind == "b":
            truth = self.new(f"call i32 {self.symbol('PyObject_IsTrue')}(ptr {value})")
            self._raised(self.new(f"icmp eq i32 {truth}, -1"))
            return f"i8 {self.new(f'trunc i32 {truth} to i8')}"
        return self._integer(index, value, dtype)

    def _integer(self, index: int, value: str, dtype: np.dtype[Any]) -> str:
        whole = self.new(f"call ptr {self.symbol('PyNumber_Index')}(ptr {value})")
        self._raised(self.new(f"icmp eq ptr {whole}, null"))
        read = "PyLong_AsLongLong" if dtype.kind == "i" else "PyLong_AsUnsignedLongLong"
        number = self.new(f"call i64 {self.symbol(read)}(ptr {whole})")
        self.lines.append(f"  call void {self.symbol('Py_DecRef')}(ptr {whole})")
        self._raised(self.new(f"icmp eq i64 {number}, -1"))
        if dtype.itemsize == 8:
            return f"i64 {number}"
        kind = llvm_type(dtype)
        narrow = self.new(f"trunc i64 {number} to {kind}")
        again = self.new(f"{'sext' if dtype.kind == 'i' else 'zext'} {kind} {narrow} to i64")
        fits = self.new(f"icmp eq i64 {again}, {number}")
        self.need(fits, self.fail(f"{self.name}: argument {index + 1} does not fit into {dtype}"))
        return f"{kind} {narrow}"

    def _raised(self, suspicious: str) -> None:
        """Leave where `suspicious` holds and Python has an exception."""
        self.count += 1
        look, go = f"look{self.count}", f"go{self.count}"
        self.lines += [f"  br i1 {suspicious}, label %{look}, label %{go}", f"{look}:"]
        error = self.new(f"call ptr {self.symbol('PyErr_Occurred')}()")
        none = self.new(f"icmp eq ptr {error}, null")
        self.lines += [f"  br i1 {none}, label %{go}, label %leave", f"{go}:"]

    def _call(self, arguments: Sequence[str]) -> None:
        given = ", ".join(["ptr %returned", *arguments])
        status = self.new(f'call i32 @"{self.native}"({given})')
        good = self.new(f"icmp eq i32 {status}, 0")
        self.need(good, self.fail(f"{self.name} failed: shapes that do not fit, or no memory", "RuntimeError"))

    def _return(self) -> None:
        boxes = [self._box(index) for index in range(len(self.returned))]
        if self.single:
            out = boxes[0]
        elif boxes:
            out = self.new(f"call ptr {self.symbol('PyTuple_New')}(i64 {len(boxes)})")
            self._raised(self.new(f"icmp eq ptr {out}, null"))
            for index, box in enumerate(boxes):  # PyTuple_SetItem takes over the reference
                self.new(f"call i32 {self.symbol('PyTuple_SetItem')}(ptr {out}, i64 {index}, ptr {box})")
        else:
            out = self.symbol("dout.None")
            self.lines.append(f"  call void {self.symbol('Py_IncRef')}(ptr {out})")  # it lives forever
        self.lines.append(f"  ret ptr {out}")

    def _box(self, index: int) -> str:
        """A new reference to the NumPy scalar of one returned number."""
        dtype = self.returned[index]
        kind, structure = llvm_type(dtype), ", ".join(map(llvm_type, self.returned))
        place = self.new(f"getelementptr {{{structure}}}, ptr %returned, i32 0, i32 {index}")
        number = self.new(f"load {kind}, ptr {place}")
        if dtype.kind == "b":
            truth = self.new(f"icmp ne i8 {number}, 0")
            true, false = self.symbol("dout.numpy.True"), self.symbol("dout.numpy.False")
            box = self.new(f"select i1 {truth}, ptr {true}, ptr {false}")
            self.lines.append(f"  call void {self.symbol('Py_IncRef')}(ptr {box})")
            return box
        # What PyArray_Scalar makes: an object whose only field is the number.
        which = self.symbol(f"dout.numpy.{dtype.name}")
        box = self.new(f"call ptr {self.symbol('PyType_GenericAlloc')}(ptr {which}, i64 0)")
        self._raised(self.new(f"icmp eq ptr {box}, null"))
        self.lines.append(f"  store {kind} {number}, ptr {self.new(f'getelementptr i8, ptr {box}, i64 {HEAD}')}")
        return box

    def _failures(self) -> list[str]:
        lines = ["leave:", "  ret ptr null"]
        for index, (kind, _) in enumerate(self.messages):
            error = f"ptr {self.symbol(f'dout.{kind}')}, ptr @message{index}"
            lines += [f"bad{index}:", f"  call void {self.symbol('PyErr_SetString')}({error})", "  ret ptr null"]
        return lines

    def _declarations(self) -> list[str]:
        native = ", ".join(["ptr", *native_types(self.types)])
        lines = [f'declare i32 @"{self.native}"({native})']
        for name in sorted(self.symbols):
            if name.startswith("dout."):
                lines.append(f'@"{name}" = external global i8')
            else:
                lines.append(f"declare {FUNCTIONS[name].replace('(', f' @{name}(')}")
        for index, (_, message) in enumerate(self.messages):
            data = message.encode() + b"\0"
            escaped = "".join(f"\\{byte:02x}" for byte in data)
            lines.append(f'@message{index} = internal constant [{len(data)} x i8] c"{escaped}"')
        return lines


FUNCTIONS = {  # of CPython: what they return and take
    "PyErr_Occurred": "ptr()",
    "PyErr_SetString": "void(ptr, ptr)",
    "PyFloat_AsDouble": "double(ptr)",
    "PyLong_AsLongLong": "i64(ptr)",
    "PyLong_AsUnsignedLongLong": "i64(ptr)",
    "PyMem_RawFree": "void(ptr)",
    "PyMem_RawMalloc": "ptr(i64)",
    "PyNumber_Index": "ptr(ptr)",
    "PyObject_IsTrue": "i32(ptr)",
    "PyThread_acquire_lock": "i32(ptr, i32)",
    "PyThread_release_lock": "void(ptr)",
    "PyTuple_New": "ptr(i64)",
    "PyTuple_SetItem": "i32(ptr, i64, ptr)",
    "PyType_GenericAlloc": "ptr(ptr, i64)",
    "Py_DecRef": "void(ptr)",
    "Py_IncRef": "void(ptr)",
}


def numbers(dtype: np.dtype[Any]) -> int:
    """A bit for each of NumPy's type numbers of this dtype: it has two 64-bit integers, `long` and `long long`."""
    return sum({1 << np.dtype(char).num for char in np.typecodes["AllInteger"] + "?efd" if np.dtype(char) == dtype})
