// The page: shows one clip after another, plays it, takes marks and answers.

import { get, post } from "./api.js";
import { show as showAgreement } from "./agreement.js";
import { forgetViews, load, prefetch, renew } from "./clips.js";
import { KEYS, listen } from "./keys.js";
import { List } from "./list.js";
import { Marks } from "./marks.js";
import { Player } from "./player.js";
import { View } from "./view.js";
import * as words from "./words.js";

const $ = (id) => document.getElementById(id);
const CONSENSUS = "consensus";

const view = new View($("wave"), $("levels"));
const marks = new Marks($("marks"), view);
const player = new Player(view);
const list = new List($("list"), $("filter"));
const now = { session: null, clip: null, rater: "", turn: 0, busy: false };

// --- showing ---------------------------------------------------------------------------------------------------------

async function go(id, rater = "") {
  if (id === undefined) return;
  const turn = (now.turn += 1);
  const clip = await attempt(() => load(id, rater));
  if (!clip || turn !== now.turn) return;
  Object.assign(now, { clip, rater });
  list.mark(id);
  history.replaceState(null, "", `#${id}`);
  $("file").textContent = clip.view.file;
  tell();
  $("broken").hidden = !clip.broken;
  $("picture").hidden = Boolean(clip.broken);
  $("broken").textContent = clip.broken ? `This clip cannot be played: ${clip.broken}` : "";
  if (clip.broken) {
    view.clear();
    marks.start([], []);
  } else {
    const { playable } = await view.show(clip);
    if (turn !== now.turn) return;
    marks.start(firstMarks(clip.view), clip.view.marks ?? [], clip.view.label === "uncertain");
    if (view.mode === "pops" && marks.times.length) view.zoomToPops(marks.times);
    else view.zoom(0, clip.duration);
    aroundMarks();
    playable.then(() => {
      if (turn !== now.turn) return;
      document.body.dataset.playable = id;
      if ($("autoplay").checked) player.play(view.mode === "pops" ? view.span[0] : undefined);
    });
  }
  document.body.dataset.shown = id;
  setTimeout(() => prefetch([...list.open(2), list.step(1)].filter((other) => other !== undefined)), 0);
}

function firstMarks(shown) {
  if (shown.answer) return shown.answer.onsets_s;
  if (shown.said) return Object.values(shown.said).find((said) => said.onsets_s.length)?.onsets_s ?? [];
  if (shown.label_file) return shown.label_file.onsets_s;
  return (shown.marks ?? []).filter((mark) => mark.is_pop).map((mark) => mark.onset_s);
}

function tell() {
  const shown = now.clip.view;
  const mine = shown.answer ? ` You answered: ${words.answered(shown.answer)}.` : "";
  $("said").textContent = `${words.detector(shown)}.${words.labelFile(shown)}${mine}`;
  $("reveal").hidden = !(shown.hidden && shown.answer);
  for (const label of Object.keys(words.LABELS)) {
    const button = $(`say-${label}`);
    button.setAttribute("aria-pressed", String(shown.answer?.label === label));
    button.disabled = shown.status !== "ok";
  }
  $("consensus").hidden = now.rater !== CONSENSUS;
  if (now.rater === CONSENSUS) {
    const said = Object.entries(shown.said ?? {}).map(([name, answer]) => `${name} answered ${words.answered(answer)}`);
    $("consensus").textContent = `Disagreement: ${said.join("; ")}. Your answer is kept as the consensus.`;
  }
  $("alert").textContent = "";
}

function tellProgress(progress) {
  $("progress").textContent = words.progress(progress);
  $("bar").max = Math.max(progress.of, 1);
  $("bar").value = progress.done;
  $("estimate").textContent = words.estimate(progress.estimate, now.session.blind);
  $("open-agreement").hidden = progress.raters.length < 2;
}

function tellMark() {
  const time = marks.chosenTime;
  const n = marks.times.length;
  $("mark-time").textContent = time === undefined ? `${words.count(n, "mark")}, none selected`
    : `mark ${marks.chosen + 1} of ${n}: ${time.toFixed(4)} s`;
  for (const button of document.querySelectorAll("[data-move], #delete")) button.disabled = time === undefined;
  for (const id of ["mark-prev", "mark-next"]) $(id).disabled = n === 0;
  aroundMarks();
}

function aroundMarks() {
  if ($("loop").getAttribute("aria-pressed") !== "true") player.around([]);
  else player.around(marks.chosen >= 0 ? [marks.chosenTime] : marks.times.length ? marks.times : view.span);
}

const say = (text) => { $("status").textContent = text; };

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    $("alert").textContent = error.message;
    return null;
  }
}

// --- answering -------------------------------------------------------------------------------------------------------

async function answer(label) {
  const { clip, rater } = now;
  if (!clip || clip.view.status !== "ok") return;
  const onsets_s = label === "pop" || (label === "uncertain" && marks.edited) ? marks.times : [];
  const done = await write(clip.view.id, "answer", { label, onsets_s, version: clip.view.version, rater });
  if (!done) return;
  say(`Saved: ${clip.view.file}, ${words.answered(done.clip.answer)}.`);
  if (rater === CONSENSUS) {
    await agreement();
    return;
  }
  const next = list.open();
  if (next !== undefined) await go(next);
  else {
    say("Saved. All clips of this list are answered.");
    await go(clip.view.id, rater);
  }
}

async function undo() {
  if (marks.undo()) {
    say("Mark change undone.");
    return;
  }
  // the answer to this clip; if it has none, the latest answer
  const here = now.clip?.view.answer;
  const id = here ? now.clip.view.id : now.session.last;
  if (id === null || id === undefined) {
    say("Nothing to undo.");
    return;
  }
  const rater = here ? now.rater : "";
  const { view: seen } = (await attempt(() => load(id, rater))) ?? {};
  if (!seen?.answer) {
    say("Nothing to undo.");
    return;
  }
  const done = await write(id, "undo", { version: seen.version, rater });
  if (!done) return;
  say(`Undone: ${seen.file}, ${done.clip.answer ? words.answered(done.clip.answer) : "not answered"}.`);
  await go(id, rater);
}

async function reveal() {
  if ($("reveal").hidden) return;
  const done = await write(now.clip.view.id, "reveal", { rater: now.rater });
  if (done) await go(now.clip.view.id, now.rater);
}

// null if it was not written; if another tab was first, its answer is shown and nothing is overwritten
async function write(id, what, body) {
  if (now.busy) return null;
  now.busy = true;
  const done = await attempt(() => post(`/api/clips/${id}/${what}`, body));
  now.busy = false;
  if (!done) return null;
  $("alert").textContent = "";
  renew(done.clip, body.rater);
  list.renew(done.item);
  tellProgress(done.progress);
  if (done.stale) {
    await go(id, body.rater);
    const newer = done.clip.answer ? `it says ${words.answered(done.clip.answer)}` : "the answer was undone";
    $("alert").textContent = `Answered in another tab meanwhile: ${newer}. Nothing was overwritten; answer again to change it.`;
    return null;
  }
  if (!body.rater) now.session.last = what === "answer" ? id : (await get("/api/session")).last;
  return done;
}

// --- opening ---------------------------------------------------------------------------------------------------------

async function agreement() {
  await attempt(() => showAgreement($("agreement"), (id) => go(id, CONSENSUS)));
}

async function start() {
  now.session = await attempt(() => get("/api/session"));
  if (!now.session) return;
  const { folder, rater, blind, clips, progress } = now.session;
  document.title = `${folder} · popdetect review`;
  $("folder").textContent = folder;
  $("who").textContent = `${rater}${blind ? " · blind" : ""}`;
  document.body.classList.toggle("blind", blind);
  list.start(clips, blind);
  tellProgress(progress);
  const asked = location.hash ? Number(location.hash.slice(1)) : NaN;
  await go(list.of(asked) ? asked : list.open() ?? list.shown[0]);
}

// other tabs may have written answers meanwhile
async function refresh() {
  const session = await attempt(() => get("/api/session"));
  if (!session) return;
  now.session = session;
  session.clips.forEach((item) => list.renew(item));
  tellProgress(session.progress);
  forgetViews();
}

function press(id, act) {
  $(id).addEventListener("click", act);
}

function speed(value) {
  document.querySelector(`input[name=speed][value="${value}"]`).checked = true;
  player.speed(Number(value));
}

function toggleLoop() {
  const on = $("loop").getAttribute("aria-pressed") !== "true";
  $("loop").setAttribute("aria-pressed", String(on));
  aroundMarks();
  say(on ? "Loop on." : "Loop off.");
}

function add(time) {
  if (!view.clip) return;
  const at = time ?? view.surfer.getCurrentTime();
  say(marks.add(at) ? `Mark added at ${at.toFixed(4)} s.` : "There is already a mark at this time.");
}

function seek(time) {
  const at = Math.min(Math.max(time, 0), view.clip.duration);
  view.surfer.setTime(at);
  if (at < view.span[0] || at > view.span[1]) {
    const half = (view.span[1] - view.span[0]) / 2;
    view.zoom(at - half, at + half);
  }
  say(`Cursor at ${at.toFixed(4)} s.`);
}

function nextCandidate() {
  const found = marks.detector.map((mark) => mark.onset_s);
  if (!found.length) say("The detector has no candidate in this clip.");
  else seek(found.find((time) => time > view.surfer.getCurrentTime() + 1e-4) ?? found[0]);
}

const withSound = (act) => () => { if (view.clip) act(); };
const does = {
  pop: () => answer("pop"),
  no_pop: () => answer("no_pop"),
  uncertain: () => answer("uncertain"),
  undo,
  reveal,
  play: withSound(() => player.toggle()),
  add: () => add(),
  remove: () => marks.remove(),
  move: (ms) => marks.move(ms),
  mark: (by) => marks.choose(marks.chosen < 0 && by < 0 ? -1 : marks.chosen + by, true),
  none: () => { marks.none(); $("file").focus(); },
  loop: withSound(toggleLoop),
  cursor: (ms) => { if (view.clip) seek(view.surfer.getCurrentTime() + ms / 1000); },
  candidate: withSound(nextCandidate),
  pops: withSound(() => view.zoomToPops(marks.chosen >= 0 && view.mode === "pops" ? [marks.chosenTime] : marks.times)),
  whole: withSound(() => view.whole()),
  closer: withSound(() => view.scale(0.5)),
  wider: withSound(() => view.scale(2)),
  next: () => go(list.step(1)),
  previous: () => go(list.step(-1)),
  speed,
  help: () => $("help").showModal(),
};

listen(does, () => marks.chosen >= 0);
for (const [id, act] of Object.entries({
  "say-pop": does.pop, "say-no_pop": does.no_pop, "say-uncertain": does.uncertain, undo, reveal, play: does.play,
  add: does.add, delete: does.remove, loop: does.loop, "zoom-pops": does.pops, "zoom-whole": does.whole,
  "zoom-in": does.closer, "zoom-out": does.wider, next: does.next, prev: does.previous,
  "mark-next": () => does.mark(1), "mark-prev": () => does.mark(-1), "open-help": does.help,
  "open-agreement": agreement, "close-agreement": () => $("agreement").close(),
})) press(id, act);
for (const button of document.querySelectorAll("[data-move]")) {
  button.addEventListener("click", () => does.move(Number(button.dataset.move)));
}
for (const radio of document.querySelectorAll("input[name=speed]")) {
  radio.addEventListener("change", () => speed(radio.value));
}
$("gain").addEventListener("input", () => {
  player.volume(Number($("gain").value));
  $("gain-db").textContent = `${$("gain").value} dB`;
});
press("toggle-list", () => {
  const open = document.body.classList.toggle("list-open");
  $("toggle-list").setAttribute("aria-expanded", String(open));
});
for (const layer of [$("levels")]) {
  layer.addEventListener("click", (event) => view.clip && view.surfer.setTime(view.time(event.offsetX)));
  layer.addEventListener("dblclick", (event) => add(view.time(event.offsetX)));
}
view.surfer.on("dblclick", (share) => add(share * view.clip.duration));
for (const [event, text] of [["play", "■ Stop"], ["pause", "▶ Play"]]) {
  view.surfer.on(event, () => { $("play").firstChild.textContent = `${text} `; });
}
marks.addEventListener("changed", tellMark);
list.addEventListener("chosen", (event) => {
  document.body.classList.remove("list-open");
  $("toggle-list").setAttribute("aria-expanded", "false");
  go(event.detail);
});
list.addEventListener("filtered", () => {
  if (!list.shown.length) say("No clip in this list.");
  else if (!list.shown.includes(list.current)) go(list.open() ?? list.shown[0]);
});
document.addEventListener("visibilitychange", () => { if (!document.hidden && now.session) refresh(); });
$("keys").replaceChildren(...KEYS.flatMap(([key, text]) => [
  Object.assign(document.createElement("dt"), { textContent: key }),
  Object.assign(document.createElement("dd"), { textContent: text }),
]));
start();
