// A row that has the pointer or the focus lights up with everything of the same name: its value, its gradient, its edge.
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
  const edge = document.querySelector(".picture path.lit");
  if (edge) show(edge.getBoundingClientRect(), edge.closest(".picture"));
};
// Scroll a wide picture to an edge that cannot be seen.
const show = (edge, picture) => {
  const box = picture.getBoundingClientRect();
  if (edge.left < box.left || edge.right > box.right) {
    picture.scrollLeft += (edge.left + edge.right - box.left - box.right) / 2;
  }
};
for (const row of document.querySelectorAll("tr[tabindex]")) {
  row.addEventListener("pointerenter", () => light(row));
  row.addEventListener("focus", () => light(row));
  row.addEventListener("pointerleave", () => light(null));
  row.addEventListener("blur", () => light(null));
}
