// The page: one state, one function that shows it, and the ways to change it.
//
//   state.open    Set of the items (layers, by their `id` in the data) that are open
//   state.step    how far the run has come; values and gradients with a later `since` are not shown
//   state.values  Map from a label's `id` to {value, gradient}: shapes in place of the recorded ones
//
// `update({open, step, values})` makes the next state of what is given and renders it; after that the document gets the
// event "dout:change" with detail {state, before}. Nothing else changes the state. `dout` on the window is the page for
// scripts and tests: {data, state, update, stage, fit, centre, toggle}.

const data = JSON.parse(document.getElementById("data").textContent);
const picture = document.getElementById("picture");
const stage = makeStage(picture);
let arrange = arranger(data);
const itemsById = new Map();
const levelOf = new Map(); // item id → number of its level
const aroundLevel = new Map(); // level number → item id of the layer around it
data.levels.forEach((level, number) => level.items.forEach((item) => {
  itemsById.set(item.id, item);
  levelOf.set(item.id, number);
  if (item.inside) aroundLevel.set(item.inside, item.id);
}));

let state = { open: new Set(data.open), step: Infinity, values: new Map() };
let drawn = null; // the state on screen

// Show a state. The picture depends on the state alone.
function render(next, moving = true) {
  if (!drawn || drawn.open !== next.open) {
    const whole = arrange(0, next.open);
    stage.size = [whole.layout.width, whole.layout.height];
    stage.step = next.step;
    showThings(stage, placeThings(whole, 0, 0, 0, data.sizes), moving);
  }
  if (!drawn || drawn.step !== next.step) showStep(stage, next.step);
  if (drawn && drawn.values !== next.values) showValues();
  drawn = next;
}

// Write the numbers of now into the labels, and into the words of items, that are there.
function showValues() {
  for (const { kind, element: shown, source } of stage.things.values()) {
    if (!shown) continue;
    if (kind === "label") {
      shown.replaceChildren(...labelElement(source).childNodes);
      mark(shown, stage.step);
    } else if (source.id) shown.setAttribute("aria-label", (kind === "frame" ? layerNames(source, true) : nodeNames(source))["aria-label"]);
  }
}

function update(change) {
  const before = state;
  state = { ...state, ...change };
  render(state);
  document.dispatchEvent(new CustomEvent("dout:change", { detail: { state, before } }));
}

// --- layers -----------------------------------------------------------------------------------------------------------

// Open or close a layer, which stays where it is on screen; a picture that nobody has moved fits, if it can then be read.
function toggle(id, opened = !state.open.has(id)) {
  const open = new Set(state.open);
  if (opened) open.add(id);
  else open.delete(id);
  const before = cornerOf(id);
  update({ open });
  const after = cornerOf(id);
  if (aim && fitting().k >= EASY) fit();
  else if (before && after) {
    aim = null;
    const { x, y, k } = stage.camera;
    glide({ x: x + (before[0] - after[0]) * k, y: y + (before[1] - after[1]) * k, k });
  }
  const made = shownElement(id);
  if (made) made.focus({ preventScroll: true });
}

function setAll(opened) {
  update({ open: new Set(opened ? [...itemsById.values()].filter((item) => item.inside).map((item) => item.id) : []) });
  if (fitting().k >= EASY) fit();
  else if (state.step === Infinity || !stopAt(state.step)) glide((aim = starting)());
  else lookAtStep(stopAt(state.step), showCard);
}

// The thing of an item, closed or open.
function thingOf(id) {
  enterLevel(levelOf.get(id));
  return stage.things.get(`item${id}`) || stage.things.get(`frame${id}`);
}

// Make the things of a level, if all the layers around it are open.
function enterLevel(level) {
  const around = aroundLevel.get(level);
  if (!around) return;
  const frame = thingOf(around);
  if (frame && frame.within) enter(stage, frame);
}

const shownElement = (id) => (thingOf(id) || {}).element;

// The left end and middle of an item, open or closed.
function cornerOf(id) {
  const thing = thingOf(id);
  return thing && [thing.at[0], thing.at[1] + (thing.kind === "frame" ? thing.at[3] / 2 : 0)];
}

// Open the layers around an item and bring it to the middle of the screen.
function centre(id) {
  reveal(levelOf.get(id));
  centreThing(thingOf(id));
}

// Open the layers that a level is in.
function reveal(level) {
  const open = new Set(state.open);
  for (let around = aroundLevel.get(level); around; around = aroundLevel.get(levelOf.get(around))) open.add(around);
  if (open.size !== state.open.size) update({ open });
}

function centreThing(thing) {
  if (!thing) return;
  const { box } = thing;
  const k = Math.max(stage.camera.k, 0.8);
  aim = null;
  glide({ x: (stage.wide - (box[0] + box[2]) * k) / 2, y: (stage.high - (box[1] + box[3]) * k) / 2, k });
}

document.addEventListener("click", (event) => {
  const layer = event.target.closest("#picture .opens");
  if (layer && !dragged) toggle(Number(layer.dataset.item));
});
