"use strict";
const data = JSON.parse(document.getElementById("data").textContent);
const at = (id) => document.getElementById(id);
let now = 0;
let degree = 0;

async function ask(path, asked) {
  const answer = await fetch(path, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Dout-Token": data.token },
    body: JSON.stringify({ sheet: now, ...asked }),
  });
  const told = await answer.json();
  if (told.error) throw new Error(told.error);
  return told;
}

function fields() {
  return [...document.querySelectorAll("textarea")];
}

function keep() {
  try {
    localStorage.setItem(data.sheets[now].key, JSON.stringify(fields().map((field) => field.value)));
  } catch { /* a browser that keeps nothing: the lines stay on the page */ }
}

function kept(sheet) {
  try {
    return JSON.parse(localStorage.getItem(sheet.key)) || [];
  } catch {
    return [];
  }
}

function indentOf(around) {
  const mark = around.trimEnd().split("\n").pop();
  return mark.slice(0, mark.length - mark.trimStart().length);
}

function field(number, text, name) {
  const area = document.createElement("textarea");
  area.value = text;
  area.spellcheck = false;
  area.setAttribute("aria-label", `your lines ${number + 1} of ${name}`);
  let leaving = false;
  area.addEventListener("input", keep);
  area.addEventListener("keydown", (event) => {
    if (event.key === "Escape") leaving = true;
    else if (event.key === "Tab" && !event.shiftKey && !leaving) {
      event.preventDefault();
      area.setRangeText("    ", area.selectionStart, area.selectionEnd, "end");
      keep();
    } else if (event.key === "Enter" && !event.ctrlKey && !event.metaKey) {
      event.preventDefault();
      const line = area.value.slice(0, area.selectionStart).split("\n").pop();
      const indent = line.match(/^\s*/)[0] + (line.trimEnd().endsWith(":") ? "    " : "");
      area.setRangeText(`\n${indent}`, area.selectionStart, area.selectionEnd, "end");
      keep();
    } else if (event.key !== "Shift") leaving = false;
  });
  return area;
}

function show(number) {
  now = number;
  degree = 0;
  const sheet = data.sheets[now];
  const before = kept(sheet);
  at("sheet").replaceChildren();
  sheet.around.forEach((around, place) => {
    const given = document.createElement("pre");
    given.textContent = around.replace(/\n$/, "");
    at("sheet").append(given);
    if (place < sheet.around.length - 1) {
      at("sheet").append(field(place, before[place] || sheet.answers[place] || indentOf(around), sheet.name));
    }
  });
  at("grade").textContent = "Write your lines, and let dout grade them.";
  at("hints").textContent = "A hint has three degrees. None shows a line of the backward.";
  at("hint").disabled = false;
  at("score").textContent = "";
  draw("", "");
  ask("/picture", {}).then((told) => now === number && draw(told.picture, `the graph of ${sheet.name}.forward`), () => {});
}

function draw(picture, what) {
  const image = document.createElement("img"); // a picture as an image runs no script
  image.src = `data:image/svg+xml;charset=utf-8,${encodeURIComponent(picture)}`;
  image.alt = what;
  at("graph").replaceChildren(...(picture ? [image] : []));
}

function lines(told) {
  const parts = told.flatMap((line) => [...line, ["\n", ""]]);
  at("grade").replaceChildren(...parts.map(([text, style]) => {
    const span = document.createElement("span");
    if (style) span.className = `s-${style}`;
    span.textContent = text;
    return span;
  }));
}

async function busy(button, task) {
  button.disabled = true;
  try {
    await task();
  } catch (error) {
    at("grade").textContent = error instanceof TypeError ? "The server of this page has ended." : error.message;
  }
  button.disabled = button === at("hint") && degree >= 3;
}

function grade() {
  return busy(at("try"), async () => {
    const told = await ask("/grade", { answers: fields().map((area) => area.value) });
    lines(told.lines);
    at("score").textContent = `${told.grade.points} of ${told.grade.of} points`;
    if (told.picture) draw(told.picture, "a run in which a gradient is wrong: the right one stands beside it");
  });
}

at("try").addEventListener("click", grade);
document.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey) && !at("try").disabled) grade();
});
at("hint").addEventListener("click", () => busy(at("hint"), async () => {
  const told = await ask("/hint", { degree: degree + 1 });
  degree += 1;
  at("hints").textContent = told.text;
}));
at("save").addEventListener("click", async () => {
  const { text } = await ask("/text", { answers: fields().map((area) => area.value) });
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([text], { type: "text/x-python" }));
  link.download = `${data.sheets[now].name}.py`;
  link.click();
  URL.revokeObjectURL(link.href);
});
data.sheets.forEach((sheet, number) => {
  const option = document.createElement("option");
  option.value = number;
  option.textContent = sheet.title;
  at("choice").append(option);
});
at("choice").addEventListener("change", () => show(Number(at("choice").value)));
show(0);
