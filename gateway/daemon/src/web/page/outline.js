// Outlines as the configuration writes them, and the steps that make of what holds what was drawn.

export const clamp = (n) => Math.min(1, Math.max(0, n));

/** Four digits behind the point are all that the configuration keeps. */
const number = (n) => String(Number(clamp(n).toFixed(4)));

const pointsOf = (text) => text.split(/\s+/).filter(Boolean).map((corner) => corner.split(",").map(Number));

/** The outline; one that nobody has touched stays as somebody wrote it. */
export const textOf = (shape) => shape.text ?? shape.points.map(([x, y]) => `${number(x)},${number(y)}`).join(" ");

const DEFAULTS = { name: null, sensitivity: 5, ignore: false };

/** A camera's shapes as they hold: masks first. */
export function modelOf({ id, name, masks, area }) {
  const shape = (kind, text, more) => ({ kind, text, points: pointsOf(text), out: false, wrong: null, ...more });
  const areas = (area ?? []).map((was) => shape("area", was.shape, { was, id: was.id, name: was.name ?? null, sensitivity: was.sensitivity ?? DEFAULTS.sensitivity, ignore: was.ignore ?? DEFAULTS.ignore }));
  return { id, name: name ?? id, masks: masks ?? [], shapes: [...(masks ?? []).map((text) => shape("mask", text, { was: text })), ...areas] };
}

/** A shape that was drawn just now. */
export function newShape(model, kind, points) {
  const shape = { kind, text: null, points, out: false, wrong: null, was: null };
  if (kind === "mask") return shape;
  const taken = model.shapes.map((one) => one.id);
  let n = 1;
  while (taken.includes(`area-${n}`)) n += 1;
  return { ...shape, id: `area-${n}`, ...DEFAULTS };
}

/** What changes at a camera, as steps. */
export function stepsOf({ id, masks, shapes }) {
  const at = (...rest) => ["camera", id, ...rest];
  const left = shapes.filter((one) => one.kind === "mask" && !one.out).map(textOf);
  const steps = [];
  if (JSON.stringify(left) !== JSON.stringify(masks)) {
    steps.push(left.length ? { do: "set", at: at("masks"), value: left } : { do: "unset", at: at("masks") });
  }
  for (const one of shapes.filter((shape) => shape.kind === "area")) {
    const values = { name: one.name, shape: textOf(one), sensitivity: one.sensitivity, ignore: one.ignore };
    if (!one.was) {
      const said = Object.entries(values).filter(([key, value]) => value !== (DEFAULTS[key] ?? null));
      steps.push({ do: "add", at: at("area"), entry: { id: one.id, ...Object.fromEntries(said) } });
    } else if (one.out) steps.push({ do: "remove", at: at("area", one.id) });
    else {
      for (const [key, value] of Object.entries(values)) {
        if (value === (one.was[key] ?? DEFAULTS[key] ?? null)) continue;
        steps.push(value === null ? { do: "unset", at: at("area", one.id, key) } : { do: "set", at: at("area", one.id, key), value });
      }
    }
  }
  return steps;
}
