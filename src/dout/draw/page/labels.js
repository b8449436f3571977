// The label of an edge with the numbers of now, as shapes around the origin: the arithmetic of edge_labels.py.

const CELL = 14;
const [ABOVE, BELOW] = [8, 17];
const HATCH = 8;
const CLEAR = 5;
const [BARS, BAR_HEIGHT] = [42, 22];
const [LEAD, LEAD_HIGH] = [30, 14];

const sizeOf = (style) => data.sizes.texts[style][0];

function widthOf(text, style) {
  const [size, mono, bold] = data.sizes.texts[style];
  if (mono) return size * 0.61 * [...text].length;
  const { widths, otherWidths } = data.sizes;
  const hundredths = (c) => widths[Number(bold)][c.charCodeAt(0) - 32] || otherWidths[c] || (/\p{L}/u.test(c) ? 110 : 84);
  return (size * [...text].reduce((sum, c) => sum + hundredths(c), 0)) / 100;
}

const textShape = (style, x, y, anchor, words) => ["t", style, x, y, anchor, words];

// The box of a shape; none for a path, which only crosses a cell.
function boxOf([kind, style, x, y, ...rest]) {
  if (kind === "r") return [x, y, x + rest[0], y + rest[1]];
  if (kind !== "t") return null;
  const [anchor, words] = rest;
  const left = x - { start: 0, middle: 0.5, end: 1 }[anchor] * widthOf(words, style);
  return [left, y - 0.78 * sizeOf(style), left + widthOf(words, style), y + 0.22 * sizeOf(style)];
}

function moved([kind, style, x, y, ...rest], dx, dy) {
  return kind === "p" ? [kind, style, x.replace(/(-?[\d.]+) (-?[\d.]+)/g, (_, a, b) => `${Number(a) + dx} ${Number(b) + dy}`)] : [kind, style, x + dx, y + dy, ...rest];
}

// Shapes, and how far they reach: {value, gradient, width, up, down}.
function composed(value, gradient) {
  const made = { value: value ? valueShapes(value) : [], gradient: gradient ? gradientShapes(gradient) : [] };
  const boxes = [...made.value, ...made.gradient].map(boxOf).filter(Boolean);
  const most = (of) => boxes.reduce((m, box) => Math.max(m, of(box)), -Infinity);
  return { ...made, width: 2 * most((b) => Math.max(-b[0], b[2])), up: most((b) => -b[1]) + 2, down: most((b) => b[3]) + 2 };
}

function valueShapes(shown) {
  if (shown.kind === "number") return [textShape(shown.loud ? "loud" : "value", 0, -ABOVE, "middle", shown.text)];
  if (shown.kind === "cells") return cellShapes(shown, "cell").map((shape) => moved(shape, 0, -CLEAR - shown.cells.length * CELL));
  const [shapes, height] = summaryShapes(shown, "", "");
  return shapes.map((shape) => moved(shape, 0, -height - 2));
}

// A gradient: {shown, right, sums, style, way, first}.
function gradientShapes(mark) {
  const { shown, right, way, style, first } = mark;
  const sums = mark.sums ? `${mark.sums} ` : "";
  let shapes;
  let bottom;
  if (shown.kind === "number" && (!right || right.kind === "number")) {
    const words = right ? `${way}✗ ${shown.text} (right: ${sums}${right.text})` : way + sums + shown.text;
    shapes = [textShape(right ? "wrong" : shown.loud ? "loud" : style, 0, BELOW, "middle", words)];
    bottom = BELOW + 4;
  } else {
    [shapes, bottom] = blockShapes(shown, way + (right ? "✗ " : sums), style, CLEAR, right ? right.cells || [] : []);
    if (right) {
      const [more, end] = blockShapes(right, `right: ${sums}`, "gradient", bottom + 5);
      [shapes, bottom] = [[...shapes, ...more], end];
    }
  }
  if (first) shapes.push(textShape("first", 0, bottom + 13, "middle", "▲ first wrong edge"));
  if (way) return shapes;
  const low = Math.max(...shapes.map(boxOf).filter(Boolean).map((box) => box[3]));
  return shapes.map((shape) => moved(shape, 0, -2 - low)); // along the edge, a gradient stands above it
}

// An array below the line with a few words before it, and its lower end.
function blockShapes(shown, lead, style, top, other = []) {
  if (shown.kind === "summary") {
    const [shapes, height] = summaryShapes(shown, lead, style);
    return [shapes.map((shape) => moved(shape, 0, top)), top + height];
  }
  if (shown.kind === "number") return [[textShape(style, 0, top + 12, "middle", lead + shown.text)], top + 16];
  const grid = cellShapes(shown, style === "derived" ? "derived-cell" : "gradient-cell", other);
  const left = Math.min(...grid.map(boxOf).filter(Boolean).map((box) => box[0]));
  const words = lead.trimEnd();
  const high = shown.cells.length * CELL;
  if (shown.cells.length > 1 && widthOf(words, style) > LEAD) {
    return [[textShape(style, left, top + 11, "start", words), ...grid.map((shape) => moved(shape, 0, top + LEAD_HIGH))], top + LEAD_HIGH + high];
  }
  const room = widthOf(lead, style) + 2;
  return [
    [...grid.map((shape) => moved(shape, room / 2, top)), textShape(style, left + room / 2 - 2, top + high / 2 + 4.5, "end", words)],
    top + high,
  ];
}

function cellShapes({ cells, faint, off, mask }, style, other = []) {
  const wides = cells[0].map((_, j) => (mask ? 22 : Math.max(22, ...cells.map((row) => widthOf(row[j], other.length ? "wrong-cell" : style) + 5))));
  const lefts = wides.reduce((ends, wide) => [...ends, ends.at(-1) + wide], [-wides.reduce((a, b) => a + b, 0) / 2]);
  const boxes = [];
  const texts = [];
  cells.forEach((row, i) => row.forEach((words, j) => {
    const differs = other.length > 0 && (other[i] || [])[j] !== words;
    const blocked = off && off[i][j];
    const [x, y, wide] = [lefts[j], i * CELL, wides[j]];
    const box = (of) => boxes.push(["r", of, x, y, wide, CELL, 0]);
    if (mask) {
      box(!faint[i][j] ? "cell-on" : differs ? "cell-wrong" : "cell-zero");
      if (!faint[i][j]) boxes.push(["p", "tick", `M${x + wide / 2 - 4.5} ${y + CELL / 2 + 0.5}L${x + wide / 2 - 1.5} ${y + CELL / 2 + 3.5}L${x + wide / 2 + 4.5} ${y + CELL / 2 - 3.5}`]);
      return;
    }
    box(differs ? "cell-wrong" : faint[i][j] || blocked ? "cell-zero" : "cell-box");
    if (blocked && !differs) boxes.push(["p", "hatch", hatch(x, y, wide)]);
    const loud = ["NaN", "∞", "−∞"].includes(words);
    texts.push(textShape(differs || loud ? "wrong-cell" : style, x + wide / 2, y + CELL - 3, "middle", words));
  }));
  return [...boxes, ...texts];
}

// Lines that rise at 45 degrees from the lower or left edge of a cell to its upper or right edge.
function hatch(x, y, wide) {
  let d = "";
  for (let at = HATCH / 2 - CELL; at < wide; at += HATCH) {
    const [start, end] = [Math.max(at, 0), Math.min(at + CELL, wide)];
    d += `M${x + start} ${y + CELL - (start - at)}L${x + end} ${y + CELL - (end - at)}`;
  }
  return d;
}

function summaryShapes({ head, line, note, loud, bars }, lead, style) {
  const kinds = style === "wrong" ? ["wrong", "gradient-line"] : style ? ["gradient-head", "gradient-line"] : ["head", "line"];
  const lines = [[lead + head, kinds[0]], ...[line, note].filter(Boolean).map((words) => [words, kinds[1]])];
  if (loud) lines.unshift([loud, "loud"]);
  const room = Math.max(...lines.map((each) => widthOf(...each)));
  const total = room + (bars.length ? 10 + BARS : 0);
  const height = 15 * lines.length + 3;
  const wide = BARS / Math.max(1, bars.length);
  return [[
    ...lines.map(([words, kind], i) => textShape(kind, -total / 2, 15 * i + 12, "start", words)),
    ...bars.map((share, i) => {
      const tall = Math.max(1, BAR_HEIGHT * share);
      return ["r", style ? "gradient-bar" : "bar", -total / 2 + room + 10 + i * wide, height - 3 - tall, wide - 1, tall, 0];
    }),
  ], height];
}
