// The card of a step beside its item, with a pointer and a ring around the item; the same words for a screen reader.

const CARD = { line: 17, pad: 12, gap: 34, ring: 5, columns: 54, letter: 8 };
const said = document.getElementById("said");

function cardOf({ item, way }) {
  const card = item && (data.cards[item.id] || [])[way];
  return card && { title: card.title, lines: card.lines.map(nowText) };
}

// A line with the numbers of now.
const nowText = (line) => (typeof line === "string" ? line : isFresh(line.result, line.right, ...(line.operands || [])) ? lineText(line, run, digits) : line.text);

function showCard() {
  const n = stopAt(state.step);
  const stop = stops[n];
  const card = state.step === Infinity ? null : cardOf(stop);
  const thing = card && stage.things.get(`item${stop.item.id}`);
  stage.over.replaceChildren();
  cardBox = null;
  cardCamera = cameraOfCard();
  const words = card ? [card.title, ...card.lines].join("; ") : state.step === 0 ? "The start: what is given" : "";
  if (said.textContent !== words) said.textContent = words;
  if (thing) stage.over.append(...drawnCard(n, thing, card, data.phases[stop.way] === "forward" ? "-forward" : ""));
}

function drawnCard(n, thing, card, kind) {
  const [x, y] = thing.at;
  const [left, top, right, bottom] = thing.source.body;
  const texts = [
    ...wrapped(card.title).map((words) => ["card-title", words]),
    ...card.lines.flatMap(wrapped).map((words) => [`card-line${kind}`, words]),
  ];
  const scale = 1 / Math.min(1, cameraOfCard().k); // readable when the picture is small
  const [line, pad] = [CARD.line * scale, CARD.pad * scale];
  const group = element("g", { class: "card-of-step", "aria-hidden": "true" });
  const written = texts.map(([style, words], i) => {
    const text = shapeElement(["t", style, 0, pad + line * (i + 0.72), "start", words]);
    text.style.fontSize = `${13 * scale}px`;
    return text;
  });
  stage.over.append(...written); // to be measured
  const wide = Math.max(...written.map((text) => text.getComputedTextLength())) + 2 * pad;
  const high = texts.length * line + 2 * pad - 4;
  const middle = x + (left + right) / 2;
  const [cardX, cardY] = placeOfCard(n, thing, [x + left, y + top, x + right, y + bottom], wide, high);
  cardBox = [cardX, cardY, cardX + wide, cardY + high];
  const from = cardY < y ? cardY + high : cardY;
  const to = cardY < y ? y + top - CARD.ring : y + bottom + CARD.ring;
  const start = Math.min(Math.max(middle, cardX + 10), cardX + wide - 10);
  const ring = CARD.ring;
  const radius = Math.min(right - left, bottom - top) / 2 + ring;
  written.forEach((text) => text.setAttribute("x", cardX + pad));
  written.forEach((text) => text.setAttribute("y", Number(text.getAttribute("y")) + cardY));
  group.append(
    element("path", { class: `pointer${kind}`, d: `M${start} ${from}L${middle} ${to}` }),
    shapeElement(["r", `ring${kind}`, x + left - ring, y + top - ring, right - left + 2 * ring, bottom - top + 2 * ring, radius]),
    shapeElement(["r", `card${kind}`, cardX, cardY, wide, high, 9]),
    ...written,
  );
  return [group];
}

// The camera when the picture has come to rest.
const cameraOfCard = () => stage.heading || stage.camera;

// Where a card hides least: neither its item nor what it speaks of, and little else. It is above or below.
function placeOfCard(n, thing, [left, top, right, bottom], wide, high) {
  const camera = cameraOfCard();
  const [seenLeft, seenTop, seenRight, seenBottom] = viewOf({ ...stage, camera });
  const own = [thing, ...labelsOf(n)];
  const gap = CARD.gap / Math.min(1, camera.k);
  const [highest, lowest] = [Math.min(...own.map(({ box }) => box[1])), Math.max(...own.map(({ box }) => box[3]))];
  const ys = [top - gap - high, bottom + gap, highest - 8 - high, lowest + 8, seenTop + 8, seenBottom - high - 8];
  const xs = [0.3, 0.5, 0, 1, 0.8].map((part) => (left + right) / 2 - wide * part);
  const near = [...stage.things.values()].filter(({ kind, box }) => kind !== "frame" && meets(box, [seenLeft, seenTop, seenRight, seenBottom]));
  const cost = ([x, y]) => {
    const box = [x, y, x + wide, y + high];
    const inside = holds([seenLeft, seenTop, seenRight, seenBottom], box) ? 0 : 1e4;
    const hidden = near.filter((other) => meets(other.box, box));
    const far = Math.max(top - y - high, y - bottom, 0) + Math.abs(x + wide * 0.3 - (left + right) / 2) / 4;
    return inside + (y < bottom && y + high > top ? 1e3 : 0) + 300 * hidden.filter((other) => own.includes(other)).length + 30 * hidden.length + far / 10;
  };
  const within = (x) => Math.min(Math.max(x, seenLeft + 8), Math.max(seenLeft + 8, seenRight - wide - 8));
  const places = ys.flatMap((y) => xs.map((x) => [within(x), y]));
  const costs = places.map(cost);
  return places[costs.indexOf(Math.min(...costs))];
}

// Words in lines of a readable length.
function wrapped(text) {
  const lines = [""];
  const columns = Math.min(CARD.columns, Math.floor((stage.wide - 2 * CARD.pad - 16) / CARD.letter));
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length > columns) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

let cardCamera = stage.camera; // when the card was drawn
let cardBox = null;

// A camera moved so far that the card is in sight.
function withCard(camera) {
  if (!cardBox) return camera;
  const view = viewOf({ ...stage, camera });
  const [dx, dy] = [0, 1].map((i) => Math.max(0, cardBox[i + 2] - view[i + 2] + 8) || Math.min(0, cardBox[i] - view[i] - 8));
  return dx || dy ? { x: camera.x - dx * camera.k, y: camera.y - dy * camera.k, k: camera.k } : camera;
}

stage.looked = ({ x, y, k }) => {
  if (!stage.over.firstChild || stage.heading) return;
  const moved = Math.hypot(x - cardCamera.x, y - cardCamera.y) > 40;
  if (moved || Math.abs(k / cardCamera.k - 1) > 0.1) showCard();
};
document.addEventListener("dout:change", showCard);
