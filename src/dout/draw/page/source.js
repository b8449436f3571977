// The source beside the picture, with the lines of the current step lit.

const sourcePanel = document.getElementById("source");
const sourceButton = document.getElementById("as-source");
const sourceLines = sourcePanel.querySelector("ol");
const { files, places: linesOfItems } = data.source;
let shownFile = -1;

function showSource() {
  if (sourcePanel.hidden) return;
  const { item, way } = stops[stopAt(state.step)];
  const lit = state.step === Infinity || !item ? [] : (linesOfItems[item.id] || [])[way] || [];
  const start = shownFile < 0 && !lit.length ? firstLines() : lit; // before the first step, where the run begins
  const file = start.length ? start[0][0] : Math.max(0, shownFile);
  if (file !== shownFile) {
    shownFile = file;
    sourcePanel.querySelector("p").textContent = files[file].name;
    sourceLines.replaceChildren(...files[file].lines.map((line) => made("li", { textContent: line })));
  }
  for (const line of sourceLines.querySelectorAll(".lit")) line.className = "";
  const rows = lit.filter((place) => place[0] === file).map((place) => sourceLines.children[place[1] - 1]).filter(Boolean);
  for (const row of rows) row.className = `lit ${data.phases[way]}`;
  if (rows.length) sourcePanel.scrollTop = rows[0].offsetTop - sourcePanel.clientHeight / 2;
  else if (start.length) sourcePanel.scrollTop = sourceLines.children[start[0][1] - 1].offsetTop - sourcePanel.clientHeight / 4;
}

const firstLines = () => stops.map(({ item, way }) => (item && (linesOfItems[item.id] || [])[way]) || []).find((lines) => lines.length) || [];

function toggleSource(shown = sourcePanel.hidden) {
  sourcePanel.hidden = !(shown && files.length);
  sourceButton.setAttribute("aria-expanded", !sourcePanel.hidden);
  showSource();
  sized(picture.clientWidth, picture.clientHeight);
  if (state.step !== Infinity) lookAtStep(stopAt(state.step), showCard);
}

sourceButton.hidden = !files.length;
sourceButton.addEventListener("click", () => toggleSource());
if (files.length) KEYS.set("s", { does: () => toggleSource(), says: "the source" });
document.addEventListener("dout:change", showSource);
