// Accounts: who may log in, and as what.

import { ask } from "./acts.js";
import { byId, element, keyed, say, toast } from "./dom.js";
import { get, post, why } from "./login.js";
import { may, state } from "./state.js";
import { t, word } from "./words.js";

/** What each role may, for people. */
const RIGHTS = {
  installer: ["watch", "arm", "incidents", "look", "events", "settings", "masks", "credentials", "network", "accounts"],
  manager: ["watch", "arm", "incidents", "look", "export", "events", "settings", "masks", "credentials", "accounts"],
  guard: ["watch", "arm", "incidents", "look"],
  auditor: ["watch", "events"],
};

export async function drawPeople() {
  const makes = state.me?.makes ?? [];
  const role = byId("person-role");
  const chosen = role.value;
  role.replaceChildren(...[...makes].reverse().map((one) => { const node = element("option", "", word("role", one)); node.value = one; return node; }));
  if (makes.includes(chosen)) role.value = chosen;
  explain();
  if (!may("accounts")) return;
  const said = await get("/api/accounts");
  if (!said) return;
  keyed(byId("people"), said.accounts, (one) => one.name, (one) => {
    const node = element("li", "thing");
    const buttons = element("div", "buttons");
    const [change, remove] = [element("button", "change"), element("button", "remove")];
    change.addEventListener("click", () => password(one));
    remove.addEventListener("click", () => away(one));
    buttons.append(change, remove);
    node.append(element("b", "", one.name), element("span", "state"), buttons);
    return node;
  }, (node, one) => {
    say(node.querySelector(".state"), word("role", one.role));
    const [change, remove] = [node.querySelector(".change"), node.querySelector(".remove")];
    say(change, t("people.password"));
    say(remove, t("people.remove"));
    change.setAttribute("aria-label", `${t("people.password")}: ${one.name}`);
    remove.setAttribute("aria-label", `${t("people.remove")}: ${one.name}`);
    // One's own is changed below, with the one before.
    change.hidden = !makes.includes(one.role) || one.name === state.me.account;
    remove.hidden = !makes.includes(one.role);
  });
}

function explain() {
  const rights = RIGHTS[byId("person-role").value] ?? [];
  say(byId("person-may"), rights.map((right) => t(`right.${right}`)).join(t("comma")));
}

byId("person-role").addEventListener("change", explain);

async function password({ name }) {
  const typed = await ask({ title: t("people.password_of", { name }), text: t("people.password_why"), yes: t("people.change"), typed: true });
  if (typed === null) return;
  const { ok, said } = await post(`/api/accounts/${name}/password`, { password: typed });
  toast(ok ? t("people.changed") : why(said), !ok);
}

async function away({ name }) {
  if (!(await ask({ title: t("people.remove_title", { name }), text: t("people.remove_why"), yes: t("people.remove") }))) return;
  const { ok, said } = await post(`/api/accounts/${name}/remove`);
  toast(ok ? t("people.removed", { name }) : why(said), !ok);
  drawPeople();
}

byId("person-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const body = { name: byId("person-name").value.trim(), role: byId("person-role").value, password: byId("person-password").value };
  const { ok, said } = await post("/api/accounts", body);
  if (!ok) return toast(why(said), true);
  byId("person-form").reset();
  explain();
  toast(t("people.added", { name: body.name }));
  drawPeople();
});

byId("own-form").addEventListener("submit", async (event) => {
  event.preventDefault();
  const { ok, said } = await post("/api/password", { before: byId("own-before").value, password: byId("own-after").value });
  byId("own-form").reset();
  toast(ok ? t("people.changed") : why(said), !ok);
});
