"""Examples of the rows that make, shape, move, take and write the elements of arrays."""

import numpy as np
from row_forms import Example, on, one
from row_forms_arrays import (
    LIKE,
    MASK,
    PERMUTED,
    ROWS,
    VIEWED,
    added_at,
    by_call,
    emptied,
    folded,
    grid,
    joined,
    made,
    moving,
    scattered,
    surviving,
    taken,
    taken_at,
    written,
)
from row_inputs import DTYPES, given, points

from dout.ops import PRIMITIVES


def examples():
    """The examples of each row, by its name."""
    return {
        "reshape": one(
            lambda x: x.reshape(-1), lambda x: np.reshape(x, (1, -1)), lambda x: x.reshape(x.shape, order="F")
        )
        + [
            on(f, x)
            for x in (
                np.arange(6.0).reshape(2, 3),
                np.arange(6.0).reshape(3, 2).T,
                np.arange(12.0).reshape(2, 6)[:, ::2],
            )
            for f in (
                lambda x: x.reshape(3, 2),
                lambda x: x.reshape((3, -1), order="F"),
                lambda x: np.reshape(x, 6, order="A"),
            )
        ]
        + [on(lambda x: np.reshape(x, (1, 1)), x) for x in (2.5, 3, np.float32(2), np.array(2.0))],
        "ravel": one(np.ravel, lambda x: x.ravel(), lambda x: x.ravel("F"), lambda x: np.ravel(x, order="A"))
        + one(lambda x: x.ravel("K"), lambda x: np.ravel(x, order="K"), at=())
        + [on(lambda x: x.ravel("K"), PERMUTED, exact=lambda x: x.transpose(2, 0, 1).ravel())],
        "flatten": one(lambda x: x.flatten(), lambda x: x.flatten("F"), lambda x: x.flatten(order="A"))
        + one(lambda x: x.flatten("K"), at=())
        + [on(lambda x: x.flatten("K"), PERMUTED, exact=lambda x: x.transpose(2, 0, 1).ravel())],
        "transpose": one(np.transpose, lambda x: x.T, lambda x: x.transpose())
        + [
            on(f, np.arange(24.0).reshape(2, 3, 4))
            for f in (
                lambda x: x.transpose(2, 0, 1),
                lambda x: np.transpose(x, [1, 0, -1]),
                lambda x: x.transpose((-1, 1, 0)),
            )
        ],
        "broadcast_to": [
            on(lambda x: np.broadcast_to(x, (2, 3)), x)
            for x in (np.arange(3.0), np.ones((2, 1)), np.float32(2), np.ones(()), 2.5)
        ]
        + [on(lambda x: np.broadcast_to(x, 3), np.arange(1.0))],
        "copy": one(lambda x: x.copy(), lambda x: x.copy("F"), lambda x: np.copy(x), lambda x: np.copy(x, order="F"))
        + one(lambda x: x.__copy__(), lambda x: x.__deepcopy__({}), exact=lambda x: x.copy()),
        "astype": one(lambda x: x.astype("f4"), lambda x: x.astype(float), lambda x: x.astype(dtype=np.float64))
        + one(lambda x: x.astype(int), lambda x: x.astype(bool), at=()),
        "getitem": [taken(key) for key in VIEWED]
        + [
            taken(key)
            for key in (MASK, [0, 2, 0], np.s_[:, [1, 1]], (ROWS, np.array([1, 3, 1])), np.s_[ROWS, 1:3], np.s_[True])
        ]
        + [
            taken_at(MASK),
            taken_at(ROWS),
            taken_at(ROWS, np.array([1, 3, 1])),
            taken_at(np.int64(1)),
            taken_at(ROWS[:, None], ROWS),
        ],
        "setitem": [
            *(
                written(key, np.float64(0.5))
                for key in [*VIEWED, MASK, [0, 2], (ROWS, ROWS), np.s_[:, [1, 1]], np.s_[...]]
            ),
            *(written(key, np.arange(4.0)) for key in (np.s_[0], np.s_[1:], ROWS)),
            written(np.s_[0], np.ones((1, 4))),
            written(np.s_[:2, ::2], np.arange(2.0)[:, None]),
            written(MASK, np.arange(6.0)),
            written(ROWS, np.arange(12.0).reshape(3, 4)),
            written((ROWS, ROWS), np.arange(3.0)),
        ],
        "scatter": [
            scattered(np.s_[0], np.arange(4.0)),
            scattered(np.s_[1:, ::-2], np.ones((2, 2))),
            scattered(MASK, np.arange(6.0)),
            scattered((ROWS, ROWS), np.arange(3.0)),
            scattered(ROWS, np.arange(12.0).reshape(3, 4)),
            scattered(np.s_[1, 2], np.float64(2)),
        ],
        "survives": [
            surviving(ROWS),
            surviving((ROWS, ROWS)),
            surviving((ROWS, np.array([0, 1, 2]))),
            surviving(np.s_[:, [1, 1]]),
        ],
        "zeros": made(np.zeros, np.zeros_like),
        "ones": made(np.ones, np.ones_like),
        "empty": [emptied(example) for example in made(np.empty, np.empty_like)],
        "full": [
            *(
                by_call(np.full, lambda x: [(2, 3), x], x, exact=lambda x: np.broadcast_to(x, (2, 3)))
                for x in (np.float64(2), 2.5, 3, np.arange(3.0), np.float32(1))
            ),
            by_call(np.full, lambda x: [(), x], np.array([2.5]), exact=lambda x: x[0]),
            by_call(np.full, lambda x: [3, x, np.float32], np.float64(2), exact=lambda x: np.broadcast_to(x, (3,))),
            by_call(np.full, lambda x: [(2, 2), x, {"order": "F"}], 2.5, exact=lambda x: np.broadcast_to(x, (2, 2))),
            *(
                by_call(
                    np.full_like,
                    lambda x, like=like: [like, x],
                    0.5,
                    exact=lambda x, like=like: np.broadcast_to(x, like.shape),
                )
                for like in LIKE
            ),
            *(by_call(np.full_like, lambda x: [x, 2.0], x) for x in LIKE),
        ],
        "array": [
            on(lambda *x: np.array(x), *x, ours=PRIMITIVES["array"])
            for x in [
                (1.5, 2.5),
                (1, 2.5),
                (np.float32(1), np.float32(2)),
                (np.arange(3.0), np.ones(3)),
                (np.ones((2, 2)),),
            ]
        ],
        "asarray": [on(np.asarray, x, ours=PRIMITIVES["asarray"]) for x in (1.5, 3, True, np.float32(2))],
        "item": one(
            lambda x: x.item(),
            inputs=lambda: [(np.ones(s, d),) for s in ((), (1,), (1, 1)) for d in DTYPES],
            at=(points(()), points((1, 1))),
        ),
        "float": [
            Example(
                float,
                lambda: [(2.5,), (3,), (True,), *((d(1),) for d in DTYPES), *((np.ones((), d),) for d in DTYPES)],
                (points(()), given(0.7)),
                ours=PRIMITIVES["float"],
                exact=lambda x: x.item() if hasattr(x, "item") else x,
            )
        ],
        "concatenate": [
            joined(0, grid(2, 3), grid(1, 3)),
            joined(1, grid(2, 3), grid(2, 1), grid(2, 2)),
            joined(-1, grid(2, 1, 2).T, grid(2, 1, 3)),
            joined(0, grid(3), grid(0), grid(2)),
            joined(0, grid(2, 3), grid(1, 3, dtype=np.float32)),
            joined(0, grid(2, dtype=int), grid(3)),
            joined(0, grid(2, dtype=bool), grid(3, dtype=np.float16)),
            joined(1, np.asfortranarray(grid(2, 3)), np.asfortranarray(grid(2, 2))),
        ],
        "repeat": [
            *moving(lambda x: np.repeat(x, 2, axis=0), lambda x: x.repeat(3, axis=-1), lambda x: np.repeat(x, 0, 0)),
            on(lambda x: np.repeat(x, -1, axis=0), np.zeros((0, 3))),
        ],
        "tile": [
            on(lambda x: np.tile(x, -1), np.zeros(0)),
            *moving(
                lambda x: np.tile(x, 2),
                lambda x: np.tile(x, (2, 1, 3)),
                lambda x: np.tile(x, ()),
                lambda x: np.tile(x, (0, 2)),
                shapes=((2, 3), (3,), (), (2, 1, 2)),
            ),
        ],
        "pad": moving(
            lambda x: np.pad(x, 1),
            lambda x: np.pad(x, (1, 2)),
            lambda x: np.pad(x, [(0, 1)], "constant"),
            lambda x: np.pad(x, ((2, 0),) * x.ndim, mode="constant", constant_values=-1),
            lambda x: np.pad(x, 1, constant_values=2.5),
            lambda x: np.pad(x, 1, constant_values=(2.5, 2.5)),
        )
        + [on(lambda x: np.pad(x, 1), x) for x in (np.array(2.0), np.array(2, np.int8))],
        "roll": moving(
            lambda x: np.roll(x, 1),
            lambda x: np.roll(x, -2, axis=0),
            lambda x: np.roll(x, (1, 2), axis=(0, -1)),
            lambda x: np.roll(x, 7, -1),
        ),
        "tril": moving(np.tril, lambda x: np.tril(x, 1), lambda x: np.tril(x, k=-1)),
        "triu": moving(np.triu, lambda x: np.triu(x, 1), lambda x: np.triu(x, k=-1)),
        "diag": moving(
            np.diag,
            lambda x: np.diag(x, 1),
            lambda x: np.diag(x, k=-1),
            shapes=((2, 3), (3,), (3, 2), (3, 3), (1, 4), (4, 1), (0,)),
        ),
        "diagonal": [
            *moving(
                np.diagonal,
                lambda x: x.diagonal(1),
                lambda x: np.diagonal(x, -1, 1, 0),
                lambda x: np.diagonal(x, offset=2, axis1=0, axis2=-1),
                shapes=((2, 3), (3, 2), (3, 3), (2, 3, 4), (1, 4), (3, 0)),
            ),
            Example(
                np.diagonal,
                lambda: [(grid(3, 3),), (grid(3, 3).T,), (grid(2, 2, 3),)],
                (points((3, 3)),),
                ours=lambda x: PRIMITIVES["diagonal"](x, offset=0, axis1=0, axis2=1, writeable=True),
            ),
        ],
        "windows": moving(
            lambda x: np.lib.stride_tricks.sliding_window_view(x, 2, -1),
            lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 1), axis=(0, -1)),
            shapes=((2, 3), (4,), (3, 2, 3)),
        )
        + moving(lambda x: np.lib.stride_tricks.sliding_window_view(x, (2, 3)), shapes=((2, 3), (4, 5))),
        "fold": [
            folded((2,), (0,), (1,), (5,)),
            folded((2, 3), (0, 1), (2, 1), (4, 5)),
            folded((1, 2), (1, 0), (1, 3), (5, 2)),
        ],
        "add_at": [
            *(added_at(key, np.float64(0.5)) for key in [*VIEWED, MASK, [0, 2], (ROWS, ROWS), np.s_[:, [1, 1]]]),
            added_at(np.s_[0], np.arange(4.0)),
            added_at(ROWS, np.arange(12.0).reshape(3, 4)),
            added_at(ROWS, np.arange(4.0)),
            added_at((ROWS, ROWS), np.arange(3.0)),
        ],
    }
