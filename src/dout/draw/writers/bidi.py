"""Right-to-left text for backends that set glyphs from left to right: in the order that is seen, its letters joined."""

from __future__ import annotations

import re
from unicodedata import bidirectional

_ACCENTED = re.compile(r"([\u0300-\u036f\u0591-\u05c7\u0610-\u061a\u064b-\u065f\u0670]+)([\u0590-\u08ff\ufb1d-\ufefc])")


def visual(text: str) -> str:
    """Return `text` as it is seen, from left to right, each accent behind its letter.

    >>> visual("price מחיר 12")
    'price 12 ריחמ'
    """
    if not any(bidirectional(character) in ("R", "AL", "AN") for character in text):
        return text
    from arabic_reshaper import ArabicReshaper
    from bidi.algorithm import get_display

    joined = ArabicReshaper({"delete_harakat": False}).reshape(text)
    seen: str = get_display(joined, base_dir="L")
    return _ACCENTED.sub(lambda found: found[2] + found[1][::-1], seen)
