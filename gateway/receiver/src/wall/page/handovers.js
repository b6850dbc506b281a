// Other control rooms: what they offer, what was taken over from them, and what is theirs by now.

import { why } from "./acts.js";
import { byId, element, keyed, say, toast } from "./dom.js";
import { post } from "./login.js";
import { blindness, now, operator, state } from "./state.js";
import { age, clock, has, t, tn, word } from "./words.js";

const PASSES = ["accept", "refuse", "withdraw", "ack", "note", "escalate", "close"];
// What is over stays for so long, so that whoever comes back sees what became of it.
const OVER_MS = 3600_000;
const HISTORY = 8;

const at = (text) => Date.parse(text);
const keyOf = (one) => `${one.site}/${one.gateway}/${one.incident.id}`;
let redraw = () => {};
export const onHandovers = (draw) => { redraw = draw; };

/** Offers first, then what we act on, then what is owed or theirs, then what is over. */
function shown() {
  const fresh = (one) => now() - at((one.answered ?? one.offered).at) < OVER_MS;
  const open = (one) => one.state === "offered" || one.state === "accepted";
  const place = (one) => (one.side === "taken" && one.state === "offered" ? 0 : one.side === "taken" && one.state === "accepted" ? 1 : open(one) ? 2 : 3);
  // What is given and stands among the incidents says so there, unless something of it is owed.
  const there = (one) => one.side === "given" && one.state !== "offered" && !one.owed && state.incidents.has(keyOf(one));
  return state.rooms.handovers.filter((one) => (open(one) || one.owed || fresh(one)) && !there(one)).sort((a, b) => place(a) - place(b));
}

export function drawHandovers() {
  const all = shown();
  byId("rooms").hidden = all.length === 0;
  keyed(byId("handovers"), all, (one) => one.id, make, update);
}

/** Puts the keyboard on the first handover that can be answered. */
export function firstHandover() {
  const button = [...document.querySelectorAll("#handovers button")].find((one) => !one.hidden && !one.disabled);
  button?.focus();
}

function make(one) {
  const node = element("li", "handover");
  const head = element("div", "head");
  head.append(element("strong", "danger"), element("span", "place"), element("span", "how"), element("time", "age"));
  const buttons = element("div", "buttons");
  for (const verb of PASSES) {
    const button = element("button", verb === "accept" || verb === "ack" ? "primary" : "");
    button.dataset.pass = verb;
    button.dataset.id = one.id;
    buttons.append(button);
  }
  node.append(head, element("div", "facts"), buttons);
  return node;
}

function update(node, one) {
  const unsure = Boolean(blindness());
  node.dataset.side = one.side;
  node.dataset.state = one.state;
  const [head, facts, buttons] = node.children;
  const [danger, place, how, since] = head.children;
  say(danger, word("danger", one.incident.danger));
  say(place, [one.incident.partition, one.gateway, one.site, one.incident.id].filter(Boolean).join(" · "));
  say(how, t(`handover.${one.side}.${one.state}`, { peer: one.peer }));
  const began = at(one.incident.since);
  since.dataset.since = began;
  since.dateTime = one.incident.since;
  say(since, age(now() - began));
  keyed(facts, linesOf(one), ([name]) => name, ([name]) => element("p", name.replace(/\d+$/, "")), (line, [, text]) => say(line, text));
  const here = state.incidents.has(keyOf(one));
  const offered = one.side === "taken" && one.state === "offered";
  // A gateway that this room has itself is acted on where its incident stands.
  const ours = one.side === "taken" && one.state === "accepted" && !here;
  for (const button of buttons.children) {
    const verb = button.dataset.pass;
    const back = one.side === "given" && one.state === "offered";
    const may = verb === "withdraw" ? back : verb === "accept" || verb === "refuse" ? offered : ours && !(verb === "ack" && one.incident.acked) && !(verb === "escalate" && one.incident.escalated);
    say(button, t(`verb.${verb}`));
    button.hidden = !may || !operator();
    button.disabled = unsure || state.doing.has(one.id);
  }
  buttons.hidden = [...buttons.children].every((button) => button.hidden);
}

/** Who offered and answered, what the gateway recorded, what was wanted, and what is not confirmed. */
function linesOf(one) {
  const lines = [["who", t("handover.offered_by", { by: one.offered.by, at: clock(at(one.offered.at), now()) })]];
  if (one.incident.danger === "silent-panic") lines.push(["silent", t("silent")]);
  if (one.answered) lines.push(["answer", t("handover.answered_by", { by: one.answered.by, at: clock(at(one.answered.at), now()) })]);
  if (one.why) lines.push(["why", t("handover.why", { why: has(`handover.why.${one.why}`) ? t(`handover.why.${one.why}`) : one.why })]);
  for (const [n, entry] of one.history.slice(-HISTORY).entries()) {
    const key = `event.${entry.type}`;
    const what = has(key) ? t(key) : entry.type;
    const by = entry.by ?? "";
    // Of an act the gateway's word says the same again; of a note it is the note.
    const text = entry.by && entry.type !== "incident.noted" ? "" : entry.text ?? "";
    lines.push([`entry${n}`, [clock(at(entry.at), now()), by, what, text].filter(Boolean).join(" · ")]);
  }
  for (const [n, act] of one.acts.entries()) {
    if (act.outcome?.done !== undefined) continue;
    const failed = act.outcome?.failed;
    const how = failed ? t("handover.not_done", { why: why({ error: failed }) }) : t("handover.on_its_way");
    lines.push([failed ? `failed${n}` : `going${n}`, `${t(`verb.${act.op}`)} · ${act.operator}: ${how}`]);
  }
  if (one.owed) {
    const trouble = one.owed.trouble ? t(one.owed.trouble === "nobody_listens" ? "handover.nobody_listens" : "handover.broker_refuses") : "";
    lines.push(["owed", `${tn("handover.owed", one.owed.messages, { peer: one.peer, age: age(now() - at(one.owed.since)) })} ${trouble}`.trim()]);
  }
  return lines;
}

// ---- acts ----

let answer = null;
let asking = null;

/** Offers the chosen incident to another room. */
export async function handOver(key, one) {
  if (state.rooms.peers.length === 0) return toast(t("refused.no_peer"), true);
  const said = await ask("handover", one.id);
  if (said === null) return undefined;
  return send(`/api/handovers/offer/${key}`, said, "handover", one.id, t("handover.kept", { peer: said.to }));
}

async function pass(id, verb) {
  const one = state.rooms.handovers.find((other) => other.id === id);
  if (!one) return undefined;
  if (!operator()) return toast(t("refused.viewer"), true);
  if (blindness()) return toast(t("refused.blind"), true);
  const said = ["refuse", "note", "close"].includes(verb) ? await ask(verb, one.incident.id) : {};
  if (said === null) return undefined;
  const kept = verb === "accept" ? t("handover.accepted", { peer: one.peer }) : verb === "refuse" ? t("handover.refused_now", { peer: one.peer }) : verb === "withdraw" ? t("handover.withdrawn") : t("handover.act_kept", { peer: one.peer });
  return send(`/api/handovers/${id}/${verb}`, said, verb, one.incident.id, kept, id);
}

async function send(path, said, verb, incident, kept, doing) {
  if (doing) state.doing.set(doing, verb);
  redraw();
  const failed = (reason) => toast(t("failed", { what: t(`verb.${verb}`), id: incident, why: reason }), true);
  try {
    const { ok, said: told } = await post(path, said);
    if (ok) toast(kept);
    else failed(why(told));
  } catch {
    failed(t("refused.away_room"));
  }
  if (doing) state.doing.delete(doing);
  redraw();
  return undefined;
}

const REASONS = ["real", "false", "test", "unknown"];

/** Asks for what the act needs; what is said with it, or null. */
function ask(verb, incident) {
  asking = verb;
  say(byId("pass-title"), t(`${verb}.title`, { id: incident }));
  byId("pass-to-label").hidden = verb !== "handover";
  byId("pass-to").replaceChildren(...state.rooms.peers.map((one) => new Option(one, one)));
  const text = byId("pass-text");
  byId("pass-text-label").hidden = verb !== "refuse" && verb !== "note";
  text.required = verb === "refuse" || verb === "note";
  text.value = "";
  say(byId("pass-text-what"), t(verb === "refuse" ? "refuse.text" : "note.text"));
  byId("pass-reason-label").hidden = verb !== "close";
  byId("pass-reason").replaceChildren(...["", ...REASONS].map((one) => new Option(one ? t(`reason.${one}`) : t("close.unsaid"), one)));
  say(byId("pass-why"), t(verb === "handover" ? "handover.stays" : `${verb}.why`));
  say(byId("pass-yes"), t(`verb.${verb}`));
  byId("pass").showModal();
  const choice = verb === "handover" && state.rooms.peers.length > 1;
  (text.required ? text : choice ? byId("pass-to") : byId("pass-yes")).focus();
  return new Promise((done) => { answer = done; });
}

function answered(said) {
  const done = answer;
  answer = null;
  if (byId("pass").open) byId("pass").close();
  done?.(said);
}

byId("pass-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = byId("pass-reason").value;
  if (asking === "handover") answered({ to: byId("pass-to").value });
  else if (asking === "close") answered(reason ? { reason } : {});
  else answered({ text: byId("pass-text").value.trim() });
});
byId("pass").addEventListener("close", () => answered(null));
byId("handovers").addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button) pass(button.dataset.id, button.dataset.pass);
});
