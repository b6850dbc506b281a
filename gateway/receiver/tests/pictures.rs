//! Cameras' pictures on their way from a gateway into either kind of database, and who may see them.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::time::Duration;

use common::postgres::Home;
use common::room::Room;
use common::{Broker, Gateway, Journal, config, jpeg, receiver, sha256, started, until, within};
use gatehouse_core::contract::{GatewayState, MAX_SNAPSHOT};
use gatehouse_core::event::Class;
use gatehouse_core::id::Seq;
use gatehouse_core::site::Danger;
use gatehouse_receiver::bundle::{self, Extent, Pictures};
use gatehouse_receiver::{Handle, Keep, Protocol, SigningKey};
use serde_json::{Value, json};

/// What the detail of an event of a picture says.
fn taken(of: Option<u64>, picture: &[u8]) -> Value {
    json!({"of": of, "bytes": picture.len(), "width": 16, "height": 9, "sha256": sha256(picture),
        "masked": true})
}

/// Each picture that is stored: its camera, its SHA-256, the number that it came with, and whether an
/// event tells of it.
async fn stored(home: &Home) -> Vec<(String, String, Option<i64>, bool)> {
    let sql = "SELECT p.camera, p.sha256, p.seq, EXISTS (SELECT 1 FROM shots s \
               WHERE s.gateway = p.gateway AND s.sha256 = p.sha256) FROM pictures p ORDER BY p.picture";
    if let Some(server) = &home.postgres {
        let client = server.client().await.unwrap();
        client.batch_execute("SET search_path = gatehouse").await.unwrap();
        let rows = client.query(sql, &[]).await.unwrap();
        return rows.iter().map(|r| (r.get(0), r.get(1), r.get(2), r.get(3))).collect();
    }
    let file = rusqlite::Connection::open(home.path().join("r.db")).unwrap();
    let mut select = file.prepare(sql).unwrap();
    let rows = select.query_map([], |r| Ok((r.get(0)?, r.get(1)?, r.get(2)?, r.get(3)?))).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

async fn until_stored(
    home: &Home,
    what: &str,
    is: impl Fn(&[(String, String, Option<i64>, bool)]) -> bool,
) {
    within(what, async {
        while !is(&stored(home).await) {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    })
    .await;
}

/// Waits until so many pictures are stored by this receiver.
async fn kept(handle: &Handle, gateway: &Gateway, count: u64) {
    until(handle, "pictures", |snapshot| {
        snapshot.gateways.get(&gateway.address).is_some_and(|view| view.pictures == count)
    })
    .await;
}

on_both!(
    a_picture_is_stored_once_and_proven_by_its_event,
    what_has_had_its_time_goes_with_its_event,
    too_many_bytes_make_room_at_the_camera_that_has_the_most,
);

async fn a_picture_is_stored_once_and_proven_by_its_event(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let (first, second, changed) = (jpeg(1, 900), jpeg(2, MAX_SNAPSHOT), jpeg(3, 900));
    // Its event comes before it, after it, or never.
    let told = journal.shot("c1", false, taken(None, &first));
    gateway.send(Class::Camera, &told).await;
    gateway.picture("c1", &first, Some(1)).await;
    gateway.picture("c2", &second, None).await;
    gateway.picture("c2", &second, None).await;
    // What is none, or another than it says.
    gateway.picture("c1", b"no picture", None).await;
    gateway.picture("c1", &jpeg(4, MAX_SNAPSHOT + 1), None).await;
    gateway.picture_named("c1", &changed, None, &sha256(&first)).await;
    kept(&handle, &gateway, 2).await;
    gateway.receipt("the event", |receipt| receipt.upto == Seq(1)).await;
    until_stored(&home, "two", |all| all.len() == 2).await;
    let all = stored(&home).await;
    assert_eq!(all[0], ("c1".into(), sha256(&first), Some(1), true));
    assert_eq!(all[1], ("c2".into(), sha256(&second), None, false), "nobody stands for it");
    let told = journal.shot("c2", false, taken(None, &second));
    gateway.send(Class::Camera, &told).await;
    gateway.receipt("its event", |receipt| receipt.upto == Seq(2)).await;
    assert!(stored(&home).await[1].3, "proven");
    handle.stop().await;
    // A second receiver that gets it too changes nothing.
    let handle = receiver(&broker, home.database()).await;
    gateway.picture("c1", &first, Some(1)).await;
    gateway.picture("c1", &changed, None).await;
    kept(&handle, &gateway, 1).await;
    assert_eq!(stored(&home).await.len(), 3);
    handle.stop().await;
}

async fn what_has_had_its_time_goes_with_its_event(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let (old, new, unproven) = (jpeg(1, 900), jpeg(2, 900), jpeg(3, 900));
    // The journal's own time is in September; of today is only what says so.
    let event = journal.shot("c1", false, taken(None, &old));
    gateway.send(Class::Camera, &event).await;
    let event = journal.shot_of_today("c1", taken(None, &new));
    gateway.send(Class::Camera, &event).await;
    for picture in [&old, &new, &unproven] {
        gateway.picture("c1", picture, None).await;
    }
    kept(&handle, &gateway, 3).await;
    gateway.receipt("both events", |receipt| receipt.upto == Seq(2)).await;
    handle.stop().await;
    let mut keeping = config(&broker.url(), home.database());
    keeping.keep = Keep::of(["camera=30".parse().unwrap()]).unwrap();
    let handle = started(keeping).await;
    until_stored(&home, "the old one is gone", |all| all.len() == 2).await;
    let left: Vec<_> = stored(&home).await.into_iter().map(|(_, sha256, ..)| sha256).collect();
    assert_eq!(left, [sha256(&new), sha256(&unproven)], "what came today is of today");
    handle.stop().await;
}

async fn too_many_bytes_make_room_at_the_camera_that_has_the_most(home: Home) {
    let broker = Broker::start().await;
    let handle = receiver(&broker, home.database()).await;
    let gateway = Gateway::connect(broker.address(), "g-1").await;
    gateway.picture("quiet", &jpeg(99, 1000), None).await;
    for n in 0..10 {
        gateway.picture("film", &jpeg(n, 1000), None).await;
    }
    kept(&handle, &gateway, 11).await;
    handle.stop().await;
    let mut bounded = config(&broker.url(), home.database());
    bounded.pictures_max = 4500;
    let handle = started(bounded).await;
    until_stored(&home, "four are left", |all| all.len() == 4).await;
    let left: Vec<_> = stored(&home).await.into_iter().map(|(camera, ..)| camera).collect();
    assert_eq!(left, ["quiet", "film", "film", "film"], "the oldest of the film");
    let last = stored(&home).await.pop().unwrap();
    assert_eq!(last.1, sha256(&jpeg(9, 1000)));
    handle.stop().await;
}

#[tokio::test]
async fn a_camera_that_films_is_cut_and_with_the_older_protocol_the_digest_is_made_here() {
    let (broker, home) = (Broker::start().await, Home::sqlite());
    let mut older = config(&broker.url(), home.database());
    older.protocol = Protocol::V311;
    let handle = started(older).await;
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    for n in 0..60 {
        gateway.picture("film", &jpeg(n, 500), Some(1)).await;
    }
    gateway.picture("other", &jpeg(200, 500), Some(1)).await;
    let told = journal.shot("other", false, taken(None, &jpeg(200, 500)));
    gateway.send(Class::Camera, &told).await;
    gateway.receipt("the event", |receipt| receipt.upto == Seq(1)).await;
    // Twenty in a minute, which may have begun anew meanwhile.
    let all = stored(&home).await;
    let films = all.iter().filter(|(camera, ..)| camera == "film").count();
    assert!((20..=40).contains(&films), "{films}");
    let other = all.iter().find(|(camera, ..)| camera == "other").unwrap();
    assert_eq!((other.2, other.3), (None, true), "3.1.1 tells no number, and the digest proves it");
    handle.stop().await;
}

/// A room with a gateway that has an open burglary `a1`, a silent panic `s1`, and pictures of both.
async fn watched(accounts: &[(&str, &str, &[&str])]) -> (Room, Gateway, [Vec<u8>; 4]) {
    let room = Room::open(accounts).await;
    let mut gateway = Gateway::connect(room.broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let pictures = [jpeg(1, 900), jpeg(2, 900), jpeg(3, 900), jpeg(4, 900)];
    gateway.thing("camera", "drive", "up", &[]).await;
    gateway.thing("camera", "gate", "up", &["covered"]).await;
    gateway.incident("a1", Danger::Burglary, None, 1).await;
    gateway.status(GatewayState::Online, 1).await;
    let alarm = Some(json!({"incident": "a1"}));
    let events = [
        (Class::Alarm, journal.detailed(Class::Alarm, "zone.alarm", alarm)),
        (Class::Camera, journal.shot("drive", false, taken(Some(1), &pictures[0]))),
        (Class::Camera, journal.shot("gate", true, taken(None, &pictures[1]))),
        // Its picture never comes.
        (Class::Camera, journal.shot("gate", false, taken(Some(1), &pictures[2]))),
        (Class::Camera, journal.shot("drive", false, taken(None, &pictures[3]))),
    ];
    for (class, event) in &events {
        gateway.send(*class, event).await;
    }
    for (camera, picture) in [("drive", 0), ("gate", 1), ("drive", 3)] {
        gateway.picture(camera, &pictures[picture], None).await;
    }
    let unproven = jpeg(5, 900);
    gateway.picture("gate", &unproven, None).await;
    gateway.receipt("all", |receipt| receipt.upto == Seq(5)).await;
    kept(&room.handle, &gateway, 4).await;
    (room, gateway, pictures)
}

#[tokio::test]
async fn a_picture_is_seen_by_whoever_may_see_its_site_its_class_and_silent_things() {
    let accounts: [(&str, &str, &[&str]); 5] = [
        ("all", "operator", &[]),
        ("elsewhere", "operator", &["--site", "s-2"]),
        ("doors", "viewer", &["--class", "door", "--class", "panic"]),
        ("cameras", "viewer", &["--class", "camera", "--class", "alarm"]),
        ("only", "viewer", &["--class", "camera"]),
    ];
    let (room, _gateway, pictures) = watched(&accounts).await;
    let all = room.page("all").await;
    room.painted(&all, "s-1").await;
    let at = |picture: &[u8]| format!("/api/picture/s-1/g-1/{}", sha256(picture));
    let (plain, silent, unproven) = (&pictures[0], &pictures[1], &jpeg(5, 900));

    let answer = all.bytes(&at(plain)).await;
    assert_eq!((answer.status, &answer.body), (200, plain));
    for (name, value) in [
        ("content-type", "image/jpeg"),
        ("cache-control", "no-store"),
        ("x-content-type-options", "nosniff"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(answer.header(name), Some(value), "{name}");
    }
    assert!(answer.header("content-security-policy").unwrap().contains("img-src 'self'"));
    for picture in [silent, unproven] {
        assert_eq!(all.bytes(&at(picture)).await.status, 200);
    }
    let (cameras, only) = (room.page("cameras").await, room.page("only").await);
    assert_eq!(cameras.bytes(&at(plain)).await.status, 200);
    let (elsewhere, doors) = (room.page("elsewhere").await, room.page("doors").await);
    for (page, picture, who) in [
        (&elsewhere, plain, "of another site"),
        (&doors, plain, "without cameras"),
        (&cameras, silent, "without silent things"),
        (&cameras, unproven, "of which it is not known whether it is silent"),
    ] {
        let answer = page.get(&at(picture)).await;
        assert_eq!(answer.error(), (404, "gone".into()), "{who}");
    }
    let nobody = common::http::Page::at(room.address);
    assert_eq!(nobody.get(&at(plain)).await.error(), (401, "login".into()));
    for wrong in ["0".repeat(64), "x".into(), sha256(plain).to_uppercase()] {
        let answer = all.get(&format!("/api/picture/s-1/g-1/{wrong}")).await;
        assert_eq!(answer.error(), (404, "gone".into()), "{wrong}");
    }
    let answer = all.get(&format!("/api/picture/s-1/g-9/{}", sha256(plain))).await;
    assert_eq!(answer.error(), (404, "gone".into()));

    // The latest of each camera; what may not be seen leaves no gap.
    let latest = async |page: &common::http::Page| page.get("/api/pictures/s-1").await.json();
    let of = |told: &Value, camera: &str| told["gateways"]["g-1"][camera]["sha256"].clone();
    let told = latest(&all).await;
    assert_eq!(
        (of(&told, "drive"), of(&told, "gate")),
        (json!(sha256(&pictures[3])), json!(sha256(unproven)))
    );
    assert_eq!(told["gateways"]["g-1"]["gate"]["proven"], false);
    assert_eq!(told["gateways"]["g-1"]["drive"]["masked"], true);
    let told = latest(&cameras).await;
    assert_eq!((of(&told, "drive"), of(&told, "gate")), (json!(sha256(&pictures[3])), Value::Null));
    assert_eq!(latest(&doors).await["gateways"], json!({}));
    assert_eq!(elsewhere.get("/api/pictures/s-1").await.error(), (404, "gone".into()));

    // Those of an incident: also the one that has not come, and nothing of other matters.
    let incident = "/api/incidents/s-1/g-1/a1/pictures";
    let told = all.get(incident).await.json();
    let told: Vec<_> = told["pictures"].as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 2, "{told:?}");
    assert_eq!((&told[0]["sha256"], &told[0]["here"]), (&json!(sha256(plain)), &json!(true)));
    assert_eq!((&told[1]["seq"], &told[1]["here"]), (&json!(4), &json!(false)));
    assert_eq!(only.get(incident).await.error(), (404, "gone".into()), "it sees no alarms");
    assert_eq!(doors.get(incident).await.error(), (404, "gone".into()));
    assert_eq!(elsewhere.get(incident).await.error(), (404, "gone".into()));

    // Nor is it told of silent pictures in another way.
    let history = async |page: &common::http::Page| {
        let told = page.get("/api/events?class=camera").await.json();
        told["events"].as_array().unwrap().len()
    };
    assert_eq!((history(&all).await, history(&cameras).await), (4, 3));
    room.handle.stop().await;
}

#[tokio::test]
async fn a_picture_that_was_changed_in_the_database_is_not_shown() {
    let (room, _gateway, pictures) = watched(&[("all", "operator", &[])]).await;
    let all = room.page("all").await;
    room.painted(&all, "s-1").await;
    let file = rusqlite::Connection::open(room.folder.path().join("r.db")).unwrap();
    let forged = jpeg(77, 900);
    let digest = sha256(&pictures[0]);
    file.execute("UPDATE pictures SET jpeg = ?1 WHERE sha256 = ?2", (&forged, &digest)).unwrap();
    let answer = all.get(&format!("/api/picture/s-1/g-1/{digest}")).await;
    assert_eq!(answer.error(), (503, "history".into()));
    room.handle.stop().await;
    // Nor does it go into a bundle; the one that is whole does.
    let store = gatehouse_receiver::Store::open_to_read(room.folder.path().join("r.db")).unwrap();
    let key = SigningKey::make(&room.folder.path().join("k"), "receiver".parse().unwrap()).unwrap();
    let (place, incident) = ("s-1/g-1".parse().unwrap(), "a1".parse().unwrap());
    let made = bundle::make(&store, &place, &incident, Extent::Own, Pictures::Here, &key).unwrap();
    let report = bundle::check(&made, None, None).unwrap();
    assert!(report.is_good(), "{report:?}");
    assert_eq!(report.pictures, (0, 2));
}

#[tokio::test]
async fn each_look_is_kept_before_a_picture_is_shown_and_one_that_cannot_be_shows_nothing() {
    let accounts: [(&str, &str, &[&str]); 2] =
        [("all", "operator", &[]), ("elsewhere", "operator", &["--site", "s-2"])];
    let (room, _gateway, pictures) = watched(&accounts).await;
    let (all, elsewhere) = (room.page("all").await, room.page("elsewhere").await);
    room.painted(&all, "s-1").await;
    let at = |picture: &[u8]| format!("/api/picture/s-1/g-1/{}", sha256(picture));
    for picture in [&pictures[0], &pictures[1]] {
        assert_eq!(all.bytes(&at(picture)).await.status, 200);
    }
    // What was not shown is no look.
    assert_eq!(elsewhere.get(&at(&pictures[0])).await.error(), (404, "gone".into()));
    let path = room.folder.path().join("r.db");
    let db = path.to_str().unwrap();
    let looks = |more: &[&str]| {
        let (code, out, err) = common::program(&[&["looks", "--db", db, "--json"], more].concat());
        assert_eq!(code, Some(0), "{err}");
        let line = |line: &str| serde_json::from_str::<Value>(line).unwrap();
        out.lines().map(line).collect::<Vec<_>>()
    };
    let told = looks(&[]);
    assert_eq!(told.len(), 2, "{told:?}");
    for (look, (camera, picture)) in told.iter().zip([("drive", 0), ("gate", 1)]) {
        let facts = (&look["who"], &look["via"], &look["site"], &look["camera"], &look["sha256"]);
        let digest = json!(sha256(&pictures[picture]));
        let expected = (&json!("all"), &json!("wall"), &json!("s-1"), &json!(camera), &digest);
        assert_eq!(facts, expected);
    }
    assert!(looks(&["--by", "elsewhere"]).is_empty() && looks(&["--site", "s-2"]).is_empty());
    assert!(looks(&["--since", "2999-01-01T00:00:00Z"]).is_empty());
    // A disk that takes no look: nothing is shown, with or without bad will.
    let file = rusqlite::Connection::open(&path).unwrap();
    let full = "CREATE TRIGGER full BEFORE INSERT ON looks BEGIN SELECT RAISE(ABORT, 'full'); END";
    file.execute_batch(full).unwrap();
    assert_eq!(all.get(&at(&pictures[0])).await.error(), (503, "history".into()));
    file.execute_batch("DROP TRIGGER full").unwrap();
    assert_eq!(all.bytes(&at(&pictures[0])).await.status, 200);
    assert_eq!(looks(&[]).len(), 3);
    room.handle.stop().await;
}
