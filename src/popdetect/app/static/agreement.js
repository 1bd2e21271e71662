// The agreement of two raters, and their disagreements, each with a button to answer it together.

import { get } from "./api.js";
import { answered, kappa } from "./words.js";

export async function show(dialog, decide) {
  const found = await get("/api/agreement");
  const pairs = found.pairs.flatMap((pair) => {
    const head = document.createElement("h3");
    head.textContent = `${pair.first} and ${pair.second}`;
    const list = document.createElement("ul");
    list.append(...kappa(pair).map((line) => Object.assign(document.createElement("li"), { textContent: line })));
    return [head, crossed(pair), list];
  });
  dialog.querySelector("#pairs").replaceChildren(...pairs);
  const rows = found.disagreements.map((one) => {
    const item = document.createElement("li");
    const text = document.createElement("span");
    const said = Object.entries(one.said).map(([name, answer]) => `${name}: ${answered(answer)}`).join(" · ");
    text.textContent = `${one.file} — ${said}${one.settled ? ` · consensus: ${one.settled.replace("_", " ")}` : ""}`;
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = one.settled ? "Change consensus" : "Decide together";
    button.setAttribute("aria-label", `${button.textContent}: ${one.file}`);
    button.addEventListener("click", () => { dialog.close(); decide(one.id); });
    item.append(text, button);
    return item;
  });
  const none = Object.assign(document.createElement("li"), { textContent: "none among the clips that both raters answered" });
  dialog.querySelector("#disagreements").replaceChildren(...(rows.length ? rows : [none]));
  dialog.showModal();
}

function crossed({ first, second, table }) {
  const made = document.createElement("table");
  const head = made.insertRow();
  for (const text of ["", `${second}: pop`, `${second}: no pop`]) {
    head.append(Object.assign(document.createElement("th"), { textContent: text, scope: "col" }));
  }
  for (const [said, word] of [["yes", "pop"], ["no", "no pop"]]) {
    const row = made.insertRow();
    row.append(Object.assign(document.createElement("th"), { textContent: `${first}: ${word}`, scope: "row" }));
    for (const other of ["yes", "no"]) row.insertCell().textContent = table[said][other];
  }
  return made;
}
