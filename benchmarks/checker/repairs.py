"""What the checker says of formula mutants: are the causes right, and do the repairs that are shown keep their word?

    python -m benchmarks.checker.repairs [--every N]

A repair is applied as by `--fix`. It keeps its word if the exact check then refutes nothing that it was shown for, and
forward returns the same bits as before. Those are counted too that give back the layer the mutant was made from.
"""

from __future__ import annotations

import argparse
import ast
import statistics
import time
from collections import Counter
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

import dout
from benchmarks.checker import corpus
from benchmarks.checker.case import Mutant, kept_copy, write
from benchmarks.checker.run import FORMULA, same_cause, wilson
from dout.check.project.fixed_files import fixed_file
from dout.check.report.fix import Fix


def _names(path: Path) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": path.stem, "__file__": str(path)}
    exec(compile(path.read_text(), str(path), "exec", dont_inherit=True), names)
    return names


def _wrong(mutant: Mutant, names: dict[str, Any]) -> list[Any]:
    return [f for f in dout.check(mutant.build(names), *mutant.inputs).findings if f.code in FORMULA]


def _outputs(mutant: Mutant, names: dict[str, Any]) -> list[bytes]:
    with np.errstate(all="ignore"):
        outputs = mutant.build(names).forward(*map(kept_copy, mutant.inputs))
    return [np.asarray(o).tobytes() for o in (outputs if isinstance(outputs, tuple) else (outputs,))]


def _applied(mutant: Mutant, path: Path, fix: Fix, argument: str, right: str) -> Counter[str]:
    """What becomes of a mutant with its repair."""
    before = _names(path)
    with TemporaryDirectory() as folder:
        mended = write(mutant, folder, example=False)
        fixed_file(mended, [fix]).write()
        after = _names(mended)
        kept = _outputs(mutant, before) == _outputs(mutant, after)
        still = any(f.argument == argument and f.code != "D102" for f in _wrong(mutant, after))
        same = ast.dump(ast.parse(mended.read_text())) == ast.dump(ast.parse(right))
    return Counter(shown=1, safe=not fix.unsafe, kept=kept, exact=not still, same=same)


def main() -> None:
    """Print the shares."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--every", type=int, default=1, help="only every Nth formula mutant")
    every = parser.parse_args().every
    rights = {case.id: case.source for case in corpus.right()}
    found: Counter[str] = Counter()
    seconds = []
    with TemporaryDirectory() as folder:
        for mutant in [m for m in corpus.mutants() if m.bug == "formula"][::every]:
            path = write(mutant, folder, example=False)
            names, begun = _names(path), time.process_time()
            findings = _wrong(mutant, names)
            if findings:
                seconds.append(time.process_time() - begun)
                found["refuted"] += 1
                found["cause"] += any(same_cause(f.cause, mutant.cause) for f in findings)
            for fix, argument in {f.fix: f.argument for f in findings if f.fix}.items():
                found += _applied(mutant, path, fix, argument, rights[mutant.right])
    print(f"right cause    {wilson(found['cause'], found['refuted'])} of {found['refuted']} refuted mutants")
    print(f"repairs shown  {found['shown']}: {found['same']} give back the layer that the mutant was made from")
    print(f"without a look {found['safe']}: by --fix alone")
    print(f"exactly right  {wilson(found['exact'], found['shown'])}")
    print(f"forward kept   {wilson(found['kept'], found['shown'])}   (else a docstring or other code says so)")
    print(f"{1e3 * statistics.median(seconds):.0f} ms of a processor, the median of a refuted layer")


if __name__ == "__main__":
    main()
