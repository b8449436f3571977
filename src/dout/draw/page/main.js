// The start, when everything else is there.

document.getElementById("title").textContent = data.title;
for (const [words, style] of data.notes) {
  document.getElementById("notes").append(made("li", { className: style, textContent: words }));
}
if (data.notes.length) {
  const recorded = made("li", { textContent: "Of the recorded numbers:", hidden: true });
  document.getElementById("notes").prepend(recorded);
  document.addEventListener("dout:change", () => (recorded.hidden = !run.isChanged));
}
if (data.first) {
  const show = made("button", { type: "button", textContent: "show" });
  show.setAttribute("aria-label", "Show the first wrong edge");
  show.addEventListener("click", () => {
    reveal(data.first.level);
    enterLevel(data.first.level);
    centreThing(stage.things.get(`label${data.first.label}`));
  });
  document.querySelector("#notes .wrong-note").append(" ", show);
}
render(state, false);
toggleSource(window.innerWidth >= 1100);
window.dout = { data, get state() { return state; }, update, stage, fit, centre, toggle };
