// The settings: names, schedules, holidays, what cameras hide, brokers; and what held before.

import { byId, element, toast } from "./dom.js";
import { drawShapes, shapeSteps } from "./draw.js";
import { get, post, why } from "./login.js";
import { heldBy, review } from "./review.js";
import { may, state } from "./state.js";
import { has, t, word } from "./words.js";

const NAMED = ["partition", "door", "zone", "help-point", "camera", "reader"];
const DAYS = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const TIMES = ["arm-at", "disarm-at", "armed-by"];

let before = null; // what holds: {hash, tables}
let fields = []; // {at, read, was}: what is shown and can be changed
let taken = []; // places of entries that are to go
let added = []; // {table, read} of entries that are to come

/** Shows what holds, unless somebody is in the midst of changing it. */
export async function drawSettings(anew) {
  const busy = () => !anew && before && edits().length;
  if (busy()) return;
  const form = byId("settings-form");
  form.dataset.drawn = "";
  const answer = await fetch("/api/settings").catch(() => null);
  const said = answer ? await answer.json().catch(() => ({ error: "internal" })) : { error: "away" };
  const failed = !answer?.ok;
  byId("settings-why").textContent = failed ? why(said) : "";
  form.hidden = failed;
  // Somebody may have begun to type meanwhile.
  if (!failed && !busy()) {
    before = said;
    [fields, taken, added] = [[], [], []];
    byId("names").replaceChildren(...NAMED.flatMap(names));
    list("schedules", "schedule", scheduleCard);
    list("holidays", "holiday", holidayCard);
    drawShapes(may("masks") ? (before.tables.camera ?? []) : [], before.hash, count);
    byId("network-part").hidden = !may("network");
    list("brokers", "broker", brokerCard);
    count();
  }
  await drawHistory();
  form.dataset.drawn = before?.hash ?? "";
}

/** A field that becomes a step when it is changed. */
function field(at, was, kind, label, attributes) {
  const input = element("input");
  input.type = kind;
  for (const [name, value] of Object.entries(attributes ?? {})) input.setAttribute(name, value);
  input.value = was ?? "";
  const number = kind === "number";
  fields.push({ at, was: was ?? null, read: () => (input.value.trim() === "" ? null : number ? Number(input.value) : input.value.trim()) });
  return labelled(label, input);
}

function labelled(text, node) {
  const label = element("label");
  label.append(element("span", "", text), node);
  return label;
}

const keyName = (key) => t(`key.${key}`);

/** The names of one kind of things, each in a field. */
function names(table) {
  const entries = before.tables[table] ?? [];
  if (!entries.length) return [];
  const part = element("section", "names");
  part.append(element("h3", "", t(has(`kinds.${table}`) ? `kinds.${table}` : `tables.${table}`)));
  part.append(...entries.map((entry) => field([table, entry.id, "name"], entry.name, "text", entry.id, { maxlength: 64, lang: "" })));
  return [part];
}

function list(place, table, card) {
  const entries = before.tables[table] ?? [];
  byId(place).replaceChildren(...entries.map((entry) => card(table, entry)));
}

/** An entry with a button that takes it out, or leaves it. */
function entryCard(table, id, parts, own) {
  const node = element("li", "entry");
  const head = element("div", "entry-head");
  head.append(element("b", "", id));
  if (own) {
    const button = element("button", "", t("settings.remove"));
    button.type = "button";
    button.setAttribute("aria-label", `${t("settings.remove")}: ${id}`);
    button.addEventListener("click", () => {
      const out = node.dataset.out !== "true";
      node.dataset.out = String(out);
      button.textContent = t(out ? "settings.restore" : "settings.remove");
      taken = out ? [...taken, [table, id]] : taken.filter((at) => at.join() !== [table, id].join());
      count();
    });
    head.append(button);
  }
  node.append(head, ...parts);
  return node;
}

function dayBoxes(was) {
  const set = element("fieldset", "days");
  set.append(element("legend", "", keyName("days")));
  const boxes = DAYS.map((day) => {
    const box = element("input");
    box.type = "checkbox";
    box.value = day;
    box.checked = was.includes(day);
    const label = element("label");
    label.append(box, element("span", "", t(`day.${day}`)));
    set.append(label);
    return box;
  });
  return { set, read: () => boxes.filter((box) => box.checked).map((box) => box.value) };
}

function choice(options, was) {
  const select = element("select");
  for (const [value, text] of options) {
    const option = element("option", "", text);
    option.value = value;
    select.append(option);
  }
  select.value = was;
  return select;
}

const partitions = () => (before.tables.partition ?? []).map((one) => [one.id, one.name ?? one.id]);
const daysLike = () => DAYS.map((day) => [day, t(`day.${day}`)]);

function scheduleCard(table, entry) {
  const at = (key) => [table, entry.id, key];
  // Without a list all days count.
  const days = dayBoxes(entry.days ?? DAYS);
  fields.push({ at: at("days"), was: entry.days ?? DAYS, read: days.read });
  const partition = choice(partitions(), entry.partition);
  fields.push({ at: at("partition"), was: entry.partition, read: () => partition.value });
  const times = element("div", "row");
  times.append(...TIMES.map((key) => field(at(key), entry[key], "time", keyName(key))));
  return entryCard(table, entry.id, [labelled(keyName("partition"), partition), days.set, times], true);
}

function holidayCard(table, entry) {
  const at = (key) => [table, entry.id, key];
  const row = element("div", "row");
  const as = choice(daysLike(), entry.as ?? "sunday");
  fields.push({ at: at("as"), was: entry.as ?? "sunday", read: () => as.value });
  row.append(field(at("from"), entry.from, "text", keyName("from"), { maxlength: 10 }), field(at("until"), entry.until, "text", keyName("until"), { maxlength: 10 }), labelled(keyName("as"), as));
  return entryCard(table, entry.id, [row], true);
}

function brokerCard(table, entry) {
  const row = element("div", "row");
  const at = (key) => [table, entry.id, key];
  row.append(field(at("host"), entry.host, "text", keyName("host"), { maxlength: 253, autocapitalize: "none", spellcheck: "false" }), field(at("port"), entry.port, "number", keyName("port"), { min: 1, max: 65535 }));
  return entryCard(table, entry.id, [row], false);
}

/** A new entry, filled in where the others stand. */
function newEntry(place, table, make) {
  const node = element("li", "entry new");
  const { parts, read } = make();
  const id = element("input");
  Object.assign(id, { type: "text", maxLength: 32, autocapitalize: "none", spellcheck: false });
  const one = { table, read: () => ({ id: id.value.trim(), ...read() }) };
  const button = element("button", "", t("settings.remove"));
  button.type = "button";
  button.addEventListener("click", () => { added = added.filter((other) => other !== one); node.remove(); count(); });
  node.append(labelled(t("settings.id"), id), ...parts, button);
  added.push(one);
  byId(place).append(node);
  id.focus();
  count();
}

const some = (values) => Object.fromEntries(Object.entries(values).filter(([, value]) => value !== "" && value !== null));

byId("schedule-add").addEventListener("click", () => newEntry("schedules", "schedule", () => {
  const [partition, days] = [choice(partitions(), partitions()[0]?.[0]), dayBoxes(DAYS)];
  const times = TIMES.map((key) => { const input = element("input"); input.type = "time"; return [key, input]; });
  const row = element("div", "row");
  row.append(...times.map(([key, input]) => labelled(keyName(key), input)));
  const read = () => some({ partition: partition.value, days: days.read(), ...Object.fromEntries(times.map(([key, input]) => [key, input.value])) });
  return { parts: [labelled(keyName("partition"), partition), days.set, row], read };
}));

byId("holiday-add").addEventListener("click", () => newEntry("holidays", "holiday", () => {
  const [from, until, as] = [element("input"), element("input"), choice(daysLike(), "sunday")];
  const row = element("div", "row");
  row.append(labelled(keyName("from"), from), labelled(keyName("until"), until), labelled(keyName("as"), as));
  return { parts: [row], read: () => some({ from: from.value.trim(), until: until.value.trim(), as: as.value }) };
}));

/** Everything that was changed, as steps. */
function edits() {
  const out = (at) => taken.some(([table, id]) => table === at[0] && id === at[1]);
  const same = (a, b) => JSON.stringify(a) === JSON.stringify(b);
  const steps = fields.filter((one) => !out(one.at) && !same(one.read(), one.was)).map((one) => {
    const value = one.read();
    return value === null ? { do: "unset", at: one.at } : { do: "set", at: one.at, value };
  });
  return [...steps, ...shapeSteps(), ...taken.map((at) => ({ do: "remove", at })), ...added.map((one) => ({ do: "add", at: [one.table], entry: one.read() }))];
}

function count() {
  const n = before ? edits().length : 0;
  byId("settings-review").disabled = byId("settings-reset").disabled = n === 0;
}

byId("settings-form").addEventListener("input", count);
byId("settings-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const steps = edits();
  byId("settings-review").disabled = true;
  const looked = await post("/api/settings/draft", { edits: steps });
  count();
  const made = await review(t("review.title"), looked, (made_for) => post("/api/settings/apply", { edits: steps, made_for }));
  if (made) drawSettings(true);
});
byId("settings-reset").addEventListener("click", () => drawSettings(true));

async function drawHistory() {
  const said = await get("/api/settings/history");
  if (!said) return toast(t("error.away"), true);
  byId("held").replaceChildren(...said.entries.map((entry) => {
    const node = element("li", "entry");
    const head = element("div", "entry-head");
    const { when, who, what } = heldBy(entry);
    head.append(element("b", "", what));
    if (entry.hash === before?.hash) head.append(element("span", "holds", t("history.holds")));
    else {
      const button = element("button", "", t("history.return"));
      button.type = "button";
      button.setAttribute("aria-label", `${t("history.return")}: ${when}`);
      button.addEventListener("click", () => goBack(entry, when));
      head.append(button);
    }
    node.append(head, element("small", "", `${when} · ${who}`));
    return node;
  }));
}

async function goBack(entry, when) {
  const path = `/api/settings/history/${entry.n}`;
  const made = await review(t("history.title", { when }), await post(`${path}/draft`), (made_for) => post(`${path}/return`, { made_for }));
  if (made) drawSettings(true);
}

// Kept, put back, or changed by somebody else.
document.addEventListener("settings", () => { if (state.me && document.body.dataset.view === "settings") drawSettings(false); });
