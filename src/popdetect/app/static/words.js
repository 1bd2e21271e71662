// What the page says of verdicts, progress and errors.

export const LABELS = { pop: "pop", no_pop: "no pop", uncertain: "uncertain" };
export const DRAWN = {
  uncertain: "in the queue because the detector was uncertain",
  near: "in the queue because it is close to the threshold",
  random: "in the queue by chance, for the estimate of errors",
};

export function count(n, thing) {
  return `${n} ${thing}${n === 1 ? "" : "s"}`;
}

export function progress({ done, of, corrected }) {
  return `${done} of ${of}${corrected === undefined ? "" : `, ${corrected} corrected`}`;
}

export function estimate(found, blind) {
  if (blind) return "Blind: what the detector said, and how often it erred, is not shown while you answer.";
  if (!found || !found.n_sure) return "";
  const unsure = found.n_unsure ? ` (${count(found.n_unsure, "more")} you were uncertain of: left out)` : "";
  if (!found.n) {
    return `Error estimate: none yet. It comes from clips drawn at random from the ${found.n_sure} the detector was `
      + `sure of, after the uncertain and the close ones${unsure}.`;
  }
  const share = `${percent(found.share)} % (${percent(found.low)} to ${percent(found.high)} %)`;
  return `Of ${count(found.n, "randomly chosen clip")} you changed ${found.k}: error ${share}${unsure}. Drawn from the `
    + `${found.n_sure} the detector was sure of, counted in the order drawn up to the first without an answer.`;
}

export function detector(view) {
  if (view.error) return `could not be judged: ${view.error}`;
  if (view.hidden) return "the detector's verdict is hidden until you have answered";
  const pops = view.marks.filter((mark) => mark.is_pop).length;
  const flags = view.quality.length ? ` · ${view.quality.join(", ")}` : "";
  const why = DRAWN[view.drawn] ? ` · ${DRAWN[view.drawn]}` : "";
  return `Detector: ${LABELS[view.label]}, probability ${view.p_pop.toFixed(2)}, ${count(pops, "pop")}${flags}${why}`;
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
    `${count(pair.n_both, "clip")} answered by both; ${pair.n} of them pop or no pop by both, ${pair.n_unsure} with an `
      + "uncertain, which kappa leaves out",
    `Cohen's kappa ${figure(pair.kappa)}`,
    `agreement on pop ${figure(pair.positive)}`,
    `agreement on no pop ${figure(pair.negative)}`,
  ];
}

function percent(share) {
  const value = 100 * share;
  return value > 0 && value < 1 ? value.toFixed(1) : value.toFixed(0);
}
