// Changing an input: press it, or Enter on it, and type; everything that follows is computed while you type. The cells of
// an array stand in rows as long as its last axis; a single number is one cell.

const editor = document.getElementById("editor");
const cells = document.getElementById("cells");
const trouble = document.getElementById("trouble");
const reset = document.getElementById("reset");
let edited = null; // {id, first, dtype, before}

function edit(id) {
  const item = itemsById.get(id);
  const { first, shape = [], dtype, why } = data.inputs[id];
  const count = why ? 1 : shape.reduce((a, b) => a * b, 1);
  edited = { id, first, dtype, before: why ? [] : Array.from({ length: count }, (_, i) => run.at(first + i)) };
  const columns = shape.length ? shape.at(-1) : 1;
  cells.className = count > 1 ? "grid" : "";
  cells.style.gridTemplateColumns = `repeat(${columns}, ${count > 1 ? 5 : 9}em)`;
  cells.replaceChildren(...Array.from({ length: count }, (_, i) => {
    const cell = made("input", { type: "text", inputMode: "decimal", autocomplete: "off", spellcheck: false, readOnly: Boolean(why) });
    cell.value = why ? nameOfKind(item) : shortest(edited.before[i]);
    cell.setAttribute("aria-label", `Value of ${item.text}${shape.length ? `[${indexOf(i, shape).join(", ")}]` : ""}`);
    cell.setAttribute("aria-describedby", "trouble");
    return cell;
  }));
  editor.setAttribute("aria-label", `Change ${item.text}`);
  editor.hidden = false;
  place(id);
  tell(cells.firstChild, why ? `Cannot be changed: ${why}` : "");
  cells.firstChild.select();
  cells.firstChild.focus({ preventScroll: true });
}

// Put the editor into sight where the input has its label, cells below it.
function place(id) {
  const [stem] = itemsById.get(id).stems || [];
  const { at: [x, y], box } = (stem && stem.label && stage.things.get(`label${stem.label.id}`)) || stage.things.get(`item${id}`);
  const [home, frame] = [editor.parentElement, picture].map((part) => part.getBoundingClientRect());
  const { camera } = stage;
  const within = (at, size, room) => Math.max(size + 8, Math.min(at, room - size - 8));
  editor.style.left = `${within(frame.left - home.left + x * camera.k + camera.x, editor.offsetWidth / 2, home.width)}px`;
  const above = cells.className ? box[3] * camera.k + 6 : y * camera.k - 34;
  editor.style.top = `${Math.max(8, Math.min(frame.top - home.top + above + camera.y, home.height - editor.offsetHeight - 8))}px`;
}

// The index of the i-th element.
const indexOf = (i, shape) => shape.map((n, axis) => Math.floor(i / shape.slice(axis + 1).reduce((a, b) => a * b, 1)) % n);

// A number as it was typed or might have been; the text for an input that is no number.
const shortest = (value) => (typeof value === "bigint" ? String(value) : reprOf(value).replace(/\.0$/, ""));
const nameOfKind = (item) => (item.hover || "").split("\n")[0].split(" = ").at(-1).slice(0, 40);

// Say what is wrong with a cell; say nothing if nothing is.
function tell(cell, why) {
  trouble.textContent = why && `${why}.`;
  cell.setAttribute("aria-invalid", Boolean(why));
}

function change(cell) {
  const value = typed(cell.value, edited.dtype);
  const why = value === null ? (cell.value.trim() ? "this is not a number" : "type a number") : tried(edited.first + [...cells.children].indexOf(cell), value);
  tell(cell, why && `Cannot recompute: ${why}`);
}

// Run with another number; return why that is refused.
function tried(place, value) {
  const why = refusal(() => run.set([[place, value]]));
  if (!why) showRun();
  return why;
}

function leave(keep) {
  if (!edited) return;
  const { id, first, before } = edited;
  edited = null;
  editor.hidden = true;
  if (!keep && before.some((value, i) => !same(value, run.at(first + i)))) {
    run.set(before.map((value, i) => [first + i, value]));
    showRun();
  }
  const shown = shownElement(id);
  if (shown) shown.focus({ preventScroll: true });
}

// The cell above or below: the arrows to the sides stay with the text.
function cellBeside(cell, rows) {
  const all = [...cells.children];
  const columns = getComputedStyle(cells).gridTemplateColumns.split(" ").length;
  return all[all.indexOf(cell) + rows * columns];
}

cells.addEventListener("input", ({ target }) => change(target));
editor.addEventListener("focusout", ({ relatedTarget }) => editor.contains(relatedTarget) || leave(true));
cells.addEventListener("keydown", (event) => {
  const rows = { ArrowUp: -1, ArrowDown: 1 }[event.key];
  if (event.key !== "Enter" && event.key !== "Escape" && !rows) return;
  event.preventDefault();
  event.stopPropagation();
  if (!rows) leave(event.key === "Enter");
  else if (cellBeside(event.target, rows)) cellBeside(event.target, rows).select();
});
reset.addEventListener("click", () => {
  run.reset();
  showRun();
});
document.addEventListener("dout:change", () => (reset.hidden = !run.isChanged));
document.addEventListener("click", (event) => {
  const input = event.target.closest("#picture [data-item], #picture [data-label]");
  const id = input && editableOf(input);
  if (id && !dragged) edit(id);
});

// The input that an element belongs to: its name, or its label.
function editableOf(shown) {
  const id = shown.dataset.item ? Number(shown.dataset.item) : inputOfLabel.get(Number(shown.dataset.label));
  return data.inputs[id] ? id : 0;
}

const inputOfLabel = new Map([...itemsById.values()]
  .filter((item) => item.kind === "input" && item.stems && item.stems[0].label)
  .map((item) => [item.stems[0].label.id, item.id]));
