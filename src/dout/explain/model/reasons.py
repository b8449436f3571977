"""Why a gradient is what it is: one sentence a key, with fields to fill in."""

from __future__ import annotations

from collections.abc import Mapping

REASONS: Mapping[str, str] = {
    "added to each": "{name} was added to each of the {axis} rows, so its gradient is the sum of theirs",
    "sum over repeats": "{name} is repeated along {axis}, so its gradient is the sum over {axis}",
    "matrix product": "{name}[{indices}] meets {other} once for each {index}, so its gradient is the sum over {index}",
    "sum": "each element is in the sum once, so each gets the gradient of the sum",
    "mean": "each element is 1/({count}) of the mean, so each gets that share of the gradient",
    "variance": "an element moves the variance by its distance from the mean",
    "product": "an element moves the product by the product of the others",
    "largest": "the gradient goes to the largest element; equal ones share it",
    "smallest": "the gradient goes to the smallest element; equal ones share it",
    "running sum": "an element is in all running sums from its place on, so their gradients add up",
    "moved": "elements only move, so their gradients move back",
    "repeated": "{name} is repeated, so the gradients of all repeats add up",
    "chosen": "the chosen elements get their gradients, the others get 0",
    "looked up": "a row of {name} may be chosen several times, so the gradients of all its uses add up",
    "overwritten": "the elements that were overwritten get 0",
    "written": "the new elements get the gradients of the places that they were written to",
    "part": "each input gets its part of the gradient",
    "border": "the border gets no gradient",
    "half": "only the elements that stay get a gradient",
    "windows": "an element is in several windows, so the gradients of all of them add up",
    "uses add up": "{name} is used {count} times, so the gradients of all uses add up",
}
