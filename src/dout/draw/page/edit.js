// Changing an input: press it, or Enter on it, and type; everything that follows is computed while you type.

const editor = document.getElementById("editor");
const numberField = document.getElementById("number");
const trouble = document.getElementById("trouble");
const reset = document.getElementById("reset");
let edited = null; // {item, node, dtype, before}

function edit(id) {
  const item = itemsById.get(id);
  const { node, dtype } = data.inputs[id] || {};
  const [stem] = item.stems || [];
  const label = (stem && stem.label && stage.things.get(`label${stem.label.id}`)) || stage.things.get(`item${id}`);
  const { x, y, k } = stage.camera;
  const home = editor.parentElement.getBoundingClientRect();
  const frame = picture.getBoundingClientRect();
  const why = node === undefined ? data.program.refuses || "only a single number can be changed" : run.why(node);
  edited = { id, node, dtype, before: run.value(node) };
  editor.hidden = false;
  numberField.readOnly = Boolean(why);
  editor.style.left = `${frame.left - home.left + label.at[0] * k + x}px`;
  editor.style.top = `${frame.top - home.top + label.at[1] * k + y}px`;
  numberField.setAttribute("aria-label", `Value of ${item.text}`);
  numberField.value = node === undefined ? nameOfKind(item) : shortest(edited.before);
  tell(why);
  numberField.select();
  numberField.focus();
}

// A number as it was typed or might have been; the text for an input that is no number.
const shortest = (value) => (typeof value === "bigint" ? String(value) : reprOf(value).replace(/\.0$/, ""));
const nameOfKind = (item) => (item.hover || "").split("\n")[0].split(" = ").at(-1).slice(0, 40);

// Say why an input cannot be changed; say nothing if it can.
function tell(why) {
  trouble.textContent = why ? `Cannot recompute: ${why}.` : "";
  numberField.setAttribute("aria-invalid", Boolean(why));
}

function change() {
  const value = typed(numberField.value, edited.dtype);
  tell(value === null ? (numberField.value.trim() ? "this is not a number" : "type a number") : tried(edited.node, value));
}

// Run with another number; return why that is refused.
function tried(node, value) {
  const why = refusal(() => run.set(node, value));
  if (!why) showRun();
  return why;
}

function leave(keep) {
  if (!edited) return;
  const { id, node, before } = edited;
  edited = null;
  editor.hidden = true;
  if (!keep && node !== undefined) {
    run.set(node, before);
    showRun();
  }
  const shown = shownElement(id);
  if (shown) shown.focus({ preventScroll: true });
}

function setInput(id, text) {
  const value = typed(text, data.inputs[id].dtype);
  return value === null ? "this is not a number" : tried(data.inputs[id].node, value);
}

numberField.addEventListener("input", change);
numberField.addEventListener("blur", () => leave(true));
numberField.addEventListener("keydown", (event) => {
  if (event.key === "Enter" || event.key === "Escape") {
    event.preventDefault();
    event.stopPropagation();
    leave(event.key === "Enter");
  }
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

// The input that an element belongs to, if it can be changed: its name, or its label.
function editableOf(shown) {
  const id = shown.dataset.item ? Number(shown.dataset.item) : inputOfLabel.get(Number(shown.dataset.label));
  return itemsById.has(id) && itemsById.get(id).kind === "input" ? id : 0;
}

const inputOfLabel = new Map([...itemsById.values()]
  .filter((item) => item.kind === "input" && item.stems && item.stems[0].label)
  .map((item) => [item.stems[0].label.id, item.id]));
