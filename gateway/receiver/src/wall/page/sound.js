// What an alarm sounds like: another pattern for each severity, repeated until somebody takes it.
// A browser plays nothing before somebody has touched the page; until then the page says so.

import { blindness, fromOthers, state, waitsHere } from "./state.js";
import { byId, say } from "./dom.js";
import { t } from "./words.js";

// Frequencies in Hz, the length of each tone and the pause until the next time in seconds.
const PATTERNS = {
  1: { tones: [880, 1175, 880, 1175], length: 0.17, every: 2, loud: 0.32 },
  2: { tones: [660, 880, 660], length: 0.2, every: 3.5, loud: 0.28 },
  3: { tones: [520, 660], length: 0.25, every: 7, loud: 0.22 },
  4: { tones: [440], length: 0.3, every: 20, loud: 0.16 },
  // Whoever stands beside the operator need not notice.
  silent: { tones: [330, 330, 330], length: 0.09, every: 3, loud: 0.1 },
  blind: { tones: [600, 450, 300], length: 0.22, every: 6, loud: 0.2 },
};

let audio = null;
let muted = false;
let hushed = new Set();
let due = 0;
let last = "";

/** Gateways that are not heard: silence of theirs is no safety. */
const deaf = () => [...state.gateways].filter(([, one]) => ["lost", "unknown"].includes(one.life)).map(([key]) => key);

/** What other rooms hand to this one: heard as the incident is. */
const others = () => fromOthers().map((one) => [one.id, { severity: one.incident.severity, silent: one.incident.danger === "silent-panic" }]);

/** What is to be heard now: a pattern's name, if anything is. */
function wanted() {
  // The login has ended by itself, and nobody watches.
  if (!state.me) return state.over ? "blind" : null;
  const why = blindness();
  if (why && why !== "starting") return hushed.has("blind") ? null : "blind";
  hushed.delete("blind");
  const ours = [...state.incidents].filter(([key, one]) => waitsHere(key, one));
  const waiting = [...ours, ...others()].filter(([key]) => !hushed.has(key));
  if (waiting.length === 0) return deaf().some((key) => !hushed.has(key)) ? "blind" : null;
  const [, worst] = waiting.reduce((a, b) => (b[1].severity < a[1].severity ? b : a));
  return worst.silent ? "silent" : String(Math.min(worst.severity, 4));
}

/** Called by whatever somebody does: only then a browser lets sound begin. */
export function start() {
  audio ??= new AudioContext();
  if (audio.state !== "running") audio.resume().then(sound, () => {});
}

/** Quiet until something new comes. */
export function hush() {
  hushed = new Set([...state.incidents.keys(), ...others().map(([key]) => key), ...deaf()]);
  if (blindness()) hushed.add("blind");
  sound();
}

export function mute() {
  muted = !muted;
  sound();
}

/** Plays what is due; called twice a second, and at once when something changes. */
export function sound() {
  // What is over, or heard again, sounds when it comes anew.
  const still = new Set([...state.incidents.keys(), ...others().map(([key]) => key), ...deaf(), "blind"]);
  for (const key of hushed) if (!still.has(key)) hushed.delete(key);
  const name = wanted();
  const plays = audio?.state === "running";
  const is = muted ? "muted" : !plays ? "blocked" : name ?? "quiet";
  document.body.dataset.sound = is;
  byId("sound-gate").hidden = plays;
  const button = byId("sound");
  say(button, muted ? t("sound.muted") : t("sound.on"));
  button.classList.toggle("bad", muted);
  button.setAttribute("aria-pressed", String(muted));
  button.title = t("sound.mute");
  if (!name || muted || !plays) {
    last = "";
    return;
  }
  // A more severe one does not wait for the pause of the one before.
  if (name === last && audio.currentTime < due) return;
  last = name;
  const pattern = PATTERNS[name];
  due = audio.currentTime + pattern.every;
  pattern.tones.forEach((frequency, n) => tone(frequency, audio.currentTime + n * (pattern.length + 0.04), pattern));
}

function tone(frequency, at, { length, loud }) {
  const [oscillator, gain] = [audio.createOscillator(), audio.createGain()];
  oscillator.type = "triangle";
  oscillator.frequency.value = frequency;
  // Not a step, which would click.
  gain.gain.setValueAtTime(0, at);
  gain.gain.linearRampToValueAtTime(loud, at + 0.015);
  gain.gain.setValueAtTime(loud, at + length - 0.03);
  gain.gain.linearRampToValueAtTime(0, at + length);
  oscillator.connect(gain).connect(audio.destination);
  oscillator.start(at);
  oscillator.stop(at + length);
}
