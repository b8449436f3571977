// The stage: elements for the things that are on screen, the camera, and moving from one layout to the next.
//
// Only what is on screen (and a margin) and large enough to be made out is in the document: that is what keeps a
// picture of thousands of nodes quick.

const MOVING = 200; // ms that opening a layer takes to the eye
const MARGIN = 28;
const STILL = window.matchMedia("(prefers-reduced-motion: reduce)");

function makeStage(svg) {
  const groups = {};
  for (const kind of ["frame", "edge", "node", "label"]) groups[kind] = element("g", { class: `${kind}s` });
  const over = element("g", { class: "over" }); // for what steps draw: ring, pointer, card
  const world = element("g", { class: "world" }, ...Object.values(groups), over);
  svg.append(world);
  const stage = { svg, world, over, groups, things: new Map(), camera: { x: 0, y: 0, k: 1 }, step: 0 };
  stage.stop = () => {}; // ends the movement of things to their places
  stage.looked = () => {}; // what else depends on the camera
  stage.culled = { box: [0, 0, 0, 0], k: 0 };
  Object.assign(stage, { wide: svg.clientWidth, high: svg.clientHeight }); // asked once: it makes the browser lay out
  return stage;
}

// --- camera -----------------------------------------------------------------------------------------------------------

// Look with this camera: {x, y} is where the origin is on screen, k the scale.
function look(stage, camera) {
  stage.camera = camera;
  stage.world.setAttribute("transform", `translate(${camera.x} ${camera.y}) scale(${camera.k})`);
  stage.svg.classList.toggle("far", camera.k < READABLE);
  const old = stage.culled;
  const nearer = camera.k > old.k && (camera.k > old.k * 1.2 || old.k < READABLE === camera.k >= READABLE);
  if (nearer || camera.k < old.k * 0.6 || !holds(old.box, viewOf(stage))) cull(stage);
  stage.looked(camera);
}

// The visible box, in the picture's own units.
function viewOf({ wide, high, camera: { x, y, k } }) {
  return [-x / k, -y / k, (wide - x) / k, (high - y) / k];
}

const holds = (outer, inner) =>
  outer[0] <= inner[0] && outer[1] <= inner[1] && outer[2] >= inner[2] && outer[3] >= inner[3];
const meets = (a, b) => a[0] <= b[2] && a[2] >= b[0] && a[1] <= b[3] && a[3] >= b[1];

// Keep the elements on screen, or near it, in the document; take the others out.
function cull(stage, everything = false) {
  const [left, top, right, bottom] = viewOf(stage);
  const [wide, high] = [(right - left) / 2, (bottom - top) / 2];
  const all = [-Infinity, -Infinity, Infinity, Infinity];
  const box = everything ? all : [left - wide, top - high, right + wide, bottom + high];
  const scale = everything ? Infinity : stage.camera.k;
  const fresh = { frame: [], edge: [], node: [], label: [] };
  for (const thing of stage.things.values()) { // with those that join meanwhile
    const met = meets(thing.box, box);
    if (met && thing.within && thing.near <= scale) enter(stage, thing);
    const wanted = met && thing.from <= scale;
    if (wanted && !thing.shown) {
      if (!thing.element) {
        thing.element = MAKERS[thing.kind](thing.source);
        mark(thing.element, stage.step);
      }
      putElement(thing.element, thing.kind, thing.now || thing.at);
      fresh[thing.kind].push(thing.element);
    } else if (!wanted && thing.shown && !thing.element.contains(document.activeElement)) {
      thing.element.remove();
    } else continue;
    thing.shown = wanted;
  }
  addFrames(stage, new Set(fresh.frame));
  for (const kind of ["edge", "node", "label"]) stage.groups[kind].append(...fresh[kind]);
  stage.culled = { box, k: stage.camera.k };
}

// Put fresh frames among those that are there: inner ones above those around them.
function addFrames(stage, fresh) {
  if (!fresh.size) return;
  const shown = [...stage.things.values()].filter((thing) => thing.kind === "frame" && thing.shown);
  let above = null;
  for (const { element: frame } of shown.reverse()) {
    if (fresh.has(frame)) stage.groups.frame.insertBefore(frame, above);
    above = frame;
  }
}

// --- things -----------------------------------------------------------------------------------------------------------

// Make the things in a frame. Of a large picture nobody looks into most.
function enter(stage, frame) {
  for (const thing of frame.within()) stage.things.set(thing.key, thing);
  frame.within = null;
}

// Show these things in place of the ones before; those that stay move to their new places.
function showThings(stage, things, moving) {
  const before = stage.things;
  stage.things = new Map(things.map((thing) => [thing.key, thing]));
  for (const thing of stage.things.values()) {
    const old = before.get(thing.key);
    if (thing.within && old && !old.within) enter(stage, thing);
  }
  for (const [key, old] of before) {
    const thing = stage.things.get(key);
    if (thing) {
      thing.element = old.element;
      thing.shown = old.shown;
      thing.was = old.now || old.at;
    } else if (old.shown) old.element.remove();
  }
  stage.stop();
  const moved = [...stage.things.values()].filter((thing) => thing.shown && thing.was && !sameNumbers(thing.was, thing.at));
  const slowly = moving && !STILL.matches && moved.length <= 1500;
  if (slowly) for (const thing of moved) thing.now = thing.was;
  else for (const thing of moved) putElement(thing.element, thing.kind, thing.at);
  stage.svg.classList.toggle("lively", slowly); // what is new fades in
  cull(stage);
  if (slowly) move(stage, moved);
}

function sameNumbers(a, b) {
  for (let i = 0; i < b.length; i++) if (Math.abs(a[i] - b[i]) > 0.05) return false;
  return true;
}

function move(stage, moved) {
  stage.stop = animate((part) => {
    for (const thing of moved) {
      thing.now = part < 1 ? thing.was.map((n, i) => n + (thing.at[i] - n) * part) : null;
      if (thing.shown) putElement(thing.element, thing.kind, thing.now || thing.at);
    }
    if (part === 1) stage.svg.classList.remove("lively");
  });
}

// Call `does` in every frame with the part of a movement that is over, until that is 1; return how to stop it.
function animate(does) {
  const start = performance.now();
  let running = 0;
  const frame = (time) => {
    const part = Math.min(1, Math.max(0, time - start) / MOVING);
    does(part * part * (3 - 2 * part)); // slow at both ends
    if (part < 1) running = requestAnimationFrame(frame);
  };
  frame(start);
  return () => cancelAnimationFrame(running);
}

// Hide the values and gradients of later steps.
function showStep(stage, step) {
  stage.step = step;
  for (const thing of stage.things.values()) if (thing.element) mark(thing.element, step);
}

function mark(made, step) {
  for (const part of made.querySelectorAll("[data-since]")) {
    part.classList.toggle("later", Number(part.dataset.since) > step);
  }
}
