// The value of each row of the table for single numbers, as Python and NumPy compute it.
//
// A rule is {python, numpy}: they differ where Python refuses what NumPy answers with NaN or an infinity. Whatever Python
// would raise is a Refusal, and so is an operation that the page cannot compute.

class Refusal extends Error {}

const refuse = (why) => {
  throw new Refusal(why);
};

// Do something; return why it is refused, or nothing if it is not.
function refusal(does) {
  try {
    does();
    return "";
  } catch (error) {
    if (error instanceof Refusal) return error.message;
    throw error;
  }
}

const LARGEST = 4096; // bits of a whole number; Python has no limit, a page has to answer at once

const whole = (value) => (typeof value === "boolean" ? BigInt(value) : value);
const truth = (value) => !(value === false || value === 0n || value === 0);

function float(value) {
  if (typeof value === "number") return value;
  const made = Number(value);
  return Number.isFinite(made) ? made : refuse("a whole number is too large for a float");
}

// A function of ints where all are whole, of floats where one is not.
const either = (onInts, onFloats) => (...values) => {
  const numbers = values.map(whole);
  return numbers.every((n) => typeof n === "bigint") ? bounded(onInts(...numbers)) : onFloats(...numbers.map(float));
};

const bounded = (n) =>
  typeof n === "bigint" && (n > 1n << BigInt(LARGEST) || -n > 1n << BigInt(LARGEST)) ? refuse("a whole number grows too large") : n;
const both = (rule) => ({ python: rule, numpy: rule });
const floats = (rule) => (...values) => rule(...values.map((value) => float(whole(value))));

// --- arithmetic -------------------------------------------------------------------------------------------------------

const SAFE = 2n ** 53n;
const isSafe = (n) => -SAFE <= n && n <= SAFE;

const quotient = either(
  (a, b) => (isSafe(a) && isSafe(b) ? Number(a) / Number(b) : refuse("it divides whole numbers beyond 2^53")),
  (a, b) => a / b,
);

// Python's: rounds down, and the rest has the sign of the divisor.
function floorModulo(a, b) {
  let rest = a % b;
  let times = (a - rest) / b;
  if (rest !== 0 && rest < 0 !== b < 0) [rest, times] = [rest + b, times - 1];
  if (rest === 0) rest = b < 0 ? -0 : 0;
  if (times === 0) return [a / b < 0 || Object.is(a / b, -0) ? -0 : 0, rest];
  const floor = Math.floor(times);
  return [times - floor > 0.5 ? floor + 1 : floor, rest];
}

function wholeModulo(a, b) {
  const rest = a % b;
  return rest !== 0n && rest < 0n !== b < 0n ? [a / b - 1n, rest + b] : [a / b, rest];
}

const floorDivide = either((a, b) => wholeModulo(a, b)[0], (a, b) => floorModulo(a, b)[0]);
const modulo = either((a, b) => wholeModulo(a, b)[1], (a, b) => floorModulo(a, b)[1]);

const divisor = (rule, otherwise) => ({
  python: (a, b) => (truth(b) ? rule(a, b) : refuse("it divides by zero")),
  numpy: (a, b) => (truth(b) ? rule(a, b) : otherwise(float(whole(a)), float(whole(b)))),
});

// C's pow, which knows that 1 to any power is 1.
const floatPower = (a, b) => (a === 1 || (a === -1 && !Number.isFinite(b) && !Number.isNaN(b)) ? 1 : a ** b);

function wholePower(a, b) {
  if (b < 0n) return floatPower(float(a), float(b));
  const bits = BigInt(a.toString(2).length);
  return bits * b > BigInt(LARGEST) && a * a > 1n ? refuse("a whole number grows too large") : a ** b;
}

function pythonPower(a, b) {
  const [base, exponent] = [whole(a), whole(b)];
  if (!truth(base) && exponent < 0 && exponent !== -Infinity) refuse("zero has no negative power");
  if (base < 0 && base !== -Infinity && typeof exponent === "number" && Number.isFinite(exponent) && !Number.isInteger(exponent)) {
    refuse("this power of a negative number is complex");
  }
  const found = either(wholePower, floatPower)(a, b);
  return overflows(found, [base, exponent]) ? refuse("a power is too large for a float") : found;
}

function numpyPower(a, b) {
  return b === 0.5 ? Math.sqrt(float(whole(a))) : either(wholePower, floatPower)(a, b); // as NumPy takes it
}

const overflows = (found, given) => Math.abs(Number(found)) === Infinity && given.every((n) => Number.isFinite(Number(n)));

// --- many numbers into one --------------------------------------------------------------------------------------------

const plus2 = either((a, b) => a + b, (a, b) => a + b);
const times2 = either((a, b) => a * b, (a, b) => a * b);
const sum = (...terms) => terms.reduce((a, b) => plus2(a, b));
const product = (...terms) => terms.reduce((a, b) => times2(a, b));

// In NumPy's order, from +0 on: eight sums side by side, of more than 128 numbers each half by itself.
function pairwise(terms) {
  const n = terms.length;
  if (n < 8) return sum(0n, ...terms);
  if (n > 128) {
    const half = Math.floor(n / 2) - (Math.floor(n / 2) % 8);
    return sum(pairwise(terms.slice(0, half)), pairwise(terms.slice(half)));
  }
  const r = terms.slice(0, 8);
  let i = 8;
  for (; i < n - (n % 8); i += 8) for (let j = 0; j < 8; j++) r[j] = sum(r[j], terms[i + j]);
  const found = sum(sum(sum(r[0], r[1]), sum(r[2], r[3])), sum(sum(r[4], r[5]), sum(r[6], r[7])));
  return sum(found, ...terms.slice(i));
}

// The place of the largest (or least) number; NaN is that, as in NumPy.
function placeOfExtreme(items, isBetter) {
  const missing = items.findIndex((item) => Number.isNaN(item));
  if (missing >= 0) return BigInt(missing);
  return BigInt(items.reduce((best, item, i) => (isBetter(whole(item), whole(items[best])) ? i : best), 0));
}

function elementOf(index, length) {
  const place = Number(index) + (index < 0 ? length : 0);
  return place >= 0 && place < length ? place : refuse("an index leads outside its array");
}

// What lands at one element: values, then the index of each, then the index that leads here.
function landed(rest) {
  const n = rest.length / 3;
  return rest.slice(0, n).filter((_, i) => rest[n + i] === rest[2 * n + i]);
}

// --- functions --------------------------------------------------------------------------------------------------------

function halfEven(x) {
  if (!Number.isFinite(x) || Number.isInteger(x)) return x;
  const down = Math.floor(x);
  const found = x - down === 0.5 ? down + (Math.abs(down) % 2) : Math.round(x);
  return found === 0 && x < 0 ? -0 : found;
}

// To so many decimals, as Python does: as the decimal that the float is.
function roundedTo(x, decimals) {
  if (typeof x === "bigint") return decimals >= 0 ? x : refuse("it rounds whole numbers to tens");
  if (!Number.isFinite(x) || x === 0) return x;
  const [figures, power] = exactly(x);
  const digits = power + 1 + decimals;
  if (!(digits < figures.length)) return x;
  const rounded = digits < 0 ? { figures: "0", power: 0 } : roundHalfEven(figures, power, digits);
  return Math.sign(x) * Number(`${rounded.figures}e${rounded.power - rounded.figures.length + 1}`);
}

const RECIPROCAL_ROOT_PI = 2 / Math.sqrt(Math.PI);

// A series without cancellation below 1, Laplace's continued fraction above: Abramowitz and Stegun, 7.1.6 and 7.1.14.
function erf(x) {
  if (Math.abs(x) > 1) return x < 0 ? erfc(-x) - 1 : 1 - erfc(x);
  let [term, sum] = [x, x];
  for (let n = 1; n < 40; n++) {
    term *= (2 * x * x) / (2 * n + 1);
    sum += term;
  }
  return RECIPROCAL_ROOT_PI * Math.exp(-x * x) * sum;
}

function erfc(x) {
  if (!(x > 1)) return 1 - erf(x);
  if (x > 27) return 0;
  let tail = x;
  for (let n = 240; n > 0; n--) tail = x + n / 2 / tail;
  return Math.exp(-x * x) / (Math.sqrt(Math.PI) * tail);
}

const expit = (x) => 1 / (1 + Math.exp(-x));
const FUNCTIONS = {
  exp: Math.exp, exp2: (x) => 2 ** x, expm1: Math.expm1, log: Math.log, log1p: Math.log1p, log2: Math.log2,
  log10: Math.log10, sqrt: Math.sqrt, cbrt: Math.cbrt, sin: Math.sin, cos: Math.cos, tan: Math.tan, sinh: Math.sinh,
  cosh: Math.cosh, tanh: Math.tanh,
};
const INVERSES = ["sin", "cos", "tan", "sinh", "cosh", "tanh"].map((name) => [name, Math[`a${name}`]]);

// --- the table --------------------------------------------------------------------------------------------------------

const RULES = {
  add: both(sum),
  subtract: both(either((a, b) => a - b, (a, b) => a - b)),
  multiply: both(product),
  divide: divisor(quotient, (a, b) => a / b),
  floor_divide: divisor(floorDivide, (a, b) => a / b),
  mod: divisor(modulo, () => NaN),
  negative: both(either((a) => -a, (a) => -a)),
  positive: both(either((a) => a, (a) => a)),
  pow: { python: pythonPower, numpy: numpyPower },
  power: both(numpyPower),
  square: both(either((a) => a * a, (a) => a * a)),
  absolute: both(either((a) => (a < 0n ? -a : a), Math.abs)),
  sign: both(either((a) => (a > 0n ? 1n : a < 0n ? -1n : 0n), (a) => (Number.isNaN(a) ? a : Math.sign(a) + 0))),
  reciprocal: both(either((a) => (a ? 1n / a : refuse("it divides by zero")), (a) => 1 / a)),
  floor: both(either((a) => a, Math.floor)),
  ceil: both(either((a) => a, Math.ceil)),
  trunc: both(either((a) => a, Math.trunc)),
  rint: both(floats(halfEven)),
  round: both((a, decimals) => (decimals === undefined ? toWhole(halfEven)(a) : roundedTo(whole(a), Number(decimals)))),
  hypot: both(floats(Math.hypot)),
  arctan2: both(floats(Math.atan2)),
  logaddexp: both(floats((a, b) => (a === b ? a + Math.LN2 : Math.max(a, b) + Math.log1p(Math.exp(-Math.abs(a - b)))))),

  less: both((a, b) => whole(a) < whole(b)),
  less_equal: both((a, b) => whole(a) <= whole(b)),
  greater: both((a, b) => whole(a) > whole(b)),
  greater_equal: both((a, b) => whole(a) >= whole(b)),
  equal: both((a, b) => whole(a) == whole(b)), // a BigInt and a Number are equal so
  not_equal: both((a, b) => whole(a) != whole(b)),
  logical_and: both((a, b) => truth(a) && truth(b)),
  logical_or: both((a, b) => truth(a) || truth(b)),
  logical_xor: both((a, b) => truth(a) !== truth(b)),
  logical_not: both((a) => !truth(a)),
  bitwise_and: both((a, b) => bits(a, b, (m, n) => m & n)),
  bitwise_or: both((a, b) => bits(a, b, (m, n) => m | n)),
  bitwise_xor: both((a, b) => bits(a, b, (m, n) => m ^ n)),
  invert: { python: (a) => ~whole(a), numpy: (a) => (typeof a === "boolean" ? !a : ~a) },
  isnan: both((a) => Number.isNaN(float(whole(a)))),
  isinf: both((a) => Math.abs(float(whole(a))) === Infinity),
  isfinite: both((a) => Number.isFinite(float(whole(a)))),
  signbit: both((a) => float(whole(a)) < 0 || Object.is(a, -0)),
  where: both((condition, a, b) => (truth(condition) ? a : b)),
  taken: both((index, ...from) => from[elementOf(index, from.length)]),
  written: both((base, ...rest) => landed(rest).reduce((_, one) => one, base)),
  added: both((base, ...rest) => sum(base, ...landed(rest))),
  maximum: both((a, b) => (whole(a) >= whole(b) || Number.isNaN(a) ? a : b)),
  minimum: both((a, b) => (whole(a) <= whole(b) || Number.isNaN(a) ? a : b)),
  clip: both((a, low, high) => RULES.minimum.numpy(RULES.maximum.numpy(a, low), high)),

  sigmoid: both(floats(expit)),
  softplus: both(floats((x) => Math.max(x, 0) + Math.log1p(Math.exp(-Math.abs(x))))),
  special_expit: both(floats(expit)),
  special_logit: both(floats((x) => Math.log(x / (1 - x)))),
  special_log_expit: both(floats((x) => (x < 0 ? x - Math.log1p(Math.exp(x)) : -Math.log1p(Math.exp(-x))))),
  special_entr: both(floats((x) => (x > 0 ? -x * Math.log(x) : x === 0 ? 0 : x < 0 ? -Infinity : NaN))),
  special_xlogy: both(floats((x, y) => (x === 0 && !Number.isNaN(y) ? 0 : x * Math.log(y)))),
  special_xlog1py: both(floats((x, y) => (x === 0 && !Number.isNaN(y) ? 0 : x * Math.log1p(y)))),

  math_fabs: both(floats(Math.abs)),
  math_floor: both(toWhole(Math.floor)),
  math_ceil: both(toWhole(Math.ceil)),
  math_trunc: both(toWhole(Math.trunc)),
  math_degrees: both(floats((x) => x * (180 / Math.PI))),
  math_radians: both(floats((x) => x * (Math.PI / 180))),
  math_fsum: both((...terms) => exactSum(terms.map((term) => float(whole(term))))),
};

RULES.sum = both((...items) => pairwise(items));
RULES.total = both((...items) => sum(0n, ...items));
RULES.prod = both(product);
RULES.max = both((...items) => items.reduce((a, b) => RULES.maximum.numpy(a, b)));
RULES.min = both((...items) => items.reduce((a, b) => RULES.minimum.numpy(a, b)));
RULES.any = both((...items) => items.some(truth));
RULES.all = both((...items) => items.every(truth));
RULES.argmax = both((...items) => placeOfExtreme(items, (a, b) => a > b));
RULES.argmin = both((...items) => placeOfExtreme(items, (a, b) => a < b));

for (const [name, does] of Object.entries(FUNCTIONS)) defineFunction(name, name, does);
for (const [name, does] of INVERSES) defineFunction(`arc${name}`, `a${name}`, does);
for (const [name, does] of Object.entries({ pow: floatPower, atan2: Math.atan2, hypot: Math.hypot, fmod: (a, b) => a % b })) {
  RULES[`math_${name}`] = both(floats((...values) => inDomain(does, values)));
}
RULES.math_log = both((x, base) => {
  const log = inDomain(Math.log, [float(whole(x))]);
  return base === undefined ? log : log / inDomain(Math.log, [float(whole(base))]);
});
for (const [name, does] of [["erf", erf], ["erfc", erfc]]) RULES[`math_${name}`] = RULES[`special_${name}`] = both(floats(does));
for (const name of ["isnan", "isinf", "isfinite"]) RULES[`math_${name}`] = RULES[name];

function defineFunction(name, mathName, does) {
  RULES[name] = both((x) => does(float(whole(x))));
  RULES[`math_${mathName}`] = both((x) => inDomain(does, [float(whole(x))]));
}

// As in `math`: a result that is undefined or too large is an error, not NaN or an infinity.
function inDomain(does, given) {
  const found = does(...given);
  if (Number.isNaN(found) && !given.some(Number.isNaN)) refuse("a function of math is not defined there");
  if (overflows(found, given)) refuse("a function of math is not defined there, or its result is too large");
  return found;
}

function toWhole(does) {
  return either((a) => a, (a) => (Number.isFinite(a) ? BigInt(does(a)) : refuse("NaN and infinities cannot become whole numbers")));
}

function bits(a, b, does) {
  if (typeof a === "boolean" && typeof b === "boolean") return Boolean(does(Number(a), Number(b)));
  const [m, n] = [whole(a), whole(b)];
  return typeof m === "bigint" && typeof n === "bigint" ? does(m, n) : refuse("floats have no bits to combine");
}

// Shewchuk's exact sum, as fsum.
function exactSum(terms) {
  const infinite = terms.filter((x) => !Number.isFinite(x));
  if (infinite.length) return inDomain((...all) => all.reduce((a, b) => a + b), infinite);
  const partials = [];
  for (let x of terms) {
    let kept = 0;
    for (let y of partials) {
      if (Math.abs(x) < Math.abs(y)) [x, y] = [y, x];
      const high = x + y;
      const low = y - (high - x);
      if (low !== 0) partials[kept++] = low;
      x = high;
    }
    partials.length = kept;
    partials.push(x);
  }
  return partials.reduceRight((sum, x) => sum + x, 0);
}
