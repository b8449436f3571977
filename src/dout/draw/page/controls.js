// Buttons and keys. A key is a row in KEYS: what it does, and the words for it; other files may add rows.

const KEYS = new Map();
KEYS.set("f", { does: () => fit(), says: "fit the picture" });
KEYS.set("/", { does: () => field.select(), says: "search" });
KEYS.set("d", { does: () => darken(), says: "dark or light" });
KEYS.set("+", { does: () => zoomBy(1.25), says: "closer" });
KEYS.set("=", { does: () => zoomBy(1.25) });
KEYS.set("-", { does: () => zoomBy(0.8), says: "farther" });

const BUTTONS = {
  "open-all": () => setAll(true),
  "close-all": () => setAll(false),
  closer: () => zoomBy(1.25),
  farther: () => zoomBy(0.8),
  fit: () => fit(),
  dark: () => darken(),
};

// From dark to light and back; at first as the reader's system has it, or as the picture was asked for.
function darken() {
  const root = document.documentElement;
  const asked = root.dataset.theme;
  const dark = asked ? asked === "dark" : window.matchMedia("(prefers-color-scheme: dark)").matches;
  root.dataset.theme = dark ? "light" : "dark";
}

for (const [id, does] of Object.entries(BUTTONS)) document.getElementById(id).addEventListener("click", does);

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || ownKey(event)) return;
  const item = event.target.closest("#picture [data-item]");
  const row = KEYS.get(event.key);
  if (item && (event.key === "Enter" || event.key === " ") && activate(item)) event.stopPropagation();
  else if (row) row.does(event);
  else return;
  event.preventDefault();
});

// True if the focused element needs the key itself: fields any key, a slider its arrows, a button Enter and Space.
function ownKey({ key, target }) {
  if (key === "Escape") return Boolean(target.closest("dialog")); // it closes itself
  if (target.matches("[type=range]")) return /^(Arrow|Page|Home|End)/.test(key);
  return target.matches("input, dialog, dialog *") || (target.matches("button") && (key === "Enter" || key === " "));
}

// Open or close a layer, begin to change an input; return whether it was one of them.
function activate(item) {
  const input = editableOf(item);
  if (item.matches(".opens")) toggle(Number(item.dataset.item));
  else if (input) edit(input);
  else return false;
  return true;
}

// On paper the whole picture is shown, whatever was on screen.
window.addEventListener("beforeprint", () => {
  const [width, height] = stage.size;
  cull(stage, true);
  stage.svg.classList.remove("far");
  stage.world.removeAttribute("transform");
  stage.svg.setAttribute("viewBox", `${-MARGIN} ${-MARGIN} ${width + 2 * MARGIN} ${height + 2 * MARGIN}`);
});
window.addEventListener("afterprint", () => {
  stage.svg.removeAttribute("viewBox");
  look(stage, stage.camera);
  cull(stage);
});
