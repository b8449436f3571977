// Pan, zoom and fit: by pointer, wheel, two fingers and buttons.

const CLOSEST = 6;
const LARGEST_FIT = 1.25;
const EASY = 0.6; // the scale from which numbers are read without effort
const LEGIBLE = 0.85; // the scale at which the smallest number, of 11 pixels, has more than 9 on screen
let dragged = false; // whether the last press moved the picture: then it was no click

// The least that anyone may zoom out: the whole picture in half the screen.
const farthest = () => Math.min(0.5, fitting().k / 2);

function fitting() {
  const [width, height] = stage.size;
  const { wide, high } = stage;
  const k = Math.min(LARGEST_FIT, wide / (width + 2 * MARGIN), high / (height + 2 * MARGIN));
  return { x: (wide - width * k) / 2, y: (high - height * k) / 2, k };
}

// The first look: the whole picture, or where that could not be read, its start.
function starting() {
  const whole = fitting();
  const k = 0.75;
  const seen = [...stage.things.values()].map((thing) => thing.box).filter((box) => box[0] < stage.wide / k);
  if (whole.k >= EASY || !seen.length) return whole;
  const middle = seen.reduce((sum, box) => sum + box[1] + box[3], 0) / (2 * seen.length);
  return { x: MARGIN, y: stage.high / 2 - middle * k, k };
}

// The function that chose the camera, to choose again when the window changes; null once somebody moved the picture.
let aim = starting;

function fit() {
  aim = fitting;
  chosen = false;
  glide(fitting());
}

let endGliding = () => {};
let chosen = false; // whether somebody chose the scale by hand: steps keep it

function stopGliding() {
  endGliding();
  stage.heading = null;
}

// Move the camera there, in sight; `stage.heading` is where it will be.
function glide(target) {
  stopGliding();
  const from = stage.camera;
  stage.heading = target;
  const arrive = (camera) => {
    stage.heading = camera === target ? null : target;
    look(stage, camera);
  };
  if (STILL.matches) {
    arrive(target);
    return;
  }
  endGliding = animate((part) => {
    const between = (name) => from[name] + (target[name] - from[name]) * part;
    arrive(part < 1 ? { x: between("x"), y: between("y"), k: between("k") } : target);
  });
}

// The camera that shows a list of boxes, the most important first: those that are then out of sight stay so. It is the
// one of now where that shows them, large enough to be read.
function cameraOn(boxes) {
  const { wide, high, camera } = stage;
  const k = Math.min(1, Math.max(camera.k, LEGIBLE));
  const least = chosen ? Math.min(k, Math.max(camera.k, READABLE)) : k;
  const both = (a, b) => [Math.min(a[0], b[0]), Math.min(a[1], b[1]), Math.max(a[2], b[2]), Math.max(a[3], b[3])];
  const [room, rise] = [(wide - 2 * MARGIN) / least, (high - 2 * MARGIN) / least];
  const box = boxes.reduce((whole, next) => {
    const grown = both(whole, next);
    return grown[2] - grown[0] > room || grown[3] - grown[1] > rise ? whole : grown;
  });
  const scale = camera.k >= least ? Math.max(least, Math.min(camera.k, room * least / (box[2] - box[0]), rise * least / (box[3] - box[1]))) : least;
  const rim = MARGIN / 2 / scale; // for the ring around the item
  if (scale === camera.k && holds(viewOf(stage), [box[0] - rim, box[1] - rim, box[2] + rim, box[3] + rim])) return camera;
  return { x: (wide - (box[0] + box[2]) * scale) / 2, y: (high - (box[1] + box[3]) * scale) / 2, k: scale };
}

function zoomAt(x, y, factor) {
  stopGliding();
  aim = null;
  chosen = true;
  const { camera } = stage;
  const k = Math.min(CLOSEST, Math.max(farthest(), camera.k * factor));
  look(stage, { x: x - ((x - camera.x) * k) / camera.k, y: y - ((y - camera.y) * k) / camera.k, k });
}

const zoomBy = (factor) => zoomAt(stage.wide / 2, stage.high / 2, factor);

function panBy(dx, dy) {
  stopGliding();
  aim = null;
  const { x, y, k } = stage.camera;
  look(stage, { x: x + dx, y: y + dy, k });
}

// Look again in a window of this size. A frame that a notebook hides or has not laid out has none: then nothing is drawn
// until it has one.
function sized(wide, high) {
  if (!wide || !high) return;
  Object.assign(stage, { wide, high });
  look(stage, aim ? aim() : stage.camera);
}
new ResizeObserver(() => sized(picture.clientWidth, picture.clientHeight)).observe(picture);

// --- pointers ---------------------------------------------------------------------------------------------------------

const pressed = new Map(); // pointer → where it is
let pending = null; // moves since the last frame

function onFrame() {
  const { dx, dy, x, y, factor } = pending;
  pending = null;
  panBy(dx, dy);
  if (factor !== 1) zoomAt(x, y, factor);
}

function later(change) {
  if (!pending) {
    pending = { dx: 0, dy: 0, x: 0, y: 0, factor: 1 };
    requestAnimationFrame(onFrame);
  }
  pending.dx += change.dx || 0;
  pending.dy += change.dy || 0;
  if (change.factor) Object.assign(pending, { x: change.x, y: change.y, factor: pending.factor * change.factor });
}

const placeOf = (event) => {
  const box = picture.getBoundingClientRect();
  return [event.clientX - box.left, event.clientY - box.top];
};

picture.addEventListener("pointerdown", (event) => {
  if (event.button) return;
  if (!pressed.size) dragged = false;
  pressed.set(event.pointerId, placeOf(event));
});

window.addEventListener("pointermove", (event) => {
  if (event.pointerType === "mouse" && !event.buttons) pressed.clear(); // let go outside of the window
  if (!pressed.has(event.pointerId)) return;
  const before = [...pressed.values()];
  const old = pressed.get(event.pointerId);
  const now = placeOf(event);
  if (!dragged && pressed.size === 1 && Math.hypot(now[0] - old[0], now[1] - old[1]) < 4) return;
  dragged = true;
  picture.classList.add("dragging");
  pressed.set(event.pointerId, now);
  const after = [...pressed.values()];
  const middle = (places) => [0, 1].map((i) => places.reduce((sum, place) => sum + place[i], 0) / places.length);
  const [[x0, y0], [x, y]] = [middle(before), middle(after)];
  const spread = (places) => Math.hypot(places[0][0] - places[1][0], places[0][1] - places[1][1]) || 1;
  const factor = after.length === 2 ? spread(after) / spread(before) : 0;
  later({ dx: x - x0, dy: y - y0, x, y, factor });
});

for (const name of ["pointerup", "pointercancel"]) {
  window.addEventListener(name, (event) => {
    pressed.delete(event.pointerId);
    if (!pressed.size) picture.classList.remove("dragging");
  });
}

picture.addEventListener("wheel", (event) => {
  event.preventDefault();
  const [x, y] = placeOf(event);
  const lines = event.deltaMode === 1 ? 16 : 1;
  if (event.shiftKey) later({ dx: -event.deltaY * lines - event.deltaX * lines });
  else later({ x, y, factor: Math.exp(-event.deltaY * lines * (event.ctrlKey ? 0.01 : 0.0015)) });
}, { passive: false });
