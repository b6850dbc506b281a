"use strict";
// The plan of the community and its partitions. Helpers are in page.js.

const SVG = "http://www.w3.org/2000/svg";

/** Where each sensor is, and what is drawn in its badge (24 by 24, its middle at 0). */
const PLACES = {
  "fence-north": [396, 40], "fence-east": [568, 176], "window": [146, 106],
  "entrance": [170, 330], "lobby-motion": [270, 206],
  "garage-gate": [485, 520], "garage-motion": [430, 344], "garage-water": [544, 424],
  "guard-panic": [108, 500], "guard-silent": [226, 500],
};

const ICONS = {
  door: "M-6 9V-9H6V9M-9 9H9M2 0v1",
  gate: "M-10 9V-8H10V9M-10-3H10M-10 2H10",
  window: "M-9-9H9V9H-9zM0-9V9M-9 0H9",
  fence: "M-9 9V-5l3-4 3 4V9M3 9V-5l3-4 3 4V9M-11-1H11M-11 5H11",
  motion: "M-9 7A14 14 0 0 1 7-9M-9 1A8 8 0 0 1 1-9M-9-5A3 3 0 0 1-5-9M-9 9l0 0M5 4a2 2 0 1 0 0-1zM2 10l3-4 4 4",
  button: "M-9 8H9M-6 8V3H6V8M-3 3V-4H3V3M0-9v2M-7-6l2 2M7-6l-2 2",
  silent: "M-9 8H9M-6 8V3H6V8M-3 3V-4H3V3",
  water: "M0-10c5 7 7 9 7 12a7 7 0 0 1-14 0c0-3 2-5 7-12z",
};

/** Where the burglar is in each scene. */
const BURGLAR = { fence: [452, 58], window: [196, 84], inside: [140, 238], turn: [140, 238] };

function shape(tag, attributes) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  return node;
}

function makeSensor(zone) {
  const [x, y] = PLACES[zone.id];
  const group = shape("g", {
    id: `zone-${zone.id}`, class: "sensor", transform: `translate(${x} ${y})`, role: "button", tabindex: "0",
  });
  group.dataset.look = zone.look;
  group.append(
    shape("circle", { class: "reach", r: 36 }), shape("circle", { class: "badge", r: 21 }),
    shape("path", { class: "sign", d: ICONS[zone.look] }),
    shape("text", { class: "name", y: 40 }), shape("text", { class: "says", y: 57 }),
  );
  const move = () => {
    const now = latest.zones.find((other) => other.id === zone.id);
    act(`/api/zones/${zone.id}/${now.pulse ? "pulse" : now.wire === "active" ? "calm" : "activate"}`);
  };
  group.addEventListener("click", move);
  group.addEventListener("keydown", (key) => {
    if (key.key !== "Enter" && key.key !== " ") return;
    key.preventDefault();
    move();
  });
  return group;
}

/** The one word that matters most of a sensor. */
function condition(zone) {
  if (zone.state === "unknown") return "unknown";
  for (const flag of ["alarm", "bypassed", "shut-down"]) if (zone.flags.includes(flag)) return flag;
  return zone.state;
}

function plan(s) {
  const layer = byId("sensors");
  for (const zone of s.zones) {
    let group = byId(`zone-${zone.id}`);
    if (!group) {
      group = makeSensor(zone);
      layer.append(group);
    }
    const now = condition(zone);
    group.dataset.state = now;
    group.dataset.wire = zone.wire;
    const [name, says] = group.querySelectorAll("text");
    name.textContent = nameOf(zone);
    // The truth on the wire is told where the control room does not know it, or must not show it.
    const hidden = zone.wire === "active" && (now === "unknown" || (zone.look === "silent" && now === "normal"));
    says.textContent = hidden ? words.really : now === "normal" ? "" : words.condition[now] || now;
    const verb = zone.pulse ? words.press : zone.wire === "active" ? words.calm : words.activate;
    group.setAttribute("aria-label", `${nameOf(zone)}: ${words.condition[now] || now}. ${verb}`);
  }
  const of = (id) => s.zones.find((zone) => zone.id === id);
  byId("puddle").dataset.state = condition(of("garage-water"));
  for (const id of ["lobby-motion", "garage-motion"]) byId(`cone-${id}`).dataset.state = condition(of(id));
  for (const partition of s.partitions) {
    byId(`area-${partition.id}`).dataset.state = partition.state;
    const title = document.querySelector(`[data-area="${partition.id}"]`);
    if (title) title.textContent = nameOf(partition);
  }
  const burglar = byId("burglar");
  const place = BURGLAR[s.story];
  burglar.classList.toggle("here", Boolean(place));
  if (place) burglar.style.transform = `translate(${place[0]}px, ${place[1]}px)`;
  text("story", s.story ? words.story[s.story] : words.hint);
  byId("story").classList.toggle("on", Boolean(s.story));
}

// ---- partitions ----

/** What prevented the last arming of a partition, until it is tried again or something moves. */
const blocked = new Map();

function arm(id, mode, force) {
  blocked.delete(id);
  act(`/api/partitions/${id}/${mode}${force ? "?force" : ""}`, (refused) => {
    if (refused.blockers.length === 0) return false;
    blocked.set(id, { mode, blockers: refused.blockers });
    partitions(latest);
    return true;
  });
}

function makePartition(partition) {
  const card = element("li", "partition");
  card.id = `partition-${partition.id}`;
  const head = element("p", "stands");
  head.append(element("b", "", nameOf(partition)), element("span", "pill"), element("output", "remains"));
  const hands = element("div", "hands");
  for (const mode of ["away", "home", "night", "disarm"]) {
    const button = element("button", mode, words.arm[mode]);
    button.type = "button";
    button.setAttribute("aria-label", words.arm_what[mode](nameOf(partition)));
    button.addEventListener("click", () => arm(partition.id, mode, false));
    hands.append(button);
  }
  const why = element("div", "why");
  why.hidden = true;
  card.append(head, hands, why);
  return card;
}

function standing(partition) {
  const mode = words.mode[partition.mode] || "";
  const standing = words.arming[partition.state] || partition.state;
  return ["triggered", "arming", "pending"].includes(partition.state) && mode ? `${standing} · ${mode}` : standing;
}

function blockers(s, partition, card) {
  const why = card.querySelector(".why");
  const found = blocked.get(partition.id);
  // Whoever shuts the window sees it: the list is of the moment of the refusal.
  const still = found && partition.state === "disarmed" && found.blockers.some((one) => {
    const zone = s.zones.find((other) => other.id === one.id);
    return !zone || zone.state !== "normal";
  });
  if (!still) {
    blocked.delete(partition.id);
    why.hidden = true;
    why.replaceChildren();
    return;
  }
  const names = found.blockers.map((one) => {
    const zone = s.zones.find((other) => other.id === one.id);
    return words.blocker(zone ? nameOf(zone) : one.id, words.condition[one.why] || one.why);
  });
  const said = words.not_ready(names.join(words.comma));
  why.hidden = false;
  if (why.firstChild?.textContent === said) return;
  why.replaceChildren(element("p", "", said));
  if (!found.blockers.every((one) => one.forcible)) return;
  const force = element("button", "", words.arm_anyway);
  force.type = "button";
  force.addEventListener("click", () => arm(partition.id, found.mode, true));
  why.append(force);
}

function partitions(s) {
  const list = byId("partitions");
  for (const partition of s.partitions) {
    let card = byId(`partition-${partition.id}`);
    if (!card) {
      card = makePartition(partition);
      list.append(card);
    }
    card.dataset.state = partition.state;
    const pill = card.querySelector(".pill");
    const said = standing(partition);
    if (pill.textContent !== said) pill.textContent = said;
    const armed = partition.state !== "disarmed";
    for (const button of card.querySelectorAll(".hands button")) {
      button.hidden = button.className === "disarm" ? !armed : armed;
      button.disabled = s.box !== "up";
    }
    blockers(s, partition, card);
  }
  countdowns(s);
}

function countdowns(s) {
  for (const partition of s.partitions) {
    const left = byId(`partition-${partition.id}`)?.querySelector(".remains");
    if (!left) continue;
    const seconds = partition.until ? Math.ceil((Date.parse(partition.until) - Date.now()) / 1000) : 0;
    const said = seconds > 0 ? words.seconds(seconds) : "";
    if (left.textContent !== said) left.textContent = said;
  }
}
