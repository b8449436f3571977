// The timeline: which steps there are for the layers that are open, and going from one to another.
//
// A stop is {time, item, way}: way 0 as the picture is drawn, 1 back again; `data.phases` are their names. `time` counts as
// `since` of labels does: every item that is a step, way 0, then all of them, way 1, as if every layer were open. A closed
// layer is one stop, when the last item in it has worked.

const places = new Map(); // item → [first, last] place in the run of what it is, or holds
const LAST = Math.max(0, ...data.levels[0].items.map((item) => placesOf(item)[1]));

function placesOf(item) {
  if (!places.has(item.id)) {
    let found = item.place ? [item.place, item.place] : [Infinity, 0];
    for (const [first, last] of item.inside ? data.levels[item.inside].items.map(placesOf) : []) {
      found = [Math.min(found[0], first), Math.max(found[1], last)];
    }
    places.set(item.id, found);
  }
  return places.get(item.id);
}

// Every stop, in order; the first is the start, where only what is given is there.
function stopsOf(open) {
  const seen = [];
  const collect = (level) => {
    for (const item of data.levels[level].items) {
      if (item.inside && open.has(item.id)) collect(item.inside);
      else if (placesOf(item)[1]) seen.push(item);
    }
  };
  collect(0);
  const stops = data.phases.flatMap((_, way) => seen.map((item) => {
    const [first, last] = placesOf(item);
    return { time: way ? 2 * LAST + 1 - first : last, item, way };
  }));
  return [{ time: 0, item: null, way: 0 }, ...stops.sort((a, b) => a.time - b.time)];
}

let stops = stopsOf(state.open);

const stopAt = (step) => Math.max(0, stops.findLastIndex((stop) => stop.time <= step));

function goTo(i, playing = false) {
  if (!playing) pause();
  const n = Math.min(stops.length - 1, Math.max(0, i));
  lookAtStep(n, () => update({ step: stops[n].time }));
}

// Do something, and move the picture so that a step is in sight, with its card.
function lookAtStep(n, does) {
  let camera = n ? cameraOn(boxesOf(n)) : stage.camera;
  stage.heading = camera; // the card is drawn for where the picture will be
  does();
  stage.heading = null;
  camera = withCard(camera);
  if (camera === stage.camera) return;
  aim = null;
  glide(camera);
}

// --- what a step is about ---------------------------------------------------------------------------------------------

// The labels a step speaks of: on the edges into its item and out of it, and those whose number appears with it.
function labelsOf(n) {
  const { item, time } = stops[n];
  const before = n ? stops[n - 1].time : 0;
  const shown = new Set([...labelsInto(levelOf.get(item.id), item), ...(item.stems || []).map((stem) => stem.label)]);
  return [...stage.things.values()].filter(({ kind, source }) => kind === "label" && (shown.has(source) ||
    [source.valueSince, source.gradientSince].some((since) => since > before && since <= time)));
}

// The labels on the edges into an item, or into one of its ports; at the border of an open layer, those outside.
function labelsInto(number, item, port = null) {
  const level = data.levels[number];
  const at = level.items.indexOf(item);
  const links = level.links.filter((link) => link[2] === at && (port === null || link[3] === port));
  return links.flatMap(([from, stem]) => {
    const source = level.items[from];
    if (!source) return level.branches.filter(({ block }) => block === from).map(({ label }) => label);
    const label = ((source.stems || [])[stem] || {}).label;
    if (label || source.kind !== "entry") return [label];
    const around = itemsById.get(aroundLevel.get(number));
    const entry = level.items.filter(({ kind }) => kind === "entry").indexOf(source);
    return around ? labelsInto(levelOf.get(around.id), around, entry) : [];
  }).filter(Boolean);
}

// The boxes of a step, its item first, then its labels from the nearest on.
function boxesOf(n) {
  const thing = thingOf(stops[n].item.id);
  const [x, y] = [0, 1].map((i) => (thing.box[i] + thing.box[i + 2]) / 2);
  const away = ({ at }) => Math.abs(at[0] - x) + Math.abs(at[1] - y);
  return [thing, ...labelsOf(n).sort((a, b) => away(a) - away(b))].map(({ box }) => box);
}

const stepBy = (by) => goTo(state.step === Infinity && by < 0 ? stops.length - 1 : stopAt(state.step) + by);

// --- playing ----------------------------------------------------------------------------------------------------------

const PACE = 1100; // ms a step
let playing = 0;

function play() {
  if (playing) {
    pause();
    return;
  }
  if (stopAt(state.step) === stops.length - 1) update({ step: 0 });
  playing = setInterval(() => {
    const i = stopAt(state.step) + 1;
    goTo(i, true);
    if (i >= stops.length - 1) pause();
  }, PACE);
  showPlaying();
}

function pause() {
  clearInterval(playing);
  playing = 0;
  showPlaying();
}

// --- the pill ---------------------------------------------------------------------------------------------------------

const ICONS = {
  first: "M4 4h2v12h-2zM16 4v12l-9-6z",
  back: "M14 4v12l-9-6z",
  play: "M5 3v14l11-7z",
  pause: "M5 4h3.5v12h-3.5zM11.5 4h3.5v12h-3.5z",
  onward: "M6 4v12l9-6z",
  last: "M14 4h2v12h-2zM4 4v12l9-6z",
};

function icon(name) {
  return element("svg", { viewBox: "0 0 20 20", "aria-hidden": "true" }, element("path", { d: ICONS[name] }));
}

// An HTML element with these properties and children.
function made(tag, properties = {}, ...children) {
  const node = Object.assign(document.createElement(tag), properties);
  node.append(...children);
  return node;
}

const pill = document.getElementById("timeline");
const slider = made("input", { type: "range", id: "step", min: 0 });
const count = made("output", { id: "count" });
const playButton = made("button", { id: "play", type: "button", onclick: play }, icon("play"));
const phases = data.phases.map((phase) => {
  const bar = made("span", { className: "bar" });
  return { bar, part: made("span", { className: `part ${phase}` }, made("span", { className: "word" }, phase), bar) };
});

function makePill() {
  const button = (name, words, does) => {
    const found = made("button", { type: "button", id: name, onclick: does }, icon(name));
    found.setAttribute("aria-label", words);
    return found;
  };
  slider.setAttribute("aria-label", "Step of the run");
  slider.addEventListener("input", () => goTo(Number(slider.value)));
  const track = made("span", { className: "track" }, ...phases.map(({ part }) => part), slider);
  pill.append(
    made("span", { className: "buttons" },
      button("first", "First step", () => goTo(0)), button("back", "Previous step", () => stepBy(-1)), playButton,
      button("onward", "Next step", () => stepBy(1)), button("last", "Last step", () => goTo(stops.length - 1))),
    track, count,
  );
  pill.setAttribute("aria-label", "Steps of the run");
  pill.hidden = LAST === 0;
  showPlaying();
}

function showPlaying() {
  playButton.replaceChildren(icon(playing ? "pause" : "play"));
  playButton.setAttribute("aria-label", playing ? "Pause" : "Play");
}

// Show on the pill where the run is.
function showTime() {
  const [i, last] = [stopAt(state.step), stops.length - 1];
  const ahead = stops.filter((stop) => stop.item && stop.way === 0).length;
  const phase = data.phases[stops[i].way];
  Object.assign(slider, { max: last, value: i });
  slider.setAttribute("aria-valuetext", i ? `step ${i} of ${last}, ${phase}` : `the start, before step 1 of ${last}`);
  slider.dataset.phase = phase;
  count.textContent = `step ${i} / ${last}`;
  phases.forEach(({ part, bar }, n) => {
    const [size, done] = n ? [last - ahead, i - ahead] : [ahead, i];
    part.style.flexGrow = size;
    bar.style.setProperty("--done", `${100 * Math.min(1, Math.max(0, size ? done / size : 0))}%`);
  });
}

document.addEventListener("dout:change", ({ detail: { before } }) => {
  if (before.open !== state.open) stops = stopsOf(state.open);
  showTime();
});

KEYS.set("ArrowLeft", { does: () => stepBy(-1), says: "previous step", key: "←" });
KEYS.set("ArrowRight", { does: () => stepBy(1), says: "next step", key: "→" });
KEYS.set("Home", { does: () => goTo(0), says: "first step" });
KEYS.set("End", { does: () => goTo(stops.length - 1), says: "last step" });
KEYS.set(" ", { does: play, says: "play or pause", key: "Space" });

makePill();
showTime();
