// What an operator does. Done is said when the gateway's event of it is committed, never before.

import { byId, say, toast } from "./dom.js";
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
  if (state.doing.has(key)) return undefined;
  let text;
  if (verb === "note" || verb === "close") {
    text = await ask(verb, one);
    if (text === null) return undefined;
  }
  state.doing.set(key, verb);
  redraw();
  try {
    const { ok, said } = await post(`/api/incidents/${key}/${verb}`, verb === "note" ? { text } : {});
    if (ok) toast(t("done", { what: t(`verb.${verb}`), id: one.id, seq: said.seq }));
    else toast(t("failed", { what: t(`verb.${verb}`), id: one.id, why: why(said) }), true);
  } catch {
    toast(t("failed", { what: t(`verb.${verb}`), id: one.id, why: t("refused.away_room") }), true);
  }
  state.doing.delete(key);
  redraw();
  return undefined;
}

function why(said) {
  const key = `refused.${said.error}`;
  const by = said.by ?? t("nobody");
  const at = said.at ? clock(said.at, now()) : "";
  return has(key) ? t(key, { by, at, life: said.life ? word("life", said.life) : "" }) : said.error;
}

let answer = null;

/** Asks for a note, or whether it is meant; the text, or null. */
function ask(verb, one) {
  const dialog = byId("ask");
  const note = verb === "note";
  say(byId("ask-title"), t(note ? "note.title" : "close.title", { id: one.id }));
  byId("ask-label").hidden = !note;
  byId("ask-text").required = note;
  byId("ask-text").value = "";
  say(byId("ask-why"), note ? t("note.why") : one.open.length > 0 ? t("close.open") : t("close.why"));
  say(byId("ask-yes"), t(`verb.${verb}`));
  dialog.showModal();
  (note ? byId("ask-text") : byId("ask-yes")).focus();
  return new Promise((done) => { answer = done; });
}

function answered(text) {
  const done = answer;
  answer = null;
  if (byId("ask").open) byId("ask").close();
  done?.(text);
}

byId("ask-form").addEventListener("submit", (event) => {
  event.preventDefault();
  answered(byId("ask-text").value.trim());
});
byId("ask").addEventListener("close", () => answered(null));
