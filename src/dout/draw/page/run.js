// The numbers of now: the recorded ones, or those that follow from an input that was changed.

const { digits } = data.program;
const BESIDE = 12; // clear of a label on both sides together
const run = makeRun(data.program);

// The new content of a label whose numbers changed: {value, gradient, hover}.
function changedLabel(label) {
  const behind = data.labels[label.id] || {};
  const { node, right } = behind.gradient || {};
  const found = {};
  const hover = [label.hover.split("\n")[0]];
  if (behind.value !== undefined) {
    const value = run.value(behind.value);
    found.value = [retold(label.value[0], formatNumber(value, digits), isLoud(value) ? "loud" : "value")];
    hover[0] = `${label.hover.includes(" = ") ? `${label.hover.split(" = ")[0]} = ` : ""}${reprOf(value)}`;
  }
  if (behind.gradient) {
    found.gradient = [retold(label.gradient[0], gradientText(behind.gradient), gradientStyle(behind.gradient))];
    hover.push(`gradient ${reprOf(run.value(node))}${behind.gradient.source === "dout" ? " (derived by dout)" : ""}`);
    if (isWrong(behind.gradient)) hover.push(`wrong: the right gradient is ${reprOf(run.value(right))}`);
    found.hover = hover.join("\n");
  }
  return found;
}

const retold = (shape, text, style) => ["t", style, 0, shape[3], "middle", text];
const isLoud = (value) => typeof value === "number" && !Number.isFinite(value);
const isWrong = ({ node, right }) => right !== null && right !== undefined && run.differs(node, right);

function gradientStyle(behind) {
  if (isWrong(behind)) return "wrong";
  return isLoud(run.value(behind.node)) ? "loud" : behind.source === "dout" ? "derived" : "gradient";
}

function gradientText(behind) {
  const text = (node) => formatNumber(run.value(node), digits);
  const [got, wrong] = [text(behind.node), isWrong(behind)];
  const total = wrong ? behind.right : behind.node;
  let sums = "";
  if (behind.parts) {
    const terms = behind.parts.map(text);
    const added = terms[0] + terms.slice(1).map((term) => (term.startsWith("−") ? ` − ${term.slice(1)}` : ` + ${term}`)).join("");
    const sum = behind.parts.reduce((all, node) => all + Number(run.value(node)), 0);
    if (Math.abs(sum - Number(run.value(total))) <= NEAR * Math.max(...behind.parts.map((n) => Math.abs(Number(run.value(n)))))) {
      sums = `${added} ${givesAsShown("add", terms, text(total)) ? "=" : "≈"} `;
    }
  }
  const way = behind.along ? "" : "◂ ";
  return wrong ? `${way}✗ ${got} (right: ${sums}${text(total)})` : `${way}${sums}${got}`;
}

// The words of an item for a screen reader, with the numbers of now.
function wordsOf(item) {
  if (item.kind === "input") return inputWords(item);
  const words = (item.hover || item.text || "").split("\n")[0];
  const says = run.isChanged ? data.says[item.id] : null;
  if (!says) return words;
  let [given, made] = [-1, -1];
  const text = (node, before) => (node === null || node === undefined ? before : formatNumber(run.value(node), digits));
  return words.split(", ").map((part) => {
    const [, what, number] = /^(inputs?|output|gradient) (.*)$/.exec(part) || [];
    if (!what) return part;
    if (what.startsWith("input")) return `${what} ${number.split(" and ").map((n) => text(says.inputs[++given], n)).join(" and ")}`;
    if (what === "output") made += 1;
    return `${what} ${text((says.outputs[made] || [])[what === "output" ? 0 : 1], number)}`;
  }).join(", ");
}

function inputWords(item) {
  const label = item.stems && item.stems[0] && item.stems[0].label;
  const hover = label && state.values.get(label.id) && state.values.get(label.id).hover;
  return hover ? hover.replaceAll("\n", ", ") : (item.hover || item.text).split("\n").join(", ");
}

// Show the run as it is now: every label whose number can change.
function showRun() {
  const values = new Map();
  if (run.isChanged) {
    for (const label of allLabels) if (data.labels[label.id]) values.set(label.id, changedLabel(label));
  }
  const grown = widen(values);
  if (grown) arrange = arranger(data);
  update(grown ? { values, open: new Set(state.open) } : { values });
}

const pen = document.createElement("canvas").getContext("2d");
pen.font = `600 14px ${getComputedStyle(document.body).fontFamily}`;

// The straight piece of edge that a label needs with the numbers of now.
function roomOf(values, label) {
  const now = label && values.get(label.id);
  if (!now) return 0;
  const texts = [...(now.value || []), ...(now.gradient || [])].map((shape) => shape[5]);
  label.width = Math.max(label.width, ...texts.map((text) => pen.measureText(text).width));
  return label.width + BESIDE;
}

// Make room where numbers have become longer; return whether that was needed. What was given stays.
function widen(values) {
  let grown = false;
  const grow = (thing, room) => {
    if (room > thing.run) [thing.run, grown] = [room, true];
  };
  for (const { items, blocks, branches } of values.size ? data.levels : []) {
    items.forEach((item, i) => (item.stems || []).forEach((stem) => {
      grow(stem, roomOf(values, stem.label));
      grow(blocks[i], stem.run + stem.tail);
    }));
    for (const { block, label } of branches) grow(blocks[block], roomOf(values, label));
  }
  return grown;
}

const allLabels = data.levels.flatMap((level) => [
  ...level.items.flatMap((item) => item.stems || []).map((stem) => stem.label),
  ...level.branches.map((branch) => branch.label),
]).filter(Boolean);
