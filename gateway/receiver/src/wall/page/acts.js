// What an operator does. Done is said when the gateway's event of it is committed, never before.

import { byId, say, toast } from "./dom.js";
import { handOver } from "./handovers.js";
import { post } from "./login.js";
import { blindness, now, operator, state } from "./state.js";
import { clock, has, t, word } from "./words.js";

let redraw = () => {};
export const onActs = (draw) => { redraw = draw; };

/** Does it to the chosen incident; asks first where a word is needed or it cannot be undone. */
export async function act(verb) {
  const key = state.selected;
  const one = state.incidents.get(key);
  if (!operator()) return toast(t("refused.viewer"), true);
  if (!one) return toast(t("choose_first"), true);
  if (blindness()) return toast(t("refused.blind"), true);
  if (verb === "handover") return handOver(key, one);
  if (state.doing.has(key)) return undefined;
  let said = {};
  if (verb === "note" || verb === "close") {
    said = await ask(verb, one);
    if (said === null) return undefined;
  }
  state.doing.set(key, verb);
  redraw();
  try {
    const { ok, said: told } = await post(`/api/incidents/${key}/${verb}`, said);
    if (ok) toast(t("done", { what: t(`verb.${verb}`), id: one.id, seq: told.seq }));
    else toast(t("failed", { what: t(`verb.${verb}`), id: one.id, why: why(told) }), true);
  } catch {
    toast(t("failed", { what: t(`verb.${verb}`), id: one.id, why: t("refused.away_room") }), true);
  }
  state.doing.delete(key);
  redraw();
  return undefined;
}

/** Why something was not done, in words. */
export function why(said) {
  const key = `refused.${said.error}`;
  const by = said.by ?? t("nobody");
  const at = said.at ? clock(said.at, now()) : "";
  return has(key) ? t(key, { by, at, life: said.life ? word("life", said.life) : "" }) : said.error;
}

const REASONS = ["real", "false", "test", "unknown"];
let answer = null;
let asking = null;

/** Asks for a note, or what it was that is over; what is said with the act, or null. */
function ask(verb, one) {
  const dialog = byId("ask");
  const note = verb === "note";
  asking = verb;
  say(byId("ask-title"), t(note ? "note.title" : "close.title", { id: one.id }));
  byId("ask-label").hidden = !note;
  byId("ask-text").required = note;
  byId("ask-text").value = "";
  const reason = byId("ask-reason");
  byId("ask-reason-label").hidden = note;
  reason.replaceChildren(...["", ...REASONS].map((one) => new Option(one ? t(`reason.${one}`) : t("close.unsaid"), one)));
  say(byId("ask-why"), note ? t("note.why") : one.open.length > 0 ? t("close.open") : t("close.why"));
  say(byId("ask-yes"), t(`verb.${verb}`));
  dialog.showModal();
  (note ? byId("ask-text") : byId("ask-yes")).focus();
  return new Promise((done) => { answer = done; });
}

function answered(said) {
  const done = answer;
  answer = null;
  if (byId("ask").open) byId("ask").close();
  done?.(said);
}

byId("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  const reason = byId("ask-reason").value;
  answered(asking === "note" ? { text: byId("ask-text").value.trim() } : reason ? { reason } : {});
});
byId("ask").addEventListener("close", () => answered(null));
