// Recorded events: searched, and taken away as a table.

import { byId, element, keyed, toast } from "./dom.js";
import { post, why } from "./login.js";
import { nameOf, namedThing, now, state } from "./state.js";
import { clock, keysOf, t, tn, word } from "./words.js";

const CLASSES = ["panic", "alarm", "tamper", "fault", "access", "arm", "camera", "door", "system", "test"];
let found = [];
let before = null;
let asked = {};

/** The choices of the search, in the present language. */
export function fillSearch() {
  const options = (id, all) => {
    const chosen = byId(id).value;
    const any = element("option", "", t("events.any"));
    any.value = "";
    byId(id).replaceChildren(any, ...all.map(([value, text]) => {
      const node = element("option", "", text);
      node.value = value;
      return node;
    }));
    byId(id).value = chosen;
  };
  options("search-class", CLASSES.map((one) => [one, word("class", one)]));
  const things = state.now?.things ?? [];
  options("search-thing", things.map((one) => [`${one.kind}:${one.id}`, `${word("kind", one.kind)} ${nameOf(one)}`]));
  const kinds = keysOf("event.").map((key) => [key.slice(6), `${t(key)} (${key.slice(6)})`]);
  options("search-kind", kinds.sort((a, b) => a[1].localeCompare(b[1])));
}

/** The search as it stands in the form. */
function wanted() {
  const time = (id) => (byId(id).value ? new Date(byId(id).value).getTime() : undefined);
  const text = (id) => byId(id).value || undefined;
  return { class: text("search-class"), thing: text("search-thing"), kind: text("search-kind"), from: time("search-from"), to: time("search-to") };
}

export async function search(more) {
  if (!more) [asked, found, before] = [wanted(), [], null];
  const params = new URLSearchParams();
  for (const [key, value] of Object.entries({ ...asked, before: before ?? undefined })) if (value !== undefined) params.set(key, value);
  byId("search-status").textContent = t("events.searching");
  let said = { error: "away" };
  let ok = false;
  try {
    const answer = await fetch(`/api/events?${params}`);
    [ok, said] = [answer.ok, await answer.json()];
  } catch { /* said as it is */ }
  if (!ok) { byId("search-status").textContent = why(said); return; }
  found.push(...said.events);
  before = said.before;
  byId("more").hidden = before === null;
  drawEvents();
}

export function drawEvents() {
  byId("search-status").textContent = found.length || before === null ? tn("events.found", found.length) : t("events.none_yet");
  keyed(byId("found"), found, (one) => String(one.seq), (one) => {
    const node = element("li", `event ${one.class}`);
    const details = element("details");
    const summary = element("summary");
    summary.append(element("time", "", clock(one.at, now())), element("b", "", word("event", one.type)),
      element("span", "where", `${word("kind", one.kind)} ${namedThing(one.kind, one.id)}`), element("span", "who", one.actor ?? ""));
    const facts = { seq: one.seq, type: one.type, partition: one.partition, actor: one.actor, cause: one.cause, ...one.detail };
    const lines = Object.entries(facts).filter(([, value]) => value !== null && value !== undefined);
    const list = element("dl");
    for (const [key, value] of lines) list.append(element("dt", "", key), element("dd", "", typeof value === "object" ? JSON.stringify(value) : String(value)));
    details.append(summary, list);
    node.append(details);
    return node;
  }, () => {});
}

/** In another language everything is written anew. */
export function forgetEvents() {
  byId("found").replaceChildren();
  if (found.length) drawEvents();
}

byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(false); });
byId("more").addEventListener("click", () => search(true));
byId("csv").addEventListener("click", async () => {
  const headers = { "content-type": "application/json", "x-gatehouse-csrf": state.me?.csrf ?? "" };
  try {
    const answer = await fetch("/api/events/export", { method: "POST", headers, body: JSON.stringify(wanted()) });
    if (!answer.ok) return toast(why(await answer.json()), true);
    const link = element("a");
    link.href = URL.createObjectURL(await answer.blob());
    link.download = `gatehouse-${state.now?.gateway ?? "events"}.csv`;
    link.click();
    URL.revokeObjectURL(link.href);
  } catch {
    toast(t("error.away"), true);
  }
});
