// Loaded clips: each is fetched once, the next ones in advance.

import { get, sound, spectrogram } from "./api.js";

const KEPT = 8;
const loaded = new Map(); // "id rater" -> promise of a loaded clip

// { view, wav, channel, rate, spectrogram } ; with `broken`, a reason, instead of the sound where it cannot be played
export function load(id, rater = "") {
  const key = `${id} ${rater}`;
  if (!loaded.has(key)) {
    loaded.set(key, fetchClip(id, rater).catch((error) => { loaded.delete(key); throw error; }));
    while (loaded.size > KEPT) loaded.delete(loaded.keys().next().value);
  }
  const found = loaded.get(key);
  loaded.delete(key); // moved to the end: the clip used last is kept longest
  loaded.set(key, found);
  return found;
}

export function prefetch(ids) {
  for (const id of ids) load(id).catch(() => {});
}

// replace the view of a clip after a change; its sound stays
export function renew(view, rater = "") {
  const key = `${view.id} ${rater}`;
  if (loaded.has(key)) loaded.set(key, loaded.get(key).then((clip) => ({ ...clip, view })));
}

export function forgetViews() {
  loaded.clear();
}

async function fetchClip(id, rater) {
  const query = rater ? `?rater=${encodeURIComponent(rater)}` : "";
  const sounds = Promise.all([sound(id), spectrogram(id)]).then(
    ([wav, levels]) => ({ wav, ...samples(wav), spectrogram: picture(levels) }),
    (error) => ({ broken: error.message }),
  );
  const [view, parts] = await Promise.all([get(`/api/clips/${id}${query}`), sounds]);
  return { view, ...parts };
}

// 16-bit wav with a header of 44 bytes, as the server makes it -> the mean of the channels, full scale ±1
function samples(wav) {
  const header = new DataView(wav);
  const channels = header.getUint16(22, true);
  const rate = header.getUint32(24, true);
  const whole = new Int16Array(wav, 44);
  const channel = new Float32Array(Math.floor(whole.length / channels));
  const scale = 1 / (32768 * channels);
  for (let i = 0, j = 0; i < channel.length; i += 1) {
    let sum = 0;
    for (let c = 0; c < channels; c += 1, j += 1) sum += whole[j];
    channel[i] = sum * scale;
  }
  return { channel, rate, duration: channel.length / rate };
}

const STOPS = [[0, 32, 77], [49, 68, 107], [102, 104, 112], [149, 143, 120], [203, 186, 105], [255, 234, 70]];
const COLOURS = new Uint32Array(256).map((_, level) => {
  const at = (level / 255) * (STOPS.length - 1);
  const below = Math.min(Math.floor(at), STOPS.length - 2);
  const [r, g, b] = [0, 1, 2].map((c) => STOPS[below][c] + (at - below) * (STOPS[below + 1][c] - STOPS[below][c]));
  return (255 << 24) | (b << 16) | (g << 8) | r;
});

// the spectrogram as a canvas: one pixel for each moment and bin, low frequencies at the bottom
function picture({ levels, columns, bins, first_s, hop_s, top_hz }) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = bins;
  const image = new ImageData(columns, bins);
  const pixels = new Uint32Array(image.data.buffer);
  for (let x = 0; x < columns; x += 1) {
    for (let y = 0; y < bins; y += 1) pixels[(bins - 1 - y) * columns + x] = COLOURS[levels[x * bins + y]];
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return { canvas, first_s, hop_s, top_hz };
}
