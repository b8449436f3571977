// A row that has the pointer or the focus lights up with everything of the same name: its value, and its gradient.
"use strict";
const light = (row) => {
  for (const lit of document.querySelectorAll(".lit")) lit.classList.remove("lit");
  if (!row) return;
  const { name, step } = row.dataset;
  row.classList.add("lit");
  for (const other of document.querySelectorAll("tr[data-step]")) {
    if (step && other.dataset.step === step) other.classList.add("lit");
  }
  for (const named of document.querySelectorAll("[data-name]:not(tr)")) {
    if (name && [name, `∂L/∂${name}`, `d${name}`].includes(named.dataset.name)) named.classList.add("lit");
  }
};
for (const row of document.querySelectorAll("tr[tabindex]")) {
  row.addEventListener("pointerenter", () => light(row));
  row.addEventListener("focus", () => light(row));
  row.addEventListener("pointerleave", () => light(null));
  row.addEventListener("blur", () => light(null));
}
