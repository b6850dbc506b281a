// What a district asks about a period: figures, plots by day, a table by site, and a file of it.

import { byId, element, keyed, say } from "./dom.js";
import { plot } from "./plot.js";
import { now, sites, state } from "./state.js";
import { age, has, locale, t, word } from "./words.js";

const DAY = 86400000;
const CLASSES = [["panic", "bad"], ["alarm", "s2"], ["tamper", "s3"]];
const ROUNDS = [["done", "good"], ["late", "warn"], ["missed", "bad"]];
let told = null; // what the control room answered last
let asked = null; // of which period and site

/** The begins of the days of the form, by the clock of this page, and the end of the last. */
function days() {
  const read = (id) => {
    const [year, month, day] = byId(id).value.split("-").map(Number);
    return day ? new Date(year, month - 1, day) : null;
  };
  const [from, to] = [read("stats-from"), read("stats-to")];
  const bounds = [];
  // A day's begin, not so many hours later: a day may have 23 or 25.
  for (let n = 0; from && to && n <= 400; n += 1) {
    const begin = new Date(from.getFullYear(), from.getMonth(), from.getDate() + n);
    bounds.push(begin.getTime());
    if (begin > to) return bounds;
  }
  return [];
}

const written = (at) => `${at.getFullYear()}-${String(at.getMonth() + 1).padStart(2, "0")}-${String(at.getDate()).padStart(2, "0")}`;

/** The last so many days, today among them. */
export function lastDays(count) {
  byId("stats-to").value = written(new Date(now()));
  byId("stats-from").value = written(new Date(now() - (count - 1) * DAY));
}

function query(form) {
  const wish = new URLSearchParams({ days: days().join(",") });
  const site = byId("stats-site").value;
  if (site) wish.set("site", site);
  if (form) wish.set("form", form);
  return wish;
}

/** Shows the form, and asks when nothing was asked yet. */
export function showStats() {
  const choice = byId("stats-site");
  const chosen = choice.value;
  choice.replaceChildren(new Option(t("stats.all"), ""), ...[...sites().keys()].map((site) => new Option(site, site)));
  choice.value = chosen;
  if (!byId("stats-from").value) lastDays(30);
  if (told) drawStats();
  else loadStats();
}

export async function loadStats() {
  const status = byId("stats-status");
  const wish = query();
  byId("stats-csv").href = `/api/stats?${query("csv")}`;
  asked = String(wish);
  say(status, t("stats.running"));
  try {
    const answer = await fetch(`/api/stats?${wish}`);
    const said = await answer.json();
    // Another period was asked for meanwhile.
    if (asked !== String(wish)) return;
    if (!answer.ok) {
      told = null;
      byId("stats-told").hidden = true;
      say(status, has(`refused.${said.error}`) ? t(`refused.${said.error}`) : said.error);
      return;
    }
    told = said;
    say(status, "");
    drawStats();
  } catch {
    say(status, t("refused.away_room"));
  }
}

export function forgetStats() {
  told = null;
  byId("stats-told").hidden = true;
}

const spell = (seconds) => age(seconds * 1000);

const UNITS = [["d", 86400], ["h", 3600], ["m", 60], ["s", 1]];

/** A time on an axis, in one unit. */
function unit(seconds) {
  const [name, size] = UNITS.find(([, of]) => seconds >= of) ?? UNITS[3];
  return t(`stats.${name}`, { n: (seconds / size).toLocaleString(locale(), { maximumFractionDigits: 1 }) });
}

/** The end of an axis of times: its half is round, too. */
function above(seconds) {
  const size = UNITS.find(([, of]) => seconds > of)?.[1] ?? 1;
  const most = seconds / size;
  return size * ([2, 4, 6, 10, 12, 20, 30, 40, 60].find((n) => n >= most) ?? 10 ** Math.ceil(Math.log10(most)));
}
const share = (parts, of, digits) => (parts === null || parts === undefined ? "–" : (parts / of).toLocaleString(locale(), { style: "percent", maximumFractionDigits: digits }));
const times = ({ median_ms: median, p95_ms: p95 }) => (median === null ? "–" : `${age(median)} / ${age(p95)}`);
const count = (n) => n.toLocaleString(locale());
const rounds = (of) => ROUNDS.map(([key]) => count(of.rounds[key])).join(" / ");

/** Each figure: its word, what it says, and what stands below. */
const FIGURES = [
  ["incidents", (of) => count(of.total), (of) => CLASSES.map(([key]) => `${word("class", key)} ${count(of.incidents[key] ?? 0)}`).join(" · ")],
  ["acknowledge", (of) => times(of.acknowledged), (of) => t("stats.of", { n: count(of.acknowledged.count), all: count(of.total) })],
  ["close", (of) => times(of.closed), (of) => t("stats.of", { n: count(of.closed.count), all: count(of.total) })],
  ["false", (of) => share(of.false_permille, 1000, 1), (of) => t("stats.judged", { real: of.judged.real, wrong: of.judged.false, test: of.judged.test, rest: of.judged.unknown + of.judged.unsaid })],
  ["unprotected", (of) => spell(of.unwanted_s), (of) => reasons(of)],
  ["rounds", (of) => rounds(of), () => t("stats.rounds_of")],
  ["reachable", (of) => share(of.available_ppm, 1000000, 3), (of) => t("stats.path_faults", { n: count(of.paths.faults), age: spell(of.paths.down_s) })],
];

function reasons(of) {
  const all = Object.entries(of.unprotected_s).filter(([why]) => !["disarmed", "test"].includes(why)).sort(([, a], [, b]) => b - a);
  return all.length > 0 ? all.slice(0, 3).map(([why, seconds]) => `${word("why", why.replace(" ", "-"))} ${spell(seconds)}`).join(" · ") : t("stats.all_protected");
}

export function drawStats() {
  if (!told) return;
  byId("stats-told").hidden = false;
  const all = told.all;
  keyed(byId("stats-figures"), FIGURES, ([key]) => key, () => {
    const node = element("li");
    node.append(element("span", "name"), element("b"), element("small"));
    return node;
  }, (node, [key, value, more]) => {
    const [name, big, small] = node.children;
    say(name, t(`stats.${key}`));
    say(big, value(all.whole));
    say(small, more(all.whole));
  });
  drawPlots(all.days);
  drawTable();
}

function drawPlots(all) {
  const labels = told.days.map((at) => new Date(at).toLocaleDateString(locale(), { month: "numeric", day: "numeric" }));
  const of = (name, tone, value) => ({ name, tone, values: all.map(value) });
  const whole = (most) => Math.max(2, 2 * Math.ceil(most / 2));
  const plots = [
    ["incidents", "bars", CLASSES.map(([key, tone]) => of(word("class", key), tone, (day) => day.incidents[key] ?? 0)), { text: count, steps: whole }],
    ["acknowledge", "lines", [of(t("stats.p95"), "warn", (day) => seconds(day.acknowledged.p95_ms)), of(t("stats.median"), "accent", (day) => seconds(day.acknowledged.median_ms))], { text: spell, axis: unit, steps: above }],
    ["unprotected", "bars", [of(t("stats.unprotected"), "warn", (day) => day.unwanted_s)], { text: spell, axis: unit, steps: above }],
    ["rounds", "bars", ROUNDS.map(([key, tone]) => of(t(`stats.round.${key}`), tone, (day) => day.rounds[key])), { text: count, steps: whole }],
    ["reachable", "lines", [of(t("stats.reachable"), "good", (day) => (day.available_ppm === null ? null : day.available_ppm / 1000000))], { text: (value) => share(value, 1, 2), bounds: floor }],
  ];
  keyed(byId("stats-plots"), plots, ([key]) => key, () => {
    const node = element("li");
    node.append(element("h3"), element("p", "legend"), element("div", "plot"));
    return node;
  }, (node, [key, , series]) => {
    const [title, legend] = node.children;
    say(title, t(`stats.plot.${key}`));
    legend.replaceChildren(...(series.length > 1 ? series.map((one) => element("span", one.tone, one.name)) : []));
  });
  // They are drawn as wide as their places, which must stand for that.
  plots.forEach(([key, kind, series, more], n) => {
    plot(byId("stats-plots").children[n].lastChild, { kind, title: t(`stats.plot.${key}`), labels, series, ...more });
  });
}

const seconds = (ms) => (ms === null ? null : ms / 1000);

/** An axis that shows what is lost of a whole: it ends at 100 %, and begins below the worst. */
function floor(series) {
  const worst = Math.min(1, ...series.flatMap((one) => one.values.filter((value) => value !== null)));
  return [[0.999, 0.99, 0.95, 0.9, 0.5].find((low) => low <= worst) ?? 0, 1];
}

function drawTable() {
  const columns = ["site", ...FIGURES.map(([key]) => key)];
  byId("stats-head").replaceChildren(...columns.map((column) => {
    const head = element("th", "", t(column === "site" ? "column.site" : `stats.${column}`));
    head.scope = "col";
    return head;
  }));
  keyed(byId("stats-rows"), Object.entries(told.sites), ([site]) => site, () => {
    const row = element("tr");
    row.append(...columns.map(() => element("td")));
    return row;
  }, (row, [site, of]) => {
    columns.forEach((column, n) => {
      const cell = row.children[n];
      cell.dataset.label = t(column === "site" ? "column.site" : `stats.${column}`);
      say(cell, n === 0 ? site : FIGURES[n - 1][1](of.whole));
    });
  });
  byId("stats-none").hidden = Object.keys(told.sites).length > 0;
}

addEventListener("resize", () => { if (state.view === "stats") drawStats(); });
