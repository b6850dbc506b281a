// The history of events: what is new beside the incidents, and a search over all that is stored.

import { byId, element, keyed, say } from "./dom.js";
import { now, state } from "./state.js";
import { clock, has, keysOf, t, tn, word } from "./words.js";

const CLASSES = ["panic", "alarm", "tamper", "fault", "access", "arm", "camera", "door", "system", "test"];
let found = [];
let next = null;

const keyOf = (one) => `${one.site}/${one.gateway}/${one.event.seq}/${one.recv}`;

export function drawLatest() {
  keyed(byId("latest"), state.latest.slice(0, 40), keyOf, makeEvent, updateEvent);
}

export function drawHistory() {
  const classes = byId("search-class");
  const chosen = classes.value;
  classes.replaceChildren(...["", ...CLASSES].map((one) => new Option(one ? word("class", one) : t("search.any"), one)));
  classes.value = chosen;
  byId("types").replaceChildren(...keysOf("event.").map((key) => new Option(t(key), key.slice(6))));
  keyed(byId("found"), found, keyOf, makeEvent, updateEvent);
}

function makeEvent() {
  const node = element("li", "event");
  const details = element("details");
  const line = element("summary");
  line.append(element("time"), element("b", "what"), element("span", "source"), element("span", "where"), element("span", "marks"));
  details.append(line);
  details.addEventListener("toggle", () => {
    if (details.open && details.children.length === 1) details.append(element("pre", "", JSON.stringify(node.told.event, null, 1)));
  });
  node.append(details);
  return node;
}

function updateEvent(node, one) {
  node.told = one;
  const event = one.event;
  node.className = `event s${event.severity} ${event.class}`;
  const [time, what, source, where, marks] = node.firstElementChild.firstElementChild.children;
  const at = one.utc ?? (event.time.clock === "never" ? one.recv : Date.parse(event.time.utc));
  time.dateTime = new Date(at).toISOString();
  time.title = t("event.times", { own: event.time.utc, recv: new Date(one.recv).toISOString() });
  say(time, clock(at, now()));
  say(what, has(`event.${event.type}`) ? t(`event.${event.type}`) : event.type);
  const kind = has(`kind.${event.source.kind}`) ? t(`kind.${event.source.kind}`) : event.source.kind;
  say(source, [`${kind} ${event.source.id}`, event.actor && t("event.by", { by: event.actor.slice(0, 16) }), event.cause && `“${event.cause}”`].filter(Boolean).join(" "));
  say(where, [event.partition, one.gateway, one.site].filter(Boolean).join(" · "));
  const flags = (event.flags ?? []).concat(one.replayed ? ["replayed"] : [], event.test ? ["test"] : [], event.time.clock === "never" ? ["no-clock"] : []);
  say(marks, [...new Set(flags)].map((flag) => word("flag", flag)).join(t("comma")));
}

const LOCAL = (id) => (byId(id).value ? new Date(byId(id).value).getTime() : "");

/** Searches; `more` goes on where the last page ended. */
export async function search(more) {
  const asked = new URLSearchParams();
  const wish = {
    text: byId("search-text").value.trim(), class: byId("search-class").value, type: byId("search-type").value.trim(),
    site: byId("search-site").value.trim(), gateway: byId("search-gateway").value.trim(), from: LOCAL("search-from"), to: LOCAL("search-to"),
  };
  for (const [key, value] of Object.entries(wish)) if (value !== "") asked.set(key, value);
  if (more && next) for (const [key, value] of Object.entries(next)) asked.set(key, value);
  say(byId("search-status"), t("search.running"));
  try {
    const answer = await fetch(`/api/events?${asked}`);
    const said = await answer.json();
    if (!answer.ok) {
      say(byId("search-status"), has(`refused.${said.error}`) ? t(`refused.${said.error}`) : said.error);
      return;
    }
    found = more ? found.concat(said.events) : said.events;
    next = said.next ?? null;
    byId("more").hidden = !next;
    say(byId("search-status"), tn(next ? "search.some" : "search.all", found.length));
    drawHistory();
  } catch {
    say(byId("search-status"), t("refused.away_room"));
  }
}
