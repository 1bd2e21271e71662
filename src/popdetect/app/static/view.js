// The picture of a clip: waveform (wavesurfer, which also plays) above the spectrogram, both over the same span.

import WaveSurfer from "./vendor/wavesurfer.esm.js";
import WebAudioPlayer from "./vendor/webaudio.js";

const POPS_MARGIN_S = 0.06;
const MIN_SPAN_S = 0.02;
const AXIS_PX = 20;

export class View extends EventTarget {
  constructor(wave, levels) {
    super();
    this.levels = levels;
    this.clip = null;
    this.span = [0, 1];
    this.mode = "whole";
    this.player = new WebAudioPlayer(); // our own, to set its volume and to know when it can play
    this.surfer = WaveSurfer.create({
      container: wave,
      media: this.player,
      height: 110,
      normalize: true,
      autoScroll: false,
      autoCenter: false,
      hideScrollbar: false,
      cursorWidth: 2,
      dragToSeek: false,
      cspNonce: document.querySelector("meta[name=style-nonce]").content,
      ...colours(),
    });
    this.surfer.on("scroll", () => this.#moved());
    this.surfer.on("zoom", () => this.#moved());
    this.surfer.on("redraw", () => this.#moved());
    new ResizeObserver(() => this.clip && this.zoom(...this.span)).observe(levels);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => this.surfer.setOptions(colours()));
  }

  get width() {
    return this.levels.clientWidth || 1;
  }

  // resolves when the clip is drawn; `playable` resolves when it can be played
  async show(clip) {
    this.clip = clip;
    this.surfer.pause();
    const loaded = new Promise((resolve) => { this.player.once("canplay", resolve); });
    const blob = new Blob([clip.wav], { type: "audio/wav" });
    await this.surfer.loadBlob(blob, [clip.channel], clip.duration);
    return { playable: loaded };
  }

  clear() {
    this.clip = null;
    this.surfer.pause();
    this.surfer.empty();
    this.levels.getContext("2d").clearRect(0, 0, this.levels.width, this.levels.height);
  }

  whole() {
    this.mode = "whole";
    this.zoom(0, this.clip.duration);
  }

  // show the span around the given times, or around the cursor
  zoomToPops(times) {
    this.mode = "pops";
    const at = times.length ? times : [this.surfer.getCurrentTime()];
    const margin = Math.max(POPS_MARGIN_S, (0.15 - (at.at(-1) - at[0])) / 2);
    this.zoom(at[0] - margin, at.at(-1) + margin);
  }

  scale(factor) {
    const [from, to] = this.span;
    const cursor = this.surfer.getCurrentTime();
    const middle = cursor >= from && cursor <= to ? cursor : (from + to) / 2;
    this.mode = "own";
    this.zoom(middle - (middle - from) * factor, middle + (to - middle) * factor);
  }

  zoom(from, to) {
    const { duration } = this.clip;
    const length = Math.min(Math.max(to - from, MIN_SPAN_S), duration);
    const start = Math.min(Math.max(from, 0), duration - length);
    this.surfer.zoom(length >= duration ? 0 : this.width / length);
    this.surfer.setScrollTime(start);
    this.#moved();
  }

  // from a distance in pixels from the left edge to seconds, and back
  time(px) {
    const [from, to] = this.span;
    return Math.min(Math.max(from + (px / this.width) * (to - from), 0), this.clip.duration);
  }

  px(time) {
    const [from, to] = this.span;
    return ((time - from) / (to - from)) * this.width;
  }

  #moved() {
    if (!this.clip) return;
    const { duration } = this.clip;
    const wrapper = this.surfer.getWrapper();
    const total = Math.max(wrapper.scrollWidth || wrapper.clientWidth, 1);
    const from = (this.surfer.getScroll() / total) * duration;
    this.span = [from, Math.min(from + (this.width / total) * duration, duration)];
    this.#paint();
    this.dispatchEvent(new Event("moved"));
  }

  #paint() {
    const { levels, span: [from, to] } = this;
    const dots = window.devicePixelRatio || 1;
    const [wide, high] = [Math.round(this.width * dots), Math.round(levels.clientHeight * dots)];
    if (levels.width !== wide || levels.height !== high) [levels.width, levels.height] = [wide, high];
    const axis = AXIS_PX * dots;
    const pen = levels.getContext("2d");
    const { canvas, first_s, hop_s, top_hz } = this.clip.spectrogram;
    pen.fillStyle = "#00204d";
    pen.fillRect(0, 0, wide, high - axis);
    pen.imageSmoothingEnabled = true;
    // a column of the spectrogram covers one hop around the middle of its window
    const across = wide / (to - from);
    const left = (first_s - hop_s / 2 - from) * across;
    pen.save();
    pen.beginPath();
    pen.rect(0, 0, wide, high - axis);
    pen.clip();
    pen.drawImage(canvas, left, 0, canvas.width * hop_s * across, high - axis);
    pen.restore();
    this.#axes(pen, wide, high, axis, dots, top_hz);
  }

  #axes(pen, wide, high, axis, dots, top_hz) {
    const [from, to] = this.span;
    const style = getComputedStyle(document.documentElement);
    pen.fillStyle = style.getPropertyValue("--page");
    pen.fillRect(0, high - axis, wide, axis);
    pen.font = `${12 * dots}px system-ui, sans-serif`;
    pen.fillStyle = style.getPropertyValue("--ink");
    pen.textBaseline = "middle";
    const step = [0.005, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60]
      .find((size) => (size / (to - from)) * this.width >= 70) ?? 120;
    const digits = step < 0.01 ? 3 : step < 0.1 ? 2 : 1;
    pen.textAlign = "center";
    for (let tick = Math.ceil(from / step); tick * step <= to; tick += 1) {
      const x = this.px(tick * step) * dots;
      pen.fillRect(x, high - axis, dots, 4 * dots);
      const label = `${(tick * step).toFixed(digits)} s`;
      const half = pen.measureText(label).width / 2;
      if (x > half && x < wide - half) pen.fillText(label, x, high - axis / 2 + 2 * dots);
    }
    pen.textAlign = "left";
    pen.fillStyle = "#fff";
    for (const khz of [2, 4, 8]) {
      if (khz * 1000 >= top_hz) continue;
      const y = (high - axis) * (1 - (khz * 1000) / top_hz);
      pen.globalAlpha = 0.35;
      pen.fillRect(0, y, wide, dots / 2);
      pen.globalAlpha = 1;
      pen.fillText(`${khz} kHz`, 5 * dots, y - 8 * dots);
    }
  }
}

function colours() {
  const style = getComputedStyle(document.documentElement);
  const ink = style.getPropertyValue("--wave").trim();
  return { waveColor: ink, progressColor: ink, cursorColor: style.getPropertyValue("--cursor").trim() };
}
