// The run of now: the program of the data, with other numbers for some of its inputs.
//
//   program.steps    [null, dtype, numbers] for what is given; else [row, dtype, count, views…]: so many numbers, each
//                    computed by a row. All numbers stand in one list, step after step; a view says which the row takes:
//                    a place, or the first with length and step along each axis, or a list of them in a list
//   program.shown    what is shown of them: a view, or {places, head, columns} for an array: its view, shape and dtype,
//                    and the length of a row where all of it is shown
//   program.steered  views of what the recorded program took for a branch or an index
//   program.derived  shown derived gradients: the largest says how large rounding is, with the `largest` of the others
//
// `makeRun(program)` has `value(shown)`, a number or {head, columns, items}, `isFresh(shown)`, whether it follows from a
// change, `differs(mine, derived)` and `set(changes)`, pairs of a place and its number, which computes all that follows, or
// throws a Refusal and leaves everything as it was.

const RELATIVE = 1e-8; // far above rounding, far below a mistake
const ROUNDING = 1e-13; // relative to the largest gradient around

function makeRun(program) {
  const known = []; // the places of what is shown, each listed when it is first asked for
  const places = (n) => known[n] || (known[n] = placesIn(isArray(program.shown[n]) ? program.shown[n].places : program.shown[n]));
  const given = new Map();
  let plan = null; // made when something is changed for the first time
  let now = null; // {values, fresh}
  let size = 0;
  const take = () => {
    size = program.largest;
    const items = program.derived.flatMap((n) => itemsOf(n)).map((n) => Math.abs(Number(n)));
    for (const item of items) if (item < Infinity) size = Math.max(size, item);
  };
  const itemsOf = (n) => places(n).map((place) => now.values[place]);
  const ready = () => {
    plan = plan || makePlan(program);
    now = now || { values: plan.recorded, fresh: new Set() };
  };
  return {
    value(n) {
      ready();
      const { head, columns } = program.shown[n];
      return head ? { head, columns, items: itemsOf(n) } : itemsOf(n)[0];
    },
    at: (place) => (ready(), now.values[place]),
    isFresh: (n) => Boolean(now) && places(n).some((place) => now.fresh.has(place)),
    get isChanged() { return given.size > 0; },
    set(changes) {
      ready();
      const next = new Map([...new Map([...given, ...changes])].filter(([place, value]) => !same(value, plan.recorded[place])));
      now = computed(program, plan, next);
      given.clear();
      next.forEach((v, n) => given.set(n, v));
      take();
    },
    reset() {
      given.clear();
      now = null;
    },
    differs(mine, derived) {
      const [a, b] = [itemsOf(mine), itemsOf(derived)].map((items) => items.map(Number));
      const near = (x, y) => !Number.isFinite(y) || Math.abs(x - y) <= RELATIVE * Math.abs(y) + ROUNDING * size;
      return a.length !== b.length || a.some((x, i) => !near(x, b[i]));
    },
  };
}

const isArray = (what) => typeof what === "object" && !Array.isArray(what);

// The places in a view.
function placesIn(view) {
  if (typeof view === "number") return [view];
  if (Array.isArray(view[0])) return view[0];
  let places = [view[0]];
  for (let i = 1; i < view.length; i += 2) {
    const [count, step] = [view[i], view[i + 1]];
    places = places.flatMap((place) => Array.from({ length: count }, (_, n) => place + n * step));
  }
  return places;
}

// The steps with their places, and every number as it was recorded: what is given, and what follows from it.
function makePlan(program) {
  const recorded = [];
  const plan = { recorded, steps: [] };
  for (const [row, dtype, what, ...views] of program.steps) {
    const step = { row, dtype, first: recorded.length, count: what, operands: views.map(placesIn) };
    if (row === null) recorded.push(...what.map(decoded));
    else {
      plan.steps.push(step);
      for (let i = 0; i < what; i++) recorded.push(undefined);
      for (let i = 0; i < what; i++) refusal(() => (recorded[step.first + i] = appliedAt(step, i, recorded)));
    }
  }
  return plan;
}

// The places that the i-th number of a step is computed from.
function sourcesOf({ operands, count }, i) {
  if (count === operands[0].length && operands.every((places) => places.length === count)) return operands.map((places) => places[i]);
  return operands.flatMap((places) => places.slice((i * places.length) / count, ((i + 1) * places.length) / count));
}

const appliedAt = (step, i, values) => apply(step.row, sourcesOf(step, i).map((place) => values[place]), step.dtype);

// Every number of the run with new inputs; only those that depend on these are computed.
function computed(program, { recorded, steps }, given) {
  const values = [...recorded];
  const fresh = new Set(given.keys());
  given.forEach((value, place) => (values[place] = value));
  for (const step of steps) {
    for (let i = 0; i < step.count; i++) {
      const sources = sourcesOf(step, i);
      if (!sources.some((place) => fresh.has(place))) continue;
      if (sources.some((place) => values[place] === undefined)) refuse("a number that it needs is not known");
      fresh.add(step.first + i);
      values[step.first + i] = apply(step.row, sources.map((place) => values[place]), step.dtype);
    }
  }
  for (const place of program.steered.flatMap(placesIn)) {
    if (!steersAlike(values[place], recorded[place])) refuse("the program would take another branch, and this page holds one recorded run");
  }
  return { values, fresh };
}

const PYTHON = new Set(["int", "float", "bool"]);

function apply(row, values, dtype) {
  if (row === "astype") return cast(values[0], dtype);
  return settled((PYTHON.has(dtype) ? RULES[row].python : RULES[row].numpy)(...values), dtype);
}

// In the dtype of its step, if that is NumPy's: a Python number keeps the kind it has come to.
function settled(value, dtype) {
  if (dtype === "bool") return truth(value);
  if (PYTHON.has(dtype)) return value;
  if (dtype === "float64") return float(whole(value));
  if (dtype === "float32") return Math.fround(float(whole(value)));
  const integer = /^(u?)int(\d+)$/.exec(dtype);
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
