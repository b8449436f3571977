"""What stands for libraries that read images (cv2, PIL, imageio, skimage), and for image files that are not there."""

from __future__ import annotations

import re
import struct
import sys
import zlib
from functools import lru_cache
from types import ModuleType
from typing import Any

import numpy as np

from dout.trace.program.drawn_data import mentions

SUFFIXES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".ppm", ".pgm")
_SIZES = {"mnist": (28, 28), "cifar": (32, 32, 3)}
_MEANT = {"mnist": ("784", r"28 *\* *28"), "cifar": ("3072", r"32 *\* *32 *\* *3")}  # in the program's files
_ELSE = (64, 64, 3)
_MODES = {"L": 1, "1": 1, "P": 1, "RGB": 3, "RGBA": 4}
_LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601


def image_of(path: str) -> Any:
    """Pixels drawn at random for an image of that path, in the size that images of its data set have."""
    run = sys.modules["__main__"], len(sys.modules)
    shape = next((size for word, size in _SIZES.items() if word in path.lower() or _is_meant(word, *run)), _ELSE)
    return np.random.default_rng(zlib.crc32(path.encode())).integers(0, 256, shape, dtype=np.uint8)


@lru_cache(maxsize=2)
def _is_meant(word: str, main: ModuleType, modules: int) -> bool:
    """Whether the files of a program name the size of a set's images: asked anew when another one is imported."""
    return mentions(*_MEANT[word])


def png(pixels: Any) -> bytes:
    """A PNG file of those pixels (ISO/IEC 15948)."""
    height, width = pixels.shape[:2]
    rows = b"".join(b"\0" + row.tobytes() for row in pixels)
    head = struct.pack(">IIBBBBB", width, height, 8, 0 if pixels.ndim == 2 else 2, 0, 0, 0)
    parts = ((b"IHDR", head), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    made = (_number(len(data)) + kind + data + _number(zlib.crc32(kind + data)) for kind, data in parts)
    return b"\x89PNG\r\n\x1a\n" + b"".join(made)


def _number(item: int) -> bytes:
    return item.to_bytes(4, "big")


def in_channels(pixels: Any, count: int) -> Any:
    """The same image in grey (1), in colours (3), or with opacity (4)."""
    colours = pixels if pixels.ndim == 3 else np.stack([pixels] * 3, 2)
    if count == 1:
        return pixels if pixels.ndim == 2 else np.rint(colours[..., :3] @ _LUMA).astype(pixels.dtype)
    opaque = np.full((*colours.shape[:2], 1), 255, colours.dtype)
    return colours[..., :3] if count == 3 else np.concatenate([colours[..., :3], opaque], 2)


def resized(pixels: Any, size: Any = None, fx: float = 1, fy: float = 1, **options: Any) -> Any:
    """An image of that width and height: of each pixel the nearest one."""
    height, width = pixels.shape[:2]
    new = (round(width * fx), round(height * fy)) if size is None else tuple(size)
    down, across = np.arange(new[1]) * height // new[1], np.arange(new[0]) * width // new[0]
    return pixels[down][:, across]


def _nothing(*args: Any, **options: Any) -> None:
    """Nobody sees it here."""


_OF_IMAGES: dict[str, Any] = {
    "size": property(lambda image: image.shape[1::-1]),
    "width": property(lambda image: image.shape[1]), "height": property(lambda image: image.shape[0]),
    "mode": property(lambda image: "L" if image.ndim == 2 else "RGB"),
    "convert": lambda image, mode="RGB", *args, **options: _image(in_channels(image, _MODES.get(mode, 3))),
    "resize": lambda image, size, *args, **options: _image(resized(image, size)),
    "getdata": lambda image, *args: np.asarray(image).reshape(-1, *image.shape[2:]),
    "__enter__": lambda image: image, "__exit__": _nothing, "save": _nothing, "show": _nothing, "close": _nothing,
}  # fmt: skip
_Image: Any = type("_Image", (np.ndarray,), _OF_IMAGES)


def _image(pixels: Any) -> Any:
    """An image as PIL has it."""
    return np.ndarray.view(np.asarray(pixels), _Image)


def _read(path: Any, flag: int = 1, *args: Any, **options: Any) -> Any:
    """`cv2.imread`: in grey (0), in colours (1), or as it is (-1)."""
    pixels = image_of(str(path))
    return pixels if flag < 0 else in_channels(pixels, 3 if flag else 1)


def _coloured(pixels: Any, code: str, *args: Any) -> Any:
    """`cv2.cvtColor`; the code is its name."""
    before, after = re.fullmatch(r"(\w+?)2(\w+)", code).groups()  # type: ignore[union-attr]
    made = in_channels(pixels, {"GRAY": 1, "BGRA": 4, "RGBA": 4}.get(after, 3))
    return made[..., ::-1] if {before, after} == {"RGB", "BGR"} else made


def _scaled(pixels: Any, size: Any, *args: Any, preserve_range: bool = False, **options: Any) -> Any:
    """`skimage.transform.resize`: its size has the rows first, and whole numbers become those from 0 to 1."""
    made = resized(pixels, size[1::-1])
    made = in_channels(made, size[2]) if len(size) > 2 else made
    return made / (255 if made.dtype.kind == "u" and not preserve_range else 1)


READERS: dict[str, Any] = {
    "cv2.imread": _read,
    "imageio.imread": lambda path, *args, **options: image_of(str(path)),
    "imageio.v2.imread": lambda path, *args, **options: image_of(str(path)),
    "skimage.io.imread": lambda path, as_gray=False, **options: in_channels(image_of(str(path)), 1 if as_gray else 3),
    "matplotlib.pyplot.imread": lambda path, *args: image_of(str(path)) / np.float32(255),
    "matplotlib.image.imread": lambda path, *args: image_of(str(path)) / np.float32(255),
    "PIL.Image.open": lambda path, *args, **options: _image(image_of(str(getattr(path, "name", path)))),
}
HELPERS: dict[str, Any] = {
    "cv2.resize": lambda pixels, dsize, *args, **options: resized(pixels, dsize, **options),
    "cv2.cvtColor": _coloured,
    "cv2.IMREAD_GRAYSCALE": 0,
    "cv2.IMREAD_COLOR": 1,
    "cv2.IMREAD_UNCHANGED": -1,
    **{f"cv2.COLOR_{code}": code for code in ("BGR2GRAY", "RGB2GRAY", "BGR2RGB", "RGB2BGR", "GRAY2RGB", "GRAY2BGR")},
    **{f"cv2.INTER_{name}": i for i, name in enumerate(("NEAREST", "LINEAR", "CUBIC", "AREA", "LANCZOS4"))},
    "skimage.transform.resize": _scaled,
    "skimage.color.rgb2gray": lambda pixels: in_channels(pixels, 1) / (255 if pixels.dtype.kind == "u" else 1),
    "PIL.Image.fromarray": lambda pixels, *args: _image(pixels),
}
