"""Words for the nodes of a recorded layer, by the names that the user gave them: what a derivation says better."""

from collections.abc import Mapping

from dout.explain.terms.terms import Number, Partial, Symbol, Term, negated, number, product, total
from dout.graph import CONSTANT, INPUT, Node
from dout.ops import by_primitive
from dout.trace.model.recorded import LayerCall, RecordedRun

_WRITTEN = by_primitive(
    {
        "multiply": product,
        "divide": lambda a, b: product(a, over=(b,)),
        "add": total,
        "subtract": lambda a, b: total(a, negated(b)),
        "negative": negated,
    }
)


class NamedMeaning:
    """Steps are counted from the output to the input, one a node; a value is called as it is in the source."""

    def __init__(self, trace: RecordedRun, call: LayerCall) -> None:
        self.trace, self.call = trace, call
        inside = (n for n in trace.graph.nodes if n not in trace.backward and trace.call_of.get(n) is call)
        made = [node for node in inside if node.primitive not in (CONSTANT, INPUT)]
        self.steps = {node: i for i, node in enumerate(reversed(made), 1)}

    def name(self, node: Node) -> str:
        """What a value is called; y where it is the output and has no name."""
        return self.trace.names.get(node) or ("y" if node in self.call.outputs else "")

    def step(self, node: Node) -> int | None:
        return self.steps.get(node)

    def term(self, node: Node) -> Term | None:
        if node.primitive is CONSTANT:
            return Number(node.static["value"])
        return Symbol(self.name(node)) if self.name(node) else None

    def gradient(self, node: Node) -> Term:
        return Partial(self.name(node) or f"#{self.steps.get(node)}")

    def axes(self, node: Node) -> tuple[str, ...]:
        return tuple("NM"[: len(node.shape)]) if self.call.cls.startswith("Affine") else ()

    def written(self, node: Node, known: Mapping[Node, Term]) -> Term | None:
        if node in known:
            return known[node]
        if node.primitive is CONSTANT:
            return number(node.static["value"])
        rule = _WRITTEN.get(node.primitive)
        parts = [self.written(i, known) for i in node.inputs]
        return None if rule is None or None in parts else rule(*parts)

    def spell(self, node: Node) -> str | None:
        return f"right({self.name(node)})"
