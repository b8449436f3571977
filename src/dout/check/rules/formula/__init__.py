"""A judgement in; findings on the numbers of gradients out, with the suspected cause."""

__all__ = [
    "d101_wrong_gradient",
    "d104_loss_assumes_one",
    "d105_no_gradient",
    "d108_gradient_kept_nowhere",
    "wrong_gradients",
]
