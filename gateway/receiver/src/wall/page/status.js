// One line that says how the district is. Green only when silence means safety.

import { byId, say } from "./dom.js";
import { blindness, fromOthers, now, queue, sites, state, waitsHere } from "./state.js";
import { clock, t, tn, word } from "./words.js";

/** How it is: a code, how bad (`bad`, `warn`, `good`, `none`), a text and a remark. */
function judge() {
  const why = blindness();
  const all = [...state.gateways.values()];
  const waiting = [...state.incidents].filter(([key, one]) => waitsHere(key, one)).length;
  const behind = waiting > 0 ? tn("status.known", waiting) : "";
  if (why === "starting") return ["starting", "none", t("status.starting"), ""];
  if (why === "lost") return ["lost", "bad", t("status.lost", { at: clock(state.lost, now()) }), behind];
  if (why === "link") return ["link", "bad", t("status.link"), behind];
  if (why === "failing") return ["failing", "bad", t("status.failing"), behind];
  const online = all.filter((one) => one.life === "online").length;
  const dead = all.filter((one) => !["online", "suspect", "starting"].includes(one.life)).length;
  const deaf = dead > 0 ? tn("status.deaf", dead, { all: all.length }) : "";
  const offered = fromOthers();
  if (offered.length > 0 && waiting === 0) return ["offer", "bad", tn("status.offer", offered.length), [word("danger", offered[0].incident.danger), offered[0].site, offered[0].peer].join(" · ")];
  const allDead = all.length > 0 && dead === all.length;
  if (allDead) return ["dead", "bad", tn("status.dead", dead), waiting > 0 ? tn("status.before", waiting) : ""];
  if (waiting > 0) return ["alarm", "bad", tn("status.alarm", waiting), [worst(), deaf].filter(Boolean).join(" — ")];
  const taken = state.rooms.handovers.filter((one) => one.side === "taken" && one.state === "accepted" && !state.incidents.has(`${one.site}/${one.gateway}/${one.incident.id}`));
  if (all.length === 0 && taken.length === 0) return ["nobody", "warn", t("status.nobody"), ""];
  if (dead > 0) return ["deaf", "bad", deaf, t("status.deaf_more")];
  const open = state.incidents.size + taken.length;
  if (open > 0) return ["taken", "warn", tn("status.taken", open), ""];
  const blind = all.reduce((sum, one) => sum + one.blind_total, 0);
  if (blind > 0) return ["blind", "warn", tn("status.blind", blind), tn("status.heard", online, { all: all.length })];
  return ["quiet", "good", t("status.quiet"), tn("status.all", online, { sites: sites().size })];
}

/** The most urgent incident, in a few words. */
function worst() {
  const [, one] = queue()[0];
  return [word("danger", one.danger), one.partition, one.site].filter(Boolean).join(" · ");
}

export function drawStatus() {
  const [code, how, text, more] = judge();
  const box = byId("status");
  box.dataset.code = code;
  box.className = how;
  say(byId("status-text"), text);
  say(byId("status-more"), more);
  // Of the control room itself, whatever the district does. Without a room nothing of it is known.
  const untold = (blindness() === "lost" ? [] : state.room?.untold ?? []).map((one) => t("untold", { way: word("way", one.way), at: clock(one.since, now()) }));
  byId("untold").hidden = untold.length === 0;
  say(byId("untold"), untold.join(" "));
  document.body.dataset.state = blindness() ? "blind" : "known";
  const waiting = [...state.incidents.values()].filter((one) => !one.acked).length;
  // The tab says it too, where the page is behind others.
  const mark = how === "bad" ? (waiting > 0 ? `(${waiting}) ` : "! ") : "";
  document.title = `${mark}${t("title")}`;
}

/** What does not protect right now. */
export function drawBlind(list, keyed, make) {
  const items = [];
  let more = 0;
  for (const [key, gateway] of state.gateways) {
    for (const [kind, id, why] of gateway.blind) items.push({ key: `${key} ${kind} ${id}`, gateway, kind, id, why });
    more += gateway.blind_total - gateway.blind.length;
  }
  for (const storm of state.storms) {
    if (storm.open > 0) items.push({ key: `storm ${storm.type} ${storm.began}`, storm, kind: "storm", id: storm.type, why: "storm" });
  }
  // What has reached many first, then whole gateways: nothing of theirs is known.
  const rank = { storm: -1, gateway: 0, clock: 1, unit: 2 };
  items.sort((a, b) => (rank[a.kind] ?? 3) - (rank[b.kind] ?? 3));
  const MOST = 120;
  const total = items.length + more;
  keyed(list, items.slice(0, MOST), (item) => item.key, make, (node, item) => {
    node.dataset.kind = item.kind;
    node.dataset.why = item.why;
    const [what, where, why] = node.children;
    if (item.storm) {
      say(what, word("event", item.id));
      say(where, t("storm.since", { at: clock(item.storm.began, now()) }));
      say(why, t("storm.of", item.storm));
      return;
    }
    say(what, item.kind === "gateway" || item.kind === "clock" ? t(`kind.${item.kind}`) : `${t(`kind.${item.kind}`)} ${item.id}`);
    say(where, `${item.gateway.gateway} · ${item.gateway.site}`);
    say(why, t(`why.${item.why}`) === `why.${item.why}` ? item.why : t(`why.${item.why}`));
  });
  return [total, Math.max(0, total - MOST)];
}
