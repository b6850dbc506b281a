//! ONVIF against a camera that is simulated by another implementation: Python's own HTTP, XML, SHA-1
//! and MD5.

mod harness;
#[path = "harness/onvif/mod.rs"]
#[allow(
    clippy::unwrap_used,
    dead_code,
    unreachable_pub,
    clippy::allow_attributes,
    reason = "as the rest of the harness"
)]
mod simulator;

use std::time::Duration;

use anyhow::Context as _;
use gatehouse_camera::onvif::events::{CameraTime, EventSettings, Finding, Rule, TamperKind, Told};
use gatehouse_camera::onvif::profiles::Encoding;
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings, Quirks};
use gatehouse_camera::source::{Address, Credentials};
use harness::boottime;
use serde_json::json;
use simulator::{Camera, Heard};

const MINUTE: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_camera_says_what_it_is_and_which_streams_it_has() -> anyhow::Result<()> {
    let mut camera = Camera::start(json!({ "auth": "token", "skew_s": 86400 })).await?;
    let mut client = Client::new(camera.settings(), &boottime);
    client.read_clock().await?;
    assert_eq!(client.information().await?.manufacturer, "Simulated");
    let events = client.services().await?.events.clone();
    let device = camera.settings().address.to_string();
    assert_eq!(events, Some(Address::http(&device.replace("device_service", "events"))?));
    let profiles = client.profiles().await?;
    assert_eq!((profiles.len(), profiles[3].encoding), (4, Encoding::H265));
    let topics = client.event_properties().await?;
    assert_eq!(topics, ["RuleEngine/CellMotionDetector/Motion", "Device/Trigger/DigitalInput"]);
    let snapshot = client.snapshot_uri(&profiles[0]).await?;
    assert!(snapshot.to_string().ends_with("/snap"));
    let mut client = Client::new(camera.settings(), &boottime);
    let streams = client.streams().await?;
    assert_eq!(streams.main.to_string(), "rtsp://127.0.0.1:8554/best");
    assert_eq!(
        streams.sub.map(|sub| sub.to_string()).as_deref(),
        Some("rtsp://127.0.0.1:8554/sub")
    );
    let asked = camera.asked().await?;
    assert_eq!((asked.refused, asked.readable), (0, 0), "its clock is a day ahead");
    Ok(())
}

#[tokio::test]
async fn what_a_camera_masks_itself_is_read_where_it_announces_masks() -> anyhow::Result<()> {
    let masks = json!([
        { "points": [[-1, 1], [0, 1], [0, 0], [-1, 0]] },
        { "points": [[-1, 1], [1, 1], [1, -1], [-1, -1]], "enabled": false },
        { "points": [[-1, 1], [1, 1], [1, -1], [-1, -1]], "of": "another-lens" },
    ]);
    for auth in ["token", "digest"] {
        let mut camera = Camera::start(json!({ "auth": auth, "masks": masks })).await?;
        let own = Client::new(camera.settings(), &boottime).own_masks().await?;
        let own = own.context("it announces masks")?;
        assert_eq!((own.hiding, own.off, own.permille), (1, 1, 250));
        assert_eq!((own.most, own.rectangles), (Some(4), true));
        assert_eq!(camera.asked().await?.readable, 0);
    }
    let mut bare = Camera::start(json!({})).await?;
    assert_eq!(Client::new(bare.settings(), &boottime).own_masks().await?, None);
    assert_eq!(bare.asked().await?.count("GetMasks"), 0);
    let old = Camera::start(json!({ "old": true, "masks": masks })).await?;
    assert_eq!(Client::new(old.settings(), &boottime).own_masks().await?, None);
    Ok(())
}

#[tokio::test]
async fn a_camera_that_guards_even_its_clock_is_told_the_time_of_its_refusal() -> anyhow::Result<()>
{
    for auth in ["token", "digest"] {
        let options = json!({ "auth": auth, "guards_clock": true, "skew_s": -86400 });
        let mut camera = Camera::start(options).await?;
        Client::new(camera.settings(), &boottime).streams().await?;
        let asked = camera.asked().await?;
        assert_eq!(asked.readable, 0);
        assert_eq!(asked.refused, if auth == "token" { 1 } else { 2 }, "{asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn an_older_camera_with_a_wrong_address_is_asked_all_the_same() -> anyhow::Result<()> {
    for host in ["0.0.0.0", "192.168.1.64"] {
        let options = json!({ "auth": "digest", "old": true, "host": host });
        let mut camera = Camera::start(options).await?;
        let streams = Client::new(camera.settings(), &boottime).streams().await?;
        assert_eq!(streams.main.to_string(), "rtsp://127.0.0.1:8554/main", "H.264 only");
        let mut heard = Heard::start(camera.events());
        heard.listening(1).await?;
        camera.motion(true).await?;
        heard.motion(true, 0).await?;
        assert_eq!(camera.asked().await?.readable, 0);
    }
    Ok(())
}

#[tokio::test]
async fn refused_credentials_are_told_once_and_not_tried_again_at_once() -> anyhow::Result<()> {
    for auth in ["token", "digest"] {
        let mut camera = Camera::start(json!({ "auth": auth })).await?;
        let wrong = OnvifSettings {
            credentials: Some(Credentials::new("guard", "other")),
            ..camera.settings()
        };
        let mut heard = Heard::start(EventSettings { camera: wrong, ..camera.events() });
        let lost = heard.wait("a loss", |log| log.losses().first().cloned()).await?;
        assert_eq!(lost, OnvifError::Unauthorised { what: "GetDeviceInformation" });
        let asked = camera.asked().await?;
        assert_eq!(asked.refused, if auth == "token" { 1 } else { 2 }, "{asked:?}");
    }
    Ok(())
}

#[tokio::test]
async fn a_clock_that_is_set_while_we_listen_does_not_lock_us_out() -> anyhow::Result<()> {
    let mut camera = Camera::start(json!({ "auth": "token", "slack_s": 5 })).await?;
    let clock = std::sync::atomic::AtomicU64::new(0);
    // Ours goes as the test wants: a reading may not be fresh.
    let skip = |by: Duration| {
        clock.fetch_add(
            u64::try_from(by.as_nanos()).unwrap_or(0),
            std::sync::atomic::Ordering::Relaxed,
        );
    };
    let ours =
        || boottime().plus(Duration::from_nanos(clock.load(std::sync::atomic::Ordering::Relaxed)));
    let mut client = Client::new(camera.settings(), &ours);
    client.read_clock().await?;
    client.information().await?;
    skip(MINUTE);
    camera.option("skew_s", json!(-3600)).await?;
    client.information().await?;
    assert_eq!(camera.asked().await?.count("GetSystemDateAndTime"), 2);
    Ok(())
}

#[tokio::test]
async fn what_stands_at_the_beginning_is_state_and_what_changes_is_told() -> anyhow::Result<()> {
    let mut camera = Camera::start(json!({})).await?;
    camera.motion(true).await?;
    let dark = "VideoSource/ImageTooDark/ImagingService";
    camera.set(dark, json!({ "Source": "lens" }), json!({ "State": "true" })).await?;
    let mut heard = Heard::start(camera.events());
    let first = heard.event("its state", 0, |event| {
        matches!(event.finding, Finding::Tamper { kind: TamperKind::Dark, on: true, .. })
    });
    assert_eq!(first.await?.told, Told::State { before: None });
    let motion = |event: &&gatehouse_camera::onvif::events::Event| {
        matches!(event.finding, Finding::Motion { .. })
    };
    let stood = heard.read(|log| log.events.iter().find(motion).cloned());
    assert_eq!(stood.map(|event| event.told), Some(Told::State { before: None }));
    camera.motion(false).await?;
    heard.motion(false, 2).await?;
    // Repeated: nothing new.
    camera.motion(false).await?;
    let input = "Device/Trigger/DigitalInput";
    camera.set(input, json!({ "InputToken": "door" }), json!({ "LogicalState": "true" })).await?;
    let before = heard.count();
    let event = heard.event("the input", before, |_| true).await?;
    assert_eq!(event.finding, Finding::DigitalInput { token: "door".into(), on: true });
    Ok(())
}

#[tokio::test]
async fn after_a_reboot_another_subscription_is_made_and_what_changed_meanwhile_is_known()
-> anyhow::Result<()> {
    for (auth, plain) in [("digest", false), ("token", true)] {
        let mut camera =
            Camera::start(json!({ "auth": auth, "plain": plain, "parameters": plain })).await?;
        camera.motion(false).await?;
        let mut heard = Heard::start(camera.events());
        heard.event("its state", 0, |e| matches!(e.finding, Finding::Motion { .. })).await?;
        let blind = heard.count();
        camera.reboot().await?;
        // Nobody is subscribed, or the change comes as change: both are told.
        camera.motion(true).await?;
        heard.listening(2).await?;
        let on = heard.event("what has changed", blind, |event| {
            matches!(event.finding, Finding::Motion { on: true, .. })
        });
        assert!(matches!(on.await?.told, Told::State { before: Some(false) } | Told::Change));
        heard
            .event("the boot", blind, |e| matches!(e.finding, Finding::Reboot { at: Some(_) }))
            .await?;
        assert_eq!(camera.asked().await?.alive, 1);
    }
    Ok(())
}

#[tokio::test]
async fn a_subscription_is_renewed_before_it_ends_and_no_other_is_made() -> anyhow::Result<()> {
    // Ends after 4 s, and pulls do not prolong it.
    let mut camera = Camera::start(json!({ "lives_s": 4, "keeps": false })).await?;
    let mut heard = Heard::start(camera.events());
    heard.listening(1).await?;
    let mut renewed = 0;
    while renewed < 3 {
        // Each pull ends when something is told: so the time of the camera passes.
        let before = heard.count();
        camera.motion(before.is_multiple_of(2)).await?;
        heard.event("motion", before, |_| true).await?;
        let asked = camera.asked().await?;
        renewed += asked.count("Renew");
        assert_eq!(asked.count("CreatePullPointSubscription"), usize::from(before == 0));
        assert!(asked.waits.iter().all(|wait| *wait <= 4), "{asked:?}");
    }
    assert_eq!(heard.read(|log| (log.subscriptions(), log.losses().len())), (1, 0));
    Ok(())
}

#[tokio::test]
async fn each_make_is_understood_by_what_it_sends() -> anyhow::Result<()> {
    let motion =
        |source: &str| Finding::Motion { on: true, source: source.into(), rule: Rule::default() };
    let without_rule = |finding: Finding| match finding {
        Finding::Motion { on, source, .. } => Finding::Motion { on, source, rule: Rule::default() },
        other => other,
    };
    let tamper = |kind, source: &str| Finding::Tamper { kind, on: true, source: source.into() };
    let rule = "VideoSourceConfigurationToken=vsconf,\
                VideoAnalyticsConfigurationToken=VideoAnalyticsToken,Rule=MyMotionDetectorRule";
    let lost = Finding::SignalLoss { on: false, source: "Source=VideoSourceMain".into() };
    let bell = Finding::DigitalInput { token: "Source=000".into(), on: true };
    let scene = tamper(TamperKind::SceneChange, "Source=VideoSourceMain");
    let doubtful = |doubtful| move |time: CameraTime| time.doubtful == doubtful;
    for (make, answer, findings, time) in [
        ("tp-link", include_str!("captures/onvif/tp-link.xml"), vec![motion(rule)], Some(false)),
        // Told three times, and an hour late: once is enough.
        (
            "HIKVISION",
            include_str!("captures/onvif/hikvision.xml"),
            vec![motion("Source=VideoSource_1")],
            Some(true),
        ),
        (
            "AXIS",
            include_str!("captures/onvif/axis.xml"),
            vec![motion("areaid=0"), motion(""), tamper(TamperKind::Detector, "channel=1")],
            Some(false),
        ),
        // Neither that it is a person nor whose face it is goes any further.
        (
            "Reolink",
            include_str!("captures/onvif/reolink.xml"),
            vec![motion("Source=000"), bell],
            Some(false),
        ),
        ("IPCamera", include_str!("captures/onvif/any.xml"), vec![scene, lost], None),
    ] {
        let mut camera = Camera::start(json!({ "make": make })).await?;
        let mut heard = Heard::start(camera.events());
        heard.listening(1).await?;
        camera.raw(answer).await?;
        let events = heard.wait("its findings", |log| {
            (log.events.len() >= findings.len()).then(|| log.events.clone())
        });
        let events = events.await?;
        if let (Finding::Motion { rule: of, .. }, "tp-link") = (&events[0].finding, make) {
            assert_eq!(of.topic, "RuleEngine/CellMotionDetector/Motion");
            assert_eq!(of.names, ["MyMotionDetectorRule", "VideoAnalyticsToken", "vsconf"]);
        }
        let found = events.iter().map(|event| without_rule(event.finding.clone()));
        assert_eq!(found.collect::<Vec<_>>(), findings, "{make}");
        assert_eq!(events[0].told, Told::Change, "{make}");
        match time {
            Some(is) => assert!(events[0].camera_time.is_some_and(doubtful(is)), "{make}"),
            None => assert_eq!(events[0].camera_time, None),
        }
        assert!(boottime().since(events[0].received) < MINUTE, "by our clock");
    }
    Ok(())
}

#[tokio::test]
async fn a_subscription_that_seems_well_is_made_anew_when_its_make_needs_that() -> anyhow::Result<()>
{
    let mut camera = Camera::start(json!({ "make": "tp-link" })).await?;
    let tapo = Quirks::of("tp-link");
    assert!(tapo.renewed_after < Quirks::NONE.renewed_after);
    let quirks = Some(Quirks { renewed_after: Duration::from_secs(1), ..tapo });
    let settings = EventSettings { wait: Duration::from_secs(1), quirks, ..camera.events() };
    let mut heard = Heard::start(settings);
    heard.listening(3).await?;
    camera.motion(true).await?;
    heard.event("motion", 0, |_| true).await?;
    let asked = camera.asked().await?;
    assert!(asked.count("Unsubscribe") >= 2 && asked.alive <= 1, "{asked:?}");
    assert!(heard.read(|log| log.losses().is_empty()), "nothing was lost");
    Ok(())
}

#[tokio::test]
async fn a_camera_without_renewal_or_with_a_shorter_wait_is_listened_to() -> anyhow::Result<()> {
    let mut camera =
        Camera::start(json!({ "renews": false, "longest_s": 1, "lives_s": 2 })).await?;
    let lives = Duration::from_secs(2);
    let mut heard = Heard::start(EventSettings { lives, ..camera.events() });
    heard.listening(1).await?;
    for on in [true, false, true, false] {
        let before = heard.count();
        camera.motion(on).await?;
        heard.motion(on, before).await?;
    }
    assert_eq!(heard.read(simulator::Log::subscriptions), 1);
    Ok(())
}

#[tokio::test]
async fn an_answer_that_is_none_is_waited_out_on_the_same_subscription() -> anyhow::Result<()> {
    let mut camera = Camera::start(json!({})).await?;
    let mut heard = Heard::start(camera.events());
    heard.listening(1).await?;
    camera.raw("no XML at all").await?;
    heard.wait("a loss", |log| log.losses().first().cloned()).await?;
    heard.wait("the end of it", |log| (log.links.len() >= 3).then_some(())).await?;
    camera.motion(true).await?;
    heard.event("motion", 0, |_| true).await?;
    assert_eq!(camera.asked().await?.count("CreatePullPointSubscription"), 1);
    Ok(())
}

#[tokio::test]
async fn neither_garbage_nor_mutations_of_answers_end_the_task_or_take_long() -> anyhow::Result<()>
{
    let mut camera = Camera::start(json!({ "garbage": true })).await?;
    let mut heard = Heard::start(camera.events());
    heard.wait("a loss", |log| log.losses().first().cloned()).await?;
    camera.option("garbage", json!(false)).await?;
    heard.listening(1).await?;
    for seed in [1, 2, 3] {
        let camera = Camera::start(json!({ "mutate": seed, "eager": true, "masks": [] })).await?;
        for _ in 0..60 {
            let mut client = Client::new(camera.settings(), &boottime);
            // What comes of it is the camera's business.
            let asked = async {
                let _ = client.streams().await;
                let _ = client.own_masks().await;
                let _ = client.services().await;
                let _ = client.event_properties().await;
                let Ok(of) = client.subscribe(MINUTE).await else { return };
                let _ = client.pull(&of, Duration::from_secs(1), 10).await;
                let _ = client.renew(&of, MINUTE).await;
            };
            tokio::time::timeout(Duration::from_secs(20), asked).await?;
        }
    }
    Ok(())
}
