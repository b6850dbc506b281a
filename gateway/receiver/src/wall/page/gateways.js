// The health of each gateway, as its heartbeat and the receiver's log say.

import { byId, element, keyed, say } from "./dom.js";
import { blindness, now, state } from "./state.js";
import { age, locale, t, word } from "./words.js";

const COLUMNS = ["gateway", "site", "life", "heard", "clock", "backlog", "oldest", "log", "units", "machine", "paths"];
const RANK = { lost: 0, unknown: 1, suspect: 2, starting: 3, updating: 4, stopping: 5, online: 6 };

export function drawGateways() {
  const columns = COLUMNS.filter((column) => column !== "paths" || [...state.gateways.values()].some((one) => one.hb?.paths));
  byId("gateway-head").replaceChildren(...columns.map((column) => {
    const head = element("th", "", t(`column.${column}`));
    head.scope = "col";
    return head;
  }));
  const rows = [...state.gateways].sort(([a, one], [b, other]) => RANK[one.life] - RANK[other.life] || (a < b ? -1 : 1));
  keyed(byId("gateway-rows"), rows, ([key]) => key, () => element("tr"), (row, [, one]) => {
    const life = blindness() ? "unknown" : one.life;
    row.dataset.life = life;
    while (row.children.length > columns.length) row.lastChild.remove();
    while (row.children.length < columns.length) row.append(element("td"));
    columns.forEach((column, n) => {
      const cell = row.children[n];
      const [text, bad] = cells[column](one, life);
      cell.dataset.column = column;
      cell.dataset.label = t(`column.${column}`);
      cell.classList.toggle("bad", Boolean(bad));
      say(cell, text);
    });
  });
}

const mega = (bytes) => `${Math.round(bytes / 1048576).toLocaleString(locale())} MiB`;

// Each cell: its text, and whether it asks for a look.
const cells = {
  gateway: (one) => [one.gateway, false],
  site: (one) => [one.site, false],
  life: (one, life) => [word("life", life), life !== "online"],
  heard: (one) => [one.heard ? t("ago", { age: age(now() - one.heard) }) : "–", false],
  clock: ({ hb }) => (hb ? [`${word("clock", hb.clock)}${hb.err_ms === null ? "" : ` ±${hb.err_ms} ms`}`, hb.clock === "never"] : ["–", false]),
  backlog: ({ hb }) => (hb ? [`${hb.backlog.alarm} / ${hb.backlog.normal}`, hb.backlog.alarm > 0] : ["–", false]),
  oldest: ({ hb }) => (hb ? [hb.oldest_unreceived_s > 0 ? age(hb.oldest_unreceived_s * 1000) : "–", hb.oldest_unreceived_s > 60] : ["–", false]),
  log: (one) => {
    const bad = [["missing", one.missing], ["breaks", one.breaks], ["conflicts", one.conflicts], ["quarantined", one.quarantined], ["anew", one.began_anew]];
    const told = bad.filter(([, n]) => n > 0).map(([what, n]) => t(`log.${what}`, { n }));
    return [told.length > 0 ? told.join(t("comma")) : t("log.whole", { upto: one.upto.toLocaleString(locale()) }), told.length > 0];
  },
  units: ({ hb }) => (hb ? [hb.degraded.length > 0 ? hb.degraded.join(t("comma")) : t("units.well"), hb.degraded.length > 0] : ["–", false]),
  machine: ({ hb }) => (hb ? [t("machine", { up: age(hb.uptime_s * 1000), rss: mega(hb.rss_kib * 1024), disk: mega(hb.disk_free) }), hb.disk_free < 64 * 1048576] : ["–", false]),
  paths: ({ hb }) => [hb?.paths ? hb.paths.map(pathOf).join(t("comma")) : "–", Boolean(hb?.paths?.some((path) => path.works === false))],
};

/** A path as EN 50136-1 judges it: whether it works, its availability, and the times to the receipt. */
function pathOf(path) {
  const how = path.works === false ? t("path.failed") : path.active ? t("path.active") : path.works === null ? t("path.unseen") : t("path.standby");
  const parts = [`${path.id} ${how}`];
  if (path.available_ppm !== null) parts.push(`${(path.available_ppm / 10000).toLocaleString(locale(), { maximumFractionDigits: 2 })} %`);
  if (path.mean_ms !== null && path.p95_ms !== null) parts.push(t("path.times", { mean: path.mean_ms, p95: path.p95_ms }));
  return parts.join(" ");
}
