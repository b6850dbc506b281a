// Arming, disarming, acknowledging: asked once more, then done by the box's own rules.

import { byId, element, say, toast } from "./dom.js";
import { post, why } from "./login.js";
import { may, nameOf, namedThing, state } from "./state.js";
import { has, t, word } from "./words.js";

/** Asks before something is done; the text that was typed, true, or nothing. */
export function ask({ title, text, list, yes, typed }) {
  const dialog = byId("ask");
  byId("ask-title").textContent = title;
  byId("ask-why").textContent = text ?? "";
  byId("ask-list").replaceChildren(...(list ?? []).map((line) => element("li", "", line)));
  byId("ask-yes").textContent = yes;
  byId("ask-label").hidden = !typed;
  byId("ask-text").required = Boolean(typed);
  byId("ask-text").value = "";
  dialog.returnValue = "";
  dialog.showModal();
  return new Promise((done) => {
    dialog.addEventListener("close", () => {
      const value = byId("ask-text").value;
      byId("ask-text").value = "";
      done(dialog.returnValue === "yes" ? (typed ? value : true) : null);
    }, { once: true });
  });
}

byId("ask-no").addEventListener("click", () => byId("ask").close());

/** What prevents it, for people. */
const blocker = (one) => `${word("kind", one.kind)} ${namedThing(one.kind, one.id)}: ${word(has(`why.${one.why}`) ? "why" : "state", one.why)}`;

/** Why a wish was not fulfilled. */
export const refusal = (said) => (said.error === "refused" ? t(has(`refusal.${said.reason}`) ? `refusal.${said.reason}` : "error.refused") : why(said));

async function arm(thing, mode) {
  const name = nameOf(thing);
  const [title, yes] = [t("arm.title", { name, mode: word("mode", mode) }), t("arm.yes")];
  if (!(await ask({ title, text: t("arm.why"), yes }))) return;
  const path = `/api/partitions/${thing.id}/arm`;
  let { ok, said } = await post(path, { mode });
  if (!ok && said.reason === "not-ready" && said.blockers.every((one) => one.forcible)) {
    const list = said.blockers.map(blocker);
    if (!(await ask({ title: t("arm.blocked", { name }), text: t("arm.force_why"), list, yes: t("arm.force") }))) return;
    ({ ok, said } = await post(path, { mode, force: true }));
  }
  if (ok) return toast(t("arm.done", { name }));
  toast([refusal(said), ...(said.blockers ?? []).map(blocker)].join(" "), true);
}

async function disarm(thing) {
  const name = nameOf(thing);
  if (!(await ask({ title: t("disarm.title", { name }), text: t("disarm.why"), yes: t("disarm.yes") }))) return;
  const { ok, said } = await post(`/api/partitions/${thing.id}/disarm`);
  toast(ok ? t("disarm.done", { name }) : refusal(said), !ok);
}

/** The buttons of a partition, as it is now. */
export function armButtons(node, thing) {
  const disarmed = thing.state === "disarmed";
  const wanted = !may("arm") || thing.state === "unknown" ? [] : disarmed ? thing.modes : thing.modes.length ? ["disarm"] : [];
  const key = `${wanted.join(" ")} ${t("title")}`;
  if (node.dataset.shown !== key) {
    node.dataset.shown = key;
    node.replaceChildren(...wanted.map((mode) => {
      const button = element("button", mode === "disarm" ? "" : "primary", mode === "disarm" ? t("disarm.yes") : t("arm.mode", { mode: word("mode", mode) }));
      button.setAttribute("aria-label", `${button.textContent}: ${nameOf(thing)}`);
      button.addEventListener("click", () => (mode === "disarm" ? disarm(thing) : arm(thing, mode)));
      return button;
    }));
  }
  for (const button of node.children) button.disabled = Boolean(state.lost);
}

export async function acknowledge(id, button) {
  button.disabled = true;
  const { ok, said } = await post(`/api/incidents/${id}/acknowledge`);
  button.disabled = false;
  toast(ok ? t("now.taken") : refusal(said), !ok);
  say(button, t("now.acknowledge"));
}
