// What the page knows, and how far it may be believed.

export const state = {
  me: null, // {account, role, csrf, …}
  room: null, // {link, why, failing}
  storms: [], // faults of many gateways that are one matter
  gateways: new Map(), // "site/gateway"
  incidents: new Map(), // "site/gateway/incident"
  rooms: { name: null, peers: [], handovers: [] }, // other control rooms
  latest: [], // events as they are committed, newest first
  heard: 0, // when the stream said something last, on this page's clock
  lost: 0, // since when it says nothing, in the control room's time; 0: it speaks
  ahead: 0, // the control room's clock minus this page's
  over: false, // the login has ended by itself
  view: "board",
  selected: null, // key of an incident
  site: null,
  doing: new Map(), // key of an incident: the verb that is on its way
};

/** The control room's time. */
export const now = () => Date.now() + state.ahead;

/** Why nothing that is shown is known to be so, if it is: then all of it is unknown. */
export function blindness() {
  if (state.lost) return "lost";
  if (!state.room) return "starting";
  if (state.room.link !== "up") return "link";
  if (state.room.failing) return "failing";
  return null;
}

export const operator = () => state.me?.role === "operator";

// Where people may be in danger; then everything else.
const PEOPLE = ["panic", "silent-panic", "fire", "gas"];

/** All incidents: who waits first, then the most severe, people before things, then who has waited longest. */
export function queue() {
  const things = (one) => (PEOPLE.includes(one.danger) ? 0 : 1);
  const place = ([key, one]) => [one.acked ? 1 : 0, one.severity, things(one), one.began, key];
  return [...state.incidents].sort((a, b) => {
    const [left, right] = [place(a), place(b)];
    const at = left.findIndex((part, n) => part !== right[n]);
    return at < 0 ? 0 : left[at] < right[at] ? -1 : 1;
  });
}

/** The sites by id, each with its gateways. */
export function sites() {
  const all = new Map();
  for (const [key, gateway] of state.gateways) {
    if (!all.has(gateway.site)) all.set(gateway.site, []);
    all.get(gateway.site).push([key, gateway]);
  }
  return new Map([...all].sort(([a], [b]) => (a < b ? -1 : 1)));
}

/** The handover of an incident that is open between rooms, or was refused last. */
export function handoverOf(key) {
  const all = state.rooms.handovers.filter((one) => `${one.site}/${one.gateway}/${one.incident.id}` === key);
  return all.find((one) => one.state === "offered" || one.state === "accepted") ?? all.find((one) => one.state === "refused");
}

/** Whether another room acts on this incident. */
export const isTheirs = (one) => one?.side === "given" && one.state === "accepted";

/** Whether an incident waits for this room: what another has taken is heard there, unless nobody took it in time. */
export const waitsHere = (key, one) => !one.acked && (one.escalated || !isTheirs(handoverOf(key)));

/** What other rooms have handed to this one, or want to, and nobody here has taken. */
export function fromOthers() {
  return state.rooms.handovers.filter((one) => {
    const ours = state.incidents.has(`${one.site}/${one.gateway}/${one.incident.id}`);
    return one.side === "taken" && (one.state === "offered" || (one.state === "accepted" && !ours && !one.incident.acked));
  });
}
