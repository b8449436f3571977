// Numbers and arrays as a person reads them: the words of readable_numbers.py and averages.py.
//
// A value is a number, or {head, columns, items} for an array, with columns where all of it is shown. `shownOf` makes of it
// {kind, text, loud, cells, faint, mask, head, line, bars}, as `show` does.

const BINS = 8;

const isOf = (value) => typeof value === "object";
const isLoud = (item) => typeof item === "number" && !Number.isFinite(item);
const textOf = (value, digits, isGradient = false) => shownOf(value, digits, isGradient).text;

function shownOf(value, digits, isGradient = false, off = null) {
  if (!isOf(value)) {
    const text = formatNumber(value, digits);
    return { kind: "number", text, loud: isLoud(value) ? text : "", cells: [[text]] };
  }
  const { head, columns, items } = value;
  const mask = items.every((item) => typeof item === "boolean");
  const loud = loudOf(items);
  const blocked = off && off.items.some(truth) ? off.items.map(truth) : null;
  if (!columns) {
    const note = blocked ? `${blocked.filter(Boolean).length} of ${blocked.length} off` : "";
    const found = { kind: "summary", head, loud, mask, note, ...(mask ? { bars: [], line: `${items.filter(Boolean).length} of ${items.length} True` } : summaryOf(items, digits, isGradient)) };
    return { ...found, text: [head, found.line, note, loud].filter(Boolean).join(" ") };
  }
  const inRows = (of) => Array.from({ length: of.length / columns }, (_, row) => of.slice(row * columns, (row + 1) * columns));
  const cells = inRows(items.map((item) => formatNumber(item, digits)));
  return {
    kind: "cells", cells, loud, mask, faint: inRows(items.map((item) => Number(item) === 0)), off: blocked && inRows(blocked),
    text: `[${cells.map((row) => row.join(" ")).join("; ")}]`,
  };
}

function loudOf(items) {
  const counts = [["NaN", Number.isNaN], ["∞", (n) => n === Infinity], ["−∞", (n) => n === -Infinity]];
  return counts.map(([name, test]) => [items.filter(test).length, name]).filter(([n]) => n).map((pair) => pair.join(" ")).join(", ");
}

// Mean (of a gradient its norm), range and histogram.
function summaryOf(items, digits, isGradient) {
  const finite = items.filter((item) => !isLoud(item));
  if (!finite.length) return { line: "", bars: [] };
  const numbers = finite.map(Number);
  const [low, high] = [finite.reduce((a, b) => (b < a ? b : a)), finite.reduce((a, b) => (b > a ? b : a))];
  const middle = isGradient ? `‖·‖ ${formatNumber(Math.hypot(...numbers), digits)}` : `μ ${meanText(numbers, digits)}`;
  return { line: `${middle} [${formatNumber(low, digits)}, ${formatNumber(high, digits)}]`, bars: low < high ? barsOf(numbers, Number(low), Number(high)) : [] };
}

// How many numbers are in each part of a range, as parts of the most: np.histogram.
function barsOf(numbers, low, high) {
  const size = Math.max(Math.abs(low), Math.abs(high)) || 1;
  const [first, last] = [low / size, high / size];
  if (first === last) return [];
  const edges = Array.from({ length: BINS + 1 }, (_, i) => (i === BINS ? last : first + i * ((last - first) / BINS)));
  const counts = new Array(BINS).fill(0);
  for (const number of numbers) {
    const scaled = number / size;
    let bin = Math.min(BINS - 1, Math.trunc(((scaled - first) / (last - first)) * BINS));
    if (scaled < edges[bin]) bin -= 1;
    else if (bin < BINS - 1 && scaled >= edges[bin + 1]) bin += 1;
    counts[bin] += 1;
  }
  const most = Math.max(...counts);
  return counts.map((count) => count / most);
}

// Every digit, on one line.
function fullOf(value) {
  if (!isOf(value)) return reprOf(value);
  const texts = value.items.map(reprOf);
  const rows = value.columns ? texts.flatMap((_, i) => (i % value.columns ? [] : [texts.slice(i, i + value.columns)])) : [texts];
  return `${value.head} [${rows.map((row) => row.join(", ")).join("; ")}]`;
}
