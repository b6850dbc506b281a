"use strict";
// The doors that people use, and the stream of events. Helpers are in page.js.

function makeTile(door) {
  const tile = element("li", "tile");
  tile.id = `door-${door.id}`;
  const look = element("div", "look");
  const opening = element("div", "opening");
  opening.append(element("span", "leaf"), element("span", "wedge"));
  look.append(opening);
  look.setAttribute("aria-hidden", "true");
  const says = element("p", "says");
  says.append(element("b"), element("span"));
  const hands = element("div", "hands");
  for (const verb of ["open", "close"]) {
    const button = element("button", "", words[verb]);
    button.type = "button";
    button.id = `door-${door.id}-${verb}`;
    button.setAttribute("aria-label", words[`${verb}_door`](nameOf(door)));
    button.addEventListener("click", () => act(`/api/doors/${door.id}/${verb}`));
    hands.append(button);
  }
  tile.append(look, element("h3", "", nameOf(door)), says, hands);
  return tile;
}

function doors(s) {
  const list = byId("door-list");
  for (const door of s.doors) {
    let tile = byId(`door-${door.id}`);
    if (!tile) {
      tile = makeTile(door);
      list.append(tile);
    }
    tile.dataset.state = door.state;
    tile.dataset.wire = door.wire;
    const [state, really] = tile.querySelectorAll(".says > *");
    const said = words.state[door.state];
    if (state.textContent !== said) state.textContent = said;
    // The truth in the building is told only where the control room does not know it.
    const agrees = door.state === door.wire || (door.state === "held-open" && door.wire === "open");
    const truth = agrees ? "" : words.wire[door.wire];
    if (really.textContent !== truth) really.textContent = truth;
    byId(`door-${door.id}-open`).disabled = door.wire === "open";
    byId(`door-${door.id}-close`).disabled = door.wire === "closed";
  }
}

const STEPS = ["stored", "acked", "received"];
/** What an operator must look at. */
const LOUD = /alarm$|escalated$|panic\.silent$|tamper$|^camera\.(covered|blinded|defocused|moved|lost)$/;

function happened(event) {
  return words.what[event.type] || words.by_state[event.to] || event.type;
}

function makeRow(event, names) {
  const row = element("li", "event");
  row.dataset.seq = event.seq;
  const when = element("time", "", new Date(event.utc).toLocaleTimeString("en-GB"));
  when.dateTime = event.utc;
  const what = element("span", "what");
  let who = names.get(`${event.source_kind}/${event.source}`) || words.box;
  if (event.source_kind === "incident") who = words.incident(event.source);
  what.append(element("b", "", who), ` ${happened(event)}`);
  if (LOUD.test(event.type)) row.classList.add("loud");
  const steps = element("span", "steps");
  steps.setAttribute("role", "img");
  for (const step of STEPS) steps.append(element("i", `step ${step}`));
  row.append(when, what, element("span", "tags"), element("span", "seq", `#${event.seq}`), steps);
  return row;
}

function events(s, fresh) {
  const list = byId("events");
  const names = new Map();
  for (const [kind, things] of [["door", s.doors], ["zone", s.zones], ["partition", s.partitions], ["camera", s.cameras]]) {
    for (const thing of things) names.set(`${kind}/${thing.id}`, nameOf(thing));
  }
  const old = new Map([...list.children].map((row) => [row.dataset.seq, row]));
  byId("events-none").hidden = s.events.length > 0;
  const rows = s.events.map((event) => {
    let row = old.get(String(event.seq));
    if (!row) {
      row = makeRow(event, names);
      if (fresh) row.classList.add("fresh");
    }
    row.dataset.step = event.step;
    const reached = STEPS.indexOf(event.step);
    const steps = row.querySelector(".steps");
    steps.setAttribute("aria-label", words[event.step]);
    [...steps.children].forEach((dot, n) => dot.classList.toggle("on", n <= reached));
    const tags = row.querySelector(".tags");
    const wanted = event.flags.map((flag) => [words.tags[flag] || flag, "tag"]);
    if (event.duplicates > 0) wanted.push([words.dup(event.duplicates), "tag twin"]);
    if (tags.textContent !== wanted.map((tag) => tag[0]).join("")) {
      tags.replaceChildren(...wanted.map(([label, style]) => element("span", style, label)));
    }
    return row;
  });
  const same = rows.length === list.children.length && rows.every((row, n) => row === list.children[n]);
  if (!same) list.replaceChildren(...rows);
}
