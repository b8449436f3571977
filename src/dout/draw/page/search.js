// Find items by name, symbol, variable or numbers; Enter goes from one to the next, opening layers on the way.

const field = document.getElementById("find");
let hits = [];
let hit = -1;

function find(words) {
  const wanted = words.trim().toLowerCase();
  hits = !wanted ? [] : [...itemsById.values()].filter((item) =>
    [item.text, item.caption, item.hover, ...(item.stems || []).map((stem) => stem.name)]
      .some((text) => text && text.toLowerCase().includes(wanted)));
  hit = -1;
  say();
}

function say() {
  const nothing = field.value.trim() ? "nothing found" : "";
  const which = hit < 0 ? "" : `${hit + 1} of `;
  document.getElementById("found").textContent = hits.length ? `${which}${hits.length} found` : nothing;
  for (const thing of document.querySelectorAll("#picture .found")) thing.classList.remove("found");
  const shown = hit < 0 ? null : shownElement(hits[hit].id);
  if (shown) shown.classList.add("found");
}

function next(by = 1) {
  if (!hits.length) return;
  hit = (hit + by + hits.length) % hits.length;
  centre(hits[hit].id);
  say();
}

field.addEventListener("input", () => find(field.value));
field.addEventListener("keydown", (event) => {
  if (event.key === "Enter") next(event.shiftKey ? -1 : 1);
  else return;
  event.preventDefault();
  event.stopPropagation();
});
