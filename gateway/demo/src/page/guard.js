"use strict";
// The open incidents, and what the control room's operator does about them. Helpers are in page.js.

/** Acts that are on their way: done when the box's event of them is committed at the control room. */
const asked = new Set();

function nameOfSource(s, source) {
  const [kind, id] = source.split("/");
  const things = { zone: s.zones, door: s.doors, camera: s.cameras }[kind] || [];
  const thing = things.find((other) => other.id === id);
  return thing ? nameOf(thing) : source;
}

function makeIncident(incident) {
  const card = element("li", "incident");
  card.dataset.id = incident.id;
  const head = element("p", "head");
  head.append(element("b", "danger"), element("span", "phase"), element("time", "age"));
  const hands = element("div", "hands");
  for (const verb of ["ack", "close"]) {
    const button = element("button", verb, verb === "ack" ? words.ack : words.close_incident);
    button.type = "button";
    button.setAttribute("aria-label", words[`${verb}_what`](incident.id));
    button.addEventListener("click", () => {
      asked.add(`${incident.id}/${verb}`);
      incidents(latest);
      act(`/api/incidents/${incident.id}/${verb}`).finally(() => {
        asked.delete(`${incident.id}/${verb}`);
        incidents(latest);
      });
    });
    hands.append(button);
  }
  card.append(head, element("p", "sources"), element("p", "facts"), hands);
  return card;
}

function incidents(s) {
  const list = byId("incidents");
  const old = new Map([...list.children].map((card) => [card.dataset.id, card]));
  byId("incidents-none").hidden = s.incidents.length > 0;
  const where = new Map(s.partitions.map((partition) => [partition.id, nameOf(partition)]));
  const cards = s.incidents.map((incident) => {
    const card = old.get(incident.id) || makeIncident(incident);
    card.dataset.phase = incident.phase;
    card.dataset.severity = incident.severity;
    const place = where.get(incident.partition);
    const say = (part, said) => {
      const node = card.querySelector(part);
      if (node.textContent !== said) node.textContent = said;
    };
    say(".danger", words.danger[incident.danger] + (place ? words.where(place) : ""));
    say(".phase", words.phase[incident.phase]);
    say(".sources", `${incident.id} · ${incident.sources.map((source) => nameOfSource(s, source)).join(words.comma)}`);
    const facts = [];
    if (incident.silent) facts.push([words.silent, "fact silent"]);
    if (incident.escalated && !incident.acked) facts.push([words.escalated, "fact escalated"]);
    if (incident.acked) facts.push([words.acked_by(incident.by || "–"), "fact"]);
    const box = card.querySelector(".facts");
    if (box.textContent !== facts.map((one) => one[0]).join("")) {
      box.replaceChildren(...facts.map(([label, style]) => element("span", style, label)));
    }
    const away = incident.phase === "unknown";
    card.querySelector(".ack").hidden = incident.acked;
    for (const button of card.querySelectorAll(".hands button")) {
      button.disabled = away || asked.has(`${incident.id}/${button.className}`);
    }
    return card;
  });
  const same = cards.length === list.children.length && cards.every((card, n) => card === list.children[n]);
  if (!same) list.replaceChildren(...cards);
  ages(s);
}

function ages(s) {
  for (const incident of s.incidents) {
    const card = [...byId("incidents").children].find((other) => other.dataset.id === incident.id);
    if (!card) continue;
    const age = Math.max(0, Math.floor((Date.now() - Date.parse(incident.since)) / 1000));
    const said = words.age(Math.floor(age / 60), age % 60);
    const node = card.querySelector(".age");
    if (node.textContent !== said) node.textContent = said;
  }
}
