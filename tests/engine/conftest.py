"""Tests of compiled code compile arguments of every size at once: they are about what is compiled."""

import pytest

from dout.engine.compile import compiled


@pytest.fixture(autouse=True, scope="module")
def another_size_is_recorded_at_once():
    """Ordinarily a call of another size runs plainly for a while."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(compiled, "PATIENCE", 0.0)
        yield
