//! What commands do: from the control room to the wire, and back.

use anyhow::{Context, ensure};
use gatehouse_core::contract::CommandStatus;
use gatehouse_core::id::Seq;
use gatehouse_receiver::{CommandError, Operator, SigningKey, USUAL_EXPIRY, Wanted};
use gatehouse_tests::District;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::world::Step;
use serde_json::{Value, json};

use super::room::{ALLOWED, FAN, LOCK, LOOP, LOOP_IN, Room, key, told};

#[tokio::test]
async fn a_district_arms_bypasses_releases_and_disarms_and_each_is_an_event() -> anyhow::Result<()>
{
    let mut room = Room::start(ALLOWED).await?;
    for (verb, args) in [
        ("bypass", json!({ "zone": "window" })),
        ("unbypass", json!({ "zone": "window" })),
        ("arm", json!({ "partition": "flat", "at_once": true })),
        ("silence", json!({})),
        ("disarm", json!({ "partition": "flat" })),
        ("walktest", json!({ "partition": "flat", "minutes": 5 })),
        ("walktest", json!({ "partition": "flat", "minutes": 0 })),
        ("output", json!({ "door": "gate" })),
        ("output", json!({ "output": "fan", "seconds": 1 })),
    ] {
        let result = room.want(verb, args).await?;
        ensure!(told(&result) == ("done", ""), "{verb}: {result}");
    }
    // On and off again, both.
    for line in [LOCK, FAN] {
        let pulsed = |all: &[Step]| {
            let on = all.iter().position(|step| *step == Step::Output(line, true))?;
            all[on..].contains(&Step::Output(line, false)).then_some(())
        };
        room.world.steps().wait_for("a pulse", SOON, pulsed).await?;
    }
    let events = room.gateway.events().await?;
    let by = |kind: &str| {
        let found =
            events.iter().find(|event| event.draft.kind == kind).context(kind.to_owned())?;
        let via = found.draft.detail.as_ref().map(|detail| detail["via"].clone());
        ensure!(via == Some(json!("district")), "{found:?}");
        ensure!(found.draft.actor.as_deref() == Some("op-7"), "{found:?}");
        anyhow::Ok(())
    };
    for kind in [
        "zone.bypassed",
        "zone.unbypassed",
        "partition.armed",
        "partition.disarmed",
        "door.released",
    ] {
        by(kind)?;
    }
    let done = events.iter().filter(|event| event.draft.kind == "command.done").count();
    ensure!(done == 9, "{done}");
    Ok(())
}

#[tokio::test]
async fn what_was_received_is_sent_again_when_it_is_wanted() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let district = District::start(room.broker.address()).await?;
    let head = room.gateway.events().await?.last().context("no events")?.seq;
    district.has_all("g-1", head, SOON).await?;
    let first = district.committed().len();
    let result = room.done("resend", json!({ "from": 1, "to": head })).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    // Each of them once more, known as a duplicate.
    district
        .committed()
        .wait_for("everything again", SOON, |all| {
            let again = all[first..].iter().filter(|event| event.duplicate);
            let numbers: std::collections::BTreeSet<Seq> = again.map(|event| event.seq).collect();
            (1..=head.0).all(|seq| numbers.contains(&Seq(seq))).then_some(())
        })
        .await?;
    let result = room.done("resend", json!({ "from": 1_000_000, "to": 1_000_001 })).await?;
    ensure!(told(&result) == ("failed", "no_such_events"), "{result}");
    Ok(())
}

#[tokio::test]
async fn every_state_is_published_again_when_it_is_wanted() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let before = room.heard().await?;
    let result = room.done("state", json!({})).await?;
    ensure!(told(&result) == ("done", "") && result["detail"]["states"] == 6, "{result}");
    let prefix = room.gateway.options().prefix();
    for thing in ["zone/window", "partition/flat", "door/gate", "door/door-0", "output/fan", "desc"]
    {
        let topic = format!("{prefix}/{thing}");
        room.client
            .messages(&topic, SOON, |all| {
                all[before..].iter().any(|message| message.topic == topic).then_some(())
            })
            .await?;
    }
    Ok(())
}

#[tokio::test]
async fn facts_come_without_names_and_a_camera_that_is_not_there_is_said() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let result = room.done("diag", json!({})).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    let facts = &result["detail"];
    ensure!(facts["gateway"] == "g-1" && facts["rss_kib"].as_u64() > Some(0), "{facts}");
    let things = facts["things"].as_array().context("no things")?;
    ensure!(things.iter().all(|thing| thing["name"].is_null()), "{facts}");
    for verb in ["snapshot", "clip"] {
        let result = room.want(verb, json!({ "camera": "c1" })).await?;
        ensure!(told(&result) == ("refused", "no_camera"), "{result}");
    }
    Ok(())
}

/// Reads the whole configuration.
async fn config(room: &mut Room) -> anyhow::Result<(String, String)> {
    let mut text = String::new();
    loop {
        let result = room.done("config.get", json!({ "at": text.len() })).await?;
        ensure!(told(&result) == ("done", ""), "{result}");
        let piece = &result["detail"];
        text.push_str(piece["text"].as_str().context("no text")?);
        if piece["of"].as_u64() == Some(text.len() as u64) {
            return Ok((text, piece["hash"].as_str().unwrap_or_default().to_owned()));
        }
    }
}

#[tokio::test]
async fn a_configuration_is_read_proposed_and_confirmed_and_the_rights_stay() -> anyhow::Result<()>
{
    let mut room = Room::start(ALLOWED).await?;
    let (text, hash) = config(&mut room).await?;
    ensure!(text == std::fs::read_to_string(room.gateway.config())?);
    let wider = format!("{text}\n[[partition]]\nid = \"attic\"\n");

    let result = room.done("config.confirm", json!({ "hash": "0123456789abcdef" })).await?;
    ensure!(told(&result) == ("failed", "no_proposal"), "{result}");
    let wrong = wider.replace("kind = \"instant\"", "kind = \"instnat\"");
    let result = room.done("config.propose", json!({ "text": wrong })).await?;
    ensure!(told(&result) == ("failed", "mistakes") && result["detail"]["count"] == 1, "{result}");
    let mistakes = result["detail"]["mistakes"].as_str().unwrap_or_default();
    ensure!(
        mistakes.contains("write kind = \"instant\"") && !mistakes.contains("/tmp"),
        "{mistakes}"
    );
    // Who may command what is the site's own word.
    let mine = wider.replace("\"disarm\", ", "");
    let result = room.done("config.propose", json!({ "text": mine })).await?;
    ensure!(told(&result) == ("failed", "changes_rights"), "{result}");
    let other = wider.replace("id = \"g-1\"", "id = \"g-2\"");
    let result = room.done("config.propose", json!({ "text": other })).await?;
    ensure!(told(&result) == ("failed", "changes_identity"), "{result}");

    // In two pieces, and a third that does not fit.
    let (head, tail) = wider.split_at(100);
    let of = wider.len();
    let result = room.done("config.propose", json!({ "text": head, "of": of })).await?;
    ensure!(result["detail"] == json!({ "have": 100, "of": of }), "{result}");
    let result = room.done("config.propose", json!({ "text": tail, "at": 99, "of": of })).await?;
    ensure!(told(&result) == ("failed", "pieces"), "{result}");
    let result = room.done("config.propose", json!({ "text": tail, "at": 100, "of": of })).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    let proposed = result["detail"]["hash"].as_str().context("no hash")?.to_owned();
    ensure!(
        std::fs::read_to_string(room.gateway.config())? == text,
        "nothing holds before it is confirmed"
    );

    let result = room.done("config.confirm", json!({ "hash": proposed })).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    ensure!(
        result["detail"]["before"] == hash && result["detail"]["after"] == proposed,
        "{result}"
    );
    ensure!(room.state("attic").await? == "disarmed");
    let events = room.gateway.events().await?;
    let applied = events.iter().find(|event| event.draft.kind == "config.applied");
    let detail =
        applied.and_then(|event| event.draft.detail.clone()).context("no config.applied")?;
    ensure!(detail["via"] == "district" && detail["operator"] == "op-7", "{detail}");
    ensure!(
        events.iter().all(|event| {
            event
                .draft
                .detail
                .as_ref()
                .is_none_or(|detail| !detail.to_string().contains("[[partition]]"))
        }),
        "no configuration stands in an event"
    );
    Ok(())
}

#[tokio::test]
async fn what_touches_the_way_to_the_district_is_confirmed_twice_or_put_back() -> anyhow::Result<()>
{
    let mut room = Room::start(ALLOWED).await?;
    let (text, before) = config(&mut room).await?;
    let quick = text.replace("district = ", "confirm-within-s = 5\ndistrict = ");
    let result = room.done("config.propose", json!({ "text": quick })).await?;
    ensure!(result["detail"]["confirm_within_s"].is_null(), "{result}");
    let hash = result["detail"]["hash"].clone();
    let result = room.done("config.confirm", json!({ "hash": hash })).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    ensure!(result["detail"]["before"] == before, "{result}");
    // Another window: another connection.
    let slower = quick.replace("[uplink]\n", "[uplink]\nin-flight = 7\n");
    let result = room.done("config.propose", json!({ "text": slower })).await?;
    ensure!(result["detail"]["confirm_within_s"] == 5, "{result}");
    let hash = result["detail"]["hash"].clone();
    let heard = room.heard().await?;
    let result = room.done("config.confirm", json!({ "hash": hash })).await?;
    ensure!(told(&result) == ("done", "") && result["detail"]["confirm_within_s"] == 5, "{result}");
    room.online(heard).await?;
    let result = room.done("config.confirm", json!({ "hash": hash })).await?;
    ensure!(told(&result) == ("done", "") && result["detail"]["confirmed"] == true, "{result}");
    ensure!(std::fs::read_to_string(room.gateway.config())? == slower);
    // Nobody says it twice.
    let result = room.done("config.propose", json!({ "text": quick })).await?;
    let hash = result["detail"]["hash"].clone();
    let result = room.done("config.confirm", json!({ "hash": hash })).await?;
    ensure!(told(&result) == ("done", ""), "{result}");
    until("the configuration before", SOON, async || {
        let events = room.gateway.events().await?;
        let back = events.iter().any(|event| event.draft.kind == "config.rolled_back");
        Ok(back.then_some(()))
    })
    .await?;
    ensure!(std::fs::read_to_string(room.gateway.config())? == slower);
    Ok(())
}

#[tokio::test]
async fn what_somebody_at_the_site_is_at_is_not_overwritten() -> anyhow::Result<()> {
    let mut room = Room::start(ALLOWED).await?;
    let (text, _) = config(&mut room).await?;
    let wider = format!("{text}\n[[partition]]\nid = \"attic\"\n");
    let result = room.done("config.propose", json!({ "text": wider })).await?;
    let hash = result["detail"]["hash"].clone();
    let theirs = format!("{text}\n# mine\n");
    room.gateway.write_config(&theirs)?;
    let result = room.done("config.confirm", json!({ "hash": hash })).await?;
    ensure!(told(&result) == ("failed", "file_changed"), "{result}");
    ensure!(std::fs::read_to_string(room.gateway.config())? == theirs);
    let result = room.done("config.get", json!({})).await?;
    ensure!(told(&result) == ("failed", "file_changed"), "{result}");
    Ok(())
}

const CHALLENGE: &str = r#"
[[output]]
id = "loop-back"
line = "sim:44"
role = "other"

[challenge]
output = "loop-back"
input = "sim:51"
bias = "pull-down"
pulse-ms = 100
debounce-ms = 10
within-s = WITHIN
"#;

#[tokio::test]
async fn a_challenge_from_the_district_comes_back_with_its_outcome() -> anyhow::Result<()> {
    let mut room = Room::start(&CHALLENGE.replace("WITHIN", "1")).await?;
    room.world.wire(LOOP, LOOP_IN);
    let passed = room.done("challenge", json!({ "nonce": "n-17" })).await?;
    ensure!(told(&passed) == ("done", ""), "{passed}");
    room.world.cut(LOOP);
    let failed = room.done("challenge", json!({ "nonce": "n-18" })).await?;
    ensure!(told(&failed) == ("failed", "test_failed"), "{failed}");
    let events = room.gateway.events().await?;
    let nonces = events.iter().filter(|event| event.draft.kind.starts_with("challenge."));
    let nonces = nonces.filter_map(|event| event.draft.detail.as_ref()?["nonce"].as_str());
    ensure!(nonces.eq(["n-17", "n-18"]));
    Ok(())
}

#[tokio::test]
async fn a_command_that_a_kill_cut_off_is_told_as_failed_and_is_not_tried_again()
-> anyhow::Result<()> {
    // Nothing is wired back: the challenge waits for a minute.
    let mut room = Room::start(&CHALLENGE.replace("WITHIN", "60")).await?;
    let command = room.command("challenge", json!({ "nonce": "n-1" })).to_string();
    let first = room.say("c", command.as_bytes()).await?;
    ensure!(told(&first) == ("accepted", ""), "{first}");
    let heard = room.heard().await?;
    room.gateway.restart().await?;
    room.online(heard).await?;
    let events = room.events().await?;
    let last = events.last().context("no events of commands")?;
    ensure!(last.draft.kind == "command.failed", "{last:?}");
    ensure!(last.draft.cause.as_deref() == Some("restart"), "{last:?}");
    let again = room.say("c", command.as_bytes()).await?;
    ensure!(told(&again) == ("duplicate", "restart"), "{again}");
    ensure!(again["detail"]["was"] == "failed", "{again}");
    Ok(())
}

/// What an operator wants.
fn wanted(verb: &str, args: Value) -> Wanted {
    let Value::Object(args) = args else { panic!("{args}") };
    let (verb, operator) = (verb.to_owned(), "op-7".to_owned());
    Wanted { verb, args, operator, role: None, expires: USUAL_EXPIRY }
}

async fn desk(room: &Room, district: &District) -> anyhow::Result<Operator> {
    let operator = district.operator()?;
    until("the gateway at the district", SOON, async || {
        Ok(operator.prepare(&"g-1".parse()?).ok().filter(|it| it.nonce.is_some()).map(drop))
    })
    .await?;
    ensure!(room.gateway.process_id().is_some());
    Ok(operator)
}

#[tokio::test]
async fn the_receiver_sends_a_command_and_has_its_answer() -> anyhow::Result<()> {
    let folder = tempfile::tempdir()?;
    let (key, table) = key(&folder, "op-7")?;
    let room = Room::start(&format!("{ALLOWED}signed = \"required\"\n{table}")).await?;
    let district = District::start(room.broker.address()).await?;
    let operator = desk(&room, &district).await?;
    let place = "g-1".parse()?;
    let arm = || wanted("arm", json!({ "partition": "flat", "at_once": true }));
    let send = async |wanted, key: Option<&SigningKey>| operator.command(&place, wanted, key).await;
    let refused = send(arm(), None).await?;
    ensure!(
        refused.status == CommandStatus::Refused && refused.reason.as_deref() == Some("unsigned")
    );
    let done = send(arm(), Some(&key)).await?;
    ensure!(done.status == CommandStatus::Done, "{done:?}");
    // Its event is the one that the result names.
    let named = district.committed().wait_for("the event", SOON, |all| {
        all.iter().find(|event| event.seq == done.seq).map(|event| event.event())
    });
    let named = named.await??;
    ensure!(named.draft.kind == "command.done" && named.draft.actor.as_deref() == Some("op-7"));
    ensure!(room.state("flat").await? == "armed-away");
    // What takes its time is waited for.
    let done = send(wanted("diag", json!({})), Some(&key)).await?;
    ensure!(done.status == CommandStatus::Done && done.detail.is_some(), "{done:?}");
    let nobody = operator.command(&"g-9".parse()?, arm(), None).await;
    ensure!(
        nobody.as_ref().is_err_and(|error| error.to_string().contains("known are g-1")),
        "{nobody:?}"
    );
    Ok(())
}

#[tokio::test]
async fn a_frozen_gateway_is_not_called_done_and_does_nothing_afterwards() -> anyhow::Result<()> {
    let room = Room::start(ALLOWED).await?;
    let district = District::start(room.broker.address()).await?;
    let operator = desk(&room, &district).await?;
    room.gateway.signal(rustix::process::Signal::STOP)?;
    let expires = std::time::Duration::from_secs(2);
    let arm = wanted("arm", json!({ "partition": "flat", "at_once": true }));
    let sent = operator.command(&"g-1".parse()?, Wanted { expires, ..arm }, None).await;
    ensure!(matches!(sent, Err(CommandError::NoAnswer(_))), "{sent:?}");
    room.gateway.signal(rustix::process::Signal::CONT)?;
    // It hears of it now, if the broker has not dropped it, and before anything that comes later.
    let later = until("an answer", SOON, async || {
        Ok(operator.command(&"g-1".parse()?, wanted("diag", json!({})), None).await.ok())
    });
    ensure!(later.await?.status == CommandStatus::Done);
    ensure!(room.state("flat").await? == "disarmed");
    let events = room.events().await?;
    let arm = |event: &&gatehouse_core::event::Event| {
        event.draft.detail.as_ref().is_some_and(|detail| detail["verb"] == "arm")
    };
    ensure!(events.iter().filter(arm).all(|event| event.draft.kind == "command.expired"));
    Ok(())
}
