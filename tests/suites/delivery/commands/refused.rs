//! Every refusal: what is not carried out, what is said of it, and that nothing has changed.

use anyhow::ensure;
use gatehouse_core::contract::{Command, MAX_COMMAND};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;
use gatehouse_receiver::SigningKey;
use gatehouse_tests::wait::{SOON, until};
use serde_json::{Value, json};

use super::room::{ALLOWED, Room, key, now, told};

fn arm() -> Value {
    json!({ "partition": "flat", "at_once": true })
}

fn disarm() -> Value {
    json!({ "partition": "flat" })
}

/// Holds a refusal together: the result, its event, and that the flat is as it was.
async fn refused(
    room: &Room,
    result: &Value,
    expected: (&str, &str),
    state: &str,
) -> anyhow::Result<()> {
    ensure!(told(result) == expected, "{result}");
    let events = room.events().await?;
    let event = events.iter().find(|event| Some(event.seq.0) == result["seq"].as_u64());
    let event = event.ok_or_else(|| anyhow::anyhow!("no event of {result}"))?;
    ensure!(event.draft.cause.as_deref() == Some(expected.1), "{event:?}");
    ensure!(event.draft.kind == format!("command.{}", expected.0), "{event:?}");
    let is = room.state("flat").await?;
    ensure!(is == state, "the flat is {is}");
    Ok(())
}

/// A command with some of its members changed, under an id of its own.
async fn changed(room: &mut Room, change: impl FnOnce(&mut Value)) -> anyhow::Result<Value> {
    let mut command = room.command("arm", arm());
    change(&mut command);
    let id = room.next();
    room.say(&id, command.to_string().as_bytes()).await
}

#[tokio::test]
async fn a_retained_command_does_nothing_now_and_after_a_restart() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let command = room.command("arm", arm()).to_string();
    let topic = room.topic("kept");
    room.client.publish_retained(&topic, command.as_bytes()).await?;
    let result = room.result("kept", 0).await?;
    refused(&room, &result, ("refused", "retained"), "disarmed").await?;
    // The broker gives it to each connection: it is told again by a new start, and does nothing.
    room.gateway.restart().await?;
    until("the retained command to be told again", SOON, async || {
        Ok((room.events().await?.len() == 2).then_some(()))
    })
    .await?;
    ensure!(room.state("flat").await? == "disarmed");
    ensure!(room.events().await?.iter().all(|event| event.draft.kind == "command.refused"));
    Ok(())
}

#[tokio::test]
async fn an_expired_command_is_answered_expired() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let now = now();
    let result = changed(&mut room, |command| {
        command["issued"] = json!(UtcMs(now.0 - 60_000));
        command["expires"] = json!(UtcMs(now.0 - 1_000));
    })
    .await?;
    refused(&room, &result, ("expired", "late"), "disarmed").await
}

#[tokio::test]
async fn a_command_that_waited_at_the_broker_is_not_carried_out_late() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let now = now();
    let mut command = room.command("arm", arm());
    command["issued"] = json!(UtcMs(now.0 - 1_000));
    command["expires"] = json!(UtcMs(now.0 + 1_000));
    // An orderly stop: the persistent session collects what is addressed to the box.
    room.gateway.stop().await?;
    let topic = room.topic("late");
    room.client.publish(&topic, command.to_string().as_bytes()).await?;
    until("its expiry", SOON, async || Ok((super::room::now().0 > now.0 + 1_100).then_some(())))
        .await?;
    room.gateway.launch().await?;
    let result = room.result("late", 0).await?;
    refused(&room, &result, ("expired", "late"), "disarmed").await
}

#[tokio::test]
async fn a_command_of_the_future_is_refused() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let now = now();
    let result = changed(&mut room, |command| {
        command["issued"] = json!(UtcMs(now.0 + 120_000));
        command["expires"] = json!(UtcMs(now.0 + 150_000));
    })
    .await?;
    refused(&room, &result, ("refused", "not_yet"), "disarmed").await
}

#[tokio::test]
async fn a_command_without_expiry_is_refused() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let result = changed(&mut room, |command| {
        command.as_object_mut().expect("an object").remove("expires");
    })
    .await?;
    refused(&room, &result, ("refused", "no_expiry"), "disarmed").await
}

#[tokio::test]
async fn a_command_that_lives_for_more_than_a_day_is_refused() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let until = UtcMs(now().0 + 86_400_000 + 60_000);
    let result = changed(&mut room, |command| command["expires"] = json!(until)).await?;
    refused(&room, &result, ("refused", "bad_expiry"), "disarmed").await
}

#[tokio::test]
async fn a_command_that_comes_twice_is_carried_out_once() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let command = room.command("arm", arm()).to_string();
    let first = room.say("c", command.as_bytes()).await?;
    ensure!(told(&first) == ("done", ""), "{first}");
    ensure!(told(&room.want("disarm", disarm()).await?) == ("done", ""));
    let again = room.say("c", command.as_bytes()).await?;
    ensure!(told(&again).0 == "duplicate" && again["detail"]["was"] == "done", "{again}");
    ensure!(room.state("flat").await? == "disarmed");
    Ok(())
}

#[tokio::test]
async fn a_replayed_command_is_a_duplicate_after_a_kill_of_the_daemon_too() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let command = room.command("arm", arm()).to_string();
    ensure!(told(&room.say("c", command.as_bytes()).await?) == ("done", ""));
    ensure!(told(&room.want("disarm", disarm()).await?) == ("done", ""));
    let heard = room.heard().await?;
    room.gateway.restart().await?;
    room.online(heard).await?;
    let again = room.say("c", command.as_bytes()).await?;
    ensure!(told(&again).0 == "duplicate" && again["detail"]["was"] == "done", "{again}");
    ensure!(room.state("flat").await? == "disarmed");
    Ok(())
}

#[tokio::test]
async fn an_unknown_verb_is_refused_with_those_that_there_are() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let result = changed(&mut room, |command| command["verb"] = json!("open")).await?;
    ensure!(result["detail"]["verbs"].as_array().is_some_and(|all| all.len() == 16), "{result}");
    refused(&room, &result, ("refused", "unknown_verb"), "disarmed").await
}

#[tokio::test]
async fn wrong_arguments_are_refused_and_named() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    // What others have died of: a key that is there, and not the one that is looked for.
    let args = json!({ "partition": "flat", "forse": true });
    let result = room.want("arm", args).await?;
    ensure!(result["detail"]["why"].as_str().is_some_and(|why| why.contains("forse")), "{result}");
    refused(&room, &result, ("refused", "bad_args"), "disarmed").await
}

#[tokio::test]
async fn an_unknown_zone_is_refused_with_those_that_there_are() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let result = room.want("bypass", json!({ "zone": "cellar" })).await?;
    ensure!(result["detail"]["known"] == json!(["window"]), "{result}");
    refused(&room, &result, ("refused", "unknown_zone"), "disarmed").await
}

#[tokio::test]
async fn a_role_may_do_what_the_site_lets_it_do_and_an_unknown_one_nothing() -> anyhow::Result<()> {
    let roles = "[[command-role]]\nid = \"guard\"\nverbs = [\"arm\"]\n";
    let mut room = Room::start(&format!("{ALLOWED}\n{roles}")).await?;
    let as_role = |role: &'static str, verb: &'static str| {
        move |command: &mut Value| {
            command["role"] = json!(role);
            command["verb"] = json!(verb);
            command["args"] = if verb == "arm" { arm() } else { disarm() };
        }
    };
    let result = changed(&mut room, as_role("guard", "disarm")).await?;
    refused(&room, &result, ("refused", "not_allowed"), "disarmed").await?;
    let result = changed(&mut room, as_role("chief", "arm")).await?;
    refused(&room, &result, ("refused", "unknown_role"), "disarmed").await?;
    let result = changed(&mut room, as_role("guard", "arm")).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    Ok(())
}

#[tokio::test]
async fn what_lowers_protection_is_off_unless_the_site_allows_it() -> anyhow::Result<()> {
    let mut room = Room::start("").await?;
    ensure!(told(&room.want("arm", arm()).await?) == ("done", ""));
    for (verb, args) in [
        ("disarm", disarm()),
        ("bypass", json!({ "zone": "window" })),
        ("output", json!({ "door": "gate" })),
        ("config.get", json!({})),
    ] {
        let result = room.want(verb, args).await?;
        refused(&room, &result, ("refused", "lowers_protection"), "armed-away").await?;
    }
    Ok(())
}

/// A box whose clock was never set.
async fn blind() -> anyhow::Result<Room> {
    Room::with(ALLOWED, |folder| Ok(std::fs::remove_file(folder.path().join("synchronized"))?))
        .await
}

#[tokio::test]
async fn without_a_clock_what_must_not_be_late_needs_a_nonce() -> anyhow::Result<()> {
    let mut room = blind().await?;
    // To arm protects, early or late.
    ensure!(told(&room.want("arm", arm()).await?) == ("done", ""));
    let result = room.want("disarm", disarm()).await?;
    refused(&room, &result, ("refused", "no_nonce"), "armed-away").await?;
    let nonce = room.nonce(None).await?;
    let mut command = room.command("disarm", disarm());
    command["nonce"] = json!(nonce);
    let result = room.say("fresh", command.to_string().as_bytes()).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    Ok(())
}

#[tokio::test]
async fn a_stale_nonce_is_refused() -> anyhow::Result<()> {
    let mut room = blind().await?;
    ensure!(told(&room.want("arm", arm()).await?) == ("done", ""));
    let first = room.nonce(None).await?;
    let mut newest = first.clone();
    // The three latest are good.
    for _ in 0..3 {
        newest = room.nonce(Some(&newest)).await?;
    }
    let mut command = room.command("disarm", disarm());
    command["nonce"] = json!(first);
    let result = room.say("stale", command.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "stale_nonce"), "armed-away").await?;
    command["nonce"] = json!("0123456789abcdef0123456789abcdef");
    let result = room.say("invented", command.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "stale_nonce"), "armed-away").await
}

/// A command signed by a key, for this box and this id.
fn signed(room: &Room, id: &str, command: &Value, key: &SigningKey) -> anyhow::Result<Value> {
    let mut command: Command = serde_json::from_value(command.clone())?;
    let prefix = room.gateway.options().prefix();
    let (address, _) = Address::parse(&format!("{prefix}/x")).expect("a prefix");
    command.sig = key.sign(&command, &address, &id.parse()?);
    Ok(serde_json::to_value(command)?)
}

#[tokio::test]
async fn an_unsigned_command_is_refused_where_the_site_wants_signatures() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, table) = key(&folder, "op-7")?;
    let mut room = Room::start(&format!("[commands]\nsigned = \"required\"\n{table}")).await?;
    let result = room.want("arm", arm()).await?;
    refused(&room, &result, ("refused", "unsigned"), "disarmed").await?;
    let command = signed(&room, "good", &room.command("arm", arm()), &key)?;
    let result = room.say("good", command.to_string().as_bytes()).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    let events = room.events().await?;
    let detail = events.last().and_then(|event| event.draft.detail.clone()).unwrap_or_default();
    ensure!(detail["key"] == "op-7", "{detail}");
    Ok(())
}

#[tokio::test]
async fn a_bad_signature_is_refused_also_where_none_is_needed() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, table) = key(&folder, "op-7")?;
    let mut room = Room::start(&table).await?;
    let good = signed(&room, "c", &room.command("arm", arm()), &key)?;
    // The same bytes under another id, and the same id with another argument.
    let result = room.say("d", good.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "bad_signature"), "disarmed").await?;
    let mut changed = good.clone();
    changed["args"]["force"] = json!(true);
    let result = room.say("c", changed.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "bad_signature"), "disarmed").await?;
    let result = room.say("c", good.to_string().as_bytes()).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    Ok(())
}

#[tokio::test]
async fn a_foreign_operators_key_is_refused() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (_, table) = key(&folder, "op-7")?;
    let (foreign, _) = key(&folder, "op-8")?;
    let mut room = Room::start(&table).await?;
    let command = signed(&room, "c", &room.command("arm", arm()), &foreign)?;
    let result = room.say("c", command.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "foreign_key"), "disarmed").await?;
    let mut command = room.command("arm", arm());
    command["role"] = json!("chief");
    let ours = SigningKey::read(&folder.path().join("op-7"), "op-7".parse()?)?;
    let command = signed(&room, "e", &command, &ours)?;
    let result = room.say("e", command.to_string().as_bytes()).await?;
    refused(&room, &result, ("refused", "key_of_another_role"), "disarmed").await
}

#[tokio::test]
async fn what_is_no_command_is_refused_and_the_next_good_one_is_done() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    for bad in
        [&b"arm"[..], b"{\"verb\":\"arm\"}", b"{\"force\":true}", b"\xff\xfe", b"", b"[]", b"null"]
    {
        let id = room.next();
        let result = room.say(&id, bad).await?;
        refused(&room, &result, ("refused", "malformed"), "disarmed").await?;
    }
    let result = changed(&mut room, |command| command["operator"] = json!("Li Wei")).await?;
    refused(&room, &result, ("refused", "malformed"), "disarmed").await?;
    // One whose id is none cannot be answered; nothing happens.
    let (topic, command) = (room.topic("No Id!"), room.command("arm", arm()));
    room.client.publish(&topic, command.to_string().as_bytes()).await?;
    ensure!(told(&room.want("arm", arm()).await?) == ("done", ""));
    Ok(())
}

#[tokio::test]
async fn a_command_that_is_too_large_is_refused() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let result =
        changed(&mut room, |command| command["args"]["x"] = json!("x".repeat(MAX_COMMAND))).await?;
    refused(&room, &result, ("refused", "too_large"), "disarmed").await
}

#[tokio::test]
async fn a_flood_of_commands_is_answered_busy_and_leaves_no_events() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let before = room.gateway.events().await?.len();
    let mut busy = 0;
    for _ in 0..100 {
        let result = room.want("snapshot", json!({ "camera": "c1" })).await?;
        match told(&result) {
            ("refused", "busy") => {
                ensure!(result["seq"] == 0, "{result}");
                busy += 1;
            }
            ("refused", "no_camera") => {}
            other => anyhow::bail!("{other:?}"),
        }
    }
    ensure!(busy > 0, "60 at once, and one a second");
    let stored = room.gateway.events().await?.len() - before;
    ensure!(stored <= 100 - busy + 10, "{stored} events of {} commands", 100 - busy);
    Ok(())
}
