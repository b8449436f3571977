// All values as a table, which is always there for a screen reader. And the help.

const table = document.getElementById("table");
const tableButton = document.getElementById("as-table");
const body = table.querySelector("tbody");
const COLUMNS = ["name", "value", "gradient", "made by", "used by"];
let isFilled = false;

function fillTable() {
  if (isFilled) return;
  isFilled = true;
  body.append(...data.rows.map(([name, value, gradient, by, users]) =>
    made("tr", {}, ...[name || "—", value, gradient, by, users.join(", ")].map((words, i) =>
      made(i ? "td" : "th", i ? { textContent: words } : { textContent: words, scope: "row" })))));
  showRows();
}

// Write the numbers of now into the rows that can change.
function showRows() {
  if (!isFilled) return;
  data.rows.forEach(([, value, gradient, , , nodes], i) => {
    if (!nodes) return;
    const cells = body.rows[i].cells;
    if (nodes.value !== undefined) cells[1].textContent = isFresh(nodes.value) ? textOf(run.value(nodes.value), digits) : value;
    if (nodes.gradient) cells[2].textContent = isFresh(nodes.gradient.node, nodes.gradient.right) ? rowGradient(nodes.gradient) : gradient;
  });
}

function rowGradient(behind) {
  const text = (n) => textOf(run.value(n), digits, true);
  return isWrong(behind) ? beside(text(behind.node), text(behind.right)) : text(behind.node);
}

function toggleTable(opened = table.classList.contains("unseen")) {
  fillTable();
  table.classList.toggle("unseen", !opened);
  tableButton.setAttribute("aria-expanded", opened);
  if (!opened) table.removeAttribute("tabindex");
  else table.tabIndex = 0;
}

// What lies over the picture or beside it goes away: all numbers stay.
function closeAll() {
  pause();
  toggleTable(false);
  toggleSource(false);
  field.value = "";
  find("");
  field.blur();
  if (state.step !== Infinity) update({ step: Infinity });
}

// --- help -------------------------------------------------------------------------------------------------------------

const help = document.getElementById("help");

function showHelp() {
  if (!help.querySelector("dt")) {
    const list = help.querySelector("dl");
    for (const [key, row] of KEYS) if (row.says) list.append(made("dt", {}, made("kbd", { textContent: row.key || key })), made("dd", { textContent: row.says }));
  }
  help.showModal();
}

KEYS.set("Enter", { does: () => {}, says: "open or close a layer, change an input" });
KEYS.set("t", { does: () => toggleTable(), says: "table of all values" });
KEYS.set("Escape", { does: closeAll, says: "close table, source, search and card", key: "Esc" });
KEYS.set("?", { does: showHelp, says: "this help" });
tableButton.addEventListener("click", () => toggleTable());
document.getElementById("asks").addEventListener("click", showHelp);
table.querySelector("thead").append(made("tr", {}, ...COLUMNS.map((words) => made("th", { textContent: words, scope: "col" }))));
document.addEventListener("dout:change", showRows);
(window.requestIdleCallback || setTimeout)(fillTable);
