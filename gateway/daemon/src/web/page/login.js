// Getting in: the first account with a code, logging in, logging out.

import { byId } from "./dom.js";
import { state } from "./state.js";
import { has, t, tn } from "./words.js";

/** Asks the box for something as JSON. */
export async function post(path, body) {
  const headers = { "content-type": "application/json", "x-gatehouse-csrf": state.me?.csrf ?? "" };
  try {
    const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
    const said = await answer.json().catch(() => ({ error: "internal" }));
    return { ok: answer.ok, status: answer.status, said };
  } catch {
    return { ok: false, status: 0, said: { error: "away" } };
  }
}

/** What an error is for people. */
export function why(said) {
  if (said.error === "locked" && said.wait_s) return tn("login.locked", said.wait_s);
  return t(has(`error.${said.error}`) ? `error.${said.error}` : "error.internal");
}

export async function get(path) {
  try {
    const answer = await fetch(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

/** Shows the way in: a login, or on a fresh box the first account. */
export async function showEnter(text) {
  const hello = await get("/api/hello");
  const fresh = hello !== null && !hello.paired;
  document.body.dataset.state = "login";
  byId("page").hidden = true;
  byId("enter").hidden = false;
  byId("login-form").hidden = fresh;
  byId("pair-form").hidden = !fresh;
  byId("login-why").textContent = text ?? (hello === null ? t("error.away") : "");
  byId("login-password").value = "";
  byId(fresh ? "pair-code" : byId("login-name").value ? "login-password" : "login-name").focus();
}

/** Waits for somebody to come in; calls `entered` then. */
export function onEnter(entered) {
  const form = (prefix, body, path) => {
    byId(`${prefix}-form`).addEventListener("submit", async (event) => {
      event.preventDefault();
      const told = byId(`${prefix}-why`);
      const wanted = body();
      if (typeof wanted === "string") { told.textContent = wanted; return; }
      told.textContent = t("login.wait");
      const { ok, said } = await post(path, wanted);
      for (const field of document.querySelectorAll(`#${prefix}-form [type="password"]`)) if (ok || prefix === "login") field.value = "";
      if (!ok) {
        told.textContent = prefix === "login" && said.error === "wrong" ? t("login.wrong") : why(said);
        byId(prefix === "login" ? "login-password" : "pair-code").focus();
        if (said.error === "paired") showEnter(why(said));
        return;
      }
      told.textContent = "";
      state.me = said;
      entered();
    });
  };
  const of = (id) => byId(id).value.trim();
  form("login", () => ({ name: of("login-name"), password: byId("login-password").value }), "/api/login");
  form("pair", () => {
    if (byId("pair-password").value !== byId("pair-again").value) return t("pair.differ");
    return { code: of("pair-code"), name: of("pair-name"), password: byId("pair-password").value };
  }, "/api/pair");
}
