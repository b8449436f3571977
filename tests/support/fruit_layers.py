"""The slides' apples and oranges as one layer that holds others."""

from __future__ import annotations


class Multiply:
    """The slides' MulLayer."""

    def forward(self, x: float, y: float) -> float:
        """Remember both and multiply."""
        self.x, self.y = x, y
        return x * y

    def backward(self, dout: float) -> tuple[float, float]:
        """Swap the inputs."""
        return dout * self.y, dout * self.x


class Add:
    """The slides' AddLayer."""

    def forward(self, x: float, y: float) -> float:
        """Add."""
        return x + y

    def backward(self, dout: float) -> tuple[float, float]:
        """Hand dout on to both."""
        return dout, dout


class Fruits:
    """A shop: two apples, three oranges, and the tax on them."""

    def forward(self, apple: float, apple_num: int, orange: float, orange_num: int, tax: float) -> float:
        """The price of all."""
        self.apples, self.oranges, self.total, self.taxed = Multiply(), Multiply(), Add(), Multiply()
        fruits = self.total.forward(self.apples.forward(apple, apple_num), self.oranges.forward(orange, orange_num))
        return self.taxed.forward(fruits, tax)

    def backward(self, dout: float) -> tuple[float, ...]:
        """The gradient of the price by each input."""
        dfruits, dtax = self.taxed.backward(dout)
        dapples, doranges = self.total.backward(dfruits)
        return *self.apples.backward(dapples), *self.oranges.backward(doranges), dtax
