// The keyboard. Enter takes the most urgent incident, A acknowledges it.

import { byId, element } from "./dom.js";
import { t } from "./words.js";

const SHOWN = [
  ["Enter", "key.first"], ["J", "key.next"], ["K", "key.previous"], ["A", "key.ack"], ["N", "key.note"],
  ["E", "key.escalate"], ["C", "key.close"], ["H", "key.handover"], ["O", "key.handovers"], ["G", "key.site"], ["P", "key.pictures"], ["1 2 3 4 5", "key.views"], ["/", "key.search"],
  ["M", "key.hush"], ["Shift M", "key.mute"], ["S", "key.sound"], ["T", "key.theme"], ["L", "key.language"],
  ["Esc", "key.escape"], ["?", "key.help"],
];

/** Calls the act of a key: `acts` has them by the key's name. */
export function onKeys(acts) {
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing) return;
    if (byId("wall").hidden || document.querySelector("dialog[open]")) return;
    const typing = event.target.closest("input, select, textarea");
    if (typing) {
      if (event.key === "Escape") typing.blur();
      return;
    }
    // Enter on a button or a link is theirs.
    if (event.key === "Enter" && event.target.closest("button, a, summary")) return;
    const name = event.shiftKey && event.key.length === 1 && /[a-z]/i.test(event.key) ? event.key.toUpperCase() : event.key.length === 1 ? event.key.toLowerCase() : event.key;
    const act = acts[name];
    if (!act || event.repeat && !["j", "k", "ArrowDown", "ArrowUp"].includes(name)) return;
    event.preventDefault();
    act();
  });
}

export function fillHelp() {
  byId("keys").replaceChildren(...SHOWN.flatMap(([key, text]) => {
    const term = element("dt");
    term.append(...key.split(" ").map((one) => element("kbd", "", one)));
    return [term, element("dd", "", t(text))];
  }));
}
