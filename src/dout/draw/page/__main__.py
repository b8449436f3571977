"""The page of the slides' apples and oranges."""

import sys

from dout.draw.demo import buy_fruits
from dout.draw.page import write

sys.stdout.buffer.write(write(buy_fruits().draw()))
