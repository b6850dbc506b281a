//! Cards, doors and what explains an opening.

use gatehouse_core::event::Class;
use gatehouse_drivers::wiegand::{Card, Format};
use gatehouse_tests::world::Step;
use gatehouse_tests::{Client, ClientOptions};
use libosdp::OsdpLedColor;
use serde_json::json;

use super::super::PATIENCE;
use super::super::reader::Told;
use super::*;

/// The next lamp that the reader is told to light.
pub(super) fn lamp(site: &Site) -> OsdpLedColor {
    loop {
        let (_, told) = site.far().told.recv_timeout(PATIENCE).expect("nothing is shown");
        if let Told::Led { color, .. } = told {
            return color;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_known_card_is_granted_and_explains_the_opening_and_an_unknown_one_is_denied()
-> anyhow::Result<()> {
    let site = Site::ready().await?;
    site.show(1);
    let granted = site.told("access.granted", 1).await?;
    is_from(&granted, 1)?;
    ensure!(granted.draft.detail == Some(json!({ "door": "main", "side": "outside" })));
    ensure!(lamp(&site) == OsdpLedColor::Green);
    // The strike is released, and falls again by itself.
    for released in [true, false] {
        let step = Step::Output(STRIKE, released);
        let after = |steps: &[Step]| steps.last() == Some(&step);
        let what = format!("the strike to be {released}");
        site.world.steps().wait_for(&what, SOON, |steps| after(steps).then_some(())).await?;
    }
    site.show(1);
    site.told("access.granted", 2).await?;
    ensure!(lamp(&site) == OsdpLedColor::Green);
    ensure!(!site.opens().await?, "a granted door is not forced");
    site.show(9);
    let denied = site.told("access.denied", 1).await?;
    ensure!(cause(&denied) == "unknown", "{denied:?}");
    ensure!(lamp(&site) == OsdpLedColor::Red);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_door_that_nothing_explains_is_forced_and_one_with_an_exit_is_not() -> anyhow::Result<()>
{
    let site = Site::ready().await?;
    ensure!(site.opens().await?, "nobody was granted");
    let forced = site.told("door.forced", 1).await?;
    ensure!(forced.draft.class == Class::Alarm && &*forced.draft.source.id.to_string() == "main");
    site.told("door.forced_restored", 1).await?;
    // The button closes its circuit to ground; that is a press only after its own debounce.
    site.world.set(REX, false);
    ensure!(!site.opens().await?, "somebody wants out");
    site.world.set(REX, true);
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn five_wrong_cards_lock_the_reader_and_then_not_even_a_good_one_passes() -> anyhow::Result<()>
{
    let site = Site::ready().await?;
    for wrong in 1..=5 {
        site.show(10 + u64::try_from(wrong)?);
        site.told("access.denied", wrong).await?;
    }
    let lockout = site.told("access.lockout", 1).await?;
    ensure!(lockout.draft.class == Class::Tamper);
    let flags = site.is("front", "online").await?;
    ensure!(flags == json!(["locked-out"]), "{flags}");
    site.show(1);
    let denied = site.told("access.denied", 6).await?;
    ensure!(cause(&denied) == "locked-out", "{denied:?}");
    ensure!(site.count("access.granted").await? == 0);
    Ok(())
}

/// Lessons, row 7: what a duress card does looks as always, here and in everything retained.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_under_duress_shows_here_as_any_other_and_the_control_room_is_told()
-> anyhow::Result<()> {
    let site = Site::ready().await?;
    let mut room = Client::connect(site.broker.address(), ClientOptions::new("watcher")).await?;
    let mut seen = Vec::new();
    for number in [1, 2] {
        let before = site.gateway.events().await?.len();
        site.show(number);
        site.told("access.granted", usize::try_from(number)?).await?;
        ensure!(lamp(&site) == OsdpLedColor::Green);
        ensure!(!site.opens().await?);
        let events = site.gateway.events().await?;
        let events: Vec<_> = events[before..]
            .iter()
            .map(|event| {
                let draft = &event.draft;
                let (state, detail) = (draft.state.clone(), draft.detail.clone());
                (
                    draft.kind.clone(),
                    draft.class,
                    draft.severity,
                    state,
                    detail,
                    draft.flags.clone(),
                )
            })
            .collect();
        let mut status = site.status().await?;
        for thing in status["things"].as_array_mut().context("no things")? {
            thing["since"] = json!(null);
        }
        seen.push((events, status["things"].clone(), status["incidents"].clone()));
    }
    ensure!(seen[0] == seen[1], "{seen:#?}");
    let text = site.gateway.command(&["events", "--all", "--json", "--config"], true).await?;
    let log = site.gateway.log().all().join("\n");
    for (place, text) in [("events", &text), ("log", &log)] {
        ensure!(!text.contains("duress"), "the {place} tells of it:\n{text}");
    }
    let duress = site.district.committed().wait_for("access.duress", SOON, |all| {
        let mut events = all.iter().filter_map(|event| event.event().ok());
        events.find(|event| event.draft.kind == "access.duress")
    });
    let duress = duress.await?;
    is_from(&duress, 2)?;
    ensure!(duress.draft.class == Class::Panic);
    // What is retained for whoever looks into the broker later.
    room.subscribe(&format!("{}/#", site.gateway.options().prefix())).await?;
    let retained = room
        .messages("the reader's state", SOON, |all| {
            let reader = { all.iter() }.any(|message| message.topic.ends_with("/reader/front"));
            reader.then(|| all.iter().map(|one| (one.topic.clone(), one.payload.clone())).collect())
        })
        .await?;
    let retained: Vec<(String, _)> = retained;
    for (topic, payload) in retained {
        // The description names every type of event that there is.
        let told = String::from_utf8_lossy(&payload).contains("duress");
        ensure!(topic.ends_with("/desc") || !told, "{topic} tells of it");
    }
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn at_a_reader_with_pin_the_card_waits_for_its_digits_and_the_duress_pin_is_told()
-> anyhow::Result<()> {
    let pins =
        format!("pin = \"{}\"\nduress-pin = \"{}\"", pin(3, &[1, 9, 8, 4]), pin(3, &[4, 8, 9, 1]));
    let list = entry(3, &pins);
    let site = Site::with("pin = true", &list, &Make::with_key(FRONT, KEY)).await?;
    site.known().await?;
    site.show(3);
    site.far().keys(FRONT, b"1984#");
    is_from(&site.told("access.granted", 1).await?, 3)?;
    site.show(3);
    site.far().keys(FRONT, b"1985#");
    ensure!(cause(&site.told("access.denied", 1).await?) == "pin-wrong");
    site.show(3);
    site.far().keys(FRONT, b"4891#");
    is_from(&site.told("access.granted", 2).await?, 3)?;
    let duress = site.district.committed().wait_for("access.duress", SOON, |all| {
        let mut events = all.iter().filter_map(|event| event.event().ok());
        events.find(|event| event.draft.kind == "access.duress")
    });
    is_from(&duress.await?, 3)?;
    // Who shows another card meanwhile had no PIN for the first.
    site.show(3);
    site.show(9);
    ensure!(cause(&site.told("access.denied", 2).await?) == "pin-wrong");
    Ok(())
}

fn bits(number: u64) -> Vec<bool> {
    let bits = Card::new(Format::H10301, 123, number).unwrap().encode();
    (0..bits.len()).rev().map(|n| bits.value() >> n & 1 == 1).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wiegand_card_is_the_same_card_and_one_with_wrong_parity_is_none() -> anyhow::Result<()> {
    let site = Site::ready().await?;
    site.world.wiegand((D0, D1), &bits(1));
    let granted = site.told("access.granted", 1).await?;
    is_from(&granted, 1)?;
    ensure!(&*granted.draft.source.id.to_string() == "gate");
    let mut wrong = bits(1);
    wrong[5] = !wrong[5];
    site.world.wiegand((D0, D1), &wrong);
    let unreadable = site.told("reader.unreadable", 1).await?;
    ensure!(cause(&unreadable).contains("parity"), "{unreadable:?}");
    ensure!(site.count("access.granted").await? == 1 && site.count("access.denied").await? == 0);
    // Its case is a matter of a line of its own.
    site.world.set(LID, true);
    let tamper = site.told("reader.tamper", 1).await?;
    ensure!(tamper.draft.class == Class::Tamper && &*tamper.draft.source.id.to_string() == "gate");
    site.world.set(LID, false);
    site.told("reader.tamper_restored", 1).await?;
    Ok(())
}
