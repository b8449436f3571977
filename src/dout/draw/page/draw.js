// Things: what is seen, each with its place. A thing is plain data, made anew by every layout; stage.js keeps elements.
//
//   key    which thing this is, whatever is open
//   kind   "frame" (an open layer), "edge", "node" or "label": also the group it is drawn in
//   at     the numbers that move: x, y (node, label), x, y, width, height (frame), the points of an edge
//   box    left, top, right, bottom: to see whether it is on screen
//   from   the scale from which it is drawn: below, nobody could make it out
//   source the part of the data that it shows
//   within of a frame, until somebody looks into it: makes the things in it, and `near` is the scale for that

const SVG = "http://www.w3.org/2000/svg";
const READABLE = 0.42; // below this scale texts are hidden
const SEEN = 1.5; // pixels on screen that a thing has at least,
const ROOM = 28; // and an open layer whose inside is drawn

// The things of a level whose origin is at dx, dy; what leaves the level goes on to `right`.
function placeThings(arranged, dx, dy, right, sizes, from = 0) {
  const { level, layout, blocks, inside } = arranged;
  const found = [];
  level.items.forEach((item, i) => {
    const [x, y] = [layout.x[i] + dx, layout.y[i] + dy];
    const [start, end] = layout.run[i].map((at) => at + dx);
    if (inside.has(i)) found.push(frameThing(item, x, y, blocks[i], inside.get(i), sizes, from));
    else if (item.shapes) found.push(nodeThing(item, x, y));
    (item.stems || []).forEach((stem, j) => {
      const side = inside.has(i) || item.kind === "input" ? 0 : item.kind === "entry" ? sizes.pad : item.body[0];
      placeStem(`${item.id}.${j}`, stem, start - side, start, end, y + blocks[i].outs[j], found);
    });
    if (item.kind === "exit") {
      const leads = level.links.findIndex((link) => link[2] === i);
      found.push(edgeThing(`out${item.id}`, level.styles[leads] || "edge", [x, y, right, y]));
    }
  });
  level.links.forEach((link, i) => {
    const target = link[2];
    const inset = target < level.items.length && !inside.has(target) ? (level.items[target].reach || [])[link[3]] : 0;
    const points = curve(layout, layout.routes[i], inset || 0, dx, dy);
    found.push(edgeThing(`link${arranged.number}.${i}`, level.styles[i], points));
  });
  for (const branch of level.branches) {
    const [start, end] = layout.run[branch.block].map((at) => at + dx);
    const y = layout.y[branch.block] + dy;
    const key = `branch${arranged.number}.${branch.edge}`;
    if (start < end) found.push(edgeThing(key, branch.style, [start, y, end, y]));
    if (branch.label) found.push(labelThing(branch.label, (start + end) / 2, y));
  }
  for (const thing of found) thing.from = Math.max(thing.from, from);
  return found;
}

function frameThing(item, x, y, block, inside, sizes, from) {
  const at = [x, y - block.half, block.lead, 2 * block.half];
  const box = [x, y - block.half, x + block.lead, y + block.half];
  const near = Math.max(from, ROOM / at[2]);
  const within = () => placeThings(inside, x + sizes.pad, y - block.half + sizes.header, x + block.lead, sizes, near);
  return { key: `frame${item.id}`, kind: "frame", at, box, from: SEEN / at[3], source: item, within, near };
}

function placeStem(key, stem, left, start, lastly, y, found) {
  const end = stem.end === "result" ? start + stem.run : lastly;
  found.push(edgeThing(`stem${key}`, stem.style, [left, y, end, y]));
  if (stem.end === "result" && stem.name) {
    const shapes = [["t", "result", 10, 5, "start", stem.name]];
    const box = [end, y - 10, end + stem.tail, y + 8];
    found.push({ key: `result${key}`, kind: "node", at: [end, y], box, from: READABLE, source: { shapes } });
  }
  if (stem.end === "dot") {
    const box = [end - 4, y - 4, end + 4, y + 4];
    const source = { shapes: [["c", "dot", 0, 0, 4]] };
    found.push({ key: `dot${key}`, kind: "node", at: [end, y], box, from: SEEN / 8, source });
  }
  if (stem.label) found.push(labelThing(stem.label, (start + end) / 2, y));
}

function nodeThing(item, x, y) {
  const [left, top, right, bottom] = item.body;
  const box = [x + Math.min(left, 0), y + top - 40, x + right + left, y + bottom + 40]; // with caption and constants
  const from = item.kind === "input" ? READABLE : SEEN / (bottom - top);
  return { key: `item${item.id}`, kind: "node", at: [x, y], box, from, source: item };
}

function labelThing(label, x, y) {
  const box = [x - label.width / 2, y - label.up, x + label.width / 2, y + label.down];
  return { key: `label${label.id}`, kind: "label", at: [x, y], box, from: READABLE, source: label };
}

function edgeThing(key, style, at) {
  let [left, top, right, bottom] = [at[0], at[1], at[0], at[1]];
  for (let i = 2; i < at.length; i += 2) {
    [left, right] = [Math.min(left, at[i]), Math.max(right, at[i])];
    [top, bottom] = [Math.min(top, at[i + 1]), Math.max(bottom, at[i + 1])];
  }
  const box = [left, top, right, bottom];
  return { key, kind: "edge", at, box, from: 0, source: { style } };
}

// An edge: level in each column, an S in each gap. Points: a start, then for each gap two handles, its end, and the end
// of the column after it; so an edge has as many numbers however many layers are open, and can move.
function curve(layout, route, inset, dx, dy) {
  const last = route.lines.length - 1;
  let right = layout.columns[route.first][1] + dx;
  let y = route.lines[0] + dy;
  const points = [right, y];
  for (let i = 1; i <= last; i++) {
    const [left, lower] = [layout.columns[route.first + i][0] + dx, route.lines[i] + dy];
    const middle = (right + left) / 2;
    right = i < last ? layout.columns[route.first + i][1] + dx : left + inset;
    points.push(middle, y, middle, lower, left, lower, right, lower);
    y = lower;
  }
  return points;
}

// The `d` of an edge's points; two points are a straight line.
function pathOf(at) {
  const n = at.map((number) => Math.round(number * 10) / 10);
  let d = `M${n[0]} ${n[1]}`;
  if (n.length === 4) return `${d}L${n[2]} ${n[3]}`;
  for (let i = 2; i < n.length; i += 8) d += `C${n.slice(i, i + 6).join(" ")}L${n[i + 6]} ${n[i + 7]}`;
  return d;
}

// --- elements ---------------------------------------------------------------------------------------------------------

function element(tag, attributes = {}, ...children) {
  const made = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  made.append(...children);
  return made;
}

// One shape of the data: ["t", style, x, y, anchor, text], ["r", style, x, y, width, height, radius],
// ["c", style, x, y, radius] or ["p", style, d].
function shapeElement([kind, style, ...rest]) {
  if (kind === "p") return element("path", { class: style, d: rest[0] });
  const [x, y] = rest;
  if (kind === "c") return element("circle", { class: style, cx: x, cy: y, r: rest[2] });
  if (kind === "r") return element("rect", { class: style, x, y, width: rest[2], height: rest[3], rx: rest[4] });
  return element("text", { class: style, x, y, "text-anchor": rest[2] }, rest[3]);
}

function titled(group, words) {
  if (words) group.append(element("title", {}, words));
  return group;
}

// A label is two groups, for value and gradient, with the steps from which they are seen.
function labelElement(label) {
  const now = { ...label, ...state.values.get(label.id) };
  const group = titled(element("g", { "data-label": label.id }), now.hover);
  for (const what of ["value", "gradient"]) {
    if (now[what].length) {
      const shapes = now[what].map(shapeElement);
      group.append(element("g", { class: what, "data-since": label[`${what}Since`] }, ...shapes));
    }
  }
  return group;
}

function frameElement(item) {
  const title = shapeElement(["t", "title", 16, 21, "start", `▾ ${item.text}`]);
  const caption = shapeElement(["t", "caption", 0, 20, "end", item.caption || ""]);
  const group = titled(element("g", layerNames(item, true)), item.hover);
  group.append(element("rect", { class: "open", rx: 12 }), title, caption);
  return group;
}

function nodeElement(item) {
  const group = titled(element("g", nodeNames(item)), item.hover);
  if (item.wrong) group.classList.add("holds-wrong");
  group.append(...item.shapes.map(shapeElement));
  return group;
}

function nodeNames(item) {
  if (item.inside) return layerNames(item, false);
  if (!item.id) return {}; // a dot, or the name of a result
  const input = item.kind === "input";
  const named = { "data-item": item.id, tabindex: 0, "aria-label": wordsOf(item) + (item.id in data.inputs && !data.inputs[item.id].why ? ", change it" : "") };
  return { ...named, role: input ? "button" : "img", class: input ? "given" : "item" };
}

function layerNames(item, open) {
  const named = { "data-item": item.id, tabindex: 0, "aria-label": wordsOf(item) };
  return { ...named, class: "opens", role: "button", "aria-expanded": open };
}

const MAKERS = {
  frame: frameElement,
  edge: ({ style }) => element("path", { class: style }),
  node: nodeElement,
  label: labelElement,
};

// Put an element where the numbers `at` say.
function putElement(made, kind, at) {
  if (kind === "edge") {
    made.setAttribute("d", pathOf(at));
    return;
  }
  made.setAttribute("transform", `translate(${at[0].toFixed(1)} ${at[1].toFixed(1)})`);
  if (kind === "frame") {
    const box = made.querySelector("rect");
    box.setAttribute("width", at[2]);
    box.setAttribute("height", at[3]);
    made.querySelector(".caption").setAttribute("x", at[2] - 14);
  }
}
