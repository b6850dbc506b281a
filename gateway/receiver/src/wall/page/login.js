// Logging in and out.

import { byId } from "./dom.js";
import { state } from "./state.js";
import { t, tn } from "./words.js";

/** Asks the control room for something as JSON. */
export async function post(path, body) {
  const headers = { "content-type": "application/json", "x-gatehouse-csrf": state.me?.csrf ?? "" };
  const answer = await fetch(path, { method: "POST", headers, body: JSON.stringify(body ?? {}) });
  const said = await answer.json().catch(() => ({ error: "unknown" }));
  return { ok: answer.ok, status: answer.status, said };
}

/** Who is logged in, if somebody is. */
export async function whoami() {
  try {
    const answer = await fetch("/api/session");
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

export function showLogin(why) {
  document.body.dataset.state = "login";
  byId("wall").hidden = true;
  byId("login").hidden = false;
  byId("login-why").textContent = why ?? "";
  byId("login-password").value = "";
  byId(byId("login-name").value ? "login-password" : "login-name").focus();
}

/** Waits for somebody to log in; calls `entered` then. */
export function onLogin(entered) {
  byId("login-form").addEventListener("submit", async (event) => {
    event.preventDefault();
    const [name, password] = [byId("login-name").value.trim(), byId("login-password").value];
    const why = byId("login-why");
    why.textContent = t("login.wait");
    try {
      const { ok, said } = await post("/api/login", { name, password });
      if (ok) {
        byId("login-password").value = "";
        state.me = said;
        return entered();
      }
      why.textContent = said.error === "locked" ? tn("login.locked", said.wait_s) : t(said.error === "wrong" ? "login.wrong" : "login.failed");
      byId("login-password").value = "";
      byId("login-password").focus();
    } catch {
      why.textContent = t("login.away");
    }
  });
}
