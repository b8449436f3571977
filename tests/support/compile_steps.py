"""The lines of a random program that only objects have: what they keep, what they read again, what goes wrong."""

import numpy as np
from program_steps import STEPS, Pick

# What every file begins with.
PREAMBLE = """
from enum import Enum

noise = np.random.default_rng(7)

class Mode(Enum):
    TRAIN = 1
    TEST = 2

class Record:
    best = None

STATE = {"calls": 0, "last": None}
"""

PLACES = ["self.last", "self.last", "self.other", "self.params['n']", "self.stats['n']", "self.log[0]", "self.log[-1]",
          "self.record.best", "self.record.last", "self.stats['kind']", "STATE['last']"]  # fmt: skip
CONSTANTS = [
    "0", "1", "2", "2", "3", "1.0", "0.5", "-0.0", "True", "False", "None", "'train'", "''", "np.bool_(True)",
    "np.bool_(False)", "np.int64(1)", "np.int64(3)", "np.float32(0.5)", "np.float64(0.5)", "np.float64(1)",
    "Mode.TRAIN", "Mode.TEST",
    "()", "(1, 2.0)", "(None, Mode.TEST, 'a')", "float('nan')", "2 ** 70", "np.float64('nan')", "np.uint8(200)",
    "1 + 0j",
]  # fmt: skip
# What is computed, and often the very object that it was before: Python and NumPy have one True and one 0 each.
TRUTHS = [
    "{x}.sum() > 0",
    "{x}.sum() > n0",
    "{x}.max() < 0.3",
    "({x} > 0).all()",
    "np.bool_({x}.sum() > 0)",
    "{x}.sum() <= 1",
    "{x}.any()",
    "np.any({x} > 1)",
    "np.isnan({x}.sum())",
    "bool({x}.sum() > 0)",
    "not {x}.sum() > 0",
    "n0 > 1",
    "{x}[..., :1].sum() > 0",
    "int({x}.sum() > 0)",
    "({x}.sum() > 0, n0)",
    "np.logical_not({x}.sum() > 0.3)",
]
COMPUTED = [
    "np.sign({x}.sum())", "np.argmin({x})", "({x} > 0).sum()", "float({x}.sum())", "{x}.sum()",
    "int({x}.size)", "len({x})", "{x}.shape",
    "np.float32({x}.sum())", "np.float64({x}.mean())", "{x}.max()", "({x}.sum(), n0)", "({x}, None)", "{x}.ndim",
    "{x}.dtype", "np.argmax({x})", "int(np.argmax({x}))", "float(n0)", "n0", "n0 * 2", "n0 > 1", "self.n", "self.n + 1",
    "self.n * 0.5", "self.rate", "self.train", "not self.train", "self.last", "self.other", "self.record.best",
    "self.params['n']", "self.mode", "str(self.n)", "(self.n, self.rate)", "({x}.shape, self.mode)", "{x}.any()",
    "np.count_nonzero({x})", "{x}.sum().item()", "{x}.dtype.name", "-self.rate", "abs(n0)", "max(self.n, n0)",
    "np.int64({x}.size)", "np.bool_(self.train)", "self.n == 2", "self.last is None", "{x}.sum() * 0",
    "round(self.rate)",
]  # fmt: skip


def condition(pick):
    """A condition of Python's: by values, by what was kept, by flags."""
    x, y = pick.changing(), pick.array()
    return pick.one_of([
        f"{x}.sum() > {pick.number()}", f"{x}.sum() > 0", f"{x}.any()", "self.train", "n0 > 1",
        "self.mode is Mode.TRAIN", "self.last is None", "self.last", "self.last == 1", "self.last is self.mode",
        "isinstance(self.last, float)",
        "type(self.last) is bool", "self.n == 2", "self.params['n'] == 2", "self.record.best is None",
        "len(self.log) > 2",
        f"{x}.ndim == {y}.ndim", f"{x}.shape[0] > 2", f"{x} is {y}", f"self.out is {x}", "'new' in self.params",
        "self.log[0] is None", "np.isnan(self.rate)", f"{x}.flags.writeable", f"{x}.dtype == {y}.dtype",
    ])  # fmt: skip


def stored(pick, name):
    x, y = pick.any_array(), pick.any_array()
    return pick.one_of([f"self.out = {x}", f"self.kept = {x}", f"self.params['b'] = {x}",
                        f"self.cache = ({x}, {y})", f"self.grads = {{'W': {x}, 'b': {y}}}",
                        f"self.out = {x}.copy()", f"self.n += 1; {name} = {x} * self.n",
                        f"self.log[0] = {x}", f"self.record.best = {x}", f"self.last = {x}"])  # fmt: skip


def kept(pick, name):
    """A scalar is kept: computed, given or written out; always or sometimes; in any place."""
    x, place = pick.one_of([pick.array(), pick.changing(), pick.changing()]), pick.one_of(PLACES)
    value = pick.one_of([pick.one_of(CONSTANTS), pick.one_of(COMPUTED), pick.one_of(TRUTHS)]).format(x=x)
    form = pick.one_of(["{place} = {value}", "{place} = {value}", "if {condition}: {place} = {value}",
                        "{place} = {value} if {condition} else {place}",
                        "{place} = {value} if {condition} else {other}",
                        "{place} = {place}", "self.log.append({value})", "{name} = {value}; {place} = {name}",
                        "self.stats = {{'n': {value}, 'mode': self.mode}}", "self.record = Record(); {place} = {value}",
                        "{place} = {value}; {place} = {other}",
                        "self.last, self.other = {value}, self.last"])  # fmt: skip
    other = pick.one_of(CONSTANTS)
    return form.format(place=place, value=value, condition=condition(pick), other=other, name=name.replace("v", "k"))


def kept_elsewhere(pick, name):
    """What is kept is changed in other ways: methods of lists and dicts, attributes by name, globals, the class."""
    x = pick.one_of([pick.array(), pick.changing()])
    value = pick.one_of([pick.one_of(CONSTANTS), pick.one_of(COMPUTED), pick.one_of(TRUTHS)]).format(x=x)
    return pick.one_of([
        f"setattr(self, 'last', {value})", f"self.params.update(n={value})", f"self.stats.setdefault('new', {value})",
        "self.stats.pop('n', None)", f"self.log[:] = [{value}, None]", f"self.log.insert(0, {value})", "self.log.pop()",
        "self.log.reverse()", f"self.log = [{value}, *self.log[:1]]", f"self.log += [{value}]",
        f"self.log[-1:] = [{value}]",
        "self.count = getattr(self, 'count', 0) + 1", "STATE['calls'] += 1", f"STATE['last'] = {value}",
        f"type(self).shared = {value}", f"Record.best = {value}", f"self.added = {value}",
        "self.__dict__.pop('added', None)",
        f"self.added = {value}; del self.added", f"self.stats['list'] = [{value}]",
        f"self.record.__dict__['best'] = {value}",
        f"self.stats = {{**self.stats, 'n': {value}}}", f"self.stats |= {{'n': {value}}}",
        f"self.pair = ({value}, self.n)",
        f"self.record.best, self.record.last = {value}, self.record.best", f"self.last = self.other = {value}",
        f"self.log[0], self.log[-1] = self.log[-1], {value}", "self.last, self.other = self.other, self.last",
        f"self.last = STATE['last']; STATE['last'] = {value}",
        f"{name.replace('v', 'k')} = self.record; self.record = Record()",
    ])  # fmt: skip


def switched(pick, name):
    """A flag or a member of an enum is set, perhaps to what it already is."""
    return pick.one_of([
        "self.mode = Mode.TEST", "self.mode = Mode.TRAIN", "self.train = True", "self.train = not self.train",
        f"self.mode = Mode.TEST if {condition(pick)} else Mode.TRAIN", f"self.train = {condition(pick)}",
        f"if {condition(pick)}: self.n = 2", f"if {condition(pick)}: self.mode = Mode.TEST", "self.n = self.n",
    ])  # fmt: skip


def read_again(pick, name):
    """What was kept decides, or is computed with."""
    x, place = pick.array(), pick.one_of(PLACES)
    return f"{name} = " + pick.one_of([
        f"{x} * ({place} or 1)", f"{x} + ({place} is None)", f"{x} * 2 if {place} else {x} + 1", f"{x} * {place}",
        f"{x} * 2 if self.mode is Mode.TRAIN else {x} - 1", f"{x} + len(self.log)", f"{x} * self.mode.value",
        f"{x} * (2 if {place} == 1 else 3)", f"{x} + isinstance({place}, (int, float))", f"{x} * len(self.params)",
        f"{x} - ({place} if isinstance({place}, float) else 1)", f"np.where({x} > 0, {place}, {x})",
    ])  # fmt: skip


def failing(pick, name):
    """Some calls fail here."""
    x, y = pick.array(), pick.writable()
    return pick.one_of([
        f"if {condition(pick)}: raise ValueError('no')", f"assert {condition(pick)}", f"{name} = {x} / {y}.shape[0]",
        f"{name} = {x}[int(abs({x}.sum()))]", f"{name} = {x}[np.argmax({x}) + 1]", f"{name} = {x}[len({y}) - 1]",
        f"{name} = self.log[self.n]", "self.log.remove(None)", "del self.params['n']",
        f"{name} = {x}.reshape({y}.shape)",
        f"{name} = {x} + {y}", f"{y}[:] = {x}", f"{name} = {x} * self.missing if {condition(pick)} else {x}",
        f"{name} = {x} @ {y}", f"{name} = np.concatenate([{x}, {y}])", f"{x}.shape; {y}[self.n] = 0", f"{y} += n0",
        f"{name} = {x}[[self.n, 0]]", f"{name} = {x} * {{1: 2, 2: 3, 3: 4}}[self.n]",
        f"{name} = {x}.sum(axis={y}.ndim - 1)",
    ])  # fmt: skip


def with_number(pick, name):
    x = pick.array()
    form = pick.one_of(["{x} * self.rate", "{x} + self.n", "{x} * n0", "self.rate * (1 - n0) * {x}", "{x} ** self.n",
                        "{x} / (self.n + 1)", "n0 - {x}", "{x} * float(n0)", "np.float32(n0) * {x}"])  # fmt: skip
    return f"{name} = {form.format(x=x)}"


def branched(pick, name):
    x, number = pick.array(), pick.number()
    y = pick.writable()
    return pick.one_of([
        f"{name} = {x} * 2 if {condition(pick)} else {x} - 1",
        f"if self.train: {y} += 1",
        f"{name} = {x} * 2 if np.sum({x}) > {number} else {x} + 1",
        f"if {condition(pick)}: {y} *= 0.5",
        f"{name} = {x} - 1 if n0 > 1 else -{x}",
        f"{name} = {x} * 2 if {x}.sum() > 0 else {x} + 1",
        f"{name} = {x}[: 1 + int({x}.sum() > 0)]",
        f"{name} = {x}.copy(); {name}[{x} < 0] = 0; self.out = {x}.copy()",
        f"if {y}.shape[0] > 2: {y}[1] = 0",
        f"for i in range(len({y})): {y}[i] *= i",
        f"if ({x} > {number}).any(): self.rate = self.rate * 0.5",
    ])  # fmt: skip


def drawn(pick, name):
    x = pick.array()
    return f"{name} = " + pick.one_of([
        f"{x} + self.rng.normal(size={x}.shape)", f"{x} * (noise.random({x}.shape) < 0.5)",
        f"{x} + noise.integers(0, 3, size={x}.shape)", f"{x} * np.random.randn(*{x}.shape)",
        f"{x} + self.old.rand(*{x}.shape)", f"{x}[noise.permutation(len({x}))]",
    ])  # fmt: skip


def updated(pick, name):
    x = pick.array()
    return pick.one_of([
        "for key in self.params: self.params[key] -= self.rate * self.params[key]",
        "for key, value in self.params.items(): value *= 0.5",
        f"self.params['W'] -= self.rate * {x}",
        f"self.params['W'][...] = {x}",
        f"self.mean = 0.9 * self.mean + 0.1 * {x}.sum()",
        f"self.W += 0.1 * {x}",
        f"self.view[...] = {x}.sum()",
        f"self.rate = self.rate * 0.9; {name} = {x} * self.rate",
    ])  # fmt: skip


def of_other_dtype(pick, name):
    """Integers and conditions are computed with, or come to be."""
    x = pick.array()
    others = [n for n, v in pick.variables.items() if isinstance(v, np.ndarray) and v.dtype.kind in "biu"]
    i = pick.one_of([*others, f"{x}.astype(int)", f"({x} > 0)", f"{x}.astype('i4')"])
    form = pick.one_of(["{i} * 1.5", "{i} + {i}", "{x}[{i} % 1]", "{i}.astype('f4')", "{i} % 2 == 0", "{i}.sum()",
                        "{i} * 2 > 1", "np.eye(3)[{i} % 3]", "{i}.sum(axis=0)", "{i}.mean()", "np.where({i}, 1, 2)",
                        "{i} * np.float32(2)", "{i} & 1", "{i} / 2", "{i} // 2", "~({i} > 0)", "{i}.max(initial=0)",
                        "{x}.astype('f2') * 2", "{x}.astype('f4') + {x}", "{x} + {i}"])  # fmt: skip
    return f"{name} = {form.format(x=x, i=i)}"


OBJECT_STEPS = [stored, with_number, branched, drawn, updated, stored, branched, kept, kept, kept,
                kept_elsewhere, kept_elsewhere, switched,
                read_again,
                read_again, failing, failing, of_other_dtype]  # fmt: skip
ALL_STEPS = STEPS + OBJECT_STEPS + OBJECT_STEPS


class PickAny(Pick):
    """Also arrays of conditions."""

    def any_array(self):
        """The name of any array."""
        return self.one_of([n for n, v in self.variables.items() if isinstance(v, np.ndarray)][::-1])

    def changing(self):
        """The name of an array that was given, or came of others: at each call it may hold other numbers."""
        found = [n for n, v in self.variables.items() if "self" not in n and isinstance(v, np.ndarray)]
        return self.one_of([n for n in found if self.variables[n].dtype.kind == "f"] or [self.array()])
