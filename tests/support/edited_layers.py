"""The foreign layers, whole and with one wrong edit."""

import importlib.util
import inspect
import sys
from pathlib import Path

import foreign_layers

from dout.adapt.interface.function_pairs import function_pairs

METHODS = {  # interface: class, arguments that are judged
    "forward as __call__": ("CalledLinear", {"x", "W", "b"}),
    "forward_pass and backward_pass": ("PassLinear", {"X", "W", "b"}),
    "backward_pass, without parameters": ("PassTanh", {"x"}),
    "backprop": ("BackpropLinear", {"x", "W"}),
    "propagate and back_propagate": ("PropagateTanh", {"x"}),
    "compute_gradients": ("ComputeGradientsLinear", {"x", "weights", "bias"}),
    "feedforward and backpropagate": ("FeedForwardLinear", {"inputs", "weights"}),
    "a flag that the class holds": ("KeepsAScaleInTraining", {"x"}),
    "another forward, that keeps what backward reads": ("StoresInAnotherForward", {"x", "weights"}),
    "one sample alone": ("TakesOneRow", {"x", "weights", "bias"}),
    "lines forward, rows backward": ("LinesForwardRowsBackward", {"x", "h", "W", "U"}),
    "updates in place": ("UpdatesInPlace", {"input_data", "weights", "bias"}),
    "updates by rebinding": ("UpdatesByRebinding", {"x", "W", "b"}),
    "updates a list, with a rate of its own": ("UpdatesAList", {"x", "params[0]", "params[1]"}),
    "updates at its own rate": ("UpdatesAtItsOwnRate", {"x", "W", "b"}),
    "updates by a velocity": ("Momentum", {"x", "W"}),
    "updates a list by rebinding": ("ListOfWeights", {"x", "weights[0]"}),
    "updates a dict": ("UpdatesADict", {"x", "W", "b"}),
    "a column vector": ("ColumnDense", {"input", "weights", "bias"}),
    "a column vector and a rate for nothing": ("ColumnTanh", {"input"}),
    "self.output and self.dinputs": ("Layer_Dense", {"inputs", "weights", "biases"}),
    "an activation that leaves self.dinputs": ("Activation_ReLU", {"inputs"}),
    "a sigmoid that leaves self.dinputs": ("Activation_Sigmoid", {"inputs"}),
    "Jacobians row by row": ("Activation_Softmax", {"inputs"}),
    "a loss that leaves self.dinputs": ("Loss_MeanSquaredError", {"y_pred"}),
    "a softmax and its loss in one": ("Activation_Softmax_Loss_CategoricalCrossentropy", {"inputs"}),
    "backward(self.output, labels)": ("Loss_CategoricalCrossentropy", {"y_pred"}),
    "gradients returned with a loss": ("cross_entropy_of", {"scores"}),
    "gradients of weights returned with a loss": ("svm_of_weights", {"W"}),
    "gradients called nothing else, returned with a loss": ("squared_loss", {"predictions"}),
    "weights of one score, returned with a loss": ("logistic_loss", {"w"}),
    "a dict of gradients returned with a loss": ("LossOfParameters", {"W", "b"}),
    "arrays in objects of a graph": ("HeldProduct", {"a", "b"}),
    "gradients beside arrays in objects": ("BlobSine", {"bottom"}),
    "ctx.save_for_backward": ("SavesForBackward", {"x", "w"}),
    "attributes of ctx": ("KeepsOnTheContext", {"x"}),
    "backward(pred, target)": ("LossWithBoth", {"pred"}),
    "backward(target)": ("LossWithTarget", {"pred"}),
    "backward()": ("LossWithNothing", {"pred"}),
    "the target first": ("LossTargetFirst", {"y_pred"}),
    "loss and gradient": ("SquareLoss", {"y_pred"}),
    "labels and backward()": ("CrossEntropyLoss", {"logits"}),
    "a cache from forward to backward": ("CachedLinear", {"x", "w", "b"}),
    "backward(x, cache, dout, grads)": ("FillsGrads", {"x", "W", "b"}),
    "a tuple of gradients": ("ReturnsATuple", {"x", "W", "b"}),
    "a list of gradients": ("ReturnsAList", {"x", "y"}),
    "a dict of gradients": ("ReturnsADict", {"x", "W", "b"}),
    "a gradient left in an attribute": ("LeavesAnAttribute", {"x"}),
    "two outputs": ("PairOfOutputs", {"x"}),
    "build": ("Built", {"x", "W", "b"}),
    "connect": ("Connected", {"x", "W"}),
    "a call with the layer before": ("ConnectedToALayer", {"x", "W"}),
    "compute_shapes(A), initialize_parameters() and compute_gradients()": ("PreparedInSteps", {"A", "W", "b"}),
    "a delta that the next layer sets, and zeros to leave the gradient in": ("LeavesDeltaInPlace", {"inpt"}),
    "forward(Z, save_cache=True)": ("KeepsIfAsked", {"Z"}),
    "an output and its penalty": ("WithItsPenalty", {"x", "W"}),
    "set_optimizer": ("HasAnOptimizer", {"x", "W", "b"}),
    "set_input_shape and initialize(optimizer)": ("FromScratchDense", {"X", "W", "w0"}),
    "gradient(x), local": ("SigmoidActivation", {"x"}),
    "derivative(x), local": ("TanhActivation", {"x"}),
    "grad(x), local": ("SoftPlusActivation", {"x"}),
    "prime(z), local and static": ("ArctanActivation", {"z"}),
    "derivative(y), local and of the output": ("SigmoidOfOutput", {"x"}),
    "derivative(), local": ("TanhKeepsOutput", {"x"}),
    "Jacobians of all rows, local": ("SoftmaxGradient", {"x"}),
    "batch last": ("BatchLast", {"A_prev", "W", "b"}),
    "channels last": ("ChannelsLast", {"x", "W", "b"}),
    "channels last, a mean": ("ChannelsLastMean", {"x"}),
}


PARAMETERS = {
    "grad_W": ("GradBefore", {"x", "W", "b"}),
    "W_grad": ("GradAfter", {"x", "W", "b"}),
    "weights_gradient": ("GradientSpelledOut", {"x", "weights", "bias"}),
    "grads[i]": ("GradsInAList", {"x", "params[0]", "params[1]"}),
    'grads["W1"]': ("GradsInADict", {"x", "W1", "W2"}),
    "params[i].data and .grad": ("ParametersWithData", {"x", "params[0]", "params[1]"}),
    "W.value and W.grad": ("ParametersWithValue", {"x", "W", "b"}),
    "two of one shape": ("SquareWeights", {"x", "h", "Wx", "Wh"}),
    "dgamma and dbeta": ("ScaleAndShift", {"x", "gamma", "beta"}),
    "optimizer.update with lists": ("HandsOverGradients", {"x", "gamma", "beta"}),
    "kept nowhere": ("KeptNowhere", {"x"}),
}


FUNCTIONS = {
    "affine": ("affine_forward", {"x", "w", "b"}),
    "a cache that is the input": ("relu_forward", {"x"}),
    "conv_param": ("conv_forward_naive", {"x", "w", "b"}),
    "bn_param": ("batchnorm_forward", {"x", "gamma", "beta"}),
    "batch last and a mean over it": ("linear_forward", {"A", "W", "b"}),
    "ln_param": ("layernorm_forward", {"x", "gamma", "beta"}),
    "a step of a recurrence": ("rnn_step_forward", {"x", "prev_h", "Wx", "Wh", "b"}),
    "f and df": ("softplus", {"x"}),
    "f and f_derivative, with a setting": ("leaky_relu", {"x"}),
    "f and f_prime": ("sigmoid", {"z"}),
    "f and f_derivative, of the output": ("tanh", {"x"}),
    "a loss and its prime": ("mse", {"y_pred"}),
}


JUDGED = METHODS | PARAMETERS | FUNCTIONS


PAIRS = set().union(*(function_pairs(vars(sys.modules[name])) for name in foreign_layers.FAMILIES))


def home(name):
    """The module in which a layer, or the forward of a pair, is written."""
    return sys.modules[getattr(foreign_layers, name).__module__]


def layer(module, name):
    """A class of a module, or a pair of its functions as one."""
    module = home(name) if module is foreign_layers else module
    pair = function_pairs(vars(module)).get(name)
    return pair if pair is not None else getattr(module, name)


def source(name):
    """The source of a class, or of both functions of a pair, as it stands in the file."""
    whole = Path(home(name).__file__).read_text()
    cls = layer(foreign_layers, name)
    if name not in PAIRS:
        return inspect.getsource(cls)
    forward, backward = (inspect.getsource(getattr(home(name), n)) for n in cls.dout_pair)
    return whole[whole.index(forward) : whole.index(backward) + len(backward)]


def edited(folder, name, old, new):
    """A class out of a copy of its file in which one thing is written otherwise."""
    whole, written = Path(home(name).__file__).read_text(), source(name)
    assert written.count(old) == 1
    file = folder / "mine.py"
    file.write_text(whole.replace(written, written.replace(old, new)))
    spec = importlib.util.spec_from_file_location("mine", file)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return layer(module, name)
