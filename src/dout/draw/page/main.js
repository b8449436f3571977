// The start, when everything else is there.

document.getElementById("title").textContent = data.title;
for (const [words, style] of data.notes) {
  const line = document.createElement("li");
  line.className = style;
  line.textContent = words;
  document.getElementById("notes").append(line);
}
render(state, false);
fit(false);
window.dout = { data, get state() { return state; }, update, stage, fit, centre, toggle };
