"""The words of the reasons in an explanation: a key of a `Phrase` → one sentence, with its fields in braces.

A field is text, a number, or a term, which the format writes in its own way.
"""

from __future__ import annotations

from collections.abc import Mapping

# --- the steps of backward: why a gradient is what it is --------------------------------------------------------------

_STEPS = {
    "added to each": "{name} was added to each of the {axis} rows, so its gradient is the sum of theirs",
    "sum over repeats": "{name} is repeated along {axis}, so its gradient is the sum over {axis}",
    "matrix product": "{element} meets {other} once for each {index}, so its gradient is the sum over {index}",
    "sum": "each element is in the sum once, so each gets the gradient of the sum",
    "mean": "each element is 1/{count} of the mean, so each gets that share of the gradient",
    "variance": "an element moves the variance by its distance from the mean",
    "product": "an element moves the product by the product of the others",
    "largest": "the gradient goes to the largest element, as long as no other equals it",
    "largest shared": "the gradient goes to the largest element; equal ones share it",
    "smallest": "the gradient goes to the smallest element, as long as no other equals it",
    "smallest shared": "the gradient goes to the smallest element; equal ones share it",
    "running sum": "an element is in all running sums from its place on, so their gradients add up",
    "moved": "elements only move, so their gradients move back",
    "repeated": "{name} is repeated, so the gradients of all repeats add up",
    "chosen": "the chosen elements get their gradients, the others get 0",
    "looked up": "a row of {name} may be chosen several times, so the gradients of all its uses add up",
    "overwritten": "the elements that were overwritten get 0",
    "written": "the new elements get the gradients of the places that they were written to",
    "closed": "one step here; --open {name} shows what is inside",
    "part": "each input gets its part of the gradient",
    "border": "the border gets no gradient",
    "half": "only the elements that stay get a gradient",
    "windows": "an element is in several windows, so the gradients of all of them add up",
    "one for all": "{name} is one number for all elements, so its gradient is the sum over them",
    "turns before": "… {count} turns of {place}, as the one below",
    "turns before make": "… {count} turns of {place}, as the one below, which make {names}",
    "other turns, one step": "the other {count} turns pass their gradients back as step {last} does",
    "other turns": "the other {count} turns pass their gradients back as steps {first} to {last} do",
    "uses add up": "{name} is used {count} times, so the gradients of all uses add up",
    "output and uses add up": "{name} is an output and is used inside, so the gradients of both add up",
}

# --- your backward, line by line --------------------------------------------------------------------------------------

_RIGHT_LINES = {
    "beside_given": "right, given {name} of the line above",
    "beside_use": "the part of {gradient} that comes through {through}",
    "beside_local": "the derivative of {of} with respect to {by}",
    "beside_again": "{value}, computed again",
    "beside_kept": "a value of forward, computed again",
    "beside_piece": "a piece of {whole}, or the same in another shape",
    "beside_opposite": "{gradient} with the other sign",
    "beside_on_the_way": "on the way to the next gradient",
    "beside_start": "filled in by a later line",
    "beside_number": "a constant in this run",
    "beside_finite": "right, without the {numbers} that only keeps forward finite",
    "beside_nearly": "right, up to the last digits of a rounded number",
    "beside_no_repeats": "right as long as no index repeats: np.add.at adds up those that do",
    "beside_several": "these are {gradients}",
}

_WRONG_LINES = {
    "beside_zero": "this is 0; {gradient} is not",
    "beside_no_dout": "dout is left out: this is only the local derivative",
    "beside_sign": "the sign is wrong",
    "beside_transposed": "it is transposed",
    "beside_operand_transposed": "one of its matrices is transposed wrongly",
    "beside_axis": "step {step} sums over {axes}: axis={axis}",
    "beside_axis_here": "it goes along axis {mine}; {gradient} goes along axis {axis}",
    "beside_not_summed": "step {step} sums over {axes}; this line does not: axis={axis}",
    "beside_divided": "it is divided by {n}; {gradient} is not",
    "beside_not_divided": "the factor 1/{n} is missing",
    "beside_times": "it is {factor} times {gradient}",
    "beside_mask_missing": "the mask is missing: {gradient} is 0 where forward blocks",
    "beside_mask_contrary": "the mask is the wrong way round",
    "beside_factor_missing": "the factor {factor} is missing",
    "beside_factor_extra": "the factor {factor} is one too many",
    "beside_divides": "it divides by {factor}: multiply",
    "beside_multiplies": "it multiplies by {factor}: divide",
    "beside_power": "the exponent is {mine}: it is {right}",
    "beside_part_missing": "the part that comes through {through} is missing",
    "beside_part_twice": "the part that comes through {through} is counted twice",
    "beside_part_sign": "the part that comes through {through} has the wrong sign",
    "beside_part_times": "the part that comes through {through} is {factor} times what it should be",
    "beside_part_divided": "the part that comes through {through} is {n} times too small: do not divide by {n}",
    "beside_part_not_divided": "the part that comes through {through} is {n} times too large: divide it by {n}",
    "beside_term_sign": "one of its terms has the wrong sign",
    "beside_swapped": "{mine} stands here for {right}",
    "beside_other": "this is {other}, not {gradient}",
    "beside_overwritten": "an index that repeats overwrites what was there: np.add.at adds it up",
    "beside_shape": "its shape is {mine}; that of {of} is {right}",
    "beside_layer": "the backward of {name} is wrong: see there",
    "beside_differs": "this is not {gradient}",
    "beside_not_local": "this is not the derivative of {of} with respect to {by}",
}

_CONDITIONS = {
    "where rows": "where each row of {names} adds up to 1",
    "where finite": "without the {numbers} that keeps it finite",
    "where unclipped": "where nothing is clipped",
    "where both": "{one}, {other}",
}

_LIMITS = {
    "stops": "{operator}, at {place}: {says}",
    "stops whole": "{operator}, at {place}: no gradient: whole numbers do not change a little",
    "no_formula": "{operator}, at {place}: no formula was found that agrees exactly",
    "other way": "the other ways at {place}, where a value decides",
    "other number": "other numbers at {place}, where values decide on a shape or an index",
    "lost": "{event}: no gradient is known behind it",
    "backward_raises": "your backward raises {error}",
    "stand_ins": "your own layers in {names}: dout was given none, and put simple ones there, each with a number w",
}

# --- why no backward is written, and what can be done -----------------------------------------------------------------

_NOT_DERIVED = {
    "no_real_input": "there is no input of floats to derive a gradient for",
    "unrolled": "how often {where} runs depends on a size, and derive found no way to run that loop in reverse",
    "loop known": "it knows a for in forward, or in a function that forward calls, over a range, an array or a list, "
    "with the same steps in every turn, and with lists that grow by append; what is written on whole arrays needs no "
    "loop",
    "loop while": "{head} does not count its turns: write for i in range(…)",
    "loop jump": "{head} ends a turn early: write the same steps in every turn",
    "loop inside": "the loop stands inside {head}: put it outside, or write it on whole arrays",
    "loop over": "it runs over {over}: derive knows a range, an array or a list, with zip and enumerate",
    "loop last": "{names} has, after the loop, what the last turn gives it: give it a value before the loop, too",
    "loop modulo": "the loops of the examples have at most {count} turns, too few for {part}: give a longer input",
    "loop value": "an index or a length in the loop is made of {name}, which is no whole number",
    "inner_parameter": "{part} holds {names} and has no backward: derive {cls}, and then this class, which calls it",
    "inner_shared": "{part} is called {count} times, and its backward knows the last call alone: give each call "
    "a layer of its own",
    "inner_backward": "derive cannot leave {names} to {part}.backward: that has to take the gradient of one output and "
    "return that of each input, and {part} alone may read {names}",
    "part_unread": "{part}.backward does not read dout: what {part} gives has to be what forward returns",
    "part_wrong": "the gradient found for {name} does not hold: look with dout check whether the backward of {parts} "
    "is right",
    "flat": "nothing in forward has a derivative: at {where}, {says}",
    "flat whole": "nothing in forward has a derivative: at {where}, whole numbers do not change a little",
    "empty": "forward gives an array without elements on the example that was found: give another one, as "
    "--input 'x=array(4,6)'",
    "no path": "forward computes nothing from its inputs that a gradient could flow through",
    "one_side": "derived with {flag}={value}",
    "one_side_condition": "derived where {condition} at {where} is {side}",
    "one_side_choice": "derived where {condition} at {where} gives its {argument} argument",
    "one_side_steered": "derived for the way that the example takes at {where}, where a value decides",
    "one_side_number": "derived with the number that {where} makes of values in the example: a shape or an index "
    "depends on it",
    "one_side_drawn": "derived with the number that {where} draws in the example",
    "after_first": "derived for calls after the first, which makes arrays that the layer keeps",
    "output_alone": "forward returns its output alone: what backward needs is kept in self",
    "part_at_one": "{part}.backward does not read dout: the gradients are those for dout = 1",
    "axes": "derived for {name} of {count} axes",
    "one_axis": "derived for {name} of one axis",
    "one_number": "derived for {name} as a single number: of an array, its gradient is not the sum over all elements",
    "items": "derived with len({name}) = {count}",
    "same_lengths": "derived for {names} of one length: of a longer one, forward leaves out the rest",
    "not_repeated": "derived for {names} without broadcasting: where one is repeated, its gradient is not summed",
    "derive unrolled gradient": "the gradient of {where} takes other steps at other sizes: write that line without a "
    "loop over an axis",
    "derive nowhere": "backward needs a value of {where} that no line of forward has by itself: give it a name there",
    "derive no function": "{function} has no spelling in NumPy: write forward without it",
    "derive no scipy": "backward needs {function} of SciPy: import scipy.special in the module of forward",
    "derive number": "a number of backward ({numbers} in the examples) follows from lengths in an unknown way: "
    "let forward keep it as an attribute",
    "derive untried length": "no example was found in which another length stands for {length}: give one in which it "
    "differs from all others",
    "derive order": "forward reshapes in another order of memory: reshape in the usual order, and transpose",
    "derive no style": "{why}",
    "derive no source": "the source of forward cannot be read: {why}",
    "derive other bits": "with the lines that keep values, forward gives other bits: give each value that changes in "
    "place a name of its own",
    "derive writes dout": "the backward that was found writes into dout",
    "derive writes input": "forward or backward writes into an input: copy it first",
    "derive shares memory": "the backward that was found returns the memory of dout or of an input",
    "derive missing": "no gradient of {names} was found in the class",
    "derive lost": "what forward returns follows {name}, and no gradient leads there: a function of another library "
    "than NumPy is on the way",
    "derive refuted": "the gradient found for {name} does not hold at every size",
    "derive undecided": "nothing is known of the gradient of {name} at the examples: give one at which forward has a "
    "derivative",
    "derive float32": "backward makes float64 of float32: forward has a number of another dtype",
    "derive not finite": "the gradient found for {name} is not finite at ±{size}, and the derivative is: write forward "
    "so that it does not overflow",
    "derive raises": "the class that was found raises {error}",
    "derive state": "forward goes on from what the call before left: give that as an input, and return the new one",
}

REASONS: Mapping[str, str] = {**_STEPS, **_CONDITIONS, **_LIMITS, **_RIGHT_LINES, **_WRONG_LINES, **_NOT_DERIVED}
