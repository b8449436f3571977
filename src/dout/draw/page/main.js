// The start, when everything else is there.

document.getElementById("title").textContent = data.title;
for (const [words, style] of data.notes) {
  const line = document.createElement("li");
  line.className = style;
  line.textContent = words;
  document.getElementById("notes").append(line);
}
if (data.first) {
  const show = document.createElement("button");
  show.type = "button";
  show.textContent = "show";
  show.setAttribute("aria-label", "Show the first wrong edge");
  show.addEventListener("click", () => {
    reveal(data.first.level);
    centreThing(stage.things.get(`label${data.first.label}`));
  });
  document.querySelector("#notes .wrong-note").append(" ", show);
}
render(state, false);
sized(stage.wide, stage.high);
window.dout = { data, get state() { return state; }, update, stage, fit, centre, toggle };
