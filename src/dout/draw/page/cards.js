// The card of a step beside its item, with a pointer and a ring around the item; the same words for a screen reader.

const CARD = { line: 17, pad: 12, gap: 34, ring: 5, columns: 54 };
const said = document.getElementById("said");

function cardOf({ item, way }) {
  const card = item && (data.cards[item.id] || [])[way];
  return card && { title: card.title, lines: card.lines.map(nowText) };
}

// A line with the numbers of now.
const nowText = (line) => (typeof line === "string" ? line : run.isChanged ? lineText(line, run, digits) : line.text);

function showCard() {
  const stop = stops[stopAt(state.step)];
  const card = state.step === Infinity ? null : cardOf(stop);
  const thing = card && stage.things.get(`item${stop.item.id}`);
  stage.over.replaceChildren();
  cardScale = stage.camera.k;
  const words = card ? `${card.title}; ${card.lines.join("; ")}` : state.step === 0 ? "The start: what is given" : "";
  if (said.textContent !== words) said.textContent = words;
  if (thing) stage.over.append(...drawnCard(thing, card, data.phases[stop.way] === "forward" ? "-forward" : ""));
}

function drawnCard(thing, card, kind) {
  const [x, y] = thing.at;
  const [left, top, right, bottom] = thing.source.body;
  const texts = [
    ...wrapped(card.title).map((words) => ["card-title", words]),
    ...card.lines.flatMap(wrapped).map((words) => [`card-line${kind}`, words]),
  ];
  const scale = 1 / Math.min(1, stage.camera.k); // readable when the picture is small
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
  const [seenLeft, seenTop, seenRight, seenBottom] = viewOf(stage);
  const middle = x + (left + right) / 2;
  const cardX = Math.min(Math.max(middle - wide * 0.3, seenLeft + 8), Math.max(seenLeft + 8, seenRight - wide - 8));
  const [above, below] = [y + top - CARD.gap * scale - high, y + bottom + CARD.gap * scale];
  const hides = (at) => (at < seenTop || at + high > seenBottom ? 99 : 0) + covered([cardX, at, cardX + wide, at + high]);
  const cardY = hides(below) < hides(above) ? below : above;
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

// The number of labels and items under a box.
const covered = (box) => [...stage.things.values()].filter((thing) => thing.shown && /node|label/.test(thing.kind) && meets(thing.box, box)).length;

// Words in lines of a readable length.
function wrapped(text) {
  const lines = [""];
  for (const word of text.split(" ")) {
    if (lines.at(-1) && lines.at(-1).length + word.length > CARD.columns) lines.push("");
    lines.push(`${lines.pop()} ${word}`.trim());
  }
  return lines;
}

// Move the picture so that an item is in sight.
function bringIntoView(id) {
  const { box } = stage.things.get(`item${id}`) || {};
  if (!box) return;
  const [left, top, right, bottom] = viewOf(stage);
  if (box[0] < left || box[1] < top || box[2] > right || box[3] > bottom) centre(id);
}

let cardScale = 0; // the camera's, when the card was drawn

stage.looked = ({ k }) => {
  if (stage.over.firstChild && Math.abs(k / cardScale - 1) > 0.1) showCard();
};
document.addEventListener("dout:change", showCard);
