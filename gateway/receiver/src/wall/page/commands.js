// What an operator may want of a gateway, and what the gateway says came of it.

import { byId, element, say, toast } from "./dom.js";
import { post } from "./login.js";
import { blindness, operator, state } from "./state.js";
import { has, t, word } from "./words.js";

/** What can be wanted of each kind of thing, and what is asked for with it. */
const OFFERS = {
  partition: [["arm", ["mode", "force"]], ["disarm", []], ["silence", []], ["walktest", ["minutes"]]],
  zone: [["bypass", []], ["unbypass", []]],
  door: [["output", []]],
  output: [["output", ["seconds"]]],
  gateway: [["silence", []], ["challenge", []]],
};
const MODES = ["away", "home", "night", "custom"];

let meant = null; // {site, gateway, kind, name}
let waits = false;

/** The verbs that this account may use on a thing of this kind. */
export const offers = (kind) => (operator() ? (OFFERS[kind] ?? []).filter(([verb]) => (state.me.commands ?? []).includes(verb)) : []);

const label = (kind, verb) => t(has(`command.${kind}.${verb}`) ? `command.${kind}.${verb}` : `command.${verb}`);

/** Asks what is wanted of it; `is` is its present state. */
export function openOrder(site, gateway, kind, name, is) {
  if (blindness()) return toast(t("refused.blind"), true);
  meant = { site, gateway, kind, name };
  const of = kind === "gateway" ? gateway : name;
  say(byId("order-title"), t("order.title", { what: t(`kinds.one.${kind}`), name: of, site }));
  const verbs = offers(kind);
  // What makes sense as it is now comes first.
  const armed = /^(armed|triggered|pending|arming)/.test(is);
  const first = kind !== "partition" ? verbs[0] : verbs.find(([verb]) => verb === (armed ? "disarm" : "arm")) ?? verbs[0];
  byId("order-verbs").replaceChildren(...verbs.map(([verb]) => {
    const row = element("label", "choice");
    const radio = element("input");
    Object.assign(radio, { type: "radio", name: "order-verb", value: verb, checked: verb === first[0] });
    row.append(radio, element("span", "", label(kind, verb)));
    return row;
  }));
  byId("order-mode").replaceChildren(...MODES.map((mode) => new Option(t(`mode.${mode}`), mode)));
  byId("order-force").checked = false;
  byId("order-minutes").value = "30";
  byId("order-seconds").value = "5";
  say(byId("order-why"), "");
  delete byId("order-why").dataset.how;
  fields();
  byId("order").showModal();
  byId("order-verbs").querySelector("input:checked").focus();
  return undefined;
}

const chosen = () => byId("order-verbs").querySelector("input:checked")?.value;

/** Shows what is asked for with the chosen verb. */
function fields() {
  const wanted = offers(meant.kind).find(([verb]) => verb === chosen())?.[1] ?? [];
  for (const field of ["mode", "force", "minutes", "seconds"]) {
    byId(`order-${field}-label`).hidden = !wanted.includes(field);
    byId(`order-${field}`).disabled = !wanted.includes(field);
  }
  say(byId("order-yes"), label(meant.kind, chosen()));
}

function args(verb) {
  const { kind, name } = meant;
  if (verb === "arm") return { partition: name, mode: byId("order-mode").value, force: byId("order-force").checked };
  if (verb === "walktest") return { partition: name, minutes: Number(byId("order-minutes").value) };
  if (kind === "output") return { output: name, seconds: Number(byId("order-seconds").value) };
  return kind === "gateway" ? {} : { [kind]: name };
}

/** What the gateway answered, in words: the status, why, and what stands in the way. */
function answer(said) {
  if (said.error) {
    const why = has(`refused.${said.error}`) ? t(`refused.${said.error}`, { life: said.life ? word("life", said.life) : "", by: "", at: "" }) : said.error;
    return said.why ? `${why} ${said.why}` : why;
  }
  const parts = [t(`answer.${said.status}`)];
  if (said.reason) parts.push(word("refusal", said.reason));
  const blockers = said.detail?.blockers ?? [];
  if (blockers.length > 0) parts.push(blockers.map(blocker).join(t("comma")));
  return parts.join(" · ");
}

/** What prevents arming. */
function blocker({ id, why }) {
  const text = [["why", why], ["state", why], ["flag", why]].map(([kind, is]) => word(kind, is)).find((text) => text !== why);
  return t("order.blocker", { name: id, why: text ?? why });
}

async function send() {
  if (waits) return;
  const verb = chosen();
  const { site, gateway, kind } = meant;
  const why = byId("order-why");
  waits = true;
  byId("order-yes").disabled = true;
  why.dataset.how = "waits";
  say(why, t(verb === "challenge" ? "order.waits_long" : "order.waits"));
  let text;
  let done = false;
  try {
    const path = [site, gateway, verb].map(encodeURIComponent).join("/");
    const { ok, said } = await post(`/api/commands/${path}`, { args: args(verb) });
    done = ok && said.ok;
    text = done ? t("order.done", { what: label(kind, verb), seq: said.seq }) : answer(said);
  } catch {
    text = t("refused.away_room");
  }
  waits = false;
  byId("order-yes").disabled = false;
  if (done) {
    byId("order").close();
    toast(text);
  } else if (byId("order").open) {
    why.dataset.how = "bad";
    say(why, text);
  } else {
    // Shut while it was on its way: what came of it is told all the same.
    toast(t("order.failed", { what: label(kind, verb), why: text }), true);
  }
}

byId("order-verbs").addEventListener("change", fields);
byId("order-form").addEventListener("submit", (event) => {
  event.preventDefault();
  send();
});
