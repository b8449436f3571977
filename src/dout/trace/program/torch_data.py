"""The data sets of torchvision and the loader of PyTorch that a NumPy program takes its images from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import reduce
from typing import Any

import numpy as np


def _view(tensor: Any, *shape: Any) -> Any:
    """As `reshape`; of a type as NumPy's `view`."""
    is_type = any(isinstance(one, type) for one in shape)
    return np.ndarray.view(tensor, *shape) if is_type else tensor.reshape(*shape)


_OF_TENSORS: dict[str, Any] = {
    "numpy": lambda tensor: np.ndarray.view(tensor, np.ndarray),
    **dict.fromkeys(("detach", "cpu", "contiguous", "to"), lambda tensor, *args, **options: tensor),
    "float": lambda tensor: tensor.astype(np.float32),
    "size": lambda tensor, axis=None: tensor.shape if axis is None else tensor.shape[axis],
    "view": _view,
}
Tensor: Any = type("Tensor", (np.ndarray,), _OF_TENSORS)  # an array that hands itself out as a tensor does


class Pictures:
    """A set of images with their labels, each item a pair."""

    def __init__(self, data: Any, targets: Any, transform: Any = None, target_transform: Any = None) -> None:
        self.data, self.targets = np.ndarray.view(data, Tensor), np.ndarray.view(targets, Tensor)
        self._images, self._labels = data, targets.astype(int).tolist()
        self._transforms = transform or _itself, target_transform or _itself
        self.classes = [str(label) for label in range(max(self._labels) + 1)]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        return self._transforms[0](self._images[place]), self._transforms[1](self._labels[place])


def _itself(item: Any) -> Any:
    return item


def _composed(transforms: Sequence[Callable[[Any], Any]]) -> Callable[[Any], Any]:
    """`Compose`: several transforms, one after the other."""
    return lambda item: reduce(lambda found, transform: transform(found), transforms, item)


def _channels_first(image: Any) -> Any:
    """An image as a tensor, its channels first."""
    image = np.asarray(image)
    image = image[..., None] if image.ndim == 2 else image
    return np.ndarray.view(np.ascontiguousarray(image.transpose(2, 0, 1)), Tensor)


def _to_tensor(image: Any) -> Any:
    """An image of bytes as numbers from 0 to 1, its channels first."""
    return _channels_first(image).astype(np.float32) / np.float32(255)


def _normalized(mean: Any, std: Any, *args: Any) -> Callable[[Any], Any]:
    """`Normalize`: minus the mean and by the deviation of each channel."""
    mean, std = (np.reshape(np.asarray(item, np.float32), (-1, 1, 1)) for item in (mean, std))
    return lambda image: (image - mean) / std


class DataLoader:
    """Batches of a set, in order or shuffled."""

    def __init__(
        self, dataset: Any, batch_size: int = 1, shuffle: bool = False, collate_fn: Any = None,
        drop_last: bool = False, **others: Any,
    ) -> None:  # fmt: skip
        self.dataset, self.batch_size, self._shuffle = dataset, batch_size, shuffle
        self._collate = collate_fn or _stacked
        self._count = len(dataset) // batch_size if drop_last else -(-len(dataset) // batch_size)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        places = np.arange(len(self.dataset))
        order = (np.random.default_rng(0).permutation(places) if self._shuffle else places).tolist()
        for first in range(0, self._count * self.batch_size, self.batch_size):
            yield self._collate([self.dataset[place] for place in order[first : first + self.batch_size]])


def _stacked(items: Sequence[Any]) -> Any:
    """Items as one: each part of them in one tensor."""
    if isinstance(items[0], tuple | list):
        return [_stacked(part) for part in zip(*items, strict=True)]
    return np.ndarray.view(np.stack([np.asarray(item) for item in items]), Tensor)


TOOLS: dict[str, Any] = {
    "torch.cuda.is_available": lambda: False,
    "torchvision.transforms.Compose": _composed,
    "torchvision.transforms.ToTensor": lambda: _to_tensor,
    "torchvision.transforms.PILToTensor": lambda: _channels_first,
    "torchvision.transforms.Lambda": lambda change: change,
    "torchvision.transforms.Normalize": _normalized,
    "torch.utils.data.DataLoader": DataLoader,
    "torch.utils.data.dataloader.DataLoader": DataLoader,
    "torch.utils.data.Dataset": type("Dataset", (), {}),
}
