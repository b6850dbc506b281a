// What is happening: incidents, partitions, the way to the district, everything that watches.

import { acknowledge, armButtons } from "./acts.js";
import { byId, element, keyed, say } from "./dom.js";
import { may, nameOf, namedThing, now, state } from "./state.js";
import { age, clock, t, tn, word } from "./words.js";

const KINDS = ["door", "zone", "reader", "camera", "output"];
const MARKS = { good: "✓", warn: "!", bad: "✗", unknown: "?" };

/** The one sentence on top. */
export function drawVerdict() {
  const node = byId("verdict");
  const verdict = state.now?.verdict;
  const level = state.lost || !verdict ? "unknown" : verdict.level;
  node.className = level;
  say(byId("verdict-mark"), MARKS[level]);
  if (state.lost) say(byId("verdict-text"), t("verdict.lost", { at: clock(state.lost, now()) }));
  else say(byId("verdict-text"), verdict ? tn(`verdict.${verdict.word}`, verdict.n) : t("verdict.waits"));
  say(byId("verdict-more"), !state.lost && state.now && !state.now.clock ? t("verdict.clock") : "");
}

const sinceText = (ms) => t("since", { age: age(now() - ms) });

/** One thing as a card. */
function card(thing) {
  const node = element("li", "thing");
  node.append(element("b"), element("span", "state"), element("small", "flags"), element("small", "since"));
  node.querySelector("b").textContent = nameOf(thing);
  return node;
}

function fill(node, thing) {
  const known = !state.lost;
  node.dataset.state = known ? thing.state : "unknown";
  node.dataset.blind = known && thing.blind;
  node.dataset.flags = known ? thing.flags.join(" ") : "";
  say(node.querySelector("b"), nameOf(thing));
  say(node.querySelector(".state"), known ? word("state", thing.state) : t("state.unknown"));
  say(node.querySelector(".flags"), known ? thing.flags.map((flag) => word("flag", flag)).join(t("comma")) : "");
  say(node.querySelector(".since"), known ? sinceText(thing.since) : "");
}

function drawIncidents() {
  const all = state.now.incidents;
  byId("incidents-part").hidden = all.length === 0;
  keyed(byId("incidents"), all, (one) => one.id, (one) => {
    const node = element("li", "incident");
    const button = element("button", "primary", t("now.acknowledge"));
    button.addEventListener("click", () => acknowledge(one.id, button));
    node.append(element("b"), element("span", "phase"), element("span", "what"), element("small", "since"), button);
    return node;
  }, (node, one) => {
    const places = one.sources.map((source) => { const [kind, id] = source.split("/"); return `${word("kind", kind)} ${namedThing(kind, id)}`; });
    say(node.querySelector("b"), word("danger", one.danger));
    say(node.querySelector(".phase"), state.lost ? t("phase.unknown") : word("phase", one.phase));
    say(node.querySelector(".what"), [...(one.partition ? [namedThing("partition", one.partition)] : []), ...places].join(t("comma")));
    const acked = one.acked ? ` · ${t("now.acked", { who: one.acked.who ?? t("now.somebody"), at: clock(one.acked.at, now()) })}` : "";
    say(node.querySelector(".since"), sinceText(one.since) + acked);
    node.dataset.phase = one.phase;
    const button = node.querySelector("button");
    say(button, t("now.acknowledge"));
    button.hidden = one.phase === "acked" || !may("incidents");
    button.disabled = Boolean(state.lost);
  });
}

function drawPartitions(things) {
  const all = things.filter((thing) => thing.kind === "partition");
  byId("partitions-part").hidden = all.length === 0;
  keyed(byId("partitions"), all, (thing) => thing.id, (thing) => {
    const node = card(thing);
    node.append(element("div", "buttons"));
    return node;
  }, (node, thing) => {
    fill(node, thing);
    armButtons(node.querySelector(".buttons"), thing);
  });
}

function drawPath() {
  const path = state.now.path;
  const node = byId("path");
  if (state.lost) { node.className = "line unknown"; return say(node, t("state.unknown")); }
  const waits = Math.max(0, path.head - path.received);
  const link = !path.connected ? t("path.apart", { at: clock(path.since, now()) }) : path.room === false ? t("path.room_away") : path.room === null ? t("path.room_unknown") : t("path.there");
  const got = waits === 0 ? tn("path.all", path.head) : tn("path.waits", waits, { age: age(path.oldest_s * 1000), received: path.received });
  node.className = `line ${!path.connected ? "bad" : path.room === false || path.oldest_s > 60 ? "warn" : "good"}`;
  say(node, `${link} ${got}`);
}

export function drawNow() {
  if (!state.now) return;
  const things = state.now.things;
  say(byId("gateway"), state.now.gateway);
  drawIncidents();
  drawPartitions(things);
  drawPath();
  const groups = KINDS.map((kind) => ({ kind, all: things.filter((thing) => thing.kind === kind) })).filter((group) => group.all.length > 0);
  keyed(byId("groups"), groups, (group) => group.kind, () => {
    const node = element("section", "group");
    node.append(element("h2"), element("ul", "cards"));
    return node;
  }, (node, { kind, all }) => {
    const blind = all.filter((thing) => thing.blind).length;
    say(node.querySelector("h2"), `${t(`kinds.${kind}`)} · ${all.length}${blind && !state.lost ? ` · ${tn("now.blind", blind)}` : ""}`);
    // What does not watch comes first.
    const sorted = [...all].sort((a, b) => Number(b.blind) - Number(a.blind));
    keyed(node.querySelector("ul"), sorted, (thing) => thing.id, card, fill);
  });
}
