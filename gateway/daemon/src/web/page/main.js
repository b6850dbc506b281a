// Puts the page together: language, theme, views; draws when something has changed.

import { clear, drawCameras, refresh } from "./cameras.js";
import { drawCards, forgetCards } from "./cards.js";
import { byId, kept, toast } from "./dom.js";
import { forgetShapes } from "./draw.js";
import { fillSearch, forgetEvents, search } from "./events.js";
import { hangUp, listen, watch } from "./live.js";
import { get, onEnter, post, showEnter } from "./login.js";
import { drawNow, drawVerdict } from "./now.js";
import { drawPeople } from "./people.js";
import { drawUnconfirmed } from "./review.js";
import { drawSettings } from "./settings.js";
import { may, state } from "./state.js";
import { speak, speakOther, t } from "./words.js";

const VIEWS = ["now", "cameras", "events", "cards", "settings", "people"];

// ---- theme ----

function theme(next) {
  if (next) kept("page-theme", next);
  const chosen = next ?? new URLSearchParams(location.search).get("theme") ?? kept("page-theme");
  const is = ["dark", "light"].includes(chosen) ? chosen : matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = is;
}

// ---- drawing ----

let pending = false;
let cameraEvents = 0;
let unconfirmed;

/** Draws before the next frame, however much has changed until then. */
function draw() {
  if (pending) return;
  pending = true;
  requestAnimationFrame(() => { pending = false; drawAll(); });
}

function drawAll() {
  if (!state.me) return;
  document.body.dataset.state = state.lost || !state.now ? "blind" : "live";
  drawVerdict();
  drawUnconfirmed();
  // Begun, kept or put back: something else holds.
  const one = state.now?.unconfirmed?.after;
  if (state.now && one !== unconfirmed) { unconfirmed = one; document.dispatchEvent(new Event("settings")); }
  const view = document.body.dataset.view;
  if (view === "now") drawNow();
  if (view === "cameras") {
    drawCameras();
    // Something was recorded: perhaps a clip.
    if (state.now && state.now.path.head !== cameraEvents) { cameraEvents = state.now.path.head; refresh(); }
  }
}

function show(view) {
  const next = VIEWS.includes(view) ? view : "now";
  const before = document.body.dataset.view;
  if (before === "cameras" && next !== before) clear();
  if (before === "settings" && next !== before) forgetShapes();
  if (before === "cards" && next !== before) forgetCards();
  document.body.dataset.view = next;
  for (const name of VIEWS) byId(`view-${name}`).hidden = name !== next;
  for (const button of document.querySelectorAll("nav [data-view]")) {
    if (button.dataset.view === next) button.setAttribute("aria-current", "page");
    else button.removeAttribute("aria-current");
  }
  history.replaceState(null, "", `#${next}`);
  if (next === "events") { fillSearch(); search(false); }
  if (next === "people") drawPeople();
  if (next === "cards") drawCards();
  if (next === "settings") drawSettings(true);
  drawAll();
}

// ---- in and out ----

function enter() {
  byId("enter").hidden = true;
  byId("page").hidden = false;
  for (const node of document.querySelectorAll("[data-right]")) node.hidden = !may(node.dataset.right);
  const wanted = location.hash.slice(1);
  const allowed = { cameras: may("look"), events: may("events"), cards: may("credentials"), settings: may("settings") }[wanted] ?? true;
  show(allowed ? wanted : "now");
  listen(draw, () => leave(t("login.over")));
  byId("main").focus();
}

function leave(why) {
  hangUp();
  clear();
  forgetShapes();
  forgetCards();
  Object.assign(state, { me: null, now: null, lost: 0 });
  for (const id of ["incidents", "partitions", "groups", "evidence", "camera-list", "found", "people", "names", "schedules", "holidays", "brokers", "held"]) byId(id).replaceChildren();
  showEnter(why);
}

const ACTS = {
  language: async () => {
    await speakOther();
    forgetEvents();
    if (!state.me) return;
    for (const id of ["incidents", "partitions", "groups", "evidence", "camera-list", "people"]) byId(id).replaceChildren();
    const view = document.body.dataset.view;
    if (view === "cameras") { clear(); refresh(); }
    if (view === "events") fillSearch();
    if (view === "people") drawPeople();
    if (view === "cards") { forgetCards(); drawCards(); }
    if (view === "settings") drawSettings(true);
    drawAll();
  },
  theme: () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark"),
  logout: async () => {
    const { ok, status } = await post("/api/logout");
    if (ok || status === 401) leave(t("login.out"));
    else toast(t("error.away"), true);
  },
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.act) ACTS[button.dataset.act]();
  else if (button.closest("nav")) show(button.dataset.view);
});

theme();
await speak();
onEnter(enter);
setInterval(() => { if (state.me) { watch(); draw(); } }, 1000);
state.me = await get("/api/session");
if (state.me) enter();
else showEnter();
