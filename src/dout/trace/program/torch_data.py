"""The data sets of torchvision and the loader of PyTorch that a NumPy program takes its images from."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np


class Tensor(np.ndarray[Any, Any]):
    """An array that hands itself out as a tensor does."""

    def numpy(self) -> Any:
        """The same memory, as NumPy's own kind of array."""
        return np.ndarray.view(self, np.ndarray)

    def detach(self) -> Tensor:
        """Itself."""
        return self

    cpu = detach

    def float(self) -> Any:
        """The same numbers as floats."""
        return self.astype(np.float32)

    def size(self, axis: int | None = None) -> Any:  # type: ignore[override]  # as tensors have it
        """The shape, or one length of it."""
        return self.shape if axis is None else self.shape[axis]

    def view(self, *shape: Any) -> Any:  # type: ignore[override]  # as tensors have it
        """As `reshape`; of a type as NumPy's `view`."""
        return np.ndarray.view(self, *shape) if any(isinstance(s, type) for s in shape) else self.reshape(*shape)


class Pictures:
    """A set of images with their labels, each item a pair."""

    def __init__(self, data: Any, targets: Any, transform: Any = None, target_transform: Any = None) -> None:
        self.data, self.targets = np.ndarray.view(data, Tensor), np.ndarray.view(targets, Tensor)
        self._images, self._labels = data, targets.astype(int)
        self._transform, self._target_transform = transform, target_transform
        self.classes = [str(label) for label in range(int(targets.max()) + 1)]

    def __len__(self) -> int:
        return len(self._images)

    def __getitem__(self, place: int) -> tuple[Any, Any]:
        image, label = self._images[place], int(self._labels[place])
        return (
            self._transform(image) if self._transform is not None else image,
            self._target_transform(label) if self._target_transform is not None else label,
        )


class Compose:
    """Several transforms, one after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, item: Any) -> Any:
        """The item after all of them."""
        for transform in self.transforms:
            item = transform(item)
        return item


class ToTensor:
    """An image of bytes as numbers from 0 to 1, its channels first."""

    def __call__(self, image: Any) -> Any:
        """That tensor."""
        image = np.asarray(image)
        image = image[..., None] if image.ndim == 2 else image
        scaled = image.transpose(2, 0, 1).astype(np.float32) / np.float32(255)
        return np.ndarray.view(np.ascontiguousarray(scaled), Tensor)


class Normalize:
    """Minus the mean and by the deviation of each channel."""

    def __init__(self, mean: Any, std: Any, *args: Any) -> None:
        self.mean, self.std = (np.reshape(np.asarray(item, np.float32), (-1, 1, 1)) for item in (mean, std))

    def __call__(self, image: Any) -> Any:
        """That tensor."""
        return (image - self.mean) / self.std


class DataLoader:
    """Batches of a set, in order or shuffled."""

    def __init__(
        self, dataset: Any, batch_size: int = 1, shuffle: bool = False, collate_fn: Any = None,
        drop_last: bool = False, **others: Any,
    ) -> None:  # fmt: skip
        self.dataset, self.batch_size, self._shuffle, self._collate = (
            dataset,
            batch_size,
            shuffle,
            collate_fn or stacked,
        )
        self._count = len(dataset) // batch_size if drop_last else -(-len(dataset) // batch_size)

    def __len__(self) -> int:
        return self._count

    def __iter__(self) -> Iterator[Any]:
        places = np.arange(len(self.dataset))
        order = (np.random.default_rng(0).permutation(places) if self._shuffle else places).tolist()
        for first in range(0, self._count * self.batch_size, self.batch_size):
            yield self._collate([self.dataset[place] for place in order[first : first + self.batch_size]])


def stacked(items: Sequence[Any]) -> Any:
    """Items as one: each part of them in one tensor."""
    if isinstance(items[0], tuple | list):
        return [stacked(part) for part in zip(*items, strict=True)]
    return np.ndarray.view(np.stack([np.asarray(item) for item in items]), Tensor)
