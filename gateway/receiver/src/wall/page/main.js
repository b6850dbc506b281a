// Puts the page together: language, theme, views, keys; draws when something has changed.

import { act, onActs } from "./acts.js";
import { byId, element, keyed, kept, say } from "./dom.js";
import { drawGateways } from "./gateways.js";
import { drawHistory, drawLatest, search } from "./history.js";
import { choose, drawIncidents, move, tick } from "./incidents.js";
import { drawHandovers, firstHandover, onHandovers } from "./handovers.js";
import { fillHelp, onKeys } from "./keys.js";
import { hangUp, listen, watch } from "./live.js";
import { onLogin, post, showLogin, whoami } from "./login.js";
import { firstPicture, forgetPictures } from "./pictures.js";
import { drawSite, drawSites, drawTiles, forgetSite, openSite } from "./sites.js";
import { hush, mute, sound, start } from "./sound.js";
import { blindness, now, state } from "./state.js";
import { forgetStats, lastDays, loadStats, showStats } from "./stats.js";
import { drawBlind, drawStatus } from "./status.js";
import { clock, speak, speakOther, t, word } from "./words.js";

// ---- theme ----

function theme(next) {
  if (next) kept("wall-theme", next);
  const asked = new URLSearchParams(location.search).get("theme");
  const chosen = next ?? asked ?? kept("wall-theme");
  const is = ["dark", "light"].includes(chosen) ? chosen : matchMedia("(prefers-color-scheme: light)").matches ? "light" : "dark";
  document.documentElement.dataset.theme = is;
}

const otherTheme = () => theme(document.documentElement.dataset.theme === "dark" ? "light" : "dark");

// ---- drawing ----

let pending = false;

/** Draws before the next frame, however much has changed until then. */
function draw() {
  // A page that nobody sees gets no frames, and must sound all the same.
  sound();
  if (pending) return;
  pending = true;
  const all = () => { pending = false; drawAll(); };
  if (document.hidden) setTimeout(all, 50);
  else requestAnimationFrame(all);
}

function drawAll() {
  drawStatus();
  drawIncidents();
  drawHandovers();
  const [total, more] = drawBlind(byId("blind"), keyed, () => {
    const node = element("li");
    node.append(element("b"), element("span", "where"), element("em"));
    return node;
  });
  say(byId("blind-count"), total > 0 ? String(total) : "");
  const none = byId("no-blind");
  none.hidden = total > 0 && more === 0;
  say(none, more > 0 ? t("blind.more", { n: more }) : t(blindness() ? "blind.unknown" : state.gateways.size > 0 ? "blind.none" : "blind.nobody"));
  drawLatest();
  drawTiles();
  if (state.view === "sites") drawSites();
  if (state.view === "gateways") drawGateways();
  say(byId("account"), state.me ? `${state.me.account} · ${word("role", state.me.role)}` : "");
}

function show(view) {
  state.view = view;
  document.body.dataset.view = view;
  for (const name of ["board", "sites", "history", "gateways", "stats"]) byId(`view-${name}`).hidden = name !== view;
  for (const button of document.querySelectorAll("nav [data-view]")) {
    button.setAttribute("aria-current", button.dataset.view === view ? "page" : "false");
  }
  if (view === "history") {
    drawHistory();
    search(false);
  }
  if (view === "sites" && !state.site && state.gateways.size > 0) openSite(state.gateways.values().next().value.site);
  drawAll();
  if (view === "stats") showStats();
}

async function language() {
  await speakOther();
  fillHelp();
  if (state.view === "history") drawHistory();
  sound();
  if (state.view === "stats") showStats();
  if (state.me) drawAll();
}

// ---- acts ----

const siteOfChosen = () => {
  const one = state.incidents.get(state.selected);
  if (!one) return;
  openSite(one.site);
  show("sites");
};

async function logout() {
  hangUp();
  await post("/api/logout").catch(() => {});
  leave(t("login.out"));
}

const ACTS = {
  "language": language,
  "theme": otherTheme,
  "help": () => byId("help").showModal(),
  "shut": () => document.querySelector("dialog[open]")?.close(),
  "logout": logout,
  "mute": () => { start(); mute(); },
  "sound": () => { start(); sound(); },
  "site": siteOfChosen,
};

document.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (state.me) start();
  if (!button) return;
  const { act: name, verb, view, site, days } = button.dataset;
  if (view) show(view);
  else if (days) {
    lastDays(Number(days));
    loadStats();
  }
  else if (name === "open-site") {
    openSite(site);
    if (state.view !== "sites") show("sites");
  }
  else if (verb) {
    choose(button.closest("li").dataset.key);
    act(verb);
  } else if (name) ACTS[name]?.();
});
byId("incidents").addEventListener("choose", (event) => choose(event.detail));
byId("search").addEventListener("submit", (event) => { event.preventDefault(); search(false); });
byId("search").addEventListener("reset", () => setTimeout(() => search(false)));
byId("stats-form").addEventListener("submit", (event) => { event.preventDefault(); loadStats(); });
byId("more").addEventListener("click", () => search(true));
onActs(draw);
onHandovers(draw);

const onBoard = (then) => () => {
  if (state.view !== "board") show("board");
  then();
};
onKeys({
  "Enter": onBoard(() => move(0)), "j": onBoard(() => move(1)), "ArrowDown": onBoard(() => move(1)),
  "k": onBoard(() => move(-1)), "ArrowUp": onBoard(() => move(-1)),
  "a": () => act("ack"), "n": () => act("note"), "e": () => act("escalate"), "c": () => act("close"),
  "h": () => act("handover"), "o": onBoard(firstHandover),
  "g": siteOfChosen, "p": onBoard(firstPicture),
  "1": () => show("board"), "2": () => show("sites"), "3": () => show("history"), "4": () => show("gateways"), "5": () => show("stats"),
  "/": () => { show("history"); byId("search-text").focus(); },
  "m": () => { start(); hush(); }, "M": ACTS.mute, "s": ACTS.sound,
  "t": otherTheme, "l": language, "?": ACTS.help,
  "Escape": () => { state.selected = null; drawAll(); },
});
document.addEventListener("keydown", () => { if (state.me) start(); }, true);

// ---- beginning and end ----

function enter() {
  byId("login").hidden = true;
  byId("wall").hidden = false;
  [state.room, state.lost, state.over] = [null, 0, false];
  listen(draw, () => {
    state.over = true;
    leave(t("login.over"));
  });
  show("board");
  byId("main").focus();
}

function leave(why) {
  hangUp();
  state.me = null;
  state.gateways.clear();
  state.incidents.clear();
  state.latest = [];
  forgetStats();
  forgetSite();
  forgetPictures();
  sound();
  showLogin(why);
}

setInterval(() => {
  say(byId("clock"), clock(now()));
  if (!state.me) {
    sound();
    return;
  }
  watch();
  tick();
  sound();
  if (state.view === "gateways") drawGateways();
  if (state.view === "sites") drawSite();
}, 500);

theme();
await speak();
fillHelp();
onLogin(() => { start(); enter(); });
state.me = await whoami();
if (state.me) enter();
else showLogin();
