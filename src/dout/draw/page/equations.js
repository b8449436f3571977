// One line of a card with the numbers of now: the arithmetic of `equations.Line`.
//
// A line is {before, result, row, formula, pattern, operands, sure, rule, right, gradient}; an operand is a number of what the
// program shows, or a text that does not change. Without a row an arrow leads to the result.

const NEAR = 1e-6; // relative; what is off by more was not computed so

function lineText(line, now, digits) {
  const text = (operand) => (typeof operand === "string" ? operand : textOf(now.value(operand), digits));
  const reachedText = (n) => textOf(now.value(n), digits, line.gradient);
  const wrong = line.right !== undefined && now.differs(line.result, line.right);
  const target = wrong ? line.right : line.result;
  let reached = reachedText(target);
  if (line.rule) reached = `${line.rule} → ${reached}`;
  else if (line.pattern) {
    const texts = line.operands.map(text);
    if (line.row === null || line.sure || isNear(line, target, now)) {
      const sign = line.row === null ? "→" : givesAsShown(line.row, texts, reached) ? "=" : "≈";
      reached = `${line.formula ? `${line.formula} = ` : ""}${filled(line.pattern, texts)} ${sign} ${reached}`;
    }
  }
  return line.before + (wrong ? beside(reachedText(line.result), reached) : reached);
}

// A wrong gradient, with the right one.
const beside = (got, right) => `${got} ✗ right: ${right}`;

// The pattern with texts in its places; a negative number has parentheses in <0>.
function filled(pattern, texts) {
  return pattern.replace(/[{<](\d+)[}>]/g, (place, i) =>
    place[0] === "<" && texts[i].startsWith("−") ? `(${texts[i]})` : texts[i]);
}

function isNear({ row, operands }, target, now) {
  if (operands.some((operand) => typeof operand === "string") || typeof target === "string") return false;
  const found = Number(attempt(() => applied(row, operands.map((operand) => now.value(operand)))));
  const wanted = Number(now.value(target));
  return Object.is(found, wanted) || found === wanted || Math.abs(found - wanted) <= NEAR * Math.abs(wanted);
}

// True if the numbers as shown give the result as shown: exactly for decimals, else as floats.
function givesAsShown(row, texts, result) {
  const exact = EXACT[row];
  const decimals = [...texts, result].map(decimal);
  if (exact && decimals.every(Boolean)) return exact(decimals.slice(0, -1), decimals.at(-1));
  const read = (text) => (/^(True|False)$/.test(text) ? text === "True" : floatOf(text.replace("−", "-")));
  const found = attempt(() => applied(row, texts.map(read)));
  return found !== undefined && (Number(found) === Number(read(result)) || Object.is(Number(found), Number(read(result))));
}

const applied = (row, values) => RULES[row].numpy(...values);

function attempt(does) {
  let found;
  refusal(() => (found = does()));
  return found;
}

// A shown number as [whole, scale]: whole × 10^-scale.
function decimal(text) {
  const parts = /^(−?)(\d+)(?:\.(\d+))?(?:e(-?\d+))?$/.exec(text);
  if (!parts) return null;
  const [, sign, whole, fraction = "", power = "0"] = parts;
  const scale = fraction.length - Number(power);
  if (Math.abs(scale) > 400) return null;
  const figures = BigInt(whole + fraction) * (sign ? -1n : 1n);
  return scale < 0 ? [figures * 10n ** BigInt(-scale), 0] : [figures, scale];
}

function sameDecimal([a, aScale], [b, bScale]) {
  return a * 10n ** BigInt(bScale) === b * 10n ** BigInt(aScale);
}

const plus = ([a, aScale], [b, bScale]) => [a * 10n ** BigInt(bScale) + b * 10n ** BigInt(aScale), aScale + bScale];
const times = ([a, aScale], [b, bScale]) => [a * b, aScale + bScale];

const EXACT = {
  add: (terms, result) => sameDecimal(terms.reduce(plus), result),
  subtract: ([a, b], result) => sameDecimal(plus(result, b), a),
  multiply: ([a, b], result) => sameDecimal(times(a, b), result),
  divide: ([a, b], result) => b[0] !== 0n && sameDecimal(times(result, b), a),
  negative: ([a], result) => sameDecimal([-a[0], a[1]], result),
  square: ([a], result) => sameDecimal(times(a, a), result),
};
