// Texts of the page about labels, progress and errors.

export const LABELS = { pop: "pop", no_pop: "no pop", uncertain: "uncertain" };
export const DRAWN = {
  uncertain: "shown early because the detector was uncertain",
  near: "shown early because it is close to a threshold",
  random: "random clip, for the error estimate",
};

export function count(n, thing) {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}

export function progress({ done, of, corrected }) {
  return `${done} of ${of}${corrected === undefined ? "" : `, ${corrected} corrected`}`;
}

export function estimate(found, blind) {
  if (blind) return "Blind mode: the detector's results and its error estimate are hidden while you answer.";
  if (!found || !found.n_sure) return "";
  const unsure = found.n_unsure ? ` (${found.n_unsure} more answered uncertain: left out)` : "";
  if (!found.n) {
    return `Error estimate: none yet. It will come from random clips among the ${found.n_sure} that the detector was `
      + `sure of. They follow after the uncertain and the close ones${unsure}.`;
  }
  const share = `${percent(found.share)} % (${percent(found.low)} to ${percent(found.high)} %)`;
  return `Of ${count(found.n, "randomly chosen clip")} you changed ${found.k}: error ${share}${unsure}. Chosen from the `
    + `${found.n_sure} that the detector was sure of; counted in the order of the list, up to the first without an answer.`;
}

export function detector(view) {
  if (view.error) return `This clip could not be processed: ${view.error}`;
  if (view.hidden) return "The detector's result is hidden until you have answered";
  const pops = view.marks.filter((mark) => mark.is_pop).length;
  const kind = view.label === "uncertain" && pops ? "uncertain pop" : "pop";
  const flags = view.quality.length ? ` · ${view.quality.join(", ")}` : "";
  const why = DRAWN[view.drawn] ? ` · ${DRAWN[view.drawn]}` : "";
  const found = `${LABELS[view.label]}, probability ${view.p_pop.toFixed(2)}${limits(view.thresholds)}`;
  return `Detector: ${found}, ${count(pops, kind)}${flags}${why}`;
}

export function labelFile(view) {
  if (!view.label_file || view.answer) return "";
  const { file, label, onsets_s } = view.label_file;
  return ` Your marks start as in the corrected label file ${file}: ${LABELS[label]}, ${count(onsets_s.length, "mark")}.`;
}

function limits(at) {
  return at ? ` (pop from ${at.pop_from.toFixed(2)}, no pop below ${at.no_pop_below.toFixed(2)})` : "";
}

export function answered(answer) {
  const marks = answer.onsets_s.length ? `, ${count(answer.onsets_s.length, "mark")}` : "";
  return `${LABELS[answer.label]}${marks}`;
}

export function kappa(pair) {
  const figure = ({ value, low, high, how, why_not }) => {
    if (value === null) return `not known (${why_not})`;
    const range = low === null ? ` (${why_not})` : ` (95 % interval ${low.toFixed(2)} to ${high.toFixed(2)}; ${how})`;
    return value.toFixed(2) + range;
  };
  return [
    `${count(pair.n_both, "clip")} answered by both raters: kappa compares the ${pair.n} that both called pop or no pop, `
      + `and leaves out ${pair.n_unsure} that a rater called uncertain`,
    `Cohen's kappa ${figure(pair.kappa)}`,
    `agreement on pop ${figure(pair.positive)}`,
    `agreement on no pop ${figure(pair.negative)}`,
  ];
}

function percent(share) {
  const value = 100 * share;
  return value > 0 && value < 1 ? value.toFixed(1) : value.toFixed(0);
}
