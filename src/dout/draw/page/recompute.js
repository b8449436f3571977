// The run of now: the program of the data, with other numbers for some of its inputs.
//
//   program.nodes     [row, inputs, dtype, number] each; the number is the recorded one, row is null for what is given
//   program.steered   nodes that the recorded program took for a branch or an index
//   program.derived   nodes of derived gradients: the largest says how large rounding is
//
// `makeRun(program)` has `value(node)`, `differs(mine, derived)` and `set(node, value)`, which computes all that follows, or
// throws a Refusal and leaves everything as it was.

const RELATIVE = 1e-8; // far above rounding, far below a mistake
const ROUNDING = 1e-13; // relative to the largest gradient around

function makeRun(program) {
  const recorded = program.nodes.map((node) => (node[3] === undefined ? undefined : decoded(node[3])));
  const given = new Map();
  let values = recorded;
  let size = largest(program, values);
  const take = (next) => {
    values = next;
    size = largest(program, values);
  };
  return {
    program,
    value: (node) => values[node],
    get isChanged() { return given.size > 0; },
    set(node, value) {
      const next = new Map(given).set(node, value);
      if (same(value, recorded[node])) next.delete(node);
      take(next.size ? computed(program, recorded, next) : recorded);
      given.clear();
      next.forEach((v, n) => given.set(n, v));
    },
    reset() {
      given.clear();
      take(recorded);
    },
    // Why an input cannot be changed to any number; empty if it can.
    why: (node) => refusal(() => computed(program, recorded, new Map([[node, recorded[node]]]))),
    differs(mine, derived) {
      const [a, b] = [Number(values[mine]), Number(values[derived])];
      return Number.isFinite(b) && !(Math.abs(a - b) <= RELATIVE * Math.abs(b) + ROUNDING * size);
    },
  };
}

// Every number of the run with new inputs; only the nodes that depend on these are computed.
function computed(program, recorded, given) {
  const values = [...recorded];
  const fresh = new Set(given.keys());
  given.forEach((value, node) => (values[node] = value));
  program.nodes.forEach(([row, inputs, dtype], i) => {
    if (given.has(i) || !inputs.some((n) => fresh.has(n))) return;
    fresh.add(i);
    if (inputs.some((n) => values[n] === undefined) || dtype === "array") refuse("an array is computed from it, and this page computes single numbers only");
    values[i] = apply(row, inputs.map((n) => values[n]), dtype);
  });
  for (const node of program.steered) {
    if (!steersAlike(values[node], recorded[node])) refuse("the program would take another branch, and this page holds one recorded run");
  }
  return values;
}

const PYTHON = new Set(["int", "float", "bool"]);

function apply(row, values, dtype) {
  if (row === "astype") return cast(values[0], dtype);
  const rule = RULES[row];
  if (!rule) refuse(`${row.replaceAll("_", " ")} is computed from it, which this page cannot do`);
  return settled((PYTHON.has(dtype) ? rule.python : rule.numpy)(...values), dtype);
}

// In the dtype of its node, if that is NumPy's: a Python number keeps the kind it has come to.
function settled(value, dtype) {
  if (dtype === "bool") return truth(value);
  if (PYTHON.has(dtype)) return value;
  if (dtype === "float64") return float(whole(value));
  if (dtype === "float32") return Math.fround(float(whole(value)));
  const integer = /^(u?)int(\d+)$/.exec(dtype);
  if (!integer) return refuse(`a ${dtype} is computed from it, which this page cannot do`);
  const n = whole(value);
  if (typeof n === "number") return n;
  return (integer[1] ? BigInt.asUintN : BigInt.asIntN)(Number(integer[2]), n);
}

function cast(value, dtype) {
  if (dtype === "bool") return truth(value);
  if (!/int/.test(dtype)) return settled(dtype === "float" ? float(whole(value)) : value, dtype);
  return settled(typeof value === "number" ? RULES.math_trunc.numpy(value) : value, dtype);
}

const same = (a, b) => typeof a === typeof b && Object.is(a, b);

// Conditions and whole numbers must keep their value; a float must keep its truth and its whole part.
function steersAlike(now, then) {
  if (typeof then !== "number" || typeof now !== "number") return now === then;
  return truth(now) === truth(then) && Math.trunc(now) === Math.trunc(then);
}

function largest(program, values) {
  const sizes = program.derived.map((node) => Math.abs(Number(values[node]))).filter((n) => n < Infinity);
  return sizes.reduce((a, b) => Math.max(a, b), 0);
}
