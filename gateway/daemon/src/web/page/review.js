// A change is looked at before it holds, and kept or put back after it.

import { byId, element, say, toast } from "./dom.js";
import { post, why } from "./login.js";
import { may, now, state } from "./state.js";
import { clock, has, t, tn, word } from "./words.js";

/** A place as people say it: `door.lobby.name` is the name of the door `lobby`. */
export function placeName(place) {
  const parts = place.split(".");
  const said = [];
  // Tables with their ids, and a key at the end.
  while (!said.length || (parts.length > 1 && has(`table.${parts[0]}`))) {
    const [table, id] = parts.splice(0, 2);
    const kind = has(`kind.${table}`) ? word("kind", table) : word("table", table);
    said.push(id ? `${kind} ${id}` : kind);
  }
  const key = parts.join(".");
  return [said.join(" › "), key && (has(`key.${key}`) ? t(`key.${key}`) : key)].filter(Boolean).join(": ");
}

const MARKS = { new: "+", gone: "−", same: " ", gap: "…" };

/** What a replay found, in sentences. */
function replayed(replay) {
  if (!replay) return [];
  if (replay.replay === "unaffected") return [t("replay.unaffected")];
  if (replay.replay === "skipped") return [t(`replay.${replay.skipped}`)];
  const same = !replay.more && !replay.missed && !replay.shifted;
  const lines = [same ? t("replay.same", { days: replay.days }) : t("replay.differs", replay)];
  if (replay.others) lines.push(tn("replay.others", replay.others));
  if (replay.schedules) lines.push(t("replay.schedules"));
  if (replay.recorded) lines.push(t("replay.faithful", replay));
  return lines;
}

/** Shows what would change; `apply` is called when somebody wants it. True: it holds. */
export async function review(title, looked, apply) {
  const { ok, said } = looked;
  const dialog = byId("review");
  byId("review-title").textContent = title;
  byId("review-why").textContent = ok ? "" : why(said);
  byId("review-mistakes").textContent = ok ? "" : said.text ?? "";
  const same = ok && said.hash === said.before;
  const lines = !ok ? [] : same ? [t("review.same")] : [...said.changed.map(placeName)];
  byId("review-changed").replaceChildren(...lines.map((line) => element("li", "", line)));
  const touches = ok && said.confirm_within_s ? [t("review.touches", { what: said.touches.map((one) => word("touch", one)).join(t("comma")), n: said.confirm_within_s })] : [];
  const restart = ok && said.needs_restart.length ? [t("review.restart", { keys: said.needs_restart.join(t("comma")) })] : [];
  const warned = [...touches, ...restart, ...(ok ? said.warnings : [])];
  byId("review-warn").replaceChildren(...warned.map((line) => element("li", "", line)));
  byId("review-replay").replaceChildren(...(ok && !same ? replayed(said.replay) : []).map((line) => element("li", "", line)));
  byId("review-diff").replaceChildren(...(ok ? said.diff : []).map((line) => {
    const node = element("span", line.mark, `${MARKS[line.mark]} ${line.mark === "gap" ? "" : line.text}\n`);
    return node;
  }));
  byId("review-lines").hidden = !ok || same;
  byId("review-yes").hidden = !ok || same;
  dialog.returnValue = "";
  dialog.showModal();
  const wanted = await new Promise((done) => dialog.addEventListener("close", () => done(dialog.returnValue === "yes"), { once: true }));
  if (!wanted || !ok) return false;
  const made = await apply(said.before);
  if (made.ok) toast(t(made.said.confirm_within_s ? "review.unconfirmed" : "review.applied"));
  else toast([why(made.said), made.said.text].filter(Boolean).join(" "), true);
  return made.ok;
}

byId("review-no").addEventListener("click", () => byId("review").close());

/** The bar of what is unconfirmed, on every view. */
export function drawUnconfirmed() {
  const one = state.lost ? null : state.now?.unconfirmed;
  byId("unconfirmed").hidden = !one;
  if (!one) return;
  const left = Math.max(0, Math.ceil((one.ends - now()) / 1000));
  const who = one.who.name ?? word("via", one.who.via);
  say(byId("unconfirmed-text"), t("unconfirmed.text", { who }));
  say(byId("unconfirmed-left"), tn("unconfirmed.left", left));
  say(byId("unconfirmed-what"), one.touches.map((touch) => word("touch", touch)).join(t("comma")));
  byId("unconfirmed-acts").hidden = !may("settings");
}

async function end(path, done) {
  const { ok, said } = await post(path);
  toast(ok ? t(done) : why(said), !ok);
  document.dispatchEvent(new Event("settings"));
}

byId("unconfirmed-keep").addEventListener("click", () => end("/api/settings/confirm", "unconfirmed.kept"));
byId("unconfirmed-undo").addEventListener("click", () => end("/api/settings/undo", "unconfirmed.undone"));

/** One configuration that held, in words. */
export function heldBy(entry) {
  const who = [word("via", entry.who.via), entry.who.name].filter(Boolean).join(" ");
  const what = entry.parent === null ? t("history.first") : entry.changed.length ? entry.changed.slice(0, 3).map(placeName).join(t("comma")) : t("history.comments");
  const more = entry.changed_count > 3 ? t("history.more", { n: entry.changed_count - 3 }) : "";
  const back = entry.why && has(`put.${entry.why}`) ? ` (${t(`put.${entry.why}`)})` : "";
  return { when: clock(entry.at, now()), who: who + back, what: what + more };
}
