//! What is refused, route by route: nobody, the wrong role, another page, guesses, and names of files.

use std::os::unix::fs::PermissionsExt as _;

use anyhow::{Context as _, ensure};
use gatehouse::web::{Need, ROUTES, Right, Role, Route};
use serde_json::json;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::client::{Answer, Client};
use crate::scene::{PASSWORD, Scene};

/// The route with something in its places.
fn path(route: &Route) -> String {
    let parts = route.path.split('/').map(|part| match part {
        "{id}" | "{name}" => "nobody",
        "{seq}" | "{n}" => "999999",
        "{look}" => "0",
        "{hash}" => "00000000000000000000000000000000",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

/// A request that only its sender's rights can fail for; a stream is not read to its end.
async fn ask(client: &Client, route: &Route, csrf: bool) -> anyhow::Result<Option<Answer>> {
    if route.path == "/api/live" && client.cookie.is_some() {
        return Ok(None);
    }
    let token = client.csrf.as_deref().filter(|_| csrf).unwrap_or("0");
    let headers = [("content-type", "application/json"), ("x-gatehouse-csrf", token)];
    client.send(route.method, &path(route), &headers, "{}").await.map(Some)
}

#[tokio::test]
async fn every_route_asks_who_comes_what_he_may_and_whether_his_own_page_asks() -> anyhow::Result<()>
{
    let scene = Scene::start(false).await?;
    let stranger = scene.stranger()?;
    // Before there is any account nobody is let in either.
    for route in ROUTES.iter().filter(|route| route.need != Need::Nobody) {
        let answer = ask(&stranger, route, false).await?.context("an answer")?;
        ensure!((answer.status, &*answer.error()) == (401, "login"), "{route:?}: {answer:?}");
    }
    let installer = scene.installer().await?;
    let mut people = vec![(Role::Installer, installer.clone())];
    for role in [Role::Manager, Role::Guard, Role::Auditor] {
        people.push((role, scene.account(&installer, role.as_str()).await?));
    }
    let mut refused = 0;
    for route in ROUTES {
        for (role, client) in &people {
            let told = |answer: &Answer| format!("{route:?} as {role:?}: {answer:?}");
            // Ends the session, and would be asked for by all the others.
            if route.path == "/api/logout" {
                continue;
            }
            if route.method == "POST" && route.need != Need::Nobody {
                let answer = ask(client, route, false).await?.context("an answer")?;
                ensure!((answer.status, &*answer.error()) == (403, "csrf"), "{}", told(&answer));
            }
            let Some(answer) = ask(client, route, true).await? else { continue };
            let may = match route.need {
                Need::Nobody | Need::Anybody => true,
                Need::Right(right) => role.may(right),
            };
            let is_refused = answer.status == 403 && answer.error() == "role";
            ensure!(is_refused != may, "{}", told(&answer));
            ensure!(
                answer.status != 405 && answer.status != 401 || !may || route.path == "/api/login",
                "no handler: {}",
                told(&answer)
            );
            refused += usize::from(is_refused);
        }
    }
    // One for the installer, 24 for the guard, 29 for the auditor.
    ensure!(refused == 54, "{refused} refusals");
    // Streams, too.
    let auditor = &people[3].1;
    ensure!(Role::Auditor.may(Right::Watch) && auditor.get("/api/session").await?.status == 200);
    // No path but those.
    for other in ["/api/none", "/api", "/accounts.toml", "/../state/page/accounts.toml", "/%2e%2e/"]
    {
        let answer = installer.get(other).await?;
        ensure!(answer.status == 404 || answer.status == 400, "{other}: {answer:?}");
    }
    Ok(())
}

#[tokio::test]
async fn what_no_page_of_ours_sends_is_refused_and_every_answer_has_its_headers()
-> anyhow::Result<()> {
    let scene = Scene::start(false).await?;
    let installer = scene.installer().await?;
    let csrf = installer.csrf.clone().context("its token")?;
    let post = async |headers: &[(&str, &str)]| {
        let all = [&[("x-gatehouse-csrf", csrf.as_str())], headers].concat();
        let answer = installer.send("POST", "/api/partitions/shop/disarm", &all, "{}").await?;
        anyhow::Ok((answer.status, answer.error()))
    };
    let json = ("content-type", "application/json");
    let refused = |error: &str| (403, error.to_owned());
    ensure!(post(&[json]).await?.0 == 200);
    ensure!(post(&[json, ("origin", "https://evil.example")]).await? == refused("origin"));
    ensure!(post(&[json, ("sec-fetch-site", "cross-site")]).await? == refused("origin"));
    ensure!(post(&[("content-type", "text/plain")]).await? == refused("json"));
    ensure!(
        post(&[("content-type", "application/x-www-form-urlencoded")]).await? == refused("json")
    );
    // A name that leads here, and is not ours.
    let mut stream = installer.connect().await?;
    stream.write_all(b"GET / HTTP/1.1\r\nhost: evil.example\r\nconnection: close\r\n\r\n").await?;
    let mut text = String::new();
    stream.read_to_string(&mut text).await?;
    ensure!(text.starts_with("HTTP/1.1 403"), "{text}");
    for path in ["/", "/main.js", "/api/session", "/api/hello", "/api/none", "/api/accounts"] {
        let answer = installer.get(path).await?;
        let policy = answer.header("content-security-policy").unwrap_or_default();
        ensure!(policy.contains("default-src 'none'") && !policy.contains("unsafe"), "{path}");
        ensure!(policy.contains("frame-ancestors 'none'"), "{path}");
        ensure!(answer.header("x-content-type-options") == Some("nosniff"), "{path}");
        ensure!(answer.header("referrer-policy") == Some("no-referrer"), "{path}");
        ensure!(answer.header("cache-control") == Some("no-store"), "{path}");
        ensure!(answer.header("strict-transport-security").is_some(), "{path}");
        ensure!(answer.header("server").is_none(), "{path}");
    }
    let large = "x".repeat(9 * 1024);
    let headers = [json, ("x-gatehouse-csrf", csrf.as_str())];
    let answer = installer.send("POST", "/api/accounts", &headers, &format!("\"{large}\"")).await?;
    ensure!(answer.status == 413, "{answer:?}");
    // Nothing is served without TLS.
    let mut plain = tokio::net::TcpStream::connect(scene.port.address()).await?;
    plain.write_all(b"GET / HTTP/1.1\r\nhost: localhost\r\n\r\n").await?;
    let mut bytes = Vec::new();
    let _ = plain.read_to_end(&mut bytes).await;
    ensure!(!bytes.starts_with(b"HTTP"), "{bytes:?}");
    Ok(())
}

#[tokio::test]
async fn a_code_is_good_once_a_guesser_waits_and_both_are_recorded() -> anyhow::Result<()> {
    let scene = Scene::start(false).await?;
    let stranger = scene.stranger()?;
    let login = json!({ "name": "in-1", "password": PASSWORD });
    let early = stranger.post("/api/login", &login).await?;
    ensure!(early.status == 401, "nobody has an account: {early:?}");
    let code = scene.code().await?;
    ensure!(scene.code().await? == code, "the code that holds is shown again");
    let pair = |code: &str| json!({ "code": code, "name": "in-1", "password": PASSWORD });
    let wrong = if code == "00000000" { "00000001" } else { "00000000" };
    ensure!(stranger.post("/api/pair", &pair(wrong)).await?.error() == "code");
    let weak = json!({ "code": code, "name": "in-1", "password": "short" });
    ensure!(stranger.post("/api/pair", &weak).await?.error() == "short");
    let installer = stranger.enter("/api/pair", &pair(&code)).await?;
    ensure!(stranger.post("/api/pair", &pair(&code)).await?.error() == "paired");
    ensure!(scene.page().await?["code"].is_null(), "there is an account");
    let made = scene.event("page.account", 1).await?.draft;
    ensure!(made.actor.as_deref() == Some("in-1"), "{made:?}");
    // The fingerprint at the console is that of the certificate.
    let shown = scene.page().await?["fingerprint"].as_str().context("shown")?.replace(':', "");
    let digest = ring::digest::digest(&ring::digest::SHA256, &stranger.certificate);
    let hex = gatehouse_core::checkpoint::to_hex(digest.as_ref());
    ensure!(shown.eq_ignore_ascii_case(&hex));
    // Guessing: the sixth attempt is not even looked at, the right password neither.
    let guess = json!({ "name": "in-1", "password": "four words were enough" });
    let mut last = None;
    for _ in 0..6 {
        last = Some(stranger.post("/api/login", &guess).await?);
    }
    let last = last.context("tried")?;
    ensure!(last.status == 429 && last.header("retry-after").is_some(), "{last:?}");
    ensure!(stranger.post("/api/login", &login).await?.status == 429);
    ensure!(installer.get("/api/session").await?.status == 200, "who is in stays in");
    let locked = scene.event("page.locked", 1).await?.draft.detail.context("facts")?;
    ensure!(locked["account"] == "in-1", "{locked}");
    // No secret anywhere that others read.
    let events = format!("{:?}", scene.gateway.events().await?);
    let log = format!("{:?}", scene.gateway.log().all());
    for secret in [code.as_str(), PASSWORD, "argon2", installer.csrf.as_deref().unwrap_or("?")] {
        ensure!(!events.contains(secret) && !log.contains(secret), "{secret} is told");
    }
    let file = scene.gateway.state().join("page/accounts.toml");
    let text = std::fs::read_to_string(&file)?;
    ensure!(text.contains("$argon2id$") && !text.contains(PASSWORD), "{text}");
    ensure!(std::fs::metadata(&file)?.permissions().mode() & 0o777 == 0o600);
    Ok(())
}

#[tokio::test]
async fn accounts_are_made_changed_and_removed_and_hold_over_a_restart() -> anyhow::Result<()> {
    let mut scene = Scene::start(false).await?;
    let installer = scene.installer().await?;
    let manager = scene.account(&installer, "manager").await?;
    let guard = scene.account(&manager, "guard").await?;
    let make = async |by: &Client, name: &str, role: &str| {
        let body = json!({ "name": name, "role": role, "password": PASSWORD });
        anyhow::Ok(by.post("/api/accounts", &body).await?.error())
    };
    ensure!(make(&manager, "in-2", "installer").await? == "role", "nobody makes what is above him");
    ensure!(make(&manager, "guard", "guard").await? == "taken");
    ensure!(make(&manager, "g 2", "guard").await? == "name");
    ensure!(make(&manager, "g-2", "boss").await? == "role");
    let other = json!({ "password": "four other words then" });
    let taken = manager.post("/api/accounts/in-1/password", &other).await?;
    ensure!(taken.error() == "role", "{taken:?}");
    // Another password: whoever was in with the one before is out.
    ensure!(manager.post("/api/accounts/guard/password", &other).await?.status == 200);
    ensure!(guard.get("/api/session").await?.status == 401);
    let own = json!({ "before": "not it at all, sorry", "password": "yet four more words" });
    ensure!(manager.post("/api/password", &own).await?.error() == "wrong");
    let own = json!({ "before": PASSWORD, "password": "yet four more words" });
    ensure!(manager.post("/api/password", &own).await?.status == 200);
    ensure!(manager.get("/api/session").await?.status == 401);
    ensure!(installer.post("/api/accounts/in-1/remove", &json!({})).await?.error() == "last");
    ensure!(installer.post("/api/accounts/guard/remove", &json!({})).await?.status == 200);
    let account = scene.event("page.account", 6).await?.draft;
    ensure!(account.detail.context("facts")?["change"] == "removed");
    scene.gateway.restart().await?;
    let back = scene.stranger()?;
    let login = json!({ "name": "manager", "password": "yet four more words" });
    gatehouse_tests::wait::until("the page again", crate::scene::PATIENCE, async || {
        Ok(back.get("/api/hello").await.ok().map(drop))
    })
    .await?;
    ensure!(installer.get("/api/session").await?.status == 401, "sessions end with the daemon");
    back.enter("/api/login", &login).await?;
    let gone = json!({ "name": "guard", "password": "four other words then" });
    ensure!(back.post("/api/login", &gone).await?.status == 401);
    Ok(())
}

#[tokio::test]
async fn accounts_that_cannot_be_read_are_no_fresh_box_and_stop_no_alarm() -> anyhow::Result<()> {
    let mut scene = Scene::start(false).await?;
    scene.installer().await?;
    scene.gateway.stop().await?;
    std::fs::write(scene.gateway.state().join("page/accounts.toml"), "nonsense")?;
    scene.gateway.launch().await?;
    gatehouse_tests::wait::until("the page to be degraded", crate::scene::PATIENCE, async || {
        let Ok(status) = scene.status().await else { return Ok(None) };
        let degraded = status["degraded"].as_array().context("a list")?;
        Ok(degraded.iter().any(|unit| unit == "page").then_some(()))
    })
    .await?;
    ensure!(scene.page().await?["code"].is_null(), "a damaged box lets nobody pair");
    scene.world.set(crate::scene::SAFE, true);
    scene.event("zone.24h_alarm", 1).await?;
    Ok(())
}
