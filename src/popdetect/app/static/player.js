// Playback: speed, volume beyond full scale, and the loop around a pop. Slower playback lowers the pitch, as with a
// tape: stretching a click at constant pitch would smear it.

const LOOP_BEFORE_S = 0.05;
const LOOP_AFTER_S = 0.15;

export class Player {
  constructor(view) {
    this.surfer = view.surfer;
    this.media = view.player;
    this.loop = null; // [from, to]
    this.surfer.on("timeupdate", (now) => {
      if (this.loop && this.surfer.isPlaying() && (now >= this.loop[1] || now < this.loop[0] - 0.01)) {
        this.surfer.setTime(this.loop[0]);
      }
    });
    this.surfer.on("finish", () => this.loop && this.#again());
  }

  get playing() {
    return this.surfer.isPlaying();
  }

  toggle() {
    if (this.playing) this.surfer.pause();
    else this.play();
  }

  play(from) {
    const end = this.surfer.getDuration();
    if (from !== undefined) this.surfer.setTime(from);
    else if (this.loop) this.surfer.setTime(this.loop[0]);
    else if (this.surfer.getCurrentTime() > end - 0.01) this.surfer.setTime(0);
    return this.surfer.play();
  }

  speed(rate) {
    this.surfer.setPlaybackRate(rate, false);
  }

  volume(db) {
    this.media.getGainNode().gain.value = 10 ** (db / 20);
  }

  around(times) {
    this.loop = times.length
      ? [Math.max(0, times[0] - LOOP_BEFORE_S), Math.min(times.at(-1) + LOOP_AFTER_S, this.surfer.getDuration())]
      : null;
  }

  #again() {
    this.play();
  }
}
