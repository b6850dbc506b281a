"use strict";
// Draws what the demo says. The demo sends whole snapshots, so a lost connection heals by itself.
// Here: language, acts, banner, journey; plan.js, guard.js, cameras.js and events.js draw the rest.

const byId = (id) => document.getElementById(id);
let words = WORDS.en;
let latest = null;
let linked = false;

// ---- language ----

function preferred() {
  const asked = new URLSearchParams(location.search).get("lang");
  if (asked === "en" || asked === "zh") return asked;
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
  for (const list of ["door-list", "camera-list", "sensors", "partitions", "incidents"]) byId(list).replaceChildren();
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
  toast.textContent = words.failed(words.refused[text] || text);
  toast.hidden = false;
  clearTimeout(hush);
  hush = setTimeout(() => { toast.hidden = true; }, 5000);
}

/** Does it; `refused` hears why not and may say `true` when it has shown that itself. */
async function act(path, refused) {
  try {
    const answer = await fetch(path, { method: "POST", headers: { "x-gatehouse-demo": "1" } });
    if (answer.ok) return;
    const why = answer.status === 409 ? await answer.json() : { why: await answer.text(), blockers: [] };
    if (!refused || !refused(why)) complain(why.why);
  } catch (error) {
    complain(error.message);
  }
}

byId("break-in").addEventListener("click", () => act("/api/break-in"));
byId("broker-cut").addEventListener("click", () => act("/api/broker/cut"));
byId("broker-restore").addEventListener("click", () => act("/api/broker/restore"));
byId("power-cut").addEventListener("click", () => act("/api/power/cut"));

// ---- drawing ----

const nameOf = (thing) => (words === WORDS.zh ? thing.zh : thing.en);

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
  const bad = code === "lost" || code === "gone" || code === "alarm" || (code === "done" && s.counts.lost > 0);
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
  byId("break-in").disabled = Boolean(s.story) || s.box !== "up";
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

function tick(s) {
  countdowns(s);
  ages(s);
}

function draw(s, before) {
  banner(linked ? s.banner : "gone", s);
  journey(s, before);
  levers(s);
  plan(s);
  partitions(s);
  incidents(s);
  cameras(s);
  doors(s);
  events(s, Boolean(before));
}

// ---- the live line ----

function hear(data) {
  linked = true;
  document.body.dataset.link = "up";
  const before = latest;
  latest = JSON.parse(data);
  draw(latest, before);
}

function listen() {
  const source = new EventSource("/api/live");
  source.addEventListener("snapshot", (message) => hear(message.data));
  source.addEventListener("error", () => {
    document.body.dataset.link = "down";
    // After the last snapshot ("done") the demo ends on purpose: its verdict stays on the screen.
    if (latest && latest.banner === "done") return;
    linked = false;
    if (latest) banner("gone", latest);
  });
}

// What counts down or grows old moves between snapshots.
setInterval(() => { if (latest) tick(latest); }, 500);

speak(preferred());
// `?still` is one moment, for whoever wants a picture: a page that listens is never done loading.
if (new URLSearchParams(location.search).has("still")) {
  fetch("/api/snapshot").then((answer) => answer.text()).then(hear);
} else {
  listen();
}
