// Cards: who may pass where and when; added by presenting one or by its number, changed, blocked, removed.

import { ask, refusal } from "./acts.js";
import { byId, element, say, toast } from "./dom.js";
import { post, why } from "./login.js";
import { mayFields } from "./may.js";
import { t, tn } from "./words.js";

// Formats by what is printed; those without a facility have none to be typed.
const FORMATS = { h10301: true, h10306: true, h10304: true, h10302: false };
// Seconds: as long as the box waits for a card.
const WAITS = 45;

// Cards that are drawn at once; the others are found by their labels.
const DRAWN = 200;

let said = null; // {entries, may}
let read = null; // the card that a reader has read
let fields = null; // what the new card may do
let counting = 0;
let waits = null; // the reader at which a card is waited for

export async function drawCards() {
  const answer = await fetch("/api/credentials").catch(() => null);
  const told = answer ? await answer.json().catch(() => ({ error: "internal" })) : { error: "away" };
  said = answer?.ok ? told : null;
  byId("cards-why").textContent = said ? "" : why(told);
  byId("cards-mistakes").textContent = told.text ?? "";
  byId("cards-part").hidden = !said;
  if (!said) return;
  list();
  if (!fields) fresh();
}

/** Nothing of it stays on a page that nobody looks at. */
export function forgetCards() {
  if (waits) post(`/api/readers/${waits}/enrol/end`);
  stop();
  [said, read, fields] = [null, null, null];
  byId("cards").replaceChildren();
  byId("card-may").replaceChildren();
  byId("card-form").reset();
}

// ---- the list ----

const titleOf = (one) => one.label ?? t("cards.nameless", { hash: one.hash.slice(0, 8) });
const named = (kind, ids) => ids.map((id) => said.may[kind].find((one) => one.id === id)?.name ?? id).join(t("comma"));

/** What a card may do, in words. */
function rights(one) {
  const opens = [one.doors?.length ? named("doors", one.doors) : "", one.areas?.length ? named("areas", one.areas) : ""].filter(Boolean);
  const lines = [!one.doors && !one.areas ? t("cards.opens_every") : opens.length ? opens.join(t("comma")) : t("cards.opens_none")];
  if (one.from) lines.push(t("cards.since", { at: one.from }));
  if (one.until) lines.push(t("cards.till", { at: one.until }));
  if (one.weekly) lines.push(t("cards.at_hours"));
  if (one.arms?.length) lines.push(t("cards.arms_these", { what: named("partitions", one.arms) }));
  if (one.disarms?.length) lines.push(t("cards.disarms_these", { what: named("partitions", one.disarms) }));
  if (one.pin) lines.push(t("cards.with_pin"));
  return lines.join(" · ");
}

function list() {
  const wanted = byId("cards-find").value.trim().toLowerCase();
  const all = said.entries.filter((one) => `${one.label ?? ""} ${one.hash}`.toLowerCase().includes(wanted));
  const more = all.length > DRAWN ? t("cards.more", { n: DRAWN }) : "";
  say(byId("cards-count"), [tn("cards.count", said.entries.length), more].filter(Boolean).join(" · "));
  byId("cards").replaceChildren(...all.slice(0, DRAWN).map(card));
}

function card(one) {
  const node = element("li", "entry credential");
  node.dataset.state = one.state;
  const head = element("div", "entry-head");
  const buttons = element("span", "buttons");
  const act = (text, run) => {
    const button = element("button", "", text);
    button.type = "button";
    button.setAttribute("aria-label", `${text}: ${titleOf(one)}`);
    button.addEventListener("click", run);
    buttons.append(button);
  };
  act(t("cards.change"), () => edit(node, one));
  const blocked = one.blocked === true;
  act(t(blocked ? "cards.unblock" : "cards.block"), () => change(one, blocked ? "unblock" : "block", blocked));
  act(t("settings.remove"), () => change(one, "remove", true));
  head.append(element("b", "", titleOf(one)), buttons);
  node.append(head, element("span", "state", t(`cards.is_${one.state}`)), element("span", "", rights(one)), element("small", "hash", one.hash.slice(0, 8)));
  return node;
}

/** Blocking is done at once: somebody has lost a card. What lets more pass, or cannot be undone, is asked. */
async function change(one, verb, asks) {
  const text = { title: t(`cards.${verb}_title`, { name: titleOf(one) }), text: t(`cards.${verb}_why`), yes: t(verb === "remove" ? "settings.remove" : `cards.${verb}`) };
  if (asks && !(await ask(text))) return;
  const { ok, said: told } = await post(`/api/credentials/${one.hash}/${verb}`);
  toast(ok ? t(`cards.${verb}_done`, { name: titleOf(one) }) : why(told), !ok);
  drawCards();
}

function edit(node, one) {
  const may = mayFields(said.may, one);
  const form = element("form", "card-edit");
  const wrong = element("pre", "mistakes");
  wrong.setAttribute("role", "alert");
  const buttons = element("p", "buttons");
  const [save, cancel] = [element("button", "primary", t("cards.save")), element("button", "", t("cancel"))];
  cancel.type = "button";
  cancel.addEventListener("click", list);
  buttons.append(save, cancel);
  form.append(...may.nodes, wrong, buttons);
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    save.disabled = true;
    const { ok, said: told } = await post(`/api/credentials/${one.hash}/change`, may.read());
    save.disabled = false;
    wrong.textContent = ok ? "" : told.text ?? "";
    toast(ok ? t("cards.changed", { name: titleOf(one) }) : why(told), !ok);
    if (ok) drawCards();
  });
  node.replaceChildren(node.firstElementChild, form);
  node.querySelector(".entry-head .buttons").hidden = true;
  form.querySelector("input").focus();
}

// ---- a new card ----

/** An empty form, with what there is to choose from. */
function fresh() {
  read = null;
  fields = mayFields(said.may);
  byId("card-may").replaceChildren(...fields.nodes);
  byId("card-form").reset();
  const option = (value, text) => Object.assign(element("option", "", text), { value });
  byId("card-reader").replaceChildren(...said.may.readers.map((one) => option(one.id, one.name ?? one.id)));
  byId("card-format").replaceChildren(...Object.keys(FORMATS).map((one) => option(one, t(`cards.format_${one}`))));
  byId("card-mistakes").textContent = "";
  say(byId("card-read"), "");
  way();
}

/** By a reader, or by a number. */
function way() {
  const readers = said?.may.readers.length > 0;
  const by = byId("card-form").elements["card-by"];
  if (!readers) by.value = "number";
  by[0].disabled = !readers;
  byId("card-present").hidden = by.value !== "reader";
  byId("card-number-part").hidden = by.value !== "number";
  byId("card-facility-part").hidden = !FORMATS[byId("card-format").value];
  byId("card-add").disabled = by.value === "reader" && !read;
}

function stop() {
  clearInterval(counting);
  waits = null;
  byId("card-enrol").hidden = false;
  byId("card-enrol-end").hidden = true;
}

byId("card-enrol").addEventListener("click", async () => {
  const reader = byId("card-reader").value;
  const [name, until] = [byId("card-reader").selectedOptions[0]?.textContent ?? reader, performance.now() + WAITS * 1000];
  [read, waits] = [null, reader];
  way();
  byId("card-enrol").hidden = true;
  byId("card-enrol-end").hidden = false;
  byId("card-enrol-end").focus();
  const left = () => say(byId("card-read"), tn("cards.present_at", Math.max(0, Math.ceil((until - performance.now()) / 1000)), { reader: name }));
  left();
  clearInterval(counting);
  counting = setInterval(left, 1000);
  const { ok, said: told } = await post(`/api/readers/${reader}/enrol`);
  if (!said) return;
  stop();
  read = ok ? told.credential : null;
  say(byId("card-read"), ok ? t("cards.read", { hash: read.slice(0, 8) }) : refusal(told));
  way();
  (ok ? byId("card-may").querySelector("input") : byId("card-enrol")).focus();
});
byId("card-enrol-end").addEventListener("click", () => post(`/api/readers/${waits}/enrol/end`));

byId("card-form").addEventListener("change", way);
byId("card-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const by = byId("card-form").elements["card-by"].value;
  const number = (id) => Number(byId(id).value || 0);
  const format = byId("card-format").value;
  const printed = { format, facility: FORMATS[format] ? number("card-facility") : 0, number: number("card-number") };
  const card = by === "reader" ? { credential: read } : { printed };
  const body = { ...card, may: fields.read(), pin: byId("card-pin").value || null };
  byId("card-add").disabled = true;
  const { ok, said: told } = await post("/api/credentials", body);
  byId("card-mistakes").textContent = ok ? "" : told.text ?? "";
  way();
  if (!ok) return toast(why(told), true);
  toast(t("cards.added"));
  fields = null;
  drawCards();
});
byId("cards-find").addEventListener("input", () => { if (said) list(); });
