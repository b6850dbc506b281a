// The sites, and one of them with everything that it has.

import { offers, openOrder } from "./commands.js";
import { byId, element, keyed, say } from "./dom.js";
import { drawPictures, latestOf } from "./pictures.js";
import { blindness, now, sites, state } from "./state.js";
import { age, t, tn, word } from "./words.js";

const KINDS = ["partition", "zone", "door", "camera", "reader", "output"];
let told = null; // what the control room said of the site last
let pictures = {}; // the latest of each camera, by gateway
let asked = ""; // the gateways' pieces that it was asked for with
let asking = false;

/** How a site is, worst first. */
function worst(site, gateways) {
  if (blindness()) return "unknown";
  const incidents = [...state.incidents.values()].filter((one) => one.site === site);
  if (incidents.some((one) => !one.acked)) return "alarm";
  if (gateways.some(([, one]) => !["online", "suspect"].includes(one.life))) return "deaf";
  if (incidents.length > 0) return "taken";
  return gateways.some(([, one]) => one.blind_total > 0) ? "blind" : "good";
}

/** The sites as tiles beside the incidents: a quiet wall shows what is quiet. */
export function drawTiles() {
  drawList(byId("tiles"));
  byId("tiles-head").hidden = state.gateways.size === 0;
}

export function drawSites() {
  drawList(byId("site-list"));
  drawSite();
}

function drawList(list) {
  keyed(list, [...sites()], ([site]) => site, ([site]) => {
    const node = element("li");
    const button = element("button");
    button.dataset.act = "open-site";
    button.dataset.site = site;
    button.append(element("b", "", site), element("span", "how"), element("small"));
    node.append(button);
    return node;
  }, (node, [site, gateways]) => {
    const how = worst(site, gateways);
    node.dataset.how = how;
    const button = node.firstElementChild;
    button.setAttribute("aria-current", String(site === state.site));
    say(button.children[1], t(`how.${how}`));
    const partitions = gateways.flatMap(([, one]) => Object.values(one.partitions));
    const known = !blindness() && partitions.length > 0 && partitions.every((one) => one.state !== "unknown");
    const armed = partitions.filter((one) => /^(armed|triggered|pending)/.test(one.state)).length;
    say(button.children[2], known ? t("site.armed", { armed, of: partitions.length }) : tn("gateways", gateways.length));
  });
}

export function openSite(site) {
  if (state.site !== site) [told, pictures] = [null, {}];
  state.site = site;
  asked = "";
  drawSites();
}

/** Whoever logs in next may see less. */
export function forgetSite() {
  [told, pictures, asked, state.site] = [null, {}, "", null];
  draw();
}

/** Asks for the site again when one of its gateways has news. */
async function refresh() {
  const gateways = sites().get(state.site) ?? [];
  const pieces = JSON.stringify(gateways) + state.latest.length + (state.latest[0]?.recv ?? "");
  if (asking || pieces === asked || !state.site) return;
  asking = true;
  try {
    const answer = await fetch(`/api/sites/${encodeURIComponent(state.site)}`);
    told = answer.ok ? await answer.json() : null;
    const cameras = Object.values(told?.gateways ?? {}).some((one) => Object.keys(one.things.camera ?? {}).length > 0);
    pictures = cameras ? await latestOf(told.site) : {};
    asked = pieces;
  } catch { /* the stream says that nothing is known */ }
  asking = false;
  draw();
}

export function drawSite() {
  if (state.view === "sites" && state.site) refresh();
  draw();
}

function draw() {
  const site = byId("site");
  const shown = told && told.site === state.site;
  byId("site-empty").hidden = Boolean(shown);
  say(byId("site-name"), state.site ? t("site.name", { site: state.site }) : "");
  const gateways = shown ? Object.entries(told.gateways) : [];
  keyed(byId("site-gateways"), gateways, ([id]) => id, makeGateway, updateGateway);
  site.classList.toggle("open", Boolean(state.site));
}

function makeGateway() {
  const node = element("article", "gateway");
  const head = element("h3");
  head.append(element("span"), element("b", "life"), orderButton());
  node.append(head);
  for (const kind of KINDS) {
    const group = element("section", "group");
    group.dataset.kind = kind;
    group.append(element("h4"), element("ul", "things"));
    node.append(group);
  }
  return node;
}

function updateGateway(node, [id, gateway]) {
  const head = node.firstElementChild;
  const life = blindness() ? "unknown" : gateway.life;
  const [name, how, order] = head.children;
  say(name, id);
  say(how, word("life", life));
  how.dataset.life = life;
  const heard = ["online", "suspect"].includes(life);
  setOrder(order, heard, id, "gateway", id, life);
  for (const group of node.querySelectorAll(".group")) {
    const things = Object.entries(gateway.things[group.dataset.kind] ?? {});
    group.hidden = things.length === 0;
    say(group.firstElementChild, t(`kinds.${group.dataset.kind}`));
    keyed(group.lastElementChild, things, ([name]) => name, makeThing, (thing, [name, one]) => {
      updateThing(thing, group.dataset.kind, name, one);
      const picture = group.dataset.kind === "camera" && pictures[id]?.[name];
      drawPictures(thing.querySelector(".pictures"), picture ? [{ site: told.site, gateway: id, ...picture }] : []);
      setOrder(thing.lastElementChild, heard, id, group.dataset.kind, name, one.state);
    });
  }
}

function makeThing() {
  const node = element("li", "thing");
  node.append(element("b"), element("span", "state"), element("small", "flags"), element("time", "age"), element("ul", "pictures"), orderButton());
  return node;
}

/** What is wanted of a thing is asked behind this. */
function orderButton() {
  const button = element("button", "order", "⋯");
  button.type = "button";
  button.addEventListener("click", () => {
    const { gateway, kind, name, is } = button.dataset;
    openOrder(state.site, gateway, kind, name, is);
  });
  return button;
}

function setOrder(button, heard, gateway, kind, name, is) {
  button.hidden = !heard || offers(kind).length === 0;
  Object.assign(button.dataset, { gateway, kind, name, is });
  const title = t("order.open", { what: t(`kinds.one.${kind}`), name });
  if (button.title !== title) {
    button.title = title;
    button.setAttribute("aria-label", title);
  }
}

function updateThing(node, kind, name, one) {
  const unknown = Boolean(blindness());
  const is = unknown ? "unknown" : one.state;
  const flags = unknown ? [] : one.flags;
  node.dataset.state = is;
  node.dataset.flags = flags.join(" ");
  const [title, text, marks, since] = node.children;
  say(title, name);
  say(text, word(`state.${kind}`, is) === is ? word("state", is) : word(`state.${kind}`, is));
  say(marks, flags.map((flag) => word("flag", flag)).join(t("comma")));
  since.hidden = !one.since || unknown;
  since.dataset.since = one.since ?? "";
  if (one.since) say(since, age(now() - one.since));
}
