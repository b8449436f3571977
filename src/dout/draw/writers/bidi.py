"""Right-to-left text for backends that set glyphs from left to right: in the order that is seen, its letters joined.

The Unicode bidirectional algorithm for one line that begins at the left, without explicit marks (which names lose when
they are cleaned), and Arabic letters as the presentation forms that fonts hold for them.
"""

from __future__ import annotations

from functools import cache
from itertools import pairwise
from unicodedata import bidirectional, combining, decomposition

_MIRRORED = dict(zip("()[]{}<>«»≤≥", ")(][}{><»«≥≤", strict=True))
_LEVEL = {"L": 0, "R": 1, "EN": 2, "AN": 2}


def visual(text: str) -> str:
    """Return `text` as it is seen, from left to right.

    >>> visual("price מחיר 12")
    'price 12 ריחמ'
    """
    if not any(bidirectional(character) in ("R", "AL", "AN") for character in text):
        return text
    clusters: list[str] = []
    for character in _joined(text):
        if clusters and combining(character):
            clusters[-1] += character
        else:
            clusters.append(character)
    levels = [_LEVEL[kind] for kind in _resolved([bidirectional(cluster[0]) for cluster in clusters])]
    clusters = [
        _MIRRORED.get(cluster, cluster) if level == 1 else cluster
        for cluster, level in zip(clusters, levels, strict=True)
    ]
    order = list(range(len(clusters)))
    for lowest in (2, 1):
        start = 0
        while start < len(order):
            end = start
            while end < len(order) and levels[order[end]] >= lowest:
                end += 1
            order[start:end] = order[start:end][::-1]
            start = end + 1
    return "".join(clusters[i] for i in order)


def _resolved(kinds: list[str]) -> list[str]:
    """The direction of every character: L, R, or that of a number."""
    strong = "L"
    for i, kind in enumerate(kinds):
        strong = kind if kind in ("L", "R", "AL") else strong
        if kind == "EN" and strong != "R":
            kinds[i] = "L" if strong == "L" else "AN"
    for i, (before, after) in enumerate(zip(kinds, kinds[2:], strict=False), 1):
        if kinds[i] in ("ES", "CS") and before == after and before in ("EN", "AN"):
            kinds[i] = before  # 1,000 and 1.5 are one number
    kinds = ["R" if kind == "AL" else kind for kind in kinds]
    at = 0
    while at < len(kinds):
        end = at
        while end < len(kinds) and kinds[end] not in _LEVEL:
            end += 1
        sides = {kinds[at - 1] if at else "L", kinds[end] if end < len(kinds) else "L"}
        kinds[at:end] = ["L" if "L" in sides else "R"] * (end - at)
        at = end + 1
    return kinds


@cache
def _forms() -> dict[tuple[str, str], str]:
    """Arabic letters (and lam with alef, which are one) in a place of a word → the character for that shape."""
    found: dict[tuple[str, str], str] = {}
    for code in (*range(0xFB50, 0xFBB2), *range(0xFBD3, 0xFC00), *range(0xFE80, 0xFEFD)):
        place, *letters = decomposition(chr(code)).split() or [""]
        word = "".join(chr(int(letter, 16)) for letter in letters)
        if len(word) == 1 or word[:1] == "\u0644":
            found.setdefault((word, place.strip("<>")), chr(code))
    return found


def _joined(text: str) -> str:
    """`text` with Arabic letters in the shapes that they take beside each other."""
    forms = _forms()
    units: list[str] = []
    for character in text:
        if units and (units[-1] + character, "isolated") in forms:
            units[-1] += character
        else:
            units.append(character)
    letters = [i for i, unit in enumerate(units) if not combining(unit[0])]
    onward = {  # letters that hold hands with the one after them
        i for i, after in pairwise(letters) if (units[i], "initial") in forms and (units[after], "final") in forms
    }
    before = dict(zip(letters[1:], letters, strict=False))
    shaped = list(units)
    for i in letters:
        place = {(False, False): "isolated", (False, True): "initial", (True, True): "medial", (True, False): "final"}
        shape = place[before.get(i) in onward, i in onward]
        shaped[i] = forms.get((units[i], shape), units[i])
    return "".join(shaped)
