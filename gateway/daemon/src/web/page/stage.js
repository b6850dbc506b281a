// The picture on which shapes are drawn: lines, corners that a finger, a mouse or the keys move.

import { byId, element } from "./dom.js";
import { clamp } from "./outline.js";
import { t } from "./words.js";

const SVG = "http://www.w3.org/2000/svg";
// Pixels: less is a tap, more a drag; and so near to the first corner the outline is closed.
const [TAP, NEAR] = [10, 24];
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

let scene = null; // {shapes, chosen, drawing, nameOf, choose, changed, finish, cancel}

const host = byId("shape-stage");
const lines = byId("shape-lines");
const handles = byId("shape-handles");

/** Draws a scene; the corners of the chosen shape can be moved. */
export function showScene(next) {
  scene = next;
  host.dataset.drawing = String(Boolean(scene?.drawing));
  const shapes = scene?.shapes.filter((one) => !one.out) ?? [];
  lines.replaceChildren(...shapes.map((shape) => {
    const node = document.createElementNS(SVG, "polygon");
    node.addEventListener("click", () => { if (!scene.drawing) scene.choose(shape); });
    return node;
  }));
  if (scene?.drawing) lines.append(document.createElementNS(SVG, "polyline"));
  const corners = scene?.drawing ? [] : (scene?.chosen?.points ?? []);
  handles.replaceChildren(...corners.map((_, n) => between(n)), ...corners.map((_, n) => corner(n)), ...(scene?.drawing?.points ?? []).map(() => element("span", "dot")));
  place();
}

/** Puts everything where its corners are now; no element is made anew, so a drag goes on. */
function place() {
  if (!scene) return;
  const shapes = scene.shapes.filter((one) => !one.out);
  const text = (points) => points.map((point) => point.join(",")).join(" ");
  shapes.forEach((shape, n) => {
    const node = lines.children[n];
    node.setAttribute("points", text(shape.points));
    node.setAttribute("class", [shape.kind, shape.ignore ? "ignore" : "", shape === scene.chosen ? "chosen" : "", shape.wrong ? "wrong" : ""].join(" "));
  });
  if (scene.drawing) lines.lastElementChild?.setAttribute("points", text(scene.drawing.points));
  const at = (node, [x, y]) => { node.style.left = `${x * 100}%`; node.style.top = `${y * 100}%`; };
  handles.querySelectorAll(".dot").forEach((node, n) => at(node, scene.drawing.points[n]));
  const points = scene.chosen?.points ?? [];
  const percent = (part) => (part * 100).toFixed(1);
  handles.querySelectorAll(".between").forEach((node, n) => {
    const next = points[(n + 1) % points.length];
    at(node, [(points[n][0] + next[0]) / 2, (points[n][1] + next[1]) / 2]);
  });
  handles.querySelectorAll(".corner").forEach((node, n) => {
    at(node, points[n]);
    node.setAttribute("aria-label", t("shapes.corner", { shape: scene.nameOf(scene.chosen), n: n + 1, all: points.length, x: percent(points[n][0]), y: percent(points[n][1]) }));
  });
}

/** Where a pointer is, in parts of the picture. */
function pointed(event) {
  const box = host.getBoundingClientRect();
  return [clamp((event.clientX - box.left) / box.width), clamp((event.clientY - box.top) / box.height)];
}

function touched() {
  scene.chosen.text = null;
  place();
  scene.changed();
}

function drag(node, n, first) {
  node.setPointerCapture(first.pointerId);
  const move = (event) => { scene.chosen.points[n] = pointed(event); touched(); };
  node.addEventListener("pointermove", move);
  const end = () => node.removeEventListener("pointermove", move);
  node.addEventListener("pointerup", end, { once: true });
  node.addEventListener("pointercancel", end, { once: true });
}

const focusCorner = (n) => handles.querySelectorAll(".corner")[n]?.focus();

/** One more corner, half way to the next. */
function add(n) {
  const points = scene.chosen.points;
  const [[x, y], [u, v]] = [points[n], points[(n + 1) % points.length]];
  points.splice(n + 1, 0, [(x + u) / 2, (y + v) / 2]);
  scene.chosen.text = null;
  showScene(scene);
  focusCorner(n + 1);
  scene.changed();
}

function corner(n) {
  const node = element("button", "corner");
  node.type = "button";
  node.addEventListener("pointerdown", (event) => { event.stopPropagation(); drag(node, n, event); });
  node.addEventListener("keydown", (event) => {
    const points = scene.chosen.points;
    const arrow = ARROWS[event.key];
    if (arrow) {
      const step = event.shiftKey ? 0.002 : 0.01;
      points[n] = [clamp(points[n][0] + arrow[0] * step), clamp(points[n][1] + arrow[1] * step)];
      touched();
    } else if (event.key === "+" || event.key === "Insert") add(n);
    else if (event.key === "Delete" || event.key === "Backspace") {
      points.splice(n, 1);
      scene.chosen.text = null;
      showScene(scene);
      focusCorner(Math.min(n, points.length - 1));
      scene.changed();
    } else return;
    event.preventDefault();
  });
  return node;
}

function between(n) {
  const node = element("button", "between", "+");
  node.type = "button";
  // With the keyboard the corner before it takes a plus.
  node.tabIndex = -1;
  node.setAttribute("aria-label", t("shapes.between", { shape: scene.nameOf(scene.chosen), n: n + 1 }));
  node.addEventListener("pointerdown", (event) => event.stopPropagation());
  node.addEventListener("click", () => add(n));
  return node;
}

// ---- a new outline ----

host.addEventListener("pointerdown", (event) => {
  if (!scene?.drawing || event.button) return;
  event.preventDefault();
  host.setPointerCapture(event.pointerId);
  const [from, x, y] = [pointed(event), event.clientX, event.clientY];
  const apart = (other) => Math.hypot(other.clientX - x, other.clientY - y);
  const rectangle = (to) => [from, [to[0], from[1]], to, [from[0], to[1]]];
  const before = scene.drawing.points;
  const move = (other) => {
    // Whoever has begun with corners goes on with them.
    if (before.length || apart(other) < TAP) return;
    const box = rectangle(pointed(other));
    lines.lastElementChild.setAttribute("points", [...box, from].map((point) => point.join(",")).join(" "));
  };
  const up = (other) => {
    stop();
    if (!scene?.drawing) return;
    if (!before.length && apart(other) >= TAP) return scene.finish(rectangle(pointed(other)));
    const box = host.getBoundingClientRect();
    const first = before[0];
    const near = first && Math.hypot(first[0] * box.width + box.left - x, first[1] * box.height + box.top - y) < NEAR;
    if (near && before.length > 2) return scene.finish(before);
    before.push(from);
    showScene(scene);
    scene.changed();
  };
  const stop = () => {
    for (const [name, act] of [["pointermove", move], ["pointerup", up], ["pointercancel", stop]]) host.removeEventListener(name, act);
  };
  for (const [name, act] of [["pointermove", move], ["pointerup", up], ["pointercancel", stop]]) host.addEventListener(name, act);
});

host.addEventListener("keydown", (event) => {
  if (!scene?.drawing || event.target !== host) return;
  if (event.key === "Escape") scene.cancel();
  else if (event.key === "Enter") scene.finish([[0.4, 0.4], [0.6, 0.4], [0.6, 0.6], [0.4, 0.6]]);
  else return;
  event.preventDefault();
});
