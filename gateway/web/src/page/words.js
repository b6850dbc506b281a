// The catalogues: one file for each language, the same keys in all of them.

import { kept } from "./dom.js";

const LANGUAGES = ["en", "zh"];
let language = "en";
let words = {};

export const locale = () => (language === "zh" ? "zh-CN" : "en-GB");

/** The text of a key; what stands in braces is filled in. A key without text shows itself. */
export function t(key, values) {
  const text = words[key];
  if (text === undefined) return key;
  return values ? text.replace(/\{(\w+)\}/g, (_, name) => String(values[name] ?? "")) : text;
}

/** The same for a number, with a text of its own for one. */
export function tn(key, n, values) {
  return t(n === 1 ? `${key}.one` : key, { n: n.toLocaleString(locale()), ...values });
}

/** A word of the contract: its text, or the word itself when a newer gateway says it. */
export function word(kind, value) {
  return words[`${kind}.${value}`] ?? value;
}

export const has = (key) => words[key] !== undefined;
export const keysOf = (prefix) => Object.keys(words).filter((key) => key.startsWith(prefix));

function preferred() {
  const asked = new URLSearchParams(location.search).get("lang") ?? kept("wall-language");
  if (LANGUAGES.includes(asked)) return asked;
  return /^zh/i.test(navigator.language) ? "zh" : "en";
}

/** Loads a language, by default the one that is wanted, and writes the page's own words. */
export async function speak(wanted) {
  const next = wanted ?? preferred();
  const answer = await fetch(`/words/${next}.json`);
  words = await answer.json();
  language = next;
  document.documentElement.lang = locale();
  document.title = t("title");
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = t(node.dataset.t);
  for (const node of document.querySelectorAll("[data-label]")) node.setAttribute("aria-label", t(node.dataset.label));
  for (const node of document.querySelectorAll("[data-hint]")) node.title = t(node.dataset.hint);
}

export async function speakOther() {
  const other = language === "zh" ? "en" : "zh";
  kept("wall-language", other);
  await speak(other);
}

// ---- times ----

const two = (n) => String(n).padStart(2, "0");

/** An age for people: its two largest units. */
export function age(ms) {
  const s = Math.max(0, Math.floor(ms / 1000));
  if (s < 60) return t("age.s", { s });
  if (s < 3600) return t("age.ms", { m: Math.floor(s / 60), s: two(s % 60) });
  if (s < 86400) return t("age.hm", { h: Math.floor(s / 3600), m: two(Math.floor(s / 60) % 60) });
  return t("age.dh", { d: Math.floor(s / 86400), h: Math.floor(s / 3600) % 24 });
}

/** The time of day where the page is; with the date when it is another day. */
export function clock(ms, now) {
  const at = new Date(ms);
  const time = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (now === undefined || new Date(now).toDateString() === at.toDateString()) return time;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${time}`;
}
