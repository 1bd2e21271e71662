// The list of clips in their order, its filters, and which clip is next.

import { LABELS } from "./words.js";

const ALWAYS = {
  all: ["all clips", () => true],
  todo: ["not answered yet", (clip) => !clip.answer && !clip.failed],
  answered: ["answered", (clip) => Boolean(clip.answer)],
  failed: ["failed: could not be processed", (clip) => Boolean(clip.failed)],
};
const OPEN = {
  uncertain: ["detector: uncertain", (clip) => clip.label === "uncertain"],
  pop: ["detector: pop", (clip) => clip.label === "pop"],
  no_pop: ["detector: no pop", (clip) => clip.label === "no_pop"],
  corrected: ["corrected by you", (clip) => Boolean(clip.corrected)],
};

export class List extends EventTarget {
  constructor(root, select) {
    super();
    this.root = root;
    this.select = select;
    this.clips = [];
    this.shown = []; // ids at the time the filter was chosen: an answered clip stays in the list
    this.rows = new Map();
    root.addEventListener("click", (event) => {
      const row = event.target.closest("button");
      if (row) this.dispatchEvent(new CustomEvent("chosen", { detail: Number(row.dataset.id) }));
    });
    select.addEventListener("change", () => {
      this.filter();
      this.dispatchEvent(new CustomEvent("filtered"));
    });
  }

  start(clips, blind) {
    this.clips = clips;
    const filters = blind ? ALWAYS : { ...ALWAYS, ...OPEN };
    const chosen = this.select.value || "all";
    this.filters = filters;
    this.select.replaceChildren(...Object.keys(filters).map((name) => new Option("", name)));
    this.select.value = filters[chosen] ? chosen : "all";
    this.filter();
  }

  filter() {
    const [, belongs] = this.filters[this.select.value];
    this.shown = this.clips.filter(belongs).map((clip) => clip.id);
    const shown = new Set(this.shown);
    this.rows = new Map();
    const made = document.createDocumentFragment();
    for (const clip of this.clips) if (shown.has(clip.id)) made.append(this.#row(clip));
    this.root.replaceChildren(made);
    this.#count();
    this.mark(this.current);
  }

  of(id) {
    return this.clips.find((clip) => clip.id === id);
  }

  renew(item) {
    this.clips = this.clips.map((clip) => (clip.id === item.id ? item : clip));
    const row = this.rows.get(item.id);
    if (row) this.#fill(row, item);
    this.#count();
  }

  mark(id) {
    this.rows.get(this.current)?.removeAttribute("aria-current");
    this.current = id;
    const row = this.rows.get(id);
    if (!row) return;
    row.setAttribute("aria-current", "true");
    row.scrollIntoView({ block: "nearest" });
  }

  step(by) {
    const at = this.shown.indexOf(this.current);
    if (at < 0) return this.shown[0];
    return this.shown[at + by];
  }

  // the next clips without an answer, after this one, then from the start of the list
  open(count = 1) {
    const at = this.shown.indexOf(this.current);
    const turned = [...this.shown.slice(at + 1), ...this.shown.slice(0, Math.max(at, 0))];
    const known = new Map(this.clips.map((clip) => [clip.id, clip]));
    const found = turned.filter((id) => !known.get(id).answer && !known.get(id).failed);
    return count === 1 ? found[0] : found.slice(0, count);
  }

  #count() {
    for (const option of this.select.options) {
      const [name, belongs] = this.filters[option.value];
      option.text = `${name} (${this.clips.filter(belongs).length})`;
    }
  }

  #row(clip) {
    const item = document.createElement("li");
    const row = document.createElement("button");
    row.type = "button";
    row.dataset.id = clip.id;
    row.append(document.createElement("b"), document.createElement("span"), document.createElement("i"));
    this.#fill(row, clip);
    this.rows.set(clip.id, row);
    item.append(row);
    return item;
  }

  #fill(row, clip) {
    const [sign, name, what] = row.children;
    sign.textContent = clip.answer ? (clip.corrected ? "✎" : "✓") : clip.failed ? "!" : "";
    name.textContent = clip.file;
    what.textContent = clip.answer ? LABELS[clip.answer] : clip.failed ? "failed" : LABELS[clip.label] ?? "";
    row.className = clip.answer ? "answered" : "";
    const said = clip.answer ? `answered ${LABELS[clip.answer]}${clip.corrected ? ", corrected" : ""}` : what.textContent;
    row.setAttribute("aria-label", `${clip.file}${said ? `, ${said}` : ""}`);
  }
}
