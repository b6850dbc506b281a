// The stream of events. Without a beat for some seconds nothing is known any more.

import { now, state } from "./state.js";

// The stream beats every two seconds: two beats missed, and a little.
const PATIENCE_MS = 5000;
const RETRY_MS = [500, 1000, 2000, 4000];
const LATEST = 60;

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
  source.addEventListener("full", (message) => take(message, true));
  source.addEventListener("change", (message) => take(message, false));
  source.addEventListener("beat", (message) => { hear(JSON.parse(message.data)); });
  source.addEventListener("event", (message) => happen(JSON.parse(message.data)));
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
    } catch { /* the receiver is away: tried again */ }
    again(RETRY_MS[Math.min(tries++, RETRY_MS.length - 1)]);
  }, wait);
}

function hear(data) {
  state.heard = performance.now();
  state.ahead = data.now - Date.now();
  tries = 0;
  if (state.lost) {
    state.lost = 0;
    changed();
  }
}

function take(message, whole) {
  const data = JSON.parse(message.data);
  if (whole) {
    state.gateways.clear();
    state.incidents.clear();
  }
  for (const [map, pieces] of [[state.gateways, data.gateways], [state.incidents, data.incidents]]) {
    for (const [key, piece] of Object.entries(pieces)) {
      if (piece === null) map.delete(key);
      else map.set(key, piece);
    }
  }
  if (data.room) state.room = data.room;
  if (data.rooms || whole) state.rooms = data.rooms ?? { name: null, peers: [], handovers: [] };
  if (data.storms || whole) state.storms = data.storms ?? [];
  hear(data);
  changed();
}

function happen(one) {
  if (one.event) {
    state.latest.unshift(one);
    state.latest.length = Math.min(state.latest.length, LATEST);
  }
  changed();
}

/** Looks whether the stream still speaks; called twice a second. */
export function watch() {
  if (!state.lost && performance.now() - state.heard > PATIENCE_MS) {
    state.lost = now() - (performance.now() - state.heard);
    changed();
  }
}
