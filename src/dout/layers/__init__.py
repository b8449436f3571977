"""Ready-made layers in the slides' manner: plain NumPy, `forward(*inputs)` and `backward(dout)`, nothing else.

Each file can be read aloud and lifted out: this folder imports nothing but NumPy.
"""

from dout.layers.basic import AddLayer, ExpLayer, MulLayer, ReciprocalLayer, Relu, Sigmoid

__all__ = ["AddLayer", "ExpLayer", "MulLayer", "ReciprocalLayer", "Relu", "Sigmoid"]
