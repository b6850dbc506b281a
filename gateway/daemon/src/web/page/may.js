// The fields of what a card may do: whose it is, from when until when, at what hours, which doors.

import { element } from "./dom.js";
import { t } from "./words.js";

const DAYS = ["mon", "tue", "wed", "thu", "fri", "sat", "sun"];
const NAMES = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
const WORK = [0, 1, 2, 3, 4];

function labelled(text, input, hint) {
  const label = element("label");
  label.append(element("span", "", text), input);
  if (hint) label.append(element("small", "", hint));
  return label;
}

function field(type, was, attributes) {
  const input = element("input");
  input.type = type;
  Object.assign(input, attributes ?? {});
  input.value = was ?? "";
  return input;
}

/** A day in a picker; a time that somebody has written stays a text. */
const moment = (was) => field(!was || /^\d{4}-\d\d-\d\d$/.test(was) ? "date" : "text", was);

/** Boxes for things by their ids; what is chosen. */
function boxes(legend, things, was) {
  const set = element("fieldset", "days");
  set.append(element("legend", "", legend));
  const all = things.map(({ id, name }) => {
    const box = field("checkbox", id);
    box.checked = was.includes(id);
    const label = element("label");
    label.append(box, element("span", "", name ?? id));
    set.append(label);
    return box;
  });
  return { set, read: () => all.filter((box) => box.checked).map((box) => box.value) };
}

// ---- weekly windows ----

/** `mon-fri 06:00-18:00` in its parts; nothing: it is written in another way, and stays a text. */
function parts(text) {
  const [, days, from, until] = /^(\S+) (\d\d:\d\d)-(\d\d:\d\d)$/.exec(text) ?? [];
  if (!days) return null;
  if (days === "daily") return { days: DAYS.map((_, n) => n), from, until };
  const chosen = [];
  for (const word of days.split(",")) {
    const [first, last] = word.split("-").map((day) => DAYS.indexOf(day));
    if (first < 0 || last < 0) return null;
    const count = last === undefined ? 1 : ((last - first + 7) % 7) + 1;
    for (let n = 0; n < count; n += 1) chosen.push((first + n) % 7);
  }
  return { days: chosen, from, until };
}

function window(text, gone) {
  const node = element("li", "window");
  const known = text ? parts(text) : { days: WORK, from: "06:00", until: "18:00" };
  const button = element("button", "", t("settings.remove"));
  button.type = "button";
  button.addEventListener("click", () => { node.remove(); gone(); });
  if (!known) {
    const raw = field("text", text);
    node.append(labelled(t("cards.weekly"), raw), button);
    return { node, read: () => raw.value.trim() };
  }
  const days = boxes(t("key.days"), NAMES.map((day, n) => ({ id: DAYS[n], name: t(`day.${day}`) })), known.days.map((n) => DAYS[n]));
  // A day's end is midnight to people, and 24:00 to the file.
  const [from, until] = [field("time", known.from), field("time", known.until === "24:00" ? "00:00" : known.until)];
  const row = element("div", "row");
  row.append(labelled(t("key.from"), from), labelled(t("key.until"), until));
  node.append(days.set, row, button);
  const read = () => {
    const chosen = days.read();
    const end = until.value === "00:00" ? "24:00" : until.value;
    return `${chosen.length === 7 ? "daily" : chosen.join(",")} ${from.value}-${end}`;
  };
  return { node, read };
}

function windows(was) {
  const set = element("fieldset", "windows");
  set.append(element("legend", "", t("cards.weekly")));
  const [list, add] = [element("ul"), element("button", "", t("cards.weekly_add"))];
  add.type = "button";
  let all = [];
  const put = (text) => {
    const one = window(text, () => { all = all.filter((other) => other !== one); });
    all.push(one);
    list.append(one.node);
  };
  was.forEach(put);
  add.addEventListener("click", () => put(null));
  set.append(element("small", "", t("cards.weekly_hint")), list, add);
  return { set, read: () => all.map((one) => one.read()) };
}

/** Fields with what a card may do now, or with nothing for a new one; `read` says what they hold. */
export function mayFields(choices, was = {}) {
  const label = field("text", was.label, { maxLength: 64 });
  const [from, until] = [moment(was.from), moment(was.until)];
  const times = element("div", "row");
  times.append(labelled(t("cards.from"), from), labelled(t("cards.until"), until));
  const opens = element("select");
  for (const which of ["every", "these"]) {
    const option = element("option", "", t(`cards.opens_${which}`));
    option.value = which;
    opens.append(option);
  }
  opens.value = was.doors || was.areas ? "these" : "every";
  const doors = boxes(t("kinds.door"), choices.doors, was.doors ?? []);
  const areas = boxes(t("cards.areas"), choices.areas, was.areas ?? []);
  const these = element("div", "these");
  these.append(doors.set);
  if (choices.areas.length) these.append(areas.set);
  const show = () => { these.hidden = opens.value === "every"; };
  opens.addEventListener("change", show);
  show();
  const arms = boxes(t("cards.arms"), choices.partitions, was.arms ?? []);
  const disarms = boxes(t("cards.disarms"), choices.partitions, was.disarms ?? []);
  const weekly = windows(was.weekly ?? []);
  const nodes = [labelled(t("cards.label"), label, t("cards.label_hint")), times, labelled(t("cards.opens"), opens), these, weekly.set];
  if (choices.partitions.length) nodes.push(arms.set, disarms.set);
  const text = (input) => input.value.trim() || null;
  const read = () => {
    const every = opens.value === "every";
    const some = areas.read();
    return {
      label: text(label), from: text(from), until: text(until), weekly: weekly.read(),
      doors: every ? null : doors.read(), areas: every || !some.length ? null : some,
      arms: arms.read(), disarms: disarms.read(),
    };
  };
  return { nodes, read };
}
