// The stream of the box. Without a beat for some seconds nothing is known any more.

import { now, state } from "./state.js";

// The stream beats every two seconds: two beats missed, and a little.
const PATIENCE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 4000];

let source = null;
let tries = 0;
let timer = 0;
let changed = () => {};
let out = () => {};

/** Listens; `onChange` is called after each change, `onOut` when the login is over. */
export function listen(onChange, onOut) {
  [changed, out] = [onChange, onOut];
  state.heard = performance.now();
  open();
}

export function hangUp() {
  clearTimeout(timer);
  source?.close();
  source = null;
}

function open() {
  hangUp();
  source = new EventSource("/api/live");
  source.addEventListener("now", (message) => { state.now = JSON.parse(message.data); hear(); changed(); });
  source.addEventListener("beat", (message) => { state.ahead = JSON.parse(message.data).now - Date.now(); hear(); });
  source.addEventListener("end", () => again(0));
  source.addEventListener("error", () => again(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]));
}

/** Opens it again, if the login still holds. */
function again(wait) {
  hangUp();
  timer = setTimeout(async () => {
    try {
      const answer = await fetch("/api/session");
      if (answer.status === 401) return out();
      if (answer.ok) {
        state.me = await answer.json();
        return open();
      }
    } catch { /* the box is away: tried again */ }
    again(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
  }, wait);
}

function hear() {
  state.heard = performance.now();
  tries = 0;
  if (state.lost && state.now) {
    state.lost = 0;
    changed();
  }
}

/** Looks whether the stream still speaks; called every second. */
export function watch() {
  if (!state.lost && performance.now() - state.heard > PATIENCE_MS) {
    state.lost = now() - (performance.now() - state.heard);
    changed();
  }
}
