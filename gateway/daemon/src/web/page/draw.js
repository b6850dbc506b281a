// Masks and motion areas: drawn over a picture of now, judged by the box while they are drawn, and changed
// like every other setting. What is shown is hidden by the masks that hold already.

import { byId, element, say } from "./dom.js";
import { post, why } from "./login.js";
import { modelOf, newShape, stepsOf, textOf } from "./outline.js";
import { showScene } from "./stage.js";
import { t } from "./words.js";

// In ms. A pause of the hand: so often is it asked at most whether a shape is good.
const PAUSE = 250;
// After a change a camera begins anew, and has its first picture some seconds later.
const [TRIES, BETWEEN] = [5, 1500];

let models = []; // each camera's shapes
let camera = null; // the one that is drawn on
let chosen = null; // the shape whose corners move
let drawing = null; // {kind, points}: one that is being drawn
let told = () => {}; // something was changed
let holds = null; // the configuration that the models are of
let asked = 0;

/** Shows the cameras with their shapes as they hold. */
export function drawShapes(cameras, hash, changed) {
  told = changed;
  const before = camera?.id;
  models = cameras.map(modelOf);
  camera = models.find((one) => one.id === before) ?? null;
  [chosen, drawing] = [null, null];
  byId("shapes-part").hidden = !models.length;
  tabs();
  draw();
  // What holds now is what the picture is to show.
  if (camera && holds !== hash) take();
  holds = hash;
}

export const shapeSteps = () => models.flatMap(stepsOf);

/** Nothing of a picture stays on a page that nobody looks at. */
export function forgetShapes() {
  [models, camera, chosen, drawing, holds] = [[], null, null, null, null];
  blank("");
  draw();
  byId("shape-cameras").replaceChildren();
}

function tabs() {
  byId("shape-cameras").replaceChildren(...models.map((one) => {
    const button = element("button");
    button.type = "button";
    button.setAttribute("aria-pressed", String(one === camera));
    const count = (kind) => one.shapes.filter((shape) => shape.kind === kind && !shape.out).length;
    button.append(element("b", "", one.name), element("small", "", t("shapes.count", { masks: count("mask"), areas: count("area") })));
    button.addEventListener("click", () => {
      [camera, chosen, drawing] = [one, null, null];
      tabs();
      draw();
      take();
    });
    return button;
  }));
}

// ---- the picture ----

function blank(text) {
  const image = byId("shape-image");
  image.removeAttribute("src");
  image.hidden = true;
  say(byId("shape-blank"), text);
}

async function take() {
  const [of, button] = [camera, byId("shape-picture")];
  blank(t("cameras.taking"));
  button.disabled = true;
  let answer;
  for (let tries = 0; tries < TRIES; tries += 1) {
    answer = await post(`/api/cameras/${of.id}/picture`);
    if (of.id !== camera?.id || answer.status !== 503) break;
    await new Promise((done) => { setTimeout(done, BETWEEN); });
  }
  button.disabled = false;
  if (of.id !== camera?.id) return;
  const { ok, said } = answer;
  if (!ok) return blank(why(said));
  const image = byId("shape-image");
  image.alt = t("shapes.of", { camera: of.name });
  image.src = said.url;
  image.hidden = false;
  say(byId("shape-blank"), "");
}

byId("shape-image").addEventListener("load", () => {
  const image = byId("shape-image");
  byId("shape-stage").style.aspectRatio = `${image.naturalWidth} / ${image.naturalHeight}`;
});
byId("shape-picture").addEventListener("click", take);

// ---- shapes ----

const live = () => camera.shapes.filter((one) => !one.out);

function nameOf(shape) {
  if (shape.kind === "area") return t("shapes.area", { name: shape.name || shape.id });
  return t("shapes.mask", { n: camera.shapes.filter((one) => one.kind === "mask").indexOf(shape) + 1 });
}

function draw() {
  byId("shape-editor").hidden = !camera;
  const scene = camera && { shapes: camera.shapes, chosen, drawing, nameOf, choose, changed, finish, cancel };
  showScene(scene);
  byId("shape-add").hidden = Boolean(drawing);
  byId("shape-drawing").hidden = !drawing;
  byId("shape-finish").disabled = !drawing?.points.length;
  say(byId("shape-how"), !camera ? "" : drawing ? t("shapes.how") : chosen ? t("shapes.how_move") : t(live().length ? "shapes.how_choose" : "shapes.none"));
  byId("shapes").replaceChildren(...(camera?.shapes ?? []).map(card));
}

function choose(shape) {
  chosen = shape;
  draw();
  byId("shape-handles").querySelector(".corner")?.focus({ preventScroll: true });
}

/** Something was moved or typed: it is counted at once, and judged when the hand rests. */
function changed() {
  byId("shape-finish").disabled = !drawing?.points.length;
  told();
  clearTimeout(asked);
  asked = setTimeout(judge, PAUSE);
}

/** The box says of each shape what the configuration would. */
async function judge() {
  if (!camera) return;
  const [of, shapes] = [camera, live()];
  const { ok, said } = await post("/api/settings/shapes", { shapes: shapes.map(textOf) });
  if (!ok || of !== camera) return;
  shapes.forEach((shape, n) => { shape.wrong = said.wrong[n]; });
  byId("shapes").querySelectorAll(".entry").forEach((node, n) => {
    const wrong = camera.shapes[n]?.wrong;
    say(node.querySelector(".why"), wrong ? t(`shape.${wrong}`) : "");
  });
  byId("shape-lines").querySelectorAll("polygon").forEach((node, n) => node.classList.toggle("wrong", Boolean(live()[n]?.wrong)));
}

function finish(points) {
  const shape = newShape(camera, drawing.kind, points);
  camera.shapes.push(shape);
  drawing = null;
  choose(shape);
  tabs();
  changed();
}

function cancel() {
  drawing = null;
  draw();
}

function begin(kind) {
  [chosen, drawing] = [null, { kind, points: [] }];
  draw();
  byId("shape-stage").focus();
}

byId("mask-add").addEventListener("click", () => begin("mask"));
byId("area-add").addEventListener("click", () => begin("area"));
byId("shape-finish").addEventListener("click", () => finish(drawing.points));
byId("shape-cancel").addEventListener("click", cancel);

// ---- the list beside the picture ----

function card(shape) {
  const node = element("li", `entry shape ${shape.kind}`);
  node.dataset.out = String(shape.out);
  node.dataset.chosen = String(shape === chosen);
  const [head, name, edit, remove] = [element("div", "entry-head"), element("b", "", nameOf(shape)), element("button", "", t("shapes.edit")), element("button", "", t(shape.out ? "settings.restore" : "settings.remove"))];
  for (const button of [edit, remove]) {
    button.type = "button";
    button.setAttribute("aria-label", `${button.textContent}: ${nameOf(shape)}`);
  }
  edit.hidden = shape.out;
  edit.addEventListener("click", () => { drawing = null; choose(shape); });
  remove.addEventListener("click", () => {
    if (shape.was) shape.out = !shape.out;
    else camera.shapes = camera.shapes.filter((one) => one !== shape);
    if (chosen === shape) chosen = null;
    tabs();
    draw();
    changed();
  });
  const buttons = element("span", "buttons");
  buttons.append(edit, remove);
  head.append(name, buttons);
  const wrong = element("p", "why", shape.wrong ? t(`shape.${shape.wrong}`) : "");
  wrong.setAttribute("role", "alert");
  node.append(head, wrong);
  if (shape.kind === "area") node.append(...fields(shape, name));
  return node;
}

function labelled(text, input) {
  const label = element("label");
  label.append(element("span", "", text), input);
  return label;
}

function fields(shape, title) {
  const set = (input, apply) => input.addEventListener("input", (event) => {
    // Not the settings' own: the steps of a shape are counted here.
    event.stopPropagation();
    apply();
    say(title, nameOf(shape));
    changed();
  });
  const [id, name, sensitivity, ignore] = ["text", "text", "number", "checkbox"].map((type) => Object.assign(element("input"), { type }));
  Object.assign(name, { maxLength: 64, lang: "", value: shape.name ?? "" });
  set(name, () => { shape.name = name.value.trim() || null; });
  Object.assign(sensitivity, { min: 1, max: 10, step: 1, value: shape.sensitivity });
  set(sensitivity, () => { shape.sensitivity = Number(sensitivity.value); });
  ignore.checked = shape.ignore;
  set(ignore, () => { shape.ignore = ignore.checked; });
  const row = element("div", "row");
  if (!shape.was) {
    Object.assign(id, { maxLength: 32, autocapitalize: "none", spellcheck: false, value: shape.id });
    set(id, () => { shape.id = id.value.trim(); });
    row.append(labelled(t("settings.id"), id));
  }
  row.append(labelled(t("key.name"), name), labelled(t("key.sensitivity"), sensitivity));
  const tick = element("label", "tick");
  tick.append(ignore, element("span", "", t("key.ignore")));
  return [row, tick];
}
