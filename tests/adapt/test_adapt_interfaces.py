"""A layer in anybody's interface is judged as it is written: the right one is right, one wrong edit makes it wrong.

The layers stand in `foreign_layers/`; `JUDGED` says whose gradients are judged, `BROKEN` how each is broken.
"""

import inspect

import foreign_layers
import pytest
from edited_layers import JUDGED, PAIRS, edited, layer

from dout.adapt import example
from dout.check.verb.check_layer import check
from dout.errors import TargetError
from dout.judge.outcomes import Word

BROKEN = (  # class, what is written there, what is written instead, the arguments whose gradients are wrong then
    ("cross_entropy_of", "dscores[rows, wanted] -= 1", "dscores[rows, wanted] += 1", {"scores"}),
    ("svm_of_weights", "2 * reg * W", "reg * W", {"W"}),
    ("LossOfParameters", '{"b": dscores.sum(axis=0)', '{"b": -dscores.sum(axis=0)', {"b"}),
    ("squared_loss", "2 * (predictions - targets)", "2 * (targets - predictions)", {"predictions"}),
    ("logistic_loss", "X.T.dot(p - y)", "X.T.dot(y - p)", {"w"}),
    ("LossOfParameters", "X.T @ dscores", "-X.T @ dscores", {"W"}),
    ("HeldProduct", "return dout * b, dout * a", "return dout * a, dout * b", {"a", "b"}),
    ("BlobSine", "np.cos(self.bottom.value)", "np.sin(self.bottom.value)", {"bottom"}),
    ("CalledLinear", "return dout @ self.W.T", "return dout @ self.W.T * 2", {"x"}),
    ("CalledLinear", "self.db = dout.sum(axis=0)", "self.db = dout.sum(axis=0) * -1", {"b"}),
    ("PassLinear", "self.layer_input.T.dot(accum_grad)", "-self.layer_input.T.dot(accum_grad)", {"W"}),
    ("PassLinear", "return accum_grad.dot(self.W.T)", "return accum_grad", {"X"}),
    ("BackpropLinear", "np.dot(grad, self.W.T)", "np.dot(grad, -self.W.T)", {"x"}),
    ("BackpropLinear", "np.dot(grad, self.W.T)", "np.dot(grad, self.W)", set()),  # it raises
    ("PropagateTanh", "error * (1 - self.y**2)", "error * (1 - self.y)", {"x"}),
    ("PropagateTanh", "return error * (1 - self.y**2)", "return error", {"x"}),
    ("ComputeGradientsLinear", "np.sum(dout, axis=0)", "np.mean(dout, axis=1)", {"bias"}),
    ("ComputeGradientsLinear", "self.x.T @ dout", "(self.x.T @ dout).T", {"weights"}),
    ("FeedForwardLinear", "self.inputs.T @ delta", "-(self.inputs.T @ delta)", {"weights"}),
    ("KeepsAScaleInTraining", "dout * self.scale", "dout / self.scale", {"x"}),
    ("StoresInAnotherForward", "delta @ self.weights.T", "-delta @ self.weights.T", {"x"}),
    ("TakesOneRow", "self.bias -=", "self.bias +=", {"bias"}),
    ("LinesForwardRowsBackward", "np.dot(dz, self.U)", "np.dot(dz, self.U.T)", {"h"}),
    ("UpdatesInPlace", "self.weights -= learning_rate", "self.weights += learning_rate", {"weights"}),
    ("UpdatesInPlace", "np.dot(output_error, self.weights.T)", "-np.dot(output_error, self.weights.T)", {"input_data"}),
    ("UpdatesInPlace", "learning_rate * np.sum(output_error, axis=0", "np.sum(output_error, axis=0", {"bias"}),
    ("UpdatesByRebinding", "self.W = self.W - lr * dW", "self.W = self.W + lr * dW", {"W"}),
    ("UpdatesByRebinding", "np.sum(dout, axis=0)", "np.sum(dout)", {"b"}),
    ("UpdatesByRebinding", "        dx = dout @ self.W.T\n        self.W = self.W - lr * dW\n",
     "        self.W = self.W - lr * dW\n        dx = dout @ self.W.T\n", {"x"}),
    ("UpdatesAList", "self.x.T @ dout, dout.sum(axis=0)", "self.x.T @ dout, -dout.sum(axis=0)", {"params[1]"}),
    ("UpdatesAList", "dout @ self.params[0].T", "dout @ self.params[0].T / 2", {"x"}),
    ("Momentum", "self.W += self.vW", "self.W -= self.vW", {"W"}),
    ("Momentum", "dx = dout @ self.W.T", "dx = -dout @ self.W.T", {"x"}),
    ("ListOfWeights", "- lr * self.acts[i].T @ dz", "+ lr * self.acts[i].T @ dz", {"weights[0]"}),
    ("ListOfWeights", "1 - self.acts[i + 1] ** 2", "1 - self.acts[i + 1]", {"x", "weights[0]"}),
    ("UpdatesADict", 'self.params["b"] -= ', 'self.params["b"] += ', {"b"}),
    ("UpdatesADict", 'dx = dout @ self.params["W"].T', 'dx = -dout @ self.params["W"].T', {"x"}),
    ("UpdatesAtItsOwnRate", "self.W -= self.lr", "self.W += self.lr", {"W"}),
    ("UpdatesAtItsOwnRate", "dx = dout @ self.W.T", "dx = dout @ self.W.T * self.lr", {"x"}),
    ("PassTanh", "1 - np.tanh(self.x) ** 2", "1 + np.tanh(self.x) ** 2", {"x"}),
    ("PassTanh", "accum_grad * (1 - np.tanh(self.x) ** 2)", "1 - np.tanh(self.x) ** 2", {"x"}),
    ("PropagateTanh", "error * (1 - self.y**2)", "1 - self.y**2", {"x"}),
    ("ColumnDense", "np.dot(output_gradient, self.input.T)", "-np.dot(output_gradient, self.input.T)", {"weights"}),
    ("ColumnDense", "learning_rate * output_gradient", "learning_rate * output_gradient.sum()", {"bias"}),
    ("ColumnTanh", "1 - np.tanh(self.input) ** 2", "1 + np.tanh(self.input) ** 2", {"input"}),
    ("ColumnTanh", "np.multiply(output_gradient, 1 - np.tanh(self.input) ** 2)", "1 - np.tanh(self.input) ** 2",
     {"input"}),
    ("Layer_Dense", "np.dot(dvalues, self.weights.T)", "np.dot(dvalues, -self.weights.T)", {"inputs"}),
    ("Layer_Dense", "np.sum(dvalues, axis=0, keepdims=True)", "dvalues[:1]", {"biases"}),
    ("Layer_Dense", "np.dot(self.inputs.T, dvalues)", "np.dot(self.inputs.T, dvalues) * 2", {"weights"}),
    ("Activation_ReLU", "self.dinputs[self.inputs <= 0] = 0", "self.dinputs[self.inputs >= 0] = 0", {"inputs"}),
    ("Activation_ReLU", "        self.dinputs[self.inputs <= 0] = 0\n", "", {"inputs"}),
    ("Activation_Sigmoid", "(1 - self.output) * self.output", "(1 - self.output)", {"inputs"}),
    ("Activation_Softmax", "np.diagflat(single_output) - ", "np.diagflat(single_output) + ", {"inputs"}),
    ("Loss_MeanSquaredError", "-2 * (y_true - dvalues)", "2 * (y_true - dvalues)", {"y_pred"}),
    ("Activation_Softmax_Loss_CategoricalCrossentropy", "y_true] -= 1", "y_true] += 1", {"inputs"}),
    ("Loss_CategoricalCrossentropy", "-y_true / dvalues", "y_true / dvalues", {"y_pred"}),
    ("SavesForBackward", "grad_output @ w.T, x.T @ grad_output", "grad_output @ w.T, -x.T @ grad_output", {"w"}),
    ("SavesForBackward", "x.T @ grad_output", "grad_output.T @ x", {"w"}),
    ("SavesForBackward", "return grad_output @ w.T, x.T", "return grad_output @ w.T * 2, x.T", {"x"}),
    ("KeepsOnTheContext", "grad * ctx.y * (1 - ctx.y)", "grad * (1 - ctx.y)", {"x"}),
    ("LossWithBoth", "2 * (pred - target)", "2 * (target - pred)", {"pred"}),
    ("LossWithTarget", "self.pred - target", "target - self.pred", {"pred"}),
    ("LossWithNothing", "2 * self.diff / self.diff.size", "-2 * self.diff / self.diff.size", {"pred"}),
    ("LossTargetFirst", "2 * (y_pred - y_true)", "2 * (y_true - y_pred)", {"y_pred"}),
    ("SquareLoss", "-(y - y_pred)", "y - y_pred", {"y_pred"}),
    ("CrossEntropyLoss", "self.labels] -= 1", "self.labels] -= 2", {"logits"}),
    ("CrossEntropyLoss", "self.labels] -= 1", "self.labels] += 1", {"logits"}),
    ("CachedLinear", "dx = dout @ w.T", "dx = -dout @ w.T", {"x"}),
    ("CachedLinear", "dw = x.T @ dout", "dw = (dout.T @ x)", {"w"}),
    ("CachedLinear", "db = dout.sum(axis=0)", "db = dout.sum(axis=1)", {"b"}),
    ("CachedLinear", "db = dout.sum(axis=0)", "db = dout", {"b"}),
    ("FillsGrads", "dz = dout * (1 - np.tanh(cache) ** 2)", "dz = dout", {"x", "W", "b"}),
    ("FillsGrads", "dz.sum(axis=0)", "dz.sum(axis=1)", {"b"}),
    ("FillsGrads", 'grads["W"] = x.T @ dz', 'grads["W"] = -x.T @ dz', {"W"}),
    ("ReturnsATuple", "dx = dout @ self.W.T", "dx = -dout @ self.W.T", {"x"}),
    ("ReturnsATuple", "db = dout.sum(axis=0)", "db = dout.sum(axis=0) * 2", {"b"}),
    ("ReturnsATuple", "db = dout.sum(axis=0)", "db = dout.sum(axis=1)", {"b"}),
    ("ReturnsATuple", "db = dout.sum(axis=0)", "db = dout", {"b"}),
    ("ReturnsAList", "[dout * self.y, dout * self.x]", "[dout * self.x, dout * self.y]", {"x", "y"}),
    ("ReturnsADict", '"dW": self.x.T @ dout', '"dW": -self.x.T @ dout', {"W"}),
    ("ReturnsADict", "np.sum(dout, axis=0)", "np.sum(dout, axis=1)", {"b"}),
    ("ReturnsADict", '"dx": dout @ self.W.T', '"dx": dout @ self.W.T * 2', {"x"}),
    ("LeavesAnAttribute", "dout * np.cos(self.x)", "-dout * np.cos(self.x)", {"x"}),
    ("LeavesAnAttribute", "dout * np.cos(self.x)", "np.cos(self.x)", {"x"}),
    ("PairOfOutputs", "- dc * np.sin", "+ dc * np.sin", {"x"}),
    ("PairOfOutputs", "return ds * np.cos(self.x) - dc * np.sin(self.x)",
     "return dc * np.cos(self.x) - ds * np.sin(self.x)", {"x"}),
    ("Built", "return dout @ self.W.T", "return -dout @ self.W.T", {"x"}),
    ("Built", "self.dW = self.x.T @ dout", "self.dW = self.x.T @ dout * 2", {"W"}),
    ("Connected", "np.dot(self.x.T, dout)", "-np.dot(self.x.T, dout)", {"W"}),
    ("ConnectedToALayer", "np.dot(self.x.T, dout)", "-np.dot(self.x.T, dout)", {"W"}),
    ("PreparedInSteps", 'self.kept["X"].T @ self.kept["dZ"]', '-self.kept["X"].T @ self.kept["dZ"]', {"W"}),
    ("PreparedInSteps", 'return dA @ self.p["W"].T', 'return -dA @ self.p["W"].T', {"A"}),
    ("LeavesDeltaInPlace", "2 * inpt * self.delta", "inpt * self.delta", {"inpt"}),
    ("KeepsIfAsked", "return 2 * self", "return self", {"Z"}),
    ("WithItsPenalty", "np.dot(dout, self.W.T)", "-np.dot(dout, self.W.T)", {"x"}),
    ("HasAnOptimizer", "dW = self.x.T @ dout", "dW = -self.x.T @ dout", {"W"}),
    ("HasAnOptimizer", "db = np.sum(dout, axis=0", "db = np.sum(dout, axis=1", {"b"}),
    ("HasAnOptimizer", "dx = dout @ self.W.T", "dx = dout @ self.W.T * 3", {"x"}),
    ("FromScratchDense", "self.layer_input.T.dot(accum_grad)", "-self.layer_input.T.dot(accum_grad)", {"W"}),
    ("FromScratchDense", "np.sum(accum_grad, axis=0, keepdims=True)", "accum_grad[:1]", {"w0"}),
    ("FromScratchDense", "accum_grad = accum_grad.dot(W.T)", "accum_grad = -accum_grad.dot(W.T)", {"X"}),
    ("SigmoidActivation", "self.__call__(x) * (1 - self.__call__(x))", "self.__call__(x)", {"x"}),
    ("SigmoidActivation", "self.__call__(x) * (1 - self.__call__(x))", "self.__call__(x) * (1 + self.__call__(x))",
     {"x"}),
    ("TanhActivation", "1 - np.tanh(x) ** 2", "1 + np.tanh(x) ** 2", {"x"}),
    ("TanhActivation", "1 - np.tanh(x) ** 2", "np.tanh(x)", {"x"}),
    ("SoftPlusActivation", "1 / (1 + np.exp(-x))", "1 / (1 + np.exp(x))", {"x"}),
    ("ArctanActivation", "1 / (1 + z**2)", "1 / (1 - z**2)", {"z"}),
    ("SigmoidOfOutput", "y * (1 - y)", "y * (1 + y)", {"x"}),
    ("TanhKeepsOutput", "1 - self.output**2", "1 - self.output", {"x"}),
    ("SoftmaxGradient", "- p[..., None] *", "+ p[..., None] *", {"x"}),
    ("BatchLast", "np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ, axis=0, keepdims=True)", {"b"}),
    ("BatchLast", "np.dot(dZ, self.A_prev.T)", "np.dot(self.A_prev, dZ.T)", {"W"}),
    ("BatchLast", "return np.dot(self.W.T, dZ)", "return -np.dot(self.W.T, dZ)", {"A_prev"}),
    ("ChannelsLast", "dout.sum(axis=(0, 1, 2))", "dout.sum(axis=(0, 1))[0]", {"b"}),
    ("ChannelsLast", "return np.tensordot(dout", "return -np.tensordot(dout", {"x"}),
    ("ChannelsLastMean", " / (H * W)", " / (N * H)", {"x"}),
    ("GradBefore", "self.grad_W = self.x.T @ dout", "self.grad_W = -self.x.T @ dout", {"W"}),
    ("GradAfter", "self.b_grad = dout.sum(axis=0)", "self.b_grad = -dout.sum(axis=0)", {"b"}),
    ("GradientSpelledOut", "self.weights_gradient = self", "self.weights_gradient = -self", {"weights"}),
    ("GradientSpelledOut", "self.bias_gradient = dout.sum(axis=0)", "self.bias_gradient = dout", {"bias"}),
    ("GradsInAList", "self.x.T @ dout", "self.x.T @ dout * 2", {"params[0]"}),
    ("GradsInAList", "self.grads[1][...] = dout.sum(axis=0)", "self.grads[1][...] = dout[0]", {"params[1]"}),
    ("GradsInADict", " * (1 - self.h**2)", "", {"x", "W1"}),
    ("GradsInADict", "self.h.T @ dout", "-self.h.T @ dout", {"W2"}),
    ("ParametersWithData", "self.x.T @ dout", "-self.x.T @ dout", {"params[0]"}),
    ("ParametersWithData", "dout @ self.params[0].data.T", "-dout @ self.params[0].data.T", {"x"}),
    ("ParametersWithValue", "self.x.T @ dout", "-self.x.T @ dout", {"W"}),
    ("ParametersWithValue", "dout.sum(axis=0)", "-dout.sum(axis=0)", {"b"}),
    ("SquareWeights", "self.dWx = self.x.T @ dout\n        self.dWh = self.h.T",
     "self.dWx = self.h.T @ dout\n        self.dWh = self.x.T", {"Wx", "Wh"}),
    ("SquareWeights", "dout @ self.Wx.T, dout @ self.Wh.T", "dout @ self.Wh.T, dout @ self.Wx.T", {"x", "h"}),
    ("SquareWeights", "return dout @ self.Wx.T,", "return dout @ self.Wx,", {"x"}),
    ("ScaleAndShift", "self.dgamma = (dout * self.x).sum(axis=0)\n        self.dbeta = dout.sum(axis=0)",
     "self.dbeta = (dout * self.x).sum(axis=0)\n        self.dgamma = dout.sum(axis=0)", {"gamma", "beta"}),
    ("HandsOverGradients", "[dgamma, dbeta])", "[dbeta, dgamma])", {"gamma", "beta"}),
    ("HandsOverGradients", "dx = dout * self.gamma", "dx = dout", {"x"}),
    ("KeptNowhere", "return dout @ self.W.T", "return -dout @ self.W.T", {"x"}),
    ("affine_forward", "dx = dout.dot(w.T)", "dx = -dout.dot(w.T)", {"x"}),
    ("affine_forward", "db = np.sum(dout, axis=0)", "db = np.sum(dout, axis=1)", {"b"}),
    ("affine_forward", "dw = x.reshape(x.shape[0], -1).T.dot(dout)", "dw = np.ones_like(w) * dout.sum(axis=0)", {"w"}),
    ("relu_forward", "dx = dout * (x > 0)", "dx = dout * (x < 0)", {"x"}),
    ("relu_forward", "dx = dout * (x > 0)", "dx = dout * (dout > 0)", {"x"}),
    ("conv_forward_naive", "dw[f] += np.sum(", "dw[f] -= np.sum(", {"w"}),
    ("conv_forward_naive", "db = dout.sum(axis=(0, 2, 3))", "db = dout.sum(axis=(2, 3))[0]", {"b"}),
    ("conv_forward_naive", "dx_pad[:, :, rows, cols] += w[f]", "dx_pad[:, :, rows, cols] = w[f]", {"x"}),
    ("batchnorm_forward", "dx_hat - dx_hat.mean(axis=0) - x_hat", "dx_hat - dx_hat.mean(axis=0) + x_hat", {"x"}),
    ("batchnorm_forward", "dbeta = np.sum(dout, axis=0)", "dbeta = np.sum(dout, axis=1)", {"beta"}),
    ("batchnorm_forward", "dgamma = np.sum(dout * x_hat, axis=0)", "dgamma = np.sum(dout, axis=0)", {"gamma"}),
    ("linear_forward", "dA_prev = np.dot(W.T, dZ)", "dA_prev = -np.dot(W.T, dZ)", {"A"}),
    ("linear_forward", "np.sum(dZ, axis=1, keepdims=True)", "np.sum(dZ)", {"b"}),
    ("layernorm_forward", "g = dout * gamma", "g = dout", {"x"}),
    ("layernorm_forward", "dout.sum(axis=0)", "dout.sum(axis=1)", {"beta"}),
    ("rnn_step_forward", "dz @ Wh.T", "dz @ Wh", {"prev_h"}),
    ("rnn_step_forward", "dz = dnext_h * (1 - next_h**2)", "dz = dnext_h", {"x", "prev_h", "Wx", "Wh", "b"}),
    ("softplus", "1 / (1 + np.exp(-x))", "1 / (1 + np.exp(x))", {"x"}),
    ("leaky_relu", "np.where(x > 0, 1, alpha)", "np.where(x > 0, alpha, 1)", {"x"}),
    ("sigmoid", "return sigmoid(z) * (1 - sigmoid(z))", "return z * (1 + z)", {"z"}),
    ("sigmoid", "return sigmoid(z) * (1 - sigmoid(z))", "return sigmoid(z) * (1 + sigmoid(z))", {"z"}),
    ("tanh", "return 1 - y**2", "return 1 + y**2", {"x"}),
    ("mse", "2 * (y_pred - y_true)", "2 * (y_true - y_pred)", {"y_pred"}),
)  # fmt: skip

OWN_RATE = "is_plain: `learning_rate=0.01` is no argument that must be given, so nobody takes the updates of a list"
TWO_NAMINGS = "shapes_for: the axes that A's code tells and those that W's and b's documents tell are not made one"
LABELS_GRADIENT = "_for_other_inputs: where the target comes first, minus the gradient of the other is right for it"

ONE_UNPLACED = "owners_of: of gradients that are returned, one of a wrong shape takes the others' owners away"
ROW_OF_ONE = "owners_of: a gradient may be nobody's, and so rows of length 1 replace the sizes that the document tells"

FAULTS: dict[str, str] = {}
FAULTS_BROKEN = {("linear_forward", "dA_prev = -np.dot(W.T, dZ)"): TWO_NAMINGS}  # class, and what is written in it


def marked(key, faults):
    reason = faults.get(key)
    return [pytest.mark.xfail(strict=True, reason=reason)] if reason else []


@pytest.mark.one_in(12)
@pytest.mark.parametrize(
    ("name", "arguments"),
    [pytest.param(*row, id=key, marks=marked(key, FAULTS)) for key, row in JUDGED.items()],
)
def test_every_gradient_of_a_right_layer_is_judged_and_right(name, arguments):
    report = check(layer(foreign_layers, name))
    words = {verdict.argument: verdict.word for verdict in report.verdicts}
    assert report.ok, report
    assert set(words) == arguments
    assert not set(words.values()) & {Word.REFUTED, Word.INCONCLUSIVE}, words


@pytest.mark.one_in(96)
@pytest.mark.parametrize(
    ("name", "old", "new", "arguments"),
    [pytest.param(*row, id=f"{row[0]}: {row[2][:50]}", marks=marked((row[0], row[2]), FAULTS_BROKEN))
     for row in BROKEN],
)  # fmt: skip
def test_one_wrong_edit_is_found_in_the_gradients_that_it_makes_wrong(name, old, new, arguments, tmp_path):
    report = check(edited(tmp_path, name, old, new))
    wrong = {f.argument for f in report.findings if f.code in ("D101", "D103", "D501")}
    assert not report.ok, report
    assert wrong == arguments, report
    right = {v.argument for v in report.verdicts} - arguments
    assert not {v.argument for v in report.verdicts if v.word == Word.REFUTED and v.argument in right}, report


def test_a_step_that_is_returned_with_the_gradient_is_no_loss():
    with pytest.raises(TargetError, match="it is no gradient"):
        example(layer(foreign_layers, "shrunk"), {}, {})


@pytest.mark.xfail(
    strict=True, reason="of_methods: what delta(z, a, y) is called with is no argument of fn, and no dout"
)
def test_a_gradient_of_what_forward_does_not_take_is_not_called_wrong():
    report = check(foreign_layers.QuadraticCost)  # Nielsen's: the derivative in z, of which `a` is the sigmoid
    assert report.ok, report


def test_every_layer_of_the_file_is_judged_and_broken():
    classes = {n for n, c in vars(foreign_layers).items() if inspect.isclass(c)} - {
        "Tensor",
        "Variable",
        "Held",
        "Operation",
        "Blob",
        "QuadraticCost",
    }
    written = (classes | PAIRS) - {"shrunk"}
    assert {name for name, _ in JUDGED.values()} == written
    assert {row[0] for row in BROKEN} == written
