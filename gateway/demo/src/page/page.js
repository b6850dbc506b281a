"use strict";
// Draws what the demo says. The demo sends whole snapshots, so a lost connection heals by itself.

const byId = (id) => document.getElementById(id);
let words = WORDS.en;
let latest = null;
let linked = false;

// ---- language ----

function preferred() {
  try {
    const kept = localStorage.getItem("lang");
    if (kept === "en" || kept === "zh") return kept;
  } catch { /* storage may be forbidden: then the browser's language decides each time */ }
  return (navigator.languages || [navigator.language]).some((l) => /^zh/i.test(l)) &&
    !/^en/i.test(navigator.language) ? "zh" : "en";
}

function speak(lang) {
  words = WORDS[lang];
  document.documentElement.lang = lang === "zh" ? "zh-CN" : "en";
  document.title = words.title;
  for (const node of document.querySelectorAll("[data-t]")) node.textContent = words[node.dataset.t];
  const toggle = byId("lang");
  toggle.textContent = words.other;
  toggle.lang = lang === "zh" ? "en" : "zh-CN";
  byId("door-list").replaceChildren();
  byId("events").replaceChildren();
  if (latest) draw(latest);
}

byId("lang").addEventListener("click", () => {
  const lang = words === WORDS.en ? "zh" : "en";
  try { localStorage.setItem("lang", lang); } catch { /* not kept, still switched */ }
  speak(lang);
});

// ---- acts ----

let hush = 0;

function complain(text) {
  const toast = byId("toast");
  toast.textContent = words.failed(text);
  toast.hidden = false;
  clearTimeout(hush);
  hush = setTimeout(() => { toast.hidden = true; }, 5000);
}

async function act(path) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "x-gatehouse-demo": "1" } });
    if (!answer.ok) complain(await answer.text());
  } catch (error) {
    complain(error.message);
  }
}

byId("broker-cut").addEventListener("click", () => act("/api/broker/cut"));
byId("broker-restore").addEventListener("click", () => act("/api/broker/restore"));
byId("power-cut").addEventListener("click", () => act("/api/power/cut"));

// ---- drawing ----

const number = (n) => n.toLocaleString("en").replaceAll(",", "\u2009");

function text(id, value) {
  const node = byId(id);
  if (node.textContent !== value) node.textContent = value;
}

function element(tag, className, content) {
  const node = document.createElement(tag);
  if (className) node.className = className;
  if (content !== undefined) node.textContent = content;
  return node;
}

function banner(code, s) {
  const box = byId("banner");
  box.dataset.code = code;
  const bad = code === "lost" || code === "gone" || (code === "done" && s.counts.lost > 0);
  const warn = !bad && !["calm", "done", "draining"].includes(code);
  box.className = `banner${bad ? " bad" : warn ? " warn" : ""}`;
  text("banner-text", words.banner[code](s));
}

/** Moves a dot over a hop when the number behind it has grown. */
function flow(id, grown, cut) {
  const hop = byId(id);
  hop.classList.toggle("cut", cut);
  if (!grown || cut || hop.classList.contains("go")) return;
  hop.classList.add("go");
  setTimeout(() => hop.classList.remove("go"), 760);
}

function journey(s, before) {
  const c = s.counts;
  const b = before ? before.counts : c;
  text("count-edges", number(c.edges));
  text("count-stored", number(c.stored));
  text("count-acked", number(c.broker_acked));
  text("count-received", number(c.received));
  text("count-receipts", number(c.receipted));
  text("count-lost", number(c.lost));
  text("count-waiting", number(c.waiting));
  text("count-duplicates", number(c.duplicates));
  byId("verdict").dataset.ok = c.lost === 0 ? "yes" : "no";
  const ms = (x) => (x < 10 ? x.toFixed(1) : Math.round(x).toString());
  text("latency", s.latency ? `${ms(s.latency.p50)} / ${ms(s.latency.p99)} ms` : "–");

  const broker = s.broker !== "up";
  const box = s.box !== "up";
  byId("station-broker").classList.toggle("down", broker);
  byId("station-journal").classList.toggle("down", box);
  flow("hop-wire", c.edges > b.edges, box);
  flow("hop-up", c.broker_acked > b.broker_acked, broker || box);
  flow("hop-down", c.received > b.received, broker);
  flow("hop-receipt", c.receipted > b.receipted, broker || box);
}

function levers(s) {
  byId("broker-cut").hidden = s.broker !== "up";
  byId("broker-restore").hidden = s.broker === "up";
  const power = byId("power-cut");
  const dead = s.box === "down";
  power.disabled = dead;
  power.querySelector("b").textContent = dead ? words.power_back : words.power_cut;
  power.querySelector("small").textContent = dead ? words.power_back_p : words.power_cut_p;
  const cuts = s.cuts;
  text("tally", cuts.broker + cuts.power > 0 ? words.tally(cuts.broker, cuts.power, s.counts.in_the_dark) : "");
}

const nameOf = (door) => (words === WORDS.zh ? door.zh : door.en);

function makeTile(door) {
  const tile = element("li", "tile");
  tile.id = `door-${door.id}`;
  const look = element("div", "look");
  const opening = element("div", "opening");
  opening.append(element("span", "leaf"), element("span", "wedge"));
  look.append(opening);
  look.setAttribute("aria-hidden", "true");
  const says = element("p", "says");
  says.append(element("b"), element("span"));
  const hands = element("div", "hands");
  for (const verb of ["open", "close"]) {
    const button = element("button", "", words[verb]);
    button.type = "button";
    button.id = `door-${door.id}-${verb}`;
    button.setAttribute("aria-label", words[`${verb}_door`](nameOf(door)));
    button.addEventListener("click", () => act(`/api/doors/${door.id}/${verb}`));
    hands.append(button);
  }
  tile.append(look, element("h3", "", nameOf(door)), says, hands);
  return tile;
}

function doors(s) {
  const list = byId("door-list");
  for (const door of s.doors) {
    let tile = byId(`door-${door.id}`);
    if (!tile) {
      tile = makeTile(door);
      list.append(tile);
    }
    tile.dataset.state = door.state;
    tile.dataset.wire = door.wire;
    const [state, really] = tile.querySelectorAll(".says > *");
    const said = words.state[door.state];
    if (state.textContent !== said) state.textContent = said;
    // The truth in the building is told only where the control room does not know it.
    const agrees = door.state === door.wire || (door.state === "held-open" && door.wire === "open");
    const truth = agrees ? "" : words.wire[door.wire];
    if (really.textContent !== truth) really.textContent = truth;
    byId(`door-${door.id}-open`).disabled = door.wire === "open";
    byId(`door-${door.id}-close`).disabled = door.wire === "closed";
  }
}

const STEPS = ["stored", "acked", "received"];

function happened(event) {
  return words.what[event.type] || words.by_state[event.to] || event.type;
}

function makeRow(event, names) {
  const row = element("li", "event");
  row.dataset.seq = event.seq;
  const when = element("time", "", new Date(event.utc).toLocaleTimeString("en-GB"));
  when.dateTime = event.utc;
  const what = element("span", "what");
  const who = names.get(event.source);
  what.append(element("b", "", who || words.box), ` ${happened(event)}`);
  const steps = element("span", "steps");
  steps.setAttribute("role", "img");
  for (const step of STEPS) steps.append(element("i", `step ${step}`));
  row.append(when, what, element("span", "tags"), element("span", "seq", `#${event.seq}`), steps);
  return row;
}

function events(s, fresh) {
  const list = byId("events");
  const names = new Map(s.doors.map((door) => [door.id, nameOf(door)]));
  const old = new Map([...list.children].map((row) => [row.dataset.seq, row]));
  byId("events-none").hidden = s.events.length > 0;
  const rows = s.events.map((event) => {
    let row = old.get(String(event.seq));
    if (!row) {
      row = makeRow(event, names);
      if (fresh) row.classList.add("fresh");
    }
    row.dataset.step = event.step;
    const reached = STEPS.indexOf(event.step);
    const steps = row.querySelector(".steps");
    steps.setAttribute("aria-label", words[event.step]);
    [...steps.children].forEach((dot, n) => dot.classList.toggle("on", n <= reached));
    const tags = row.querySelector(".tags");
    const wanted = event.flags.map((flag) => [words.tags[flag] || flag, "tag"]);
    if (event.duplicates > 0) wanted.push([words.dup(event.duplicates), "tag twin"]);
    if (tags.textContent !== wanted.map((tag) => tag[0]).join("")) {
      tags.replaceChildren(...wanted.map(([label, style]) => element("span", style, label)));
    }
    return row;
  });
  const same = rows.length === list.children.length && rows.every((row, n) => row === list.children[n]);
  if (!same) list.replaceChildren(...rows);
}

function draw(s, before) {
  banner(linked ? s.banner : "gone", s);
  journey(s, before);
  levers(s);
  doors(s);
  events(s, Boolean(before));
}

// ---- the live line ----

const source = new EventSource("/api/live");
source.addEventListener("snapshot", (message) => {
  linked = true;
  document.body.dataset.link = "up";
  const before = latest;
  latest = JSON.parse(message.data);
  draw(latest, before);
});
source.addEventListener("error", () => {
  document.body.dataset.link = "down";
  // After the last snapshot ("done") the demo ends on purpose: its verdict stays on the screen.
  if (latest && latest.banner === "done") return;
  linked = false;
  if (latest) banner("gone", latest);
});

speak(preferred());
