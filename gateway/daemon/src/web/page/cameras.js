// Cameras: a picture of now, and the pictures and clips that are kept. Each look is recorded first.

import { byId, element, keyed, say, toast } from "./dom.js";
import { get, post, why } from "./login.js";
import { may, nameOf, now, state } from "./state.js";
import { clock, t, word } from "./words.js";

let chosen = null;
let listed = "";

const cameras = () => state.now?.things.filter((thing) => thing.kind === "camera") ?? [];

export function drawCameras() {
  const all = cameras();
  byId("no-cameras").hidden = all.length > 0;
  if (!all.some((one) => one.id === chosen)) chosen = all[0]?.id ?? null;
  keyed(byId("camera-list"), all, (one) => one.id, (one) => {
    const button = element("button");
    button.addEventListener("click", () => { chosen = one.id; clear(); drawCameras(); });
    button.append(element("b"), element("small"));
    return button;
  }, (button, one) => {
    say(button.querySelector("b"), nameOf(one));
    say(button.querySelector("small"), state.lost ? t("state.unknown") : [word("state", one.state), ...one.flags.map((flag) => word("flag", flag))].join(t("comma")));
    button.dataset.state = state.lost ? "unknown" : one.state;
    button.dataset.blind = !state.lost && one.blind;
    button.setAttribute("aria-pressed", String(one.id === chosen));
  });
  const camera = all.find((one) => one.id === chosen);
  byId("camera").hidden = !camera;
  if (!camera) return;
  say(byId("camera-name"), nameOf(camera));
  byId("snapshot").disabled = Boolean(state.lost);
  if (listed !== chosen) { listed = chosen; refresh(); }
}

/** Asks for the list anew: when a camera is chosen, and when something may have come. */
export async function refresh() {
  if (!chosen || !may("look")) return;
  const camera = chosen;
  const said = await get(`/api/cameras/${camera}/evidence`);
  if (!said || camera !== chosen) return;
  byId("no-evidence").hidden = said.evidence.length > 0;
  keyed(byId("evidence"), said.evidence, (one) => String(one.seq), (one) => {
    const node = element("li", "item");
    const button = element("button", "open");
    button.append(element("span", "kind"), element("time"), element("small", "of"));
    button.addEventListener("click", () => open(one));
    const save = element("button", "save");
    save.addEventListener("click", () => take(one));
    node.append(button, save);
    return node;
  }, (node, one) => {
    node.dataset.what = one.what;
    say(node.querySelector(".kind"), one.what === "clip" ? `▶ ${t("cameras.clip")}` : t("cameras.picture"));
    say(node.querySelector("time"), clock(one.at, now()));
    const of = one.of.length ? t("cameras.of", { n: one.of[0] }) : t("cameras.wanted");
    say(node.querySelector(".of"), !one.here ? t("cameras.gone") : one.opens ? of : t("cameras.sealed"));
    const save = node.querySelector(".save");
    say(save, t("cameras.save"));
    save.setAttribute("aria-label", `${t("cameras.save")}: ${t(one.what === "clip" ? "cameras.clip" : "cameras.picture")} ${clock(one.at, now())}`);
    node.querySelector(".open").disabled = !one.here || !one.opens;
    save.hidden = !may("export");
    save.disabled = !one.here;
  });
}

/** Nothing of it stays on a page that nobody looks at. */
export function clear() {
  const video = byId("screen").querySelector("video");
  if (video) { video.pause(); video.removeAttribute("src"); video.load(); }
  byId("screen").replaceChildren(element("p", "empty", t("cameras.empty")));
  say(byId("screen-what"), "");
}

function show(said, text) {
  clear();
  const screen = byId("screen");
  let node;
  if (said.what === "clip") {
    node = element("video");
    Object.assign(node, { controls: true, playsInline: true, autoplay: true, muted: true, src: said.url });
    node.addEventListener("error", () => toast(t("cameras.unplayable"), true));
  } else {
    node = element("img");
    Object.assign(node, { src: said.url, alt: text });
    node.addEventListener("error", () => toast(t("error.gone"), true));
  }
  node.setAttribute("aria-label", text);
  screen.replaceChildren(node);
  say(byId("screen-what"), text);
  screen.scrollIntoView({ block: "nearest" });
}

const label = (one) => `${t(one.what === "clip" ? "cameras.clip" : "cameras.picture")} · ${clock(one.at, now())}${one.masked ? ` · ${t("cameras.masked")}` : ""}`;

async function open(one) {
  const { ok, said } = await post(`/api/evidence/${one.seq}/look`);
  if (ok) show(said, label(one));
  else toast(why(said), true);
}

async function take(one) {
  const { ok, said } = await post(`/api/evidence/${one.seq}/export`);
  if (!ok) return toast(why(said), true);
  const link = element("a");
  link.href = said.url;
  link.download = "";
  link.click();
}

byId("snapshot").addEventListener("click", async () => {
  const [button, camera] = [byId("snapshot"), chosen];
  button.disabled = true;
  say(button, t("cameras.taking"));
  const { ok, said } = await post(`/api/cameras/${camera}/picture`);
  button.disabled = false;
  say(button, t("cameras.snapshot"));
  if (!ok) return toast(why(said), true);
  if (camera === chosen) show(said, `${t("cameras.picture")} · ${clock(now(), now())}`);
  refresh();
});
