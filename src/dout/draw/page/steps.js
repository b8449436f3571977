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
  const stop = stops[Math.min(stops.length - 1, Math.max(0, i))];
  update({ step: stop.time });
  if (stop.item) bringIntoView(stop.item.id);
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
