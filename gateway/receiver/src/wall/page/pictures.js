// Cameras' pictures: small ones in a row, each a button that shows it large.

import { byId, element, keyed, say } from "./dom.js";
import { now, state } from "./state.js";
import { age, clock, t } from "./words.js";

let shown = null; // the one that is shown large, with its row

const addressOf = (one) => `/api/picture/${[one.site, one.gateway, one.sha256].map(encodeURIComponent).join("/")}`;

/** What must be known beside a picture: whose word it is, and what it does not show. */
function marksOf(one) {
  const marks = [];
  if (!one.proven) marks.push(["unproven", t("picture.unproven")]);
  if (one.silent) marks.push(["silent", t("picture.silent")]);
  if (one.masked) marks.push(["masked", t("picture.masked")]);
  return marks;
}

/** When it was taken, for people: how long ago, and the time of day. */
const whenOf = (one) => t("picture.when", { age: age(now() - one.at), at: clock(one.at, now()) });

/** Draws a row of pictures: `{site, gateway, camera, sha256, here, at, proven, masked, silent, seq}`. */
export function drawPictures(row, pictures) {
  row.hidden = pictures.length === 0;
  keyed(row, pictures, (one) => `${one.gateway}/${one.sha256}/${one.seq ?? ""}`, make, (node, one) => update(node, one, pictures));
}

function make(one) {
  const node = element("li", "picture");
  const button = element("button");
  button.type = "button";
  const image = element("img");
  image.loading = "lazy";
  image.decoding = "async";
  image.alt = "";
  button.append(image, element("b"), element("small", "when"), element("span", "marks"));
  button.addEventListener("click", (event) => {
    event.stopPropagation();
    if (node.told.here) look(node.told, node.row);
  });
  node.append(button);
  // Not shown is said in words: a broken image would be none.
  image.addEventListener("error", () => { node.classList.add("away"); update(node, node.told, node.row); });
  if (one.here) image.src = addressOf(one);
  return node;
}

function update(node, one, row) {
  [node.told, node.row] = [one, row];
  const button = node.firstElementChild;
  const [image, camera, when, marks] = button.children;
  const address = one.here ? addressOf(one) : "";
  if (one.here && image.getAttribute("src") !== address) {
    node.classList.remove("away");
    image.src = address;
  }
  const away = !one.here || node.classList.contains("away");
  image.hidden = away;
  button.disabled = away;
  say(camera, one.camera);
  say(when, one.here ? whenOf(one) : t("picture.not_here"));
  const told = away && one.here ? [["away", t("picture.away")], ...marksOf(one)] : marksOf(one);
  keyed(marks, told, ([name]) => name, ([name]) => element("span", `mark ${name}`), (mark, [, text]) => say(mark, text));
  const label = t("picture.open", { camera: one.camera, when: when.textContent });
  if (button.getAttribute("aria-label") !== label) button.setAttribute("aria-label", label);
}

/** Shows one large. */
function look(one, row) {
  shown = { one, row: row.filter((other) => other.here) };
  draw();
  if (!byId("shot").open) byId("shot").showModal();
}

function draw() {
  const { one, row } = shown;
  const image = byId("shot-image");
  if (image.getAttribute("src") !== addressOf(one)) image.src = addressOf(one);
  image.alt = t("picture.of", { camera: one.camera, site: one.site });
  say(byId("shot-title"), t("picture.of", { camera: one.camera, site: one.site }));
  say(byId("shot-when"), whenOf(one));
  keyed(byId("shot-marks"), marksOf(one), ([name]) => name, ([name]) => element("span", `mark ${name}`), (mark, [, text]) => say(mark, text));
  const facts = [one.proven ? t("picture.proven", { seq: one.seq }) : t("picture.unproven_why")];
  if (one.masked) facts.push(t("picture.masked_why"));
  if (one.silent) facts.push(t("silent"));
  say(byId("shot-facts"), facts.join(" "));
  const at = row.indexOf(one);
  byId("shot-before").disabled = at <= 0;
  byId("shot-after").disabled = at < 0 || at >= row.length - 1;
}

function step(by) {
  const next = shown?.row[shown.row.indexOf(shown.one) + by];
  if (!next) return;
  shown.one = next;
  draw();
}

byId("shot-before").addEventListener("click", () => step(-1));
byId("shot-after").addEventListener("click", () => step(1));
byId("shot").addEventListener("keydown", (event) => {
  if (event.key === "ArrowLeft") step(-1);
  if (event.key === "ArrowRight") step(1);
});
byId("shot").addEventListener("close", () => {
  // Nothing of it stays on a page that nobody looks at.
  byId("shot-image").removeAttribute("src");
  shown = null;
});

/** The time goes on, also beside a picture. */
export function tickPictures() {
  for (const node of document.querySelectorAll(".picture")) if (node.told?.here) say(node.querySelector(".when"), whenOf(node.told));
  if (shown) say(byId("shot-when"), whenOf(shown.one));
}

/** Opens the first picture of the chosen incident. */
export function firstPicture() {
  document.querySelector(".incident.chosen .picture button:not(:disabled)")?.click();
}

/** What must be asked for anew: whatever a camera's gateway has sent, or an event has told. */
const stamp = (key) => `${state.gateways.get(key)?.pictures ?? 0} ${state.latest.filter((one) => `${one.site}/${one.gateway}` === key && one.event.class === "camera").map((one) => one.event.seq)}`;

const LATE_MS = 120000;
const AGAIN_MS = 5000;
const ofIncidents = new Map(); // key: {stamp, asking, pictures}

/** The pictures of an incident as far as they are known; asks for them when there may be more. */
export function picturesOf(key, redraw) {
  const [site, gateway, id] = key.split("/");
  const known = ofIncidents.get(key) ?? { stamp: "", asking: false, pictures: [] };
  ofIncidents.set(key, known);
  // Another receiver may have stored what is not here yet: for a while it is asked for again.
  const late = known.pictures.some((one) => !one.here && one.at > now() - LATE_MS) ? Math.floor(now() / AGAIN_MS) : 0;
  const wanted = `${stamp(`${site}/${gateway}`)} ${late}`;
  if (known.stamp !== wanted && !known.asking) {
    known.asking = true;
    known.stamp = wanted;
    fetch(`/api/incidents/${[site, gateway, id].map(encodeURIComponent).join("/")}/pictures`)
      .then((answer) => (answer.ok ? answer.json() : { pictures: [] }))
      .then((said) => { known.pictures = said.pictures.map((one) => ({ site, gateway, ...one })); })
      .catch(() => { known.stamp = ""; })
      .finally(() => { known.asking = false; redraw(); });
  }
  return known.pictures;
}

/** What is known of an incident that is over is forgotten; of all, when nobody is logged in. */
export function forgetPictures() {
  for (const key of ofIncidents.keys()) if (!state.incidents.has(key)) ofIncidents.delete(key);
  if (state.me) return;
  byId("shot").close();
  for (const row of document.querySelectorAll(".pictures")) row.replaceChildren();
}

/** The latest picture of each camera of a site: by gateway, then by camera. */
export async function latestOf(site) {
  const answer = await fetch(`/api/pictures/${encodeURIComponent(site)}`);
  return answer.ok ? (await answer.json()).gateways : {};
}
