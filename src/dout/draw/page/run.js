// The numbers of now: the recorded ones, or those that follow from an input that was changed.

const { digits } = data.program;
const [MOST_TERMS, SIDE] = [4, 16]; // of a sum that is written out; clear of a label on both sides together
const run = makeRun(data.program);

const isFresh = (...shown) => run.isChanged && shown.some((n) => typeof n === "number" && run.isFresh(n));

// The new content of a label whose numbers changed: {value, gradient, hover, width, up, down}; null if they did not.
function changedLabel(label) {
  const behind = data.labels[label.id];
  if (!behind) return null;
  const { value, gradient, off } = behind;
  const changes = [isFresh(value, off), gradient && isFresh(gradient.node, gradient.right, off, ...(gradient.parts || []))];
  if (!changes.some(Boolean)) return null;
  const blocked = off === undefined ? null : run.value(off);
  const shown = value === undefined ? null : shownOf(run.value(value), digits, false, blocked);
  const mark = gradient && markOf(gradient, blocked);
  const made = composed(shown, mark);
  const hover = [label.hover.split("\n")[0]];
  if (value !== undefined) hover[0] = `${label.hover.includes(" = ") ? `${label.hover.split(" = ")[0]} = ` : ""}${fullOf(run.value(value))}`;
  if (gradient) hover.push(...gradientHover(gradient));
  return { ...made, value: shown ? made.value : label.value, gradient: mark ? made.gradient : label.gradient, hover: hover.join("\n") };
}

const isWrong = ({ node, right }) => right !== null && right !== undefined && run.differs(node, right);

// A gradient ready for the eye, with the right one where it is wrong.
function markOf(behind, off) {
  const wrong = isWrong(behind);
  const shown = (n) => shownOf(run.value(n), digits, true, n === behind.node ? off : null);
  return {
    shown: shown(behind.node), right: wrong ? shown(behind.right) : null, sums: behind.parts ? sumsOf(behind, wrong) : "",
    style: wrong ? "wrong" : behind.source === "dout" ? "derived" : "gradient", way: behind.along ? "" : "◂ ", first: wrong && behind.first,
  };
}

function gradientHover({ node, right, source, along }) {
  const found = along ? [] : [`gradient ${fullOf(run.value(node))}${source === "dout" ? " (derived by dout)" : ""}`];
  return isWrong({ node, right }) ? [...found, `wrong: the right gradient is ${fullOf(run.value(right))}`] : found;
}

// How the gradients of several uses add up: "1.1 + 0.4 =", if they do.
function sumsOf({ node, right, parts }, wrong) {
  const total = run.value(wrong ? right : node);
  const terms = parts.map((n) => run.value(n));
  const items = (value) => (isOf(value) ? value.items : [value]).map(Number);
  const addsUp = items(total).every((wanted, i) => {
    const numbers = terms.map((term) => items(term)[i]);
    return Math.abs(numbers.reduce((a, b) => a + b, 0) - wanted) <= NEAR * Math.max(...[...numbers, wanted].map(Math.abs)) || (isOf(total) && !(wanted === wanted));
  });
  if (!addsUp) return "";
  if (isOf(total) || terms.length > MOST_TERMS) return `sum of ${terms.length} =`;
  const texts = terms.map((term) => textOf(term, digits));
  const added = texts[0] + texts.slice(1).map((term) => (term.startsWith("−") ? ` − ${term.slice(1)}` : ` + ${term}`)).join("");
  return `${added} ${givesAsShown("add", texts, textOf(total, digits)) ? "=" : "≈"}`;
}

// The words of an item for a screen reader, with the numbers of now.
function wordsOf(item) {
  if (item.kind === "input") return inputWords(item);
  const says = data.says[item.id];
  if (!says || !isFresh(...says)) return (item.hover || item.text || "").split("\n")[0];
  return says.map((part) => (typeof part === "string" ? part : textOf(run.value(part), digits))).join("");
}

function inputWords(item) {
  const label = item.stems && item.stems[0] && item.stems[0].label;
  const hover = label && state.values.get(label.id) && state.values.get(label.id).hover;
  return hover ? hover.replaceAll("\n", ", ") : (item.hover || item.text).split("\n").join(", ");
}

// Show the run as it is now: every label whose number can change.
function showRun() {
  const values = new Map();
  for (const label of allLabels) {
    const changed = run.isChanged && changedLabel(label);
    if (changed) values.set(label.id, changed);
  }
  const grown = widen(values);
  if (grown) arrange = arranger(data);
  update(grown ? { values, open: new Set(state.open) } : { values });
}

// Make room where numbers need more; return whether that was needed. What was given stays.
function widen(values) {
  let grown = false;
  const grow = (thing, sizes) => {
    for (const [name, size] of Object.entries(sizes)) if (size > thing[name]) [thing[name], grown] = [size, true];
  };
  const room = (label) => {
    const { width, up, down } = (label && values.get(label.id)) || {};
    if (!width) return null;
    grow(label, { width, up, down });
    return { run: width + SIDE, up, down };
  };
  for (const { items, blocks, branches } of values.size ? data.levels : []) {
    items.forEach((item, i) => (item.stems || []).forEach((stem, j) => {
      const needed = room(stem.label);
      if (!needed) return;
      grow(stem, needed);
      const y = blocks[i].outs[j];
      grow(blocks[i], { run: stem.run + stem.tail, up: stem.up - y, down: stem.down + y });
    }));
    for (const { block, label } of branches) grow(blocks[block], room(label) || {});
  }
  return grown;
}

const allLabels = data.levels.flatMap((level) => [
  ...level.items.flatMap((item) => item.stems || []).map((stem) => stem.label),
  ...level.branches.map((branch) => branch.label),
]).filter(Boolean);
