// The keys: the table that the help shows, and what each key does.

export const KEYS = [
  ["p", "answer pop, with your marks, and go to the next clip"],
  ["n", "answer no pop, and go to the next clip"],
  ["u", "answer uncertain, and go to the next clip"],
  ["z", "undo the last change of a mark; if there is none, the last answer"],
  ["space", "play or stop"],
  ["→ ←", "next, previous clip; with a mark selected: move it by 1 ms, with Shift by 10 ms"],
  ["↓ ↑", "next, previous clip"],
  ["m", "select the next mark (with Shift: the previous one); Esc: select none"],
  ["a", "add a mark at the cursor"],
  [", .", "move the cursor 10 ms to the left, to the right; with Shift 1 ms"],
  ["d", "move the cursor to the next candidate of the detector"],
  ["Delete", "delete the selected mark"],
  ["1 2 4", "speed: 1×, ½, ¼"],
  ["l", "loop around the selected mark, or around all marks"],
  ["f", "zoom to the pops"],
  ["w", "show the whole clip"],
  ["+ −", "zoom in, zoom out"],
  ["r", "show the detector's result (blind mode, after your answer)"],
  ["?", "show these keys"],
];

// `does` has a function for each action; `hasMark` returns whether a mark is selected
export function listen(does, hasMark) {
  const simple = {
    p: does.pop, n: does.no_pop, u: does.uncertain, z: does.undo, " ": does.play, a: does.add, l: does.loop,
    f: does.pops, w: does.whole, "+": does.closer, "=": does.closer, "-": does.wider, "−": does.wider, r: does.reveal,
    "?": does.help, Delete: does.remove, Backspace: does.remove, Escape: does.none, ArrowDown: does.next,
    ArrowUp: does.previous, d: does.candidate, ",": () => does.cursor(-10), ".": () => does.cursor(10), "<": () => does.cursor(-1),
    ">": () => does.cursor(1), ";": () => does.cursor(-1), ":": () => does.cursor(1), 1: () => does.speed("1"), 2: () => does.speed("0.5"), 4: () => does.speed("0.25"),
  };
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || document.querySelector("dialog[open]")) return;
    if (isTaken(event)) return;
    const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
    let act = simple[key];
    if (key === "m") act = () => does.mark(event.shiftKey ? -1 : 1);
    if (key === "ArrowLeft" || key === "ArrowRight") {
      const by = key === "ArrowRight" ? 1 : -1;
      act = hasMark() ? () => does.move(by * (event.shiftKey ? 10 : 1)) : by > 0 ? does.next : does.previous;
    }
    if (!act || (event.repeat && ["p", "n", "u", "z", " "].includes(key))) return;
    event.preventDefault();
    act();
  });
}

// keys that mean something where the focus is: a list to choose from, a slider, a button to press
function isTaken({ key, target }) {
  if (target.matches("select, textarea")) return true;
  if (target.matches("input[type=range], input[type=radio]")) return key.startsWith("Arrow");
  if (target.matches("input[type=checkbox]")) return key === " ";
  return key === " " && target.matches("button:not(.mark), summary, a") && target.matches(":focus-visible");
}
