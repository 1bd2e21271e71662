// Pop marks over the picture: those of the detector are fixed; those of the person can be added, moved and deleted.
// Each of the person's marks is a slider: the arrow keys move it by 1 ms, with Shift by 10 ms.

const STEP = 10000; // times are kept to a tenth of a millisecond

export class Marks extends EventTarget {
  constructor(root, view) {
    super();
    this.root = root;
    this.view = view;
    this.times = [];
    this.detector = [];
    this.uncertain = false;
    this.chosen = -1;
    this.past = [];
    view.addEventListener("moved", () => this.place());
  }

  // the person's marks at the start, and the detector's ({ onset_s, is_pop }), of which the pops may be uncertain
  start(times, detector, uncertain = false) {
    this.times = [...times].sort((a, b) => a - b);
    this.detector = detector;
    this.uncertain = uncertain;
    this.chosen = -1;
    this.past = [];
    this.#draw();
  }

  get edited() {
    return this.past.length > 0;
  }

  get chosenTime() {
    return this.times[this.chosen];
  }

  choose(index, focus = false) {
    this.chosen = this.times.length ? (index + this.times.length) % this.times.length : -1;
    this.#draw();
    if (focus && this.chosen >= 0) this.root.querySelector(".mine.chosen").focus({ preventScroll: true });
  }

  none() {
    this.chosen = -1;
    this.#draw();
  }

  add(time) {
    const at = rounded(time);
    if (this.times.some((other) => Math.abs(other - at) < 0.0005)) return false;
    this.#remember();
    this.times = [...this.times, at].sort((a, b) => a - b);
    this.chosen = this.times.indexOf(at);
    this.#draw();
    return true;
  }

  move(ms) {
    if (this.chosen < 0) return;
    this.#remember();
    this.#put(this.chosenTime + ms / 1000);
    this.#draw();
  }

  remove() {
    if (this.chosen < 0) return;
    this.#remember();
    this.times = this.times.filter((_, i) => i !== this.chosen);
    this.chosen = Math.min(this.chosen, this.times.length - 1);
    this.#draw();
  }

  undo() {
    if (!this.past.length) return false;
    this.times = this.past.pop();
    this.chosen = Math.min(this.chosen, this.times.length - 1);
    this.#draw();
    return true;
  }

  place() {
    if (!this.view.clip) return;
    for (const mark of this.root.children) {
      const x = this.view.px(Number(mark.dataset.time));
      mark.style.transform = `translateX(${x}px)`;
      mark.classList.toggle("away", x < -1 || x > this.view.width + 1);
    }
  }

  #remember() {
    this.past.push([...this.times]);
  }

  #put(time) {
    const at = rounded(Math.min(Math.max(time, 0), this.view.clip.duration));
    this.times[this.chosen] = at;
    this.times.sort((a, b) => a - b);
    this.chosen = this.times.indexOf(at);
  }

  #draw() {
    const focused = this.root.contains(document.activeElement);
    const theirs = this.detector.map(({ onset_s, is_pop }) => {
      const mark = document.createElement("span");
      mark.className = `mark theirs ${!is_pop ? "other" : this.uncertain ? "unsure" : "pop"}`;
      mark.dataset.time = onset_s;
      mark.setAttribute("aria-hidden", "true");
      if (!is_pop) mark.addEventListener("click", () => this.add(onset_s)); // with the keyboard: d, then a
      return mark;
    });
    const mine = this.times.map((time, index) => this.#handle(time, index));
    this.root.replaceChildren(...theirs, ...mine);
    this.place();
    if (focused && this.chosen >= 0) mine[this.chosen].focus({ preventScroll: true });
    this.dispatchEvent(new Event("changed"));
  }

  #handle(time, index) {
    const mark = document.createElement("button");
    mark.type = "button";
    mark.className = index === this.chosen ? "mark mine chosen" : "mark mine";
    mark.dataset.time = time;
    mark.setAttribute("role", "slider");
    mark.setAttribute("aria-label", `Pop ${index + 1} of ${this.times.length}`);
    mark.setAttribute("aria-valuemin", "0");
    mark.setAttribute("aria-valuemax", Math.round(this.view.clip.duration * 1000));
    mark.setAttribute("aria-valuenow", (time * 1000).toFixed(1));
    mark.setAttribute("aria-valuetext", `${time.toFixed(4)} seconds`);
    mark.addEventListener("pointerdown", (event) => this.#drag(event, index));
    mark.addEventListener("focus", () => { if (this.chosen !== index) this.choose(index, true); });
    return mark;
  }

  #drag(event, index) {
    if (event.button !== 0) return;
    event.preventDefault();
    this.choose(index, true);
    const start = this.chosenTime;
    const before = [...this.times];
    let moved = false;
    const move = (now) => {
      const px = now.clientX - event.clientX;
      if (!moved && Math.abs(px) < 3) return;
      if (!moved) this.past.push(before);
      moved = true;
      const [from, to] = this.view.span;
      this.#put(start + (px / this.view.width) * (to - from));
      this.#draw();
    };
    const end = () => {
      for (const name of ["pointerup", "pointercancel"]) window.removeEventListener(name, end);
      window.removeEventListener("pointermove", move);
    };
    window.addEventListener("pointermove", move);
    for (const name of ["pointerup", "pointercancel"]) window.addEventListener(name, end);
  }
}

function rounded(time) {
  return Math.round(time * STEP) / STEP;
}
