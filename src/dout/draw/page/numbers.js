// Numbers as Python keeps and shows them: an int is a BigInt, a float a Number, a bool a Boolean.
//
// `formatNumber` is `dout.number_text.format_number`; tests tie the two over thousands of numbers.

const WHOLE_DIGITS = 12; // whole numbers up to here are written out
const FIXED_DIGITS = 6; // floats with no more before the point never lose one of them

function formatNumber(value, digits = 4) {
  if (typeof value === "boolean") return value ? "True" : "False";
  return (typeof value === "bigint" ? wholeText(value, digits) : floatText(value, digits)).replace(/^-/, "−");
}

function wholeText(value, digits) {
  const text = String(value);
  const [sign, figures] = text.startsWith("-") ? ["-", text.slice(1)] : ["", text];
  return figures.length <= WHOLE_DIGITS ? text : sign + scientific(roundHalfEven(figures, figures.length - 1, digits));
}

function floatText(value, digits) {
  if (Number.isNaN(value)) return "NaN";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "-∞";
  if (value === 0) return Object.is(value, -0) ? "-0" : "0";
  return (value < 0 ? "-" : "") + figuresText(exactly(value), digits);
}

function figuresText([figures, power], digits) {
  const rounded = roundHalfEven(figures, power, digits);
  if (rounded.power >= -4 && rounded.power < digits) return fixed(rounded);
  if (rounded.power >= 0) {
    const whole = roundHalfEven(figures, power, power + 1);
    if (whole.power < FIXED_DIGITS) return fixed(whole);
  }
  return scientific(rounded);
}

// The mean of finite floats, right to the last digit: whole numbers of the least unit of them all are added.
function meanText(numbers, digits) {
  const float = new Float64Array(1);
  const parts = numbers.map((number) => {
    float[0] = number;
    const raw = new BigUint64Array(float.buffer)[0];
    const power = Number((raw >> 52n) & 2047n);
    const size = (raw & (2n ** 52n - 1n)) + (power ? 2n ** 52n : 0n);
    return [raw >> 63n ? -size : size, Math.max(power, 1)];
  });
  const least = Math.min(...parts.map(([, power]) => power));
  const total = parts.reduce((sum, [size, power]) => sum + (size << BigInt(power - least)), 0n);
  if (total === 0n) return "0";
  const unit = least - 1075; // a power of two
  const [over, under] = [(total < 0n ? -total : total) << BigInt(Math.max(unit, 0)), BigInt(numbers.length) << BigInt(Math.max(-unit, 0))];
  const shift = String(under).length - String(over).length + 60;
  const scaled = shift > 0 ? [over * 10n ** BigInt(shift), under] : [over, under * 10n ** BigInt(-shift)];
  const figures = String(scaled[0] / scaled[1]);
  const rest = scaled[0] % scaled[1] ? "1" : ""; // so that it is no tie
  return (total < 0n ? "−" : "") + figuresText([figures + rest, figures.length - 1 - shift], digits);
}

// The decimal figures of a float without its sign, and the power of ten of the first: more than tell any two apart.
function exactly(value) {
  const [mantissa, power] = Math.abs(value).toExponential(100).split("e");
  return [mantissa.replace(".", ""), Number(power)];
}

// So many figures of a decimal, a tie to the even one, as Python rounds; none where that is below a half.
function roundHalfEven(figures, power, digits) {
  const [kept, rest] = [figures.slice(0, Math.max(0, digits)).padEnd(digits, "0"), figures.slice(Math.max(0, digits))];
  const tie = /^50*$/.test(rest);
  const up = tie ? Number(kept.at(-1) || 0) % 2 === 1 : rest[0] >= "5";
  const made = up ? String(BigInt(kept || "0") + 1n).padStart(kept.length, "0") : kept;
  return { figures: made || "0", power: made.length > kept.length ? power + 1 : power };
}

function fixed({ figures, power }) {
  if (power < 0) return trimmed(`0.${"0".repeat(-power - 1)}${figures}`);
  const text = figures.padEnd(power + 1, "0");
  return trimmed(`${text.slice(0, power + 1)}.${text.slice(power + 1)}`);
}

function scientific({ figures, power }) {
  return `${trimmed(`${figures[0]}.${figures.slice(1)}`)}e${power}`;
}

const trimmed = (text) => (text.includes(".") ? text.replace(/\.?0*$/, "") : text);

// Every digit, as Python's repr.
function reprOf(value) {
  if (typeof value === "boolean") return value ? "True" : "False";
  if (typeof value === "bigint") return String(value);
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "inf" : "-inf";
  if (value === 0) return Object.is(value, -0) ? "-0.0" : "0.0";
  const [mantissa, exponent] = value.toExponential().split("e"); // the shortest that reads back
  const power = Number(exponent);
  if (power < -4 || power >= 16) return `${mantissa}e${power < 0 ? "-" : "+"}${String(Math.abs(power)).padStart(2, "0")}`;
  const sign = value < 0 ? "-" : "";
  const text = fixed({ figures: mantissa.replace(/[-.]/g, ""), power });
  return sign + (text.includes(".") ? text : `${text}.0`);
}

// A number from the data: a whole one is a text, and so are NaN and infinities.
const decoded = (item) => (typeof item !== "string" ? item : WORDS.has(item) ? WORDS.get(item) : BigInt(item));

const WORDS = new Map([["nan", NaN], ["inf", Infinity], ["-inf", -Infinity], ["∞", Infinity], ["-∞", -Infinity]]);
const floatOf = (text) => (WORDS.has(text) ? WORDS.get(text) : Number(text));

// The number that a person typed for an input of this dtype, or null. A whole number stays whole, as in Python.
function typed(text, dtype) {
  const plain = text.trim().replace(/−/g, "-").replace(/^\+/, "").toLowerCase();
  if (/^-?\d{1,40}$/.test(plain) && /int/.test(dtype)) return settled(BigInt(plain), dtype);
  if (/int\d/.test(dtype)) return null;
  if (WORDS.has(plain)) return WORDS.get(plain);
  return /^-?(\d+\.?\d*|\.\d+)(e[-+]?\d+)?$/.test(plain) ? settled(Number(plain), dtype) : null;
}
