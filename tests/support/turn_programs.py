"""Random functions with a loop over time steps or samples, as source: states, parts, numbers of turns, inner loops."""

import random


def turn_program(seed):
    """Source of `def program(x, w)`; x has shape (batch, 9, 4), w (4, 4)."""
    draw = random.Random(seed)
    over_samples = draw.random() < 0.3
    lines = ["def program(x, w):", "    T = x.shape[1]"]
    turns, row = (
        ("range(len(x))", "x[t]") if over_samples else (draw.choice(["range(T)", "range(T - 1, -1, -1)"]), "x[:, t]")
    )
    shape = "(T, 4)" if over_samples else "(len(x), 4)"
    lines += [f"    h = np.zeros({shape})", "    c = np.ones_like(h)", "    seen = []", "    decay = 1.0"]
    if not over_samples:
        lines += ["    out = np.zeros(x.shape)", "    two = [h, c]"]
    lines.append(f"    for t in {turns}:")
    reads = [row, "h", "c", f"{row} @ w", "h @ w.T", "np.tanh(h)", "decay", "0.5"]
    if not over_samples:
        reads += ["x[:, t - 1]", "two[-1]", "two[-2]", "t", "x[:, T - 1 - t, 1:3].sum(axis=1, keepdims=True)"]
    for _ in range(draw.randint(2, 4)):
        name, sign = draw.choice("hc"), draw.choice("+-*")
        kind = draw.choice(["np.tanh({} {} {})", "0.5 * {} {} 0.3 * {}", "np.maximum({} {} {}, -0.4)"])
        lines.append(f"        {name} = {kind.format(draw.choice(reads), sign, draw.choice(reads))} + 0.1 * {name}")
    if draw.random() < 0.4:
        lines += ["        for k in range(4):", "            c = c * 0.9 + h[..., k : k + 1] * w[k]"]
    if draw.random() < 0.3:
        lines.append("        decay *= 0.9")
    lines.append(f"        seen.append({draw.choice(['h', 'c', 'h * c', 'h.sum(axis=-1)'])})")
    if not over_samples:
        kind = draw.randrange(3)
        lines.append(["        out[:, t] = h", "        out[:, t] += c", "        out[:, t, 1:3] = h[:, :2]"][kind])
        lines.append("        two.append(np.tanh(h))")
    lines.append(f"    return {'' if over_samples else 'out, '}np.stack(seen, axis={0 if over_samples else 1}), h, c")
    return "\n".join(lines) + "\n"
