// The incidents: who waits first, what is going on, since when, and what can be done.

import { byId, element, keyed, say } from "./dom.js";
import { drawPictures, forgetPictures, picturesOf, tickPictures } from "./pictures.js";
import { blindness, handoverOf, isTheirs, now, operator, queue, state } from "./state.js";
import { age, clock, t, tn, word } from "./words.js";

const VERBS = ["ack", "note", "escalate", "close", "handover"];

export function drawIncidents() {
  const all = queue();
  if (state.selected && !state.incidents.has(state.selected)) state.selected = null;
  forgetPictures();
  keyed(byId("incidents"), all, ([key]) => key, make, update);
  const none = byId("no-incidents");
  none.hidden = all.length > 0;
  say(none, t(blindness() ? "incidents.unknown" : "incidents.none"));
  none.classList.toggle("unknown", Boolean(blindness()));
  const waiting = all.filter(([, one]) => !one.acked).length;
  say(byId("count-incidents"), waiting > 0 ? String(waiting) : "");
}

function make([key]) {
  const node = element("li", "incident");
  node.tabIndex = -1;
  const head = element("div", "head");
  head.append(element("b", "severity"), element("strong", "danger"), element("span", "place"), element("span", "phase"), element("time", "age"));
  const tags = element("div", "marks");
  const facts = element("div", "facts");
  const pictures = element("ul", "pictures");
  const buttons = element("div", "buttons");
  for (const verb of VERBS) {
    const button = element("button", verb === "ack" ? "primary" : "");
    button.dataset.verb = verb;
    button.append(element("kbd", "", { ack: "A", note: "N", escalate: "E", close: "C", handover: "H" }[verb]), " ", element("span"));
    buttons.append(button);
  }
  const site = element("button");
  site.dataset.act = "site";
  site.append(element("kbd", "", "G"), " ", element("span"));
  buttons.append(site);
  node.append(head, tags, facts, pictures, buttons);
  node.addEventListener("click", () => { node.dispatchEvent(new CustomEvent("choose", { bubbles: true, detail: key })); });
  return node;
}

function update(node, [key, one]) {
  const chosen = key === state.selected;
  const shown = blindness() ? "unknown" : one.shown;
  node.className = `incident s${Math.min(one.severity, 4)} ${one.acked ? "taken" : "waits"}${chosen ? " chosen" : ""}`;
  node.dataset.phase = shown;
  node.setAttribute("aria-current", String(chosen));
  const [head, tags, facts, pictures, buttons] = node.children;
  const [severity, danger, place, phase, since] = head.children;
  say(severity, String(one.severity));
  severity.title = t("severity");
  say(danger, word("danger", one.danger));
  say(place, [one.partition, one.gateway, one.site].filter(Boolean).join(" · "));
  say(phase, word("phase", shown));
  since.dataset.since = one.began;
  since.dateTime = new Date(one.began).toISOString();
  since.title = `${one.sure ? "" : t("age.unsure")} ${clock(one.began, now())}`.trim();
  say(since, `${one.sure ? "" : "≥ "}${age(now() - one.began)}`);
  node.setAttribute("aria-label", [one.danger && word("danger", one.danger), place.textContent, phase.textContent, one.acked ? "" : t("waits")].filter(Boolean).join(", "));
  const marks = [];
  if (one.silent) marks.push(["silent", t("silent")]);
  if (one.escalated && !one.acked) marks.push(["escalated", t("escalated")]);
  if (one.acked) marks.push(["acked", t("acked", { by: one.acked.by ?? t("nobody"), at: clock(one.acked.at, now()) })]);
  const passed = handoverOf(key);
  if (passed) marks.push([`passed ${passed.state}`, t(`handover.mark.${passed.side}.${passed.state}`, { peer: passed.peer, at: clock(Date.parse((passed.answered ?? passed.offered).at), now()) })]);
  const between = passed?.state === "offered" || passed?.state === "accepted";
  const doing = state.doing.get(key);
  if (doing) marks.push(["doing", t("doing", { what: t(`verb.${doing}`) })]);
  keyed(tags, marks, ([name]) => name, ([name]) => element("span", `mark ${name}`), (mark, [, text]) => say(mark, text));
  tags.hidden = marks.length === 0;
  const lines = [["sources", sourcesOf(one)]];
  if (chosen) {
    lines.push(["since", t("incident.since", { at: clock(one.began, now()), id: one.id })]);
    one.notes.forEach((note, n) => lines.push([`note${n}`, t("incident.note", { by: note.by ?? t("nobody"), at: clock(note.at, now()), text: note.text })]));
    one.told.forEach((line, n) => lines.push([`told${n}`, toldLine(line)]));
  } else if (one.notes.length > 0) lines.push(["notes", tn("incident.notes", one.notes.length)]);
  keyed(facts, lines, ([name]) => name, ([name]) => element("p", name), (line, [, text]) => say(line, text));
  drawPictures(pictures, chosen ? picturesOf(key, drawIncidents) : []);
  buttons.hidden = !chosen;
  for (const button of buttons.children) {
    const verb = button.dataset.verb;
    say(button.lastElementChild, verb ? t(`verb.${verb}`) : t("verb.site"));
    button.hidden = Boolean(verb) && (!operator() || (verb === "ack" && one.acked) || (verb === "escalate" && one.escalated) || (verb === "handover" && (between || state.rooms.peers.length === 0)) || (["ack", "escalate", "close"].includes(verb) && isTheirs(passed)));
    button.disabled = Boolean(verb) && (Boolean(doing) || Boolean(blindness()));
  }
}

/** What was in alarm, and what still is. */
function sourcesOf(one) {
  const open = new Set(one.open);
  const name = (source) => {
    const [kind, id] = source.split("/");
    return `${t(`kind.${kind}`) === `kind.${kind}` ? kind : t(`kind.${kind}`)} ${id}`;
  };
  const still = one.sources.filter((source) => open.has(source)).map(name);
  const over = one.sources.filter((source) => !open.has(source)).map(name);
  const parts = [];
  if (still.length > 0) parts.push(t(blindness() || one.shown === "unknown" ? "incident.was" : "incident.still", { what: still.join(t("comma")) }));
  if (over.length > 0) parts.push(t("incident.over", { what: over.join(t("comma")) }));
  return parts.join(" ");
}

/** Who was told, or could not be. */
function toldLine(line) {
  const at = clock(line.at, now());
  if (!line.member) return t("told.nobody", { list: line.list, at, why: line.why });
  const way = word("way", line.way);
  if (!line.why) return t("told.done", { member: line.member, way, at });
  const next = line.next ? t("told.next", { at: clock(line.next, now()) }) : "";
  return t("told.failed", { member: line.member, way, at, why: line.why, next }).trim();
}

/** Ages go on without news. */
export function tick() {
  tickPictures();
  for (const node of document.querySelectorAll("time.age")) {
    const since = Number(node.dataset.since);
    if (since) say(node, `${node.textContent.startsWith("≥") ? "≥ " : ""}${age(now() - since)}`);
  }
}

export function choose(key) {
  state.selected = key;
  drawIncidents();
  const node = [...byId("incidents").children].find((child) => child.dataset.key === key);
  node?.scrollIntoView({ block: "nearest" });
  node?.focus({ preventScroll: true });
}

/** Moves the choice; without one it begins at the most urgent. */
export function move(by) {
  const keys = queue().map(([key]) => key);
  if (keys.length === 0) return;
  const at = keys.indexOf(state.selected);
  choose(keys[at < 0 ? 0 : Math.min(Math.max(at + by, 0), keys.length - 1)]);
}
