"""Random functions with loops, as source: what a person might write who does not know NumPy well."""

from __future__ import annotations

import random

WHILE = [  # how it begins, until when, and what each turn adds
    ("-1", "{0} + 1 < {1}", "+= 1"),
    ("-2", "{0} <= {1} - 3", "+= 2"),
    ("{0} - 1", "{0} >= 0", "-= 1"),
    ("{0} - 1", "0 < {0}", "-= 1"),
]


class LoopProgram:
    """One random function: `source` of `def program(x, y, labels, out, scale, n)`, which returns what it computed.

    `x` and `out` have three axes, `y` two, all of floats; `labels` are whole numbers with one axis.
    """

    def __init__(self, seed: int) -> None:
        self.random = random.Random(seed)
        self.names = 0
        self.indices: list[tuple[str, str]] = []  # names of loops, with the length that they stay below
        self.numbers = ["scale", "total"]
        self.lines = ["def program(x, y, labels, out, scale, n):", "    A, B, C = x.shape"]
        self.lines += ["    total = 0.0", "    count = 0", "    best = -np.inf", "    seen = []"]
        for _ in range(self.random.randint(1, 2)):
            self.loop(1, 0)
        self.lines.append("    return out, total, count, best, seen")
        self.source = "\n".join(self.lines) + "\n"

    def add(self, depth: int, text: str) -> None:
        self.lines.append("    " * depth + text)

    def new(self, stem: str) -> str:
        self.names += 1
        return f"{stem}{self.names}"

    def loop(self, depth: int, nested: int) -> None:
        chosen = self.random
        name, length = self.new("i"), chosen.choice("ABC")
        kept = len(self.numbers)
        match chosen.randrange(9):
            case 8:
                begin, test, change = WHILE[self.names % len(WHILE)]
                self.add(depth, f"{name} = {begin.format(length)}")
                head = f"while {test.format(name, length)}:"
            case 0:
                head = f"for {name} in reversed(range({length})):"
            case 1:
                head = f"for {name} in range({length} - 1, -1, -1):"
            case 2:
                head = f"for {name} in range({chosen.choice('01')}, {length}, {chosen.choice(['1', '2', 'n'])}):"
            case 3:
                other = self.new("e")
                head, length = f"for {name}, {other} in enumerate(labels):", "A"
                self.numbers.append(other)
            case 4:
                other, length = self.new("z"), "A"
                head = f"for {name}, {other} in zip(range(A), labels):"
                self.numbers.append(other)
            case _:
                head = f"for {name} in range({length}):"
        self.add(depth, head)
        if head.startswith("while") and change != "-= 1":
            self.add(depth + 1, f"{name} {change}")
        start = len(self.lines)
        self.indices.append((name, length))
        for _ in range(chosen.randint(1, 3)):
            if nested < 2 and chosen.random() < 0.4:
                self.loop(depth + 1, nested + 1)
            else:
                self.statement(depth + 1)
        if head.startswith("while") and change == "-= 1":  # where a turn ends, whatever it skips
            at = start if any("continue" in line for line in self.lines[start:]) else len(self.lines)
            self.lines.insert(at, "    " * (depth + 1) + f"{name} -= 1")
        self.indices.pop()
        del self.numbers[kept:]

    def index(self, length: str) -> str:
        """A whole number, mostly one that fits an axis of this length."""
        fitting = [name for name, bound in self.indices if bound == length]
        if not fitting or self.random.random() < 0.1:
            fitting = [name for name, _ in self.indices] + ["0", "-1"]
        name = self.random.choice(fitting)
        return self.random.choice(
            [name] * 8 + [f"-1 - {name}", f"{name} - 1", f"({name} + 1) % {length}", f"{name} // 2"]
        )

    def cut(self, length: str) -> str:
        i = self.index(length)
        return self.random.choice(
            [":", f"{i}:", f":{i}", f"{i}:{i} + 2", f"{i} - 1:{i} + 2", "::2", "1:", ":-1", f"{i}:{i} + n"]
        )

    def element(self, name: str) -> str:
        lengths = {"x": "ABC", "out": "ABC", "y": "BC"}[name]
        return f"{name}[{', '.join(self.index(n) for n in lengths)}]"

    def part(self, name: str) -> str:
        lengths = {"x": "ABC", "out": "ABC", "y": "BC"}[name]
        keys = [self.cut(n) if self.random.random() < 0.6 else self.index(n) for n in lengths]
        keys[self.random.randrange(len(keys))] = self.cut(lengths[0])
        return f"{name}[{', '.join(keys)}]"

    def number(self, depth: int = 0) -> str:
        chosen = self.random
        match chosen.randrange(9 if depth < 2 else 4):
            case 0:
                return chosen.choice(["2", "0.5", "-1.5", "3", "n"])
            case 1:
                return chosen.choice([*self.numbers, *(name for name, _ in self.indices)])
            case 2 | 3:
                return self.element(chosen.choice(["x", "y", "out"]))
            case 4 | 5:
                return f"({self.number(depth + 1)} {chosen.choice('+-*')} {self.number(depth + 1)})"
            case 6:
                return f"{chosen.choice(['np.sum', 'np.max', 'np.min'])}({self.array(depth + 1)})"
            case 7:
                return f"np.maximum({self.number(depth + 1)}, {self.number(depth + 1)})"
            case _:
                return f"({self.number(depth + 1)} if {self.condition(depth + 1)} else {self.number(depth + 1)})"

    def array(self, depth: int = 0) -> str:
        chosen = self.random
        part = self.part(chosen.choice(["x", "y", "out"]))
        match chosen.randrange(6):
            case 0:
                return f"{part} * {self.number(depth + 1)}"
            case 1:
                return f"np.maximum({part}, {chosen.choice(['0', '0.5'])})"
            case 2:
                return f"{part} + {part}"
            case _:
                return part

    def condition(self, depth: int = 0) -> str:
        chosen = self.random
        sign = chosen.choice(["<", "<=", ">", ">=", "==", "!="])
        match chosen.randrange(4):
            case 0 if self.indices:
                return f"{chosen.choice(self.indices)[0]} {sign} {chosen.choice(['1', 'n', '2'])}"
            case 1 if depth < 2:
                return f"{self.condition(depth + 1)} {chosen.choice(['and', 'or'])} {self.condition(depth + 1)}"
            case 2 if depth < 2:
                return f"not ({self.condition(depth + 1)})"
            case _:
                return f"{self.number(2)} {sign} {self.number(2)}"

    def statement(self, depth: int, nested: int = 0) -> None:
        chosen = self.random
        match chosen.randrange(14):
            case 13:
                value = chosen.choice([self.array, self.number])()
                self.add(depth, f"seen.append({value}{'.copy()' if value.endswith(']') else ''})")
            case 0 | 1:
                self.add(depth, f"{self.element('out')} {chosen.choice(['', '+', '-', '*'])}= {self.number()}")
            case 2 | 3:
                value = chosen.choice([self.array, self.number])()
                self.add(depth, f"{self.part('out')} {chosen.choice(['', '+', '-', '*'])}= {value}")
            case 4:
                self.add(depth, f"total {chosen.choice('+-')}= {self.number()}")
            case 5:
                name = self.new("v")
                self.add(depth, f"{name} = {self.number()}")
                self.numbers.append(name)
            case 6:
                name = self.new("w")
                self.add(depth, f"{name} = {self.array()}")
                self.add(depth, f"{name} += 1.0" if chosen.random() < 0.3 else f"total += {name}.sum()")
            case 7 | 8 if nested < 2:
                kept = len(self.numbers)
                self.add(depth, f"if {self.condition()}:")
                self.statement(depth + 1, nested + 1)
                del self.numbers[kept:]
                if chosen.random() < 0.4:
                    self.add(depth, "else:")
                    self.statement(depth + 1, nested + 1)
                    del self.numbers[kept:]
            case 9:
                self.add(depth, f"if {self.condition()}:")
                self.add(depth + 1, chosen.choice(["break", "continue"]))
            case 10:
                self.add(depth, "count += 1")
            case 11:
                self.add(depth, f"if {(value := self.element('x'))} > best:")
                self.add(depth + 1, f"best = {value}")
            case _:
                self.add(
                    depth,
                    f"out[labels[{self.index('A')}]] += {self.part('y') if chosen.random() < 0.5 else self.number()}",
                )
