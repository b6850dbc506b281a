// Plots as plain SVG: bars that stand on each other, or lines. As wide as their place, so that the
// letters stay as large as everywhere.

const SVG = "http://www.w3.org/2000/svg";
const [HEIGHT, LEFT, TOP, BOTTOM] = [190, 58, 10, 24];

function part(tag, attributes, text) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  if (text !== undefined) node.textContent = text;
  return node;
}

/** The smallest round number that is not below: 1, 2 or 5 and zeros. */
function ceiling(most) {
  if (most <= 0) return 1;
  const unit = 10 ** Math.floor(Math.log10(most));
  return [1, 2, 5, 10].map((n) => n * unit).find((n) => n >= most * 0.9999) ?? most;
}

/**
 * Draws into an element. `series`: {name, tone, values}; a value may be null: then nothing is known.
 * `labels` are of the days, `text` says a value, `axis` one of the axis, `steps` the axis' end above a
 * value, `bounds` both its ends where zero is none.
 */
export function plot(place, { kind, title, labels, series, text, axis = text, bounds, steps }) {
  const width = Math.max(240, place.clientWidth);
  const inner = width - LEFT - 10;
  const height = HEIGHT - TOP - BOTTOM;
  const count = labels.length;
  const sums = labels.map((_, n) => (kind === "bars" ? series.reduce((sum, one) => sum + (one.values[n] ?? 0), 0) : Math.max(0, ...series.map((one) => one.values[n] ?? 0))));
  const [low, high] = bounds?.(series) ?? [0, steps?.(Math.max(...sums)) ?? ceiling(Math.max(...sums))];
  const y = (value) => TOP + height - ((value - low) / (high - low)) * height;
  const x = (n) => LEFT + (inner / count) * (n + 0.5);
  const svg = part("svg", { viewBox: `0 0 ${width} ${HEIGHT}`, width, height: HEIGHT, role: "img", "aria-label": title });
  for (const share of [0, 0.5, 1]) {
    const value = low + (high - low) * share;
    svg.append(part("line", { x1: LEFT, x2: width - 10, y1: y(value), y2: y(value), class: share === 0 ? "axis" : "grid" }));
    svg.append(part("text", { x: LEFT - 8, y: y(value) + 4, class: "tick end" }, axis(value)));
  }
  const every = Math.max(1, Math.ceil(count / Math.max(1, Math.floor(inner / 70))));
  labels.forEach((label, n) => {
    if (n % every === 0) svg.append(part("text", { x: x(n), y: HEIGHT - 6, class: "tick middle" }, label));
  });
  if (kind === "bars") bars(svg, series, labels, { x, y, low, wide: Math.max(2, Math.min(42, (inner / count) * 0.7)), text });
  else for (const one of series) line(svg, one, labels, { x, y, text });
  place.replaceChildren(svg);
}

function bars(svg, series, labels, { x, y, low, wide, text }) {
  labels.forEach((label, n) => {
    let base = low;
    for (const one of series) {
      const value = one.values[n];
      if (!value) continue;
      const bar = part("rect", { x: x(n) - wide / 2, y: y(base + value), width: wide, height: Math.max(1, y(base) - y(base + value)), class: `tone ${one.tone}` });
      bar.append(part("title", {}, `${label} · ${one.name}: ${text(value)}`));
      svg.append(bar);
      base += value;
    }
  });
}

/** A line breaks where nothing is known; a day between two such is a dot. */
function line(svg, one, labels, { x, y, text }) {
  let path = "";
  one.values.forEach((value, n) => {
    if (value === null || value === undefined) return;
    const before = one.values[n - 1];
    path += `${before === null || before === undefined ? "M" : "L"}${x(n)} ${y(value)}`;
  });
  svg.append(part("path", { d: path, class: `line ${one.tone}` }));
  one.values.forEach((value, n) => {
    if (value === null || value === undefined) return;
    const dot = part("circle", { cx: x(n), cy: y(value), r: 3.5, class: `tone ${one.tone}` });
    dot.append(part("title", {}, `${labels[n]} · ${one.name}: ${text(value)}`));
    svg.append(dot);
  });
}
