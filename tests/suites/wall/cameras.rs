//! Cameras on the wall: their states, their last pictures, and the pictures of an incident.
//!
//! The gateway is the test's own: it says what one with cameras says.

use anyhow::ensure;
use gatehouse_core::contract::{AlarmState, GatewayState, Status};
use gatehouse_core::event::{self, Class, Draft, GENESIS, Qualifier, Source, Stamp};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Danger, Incident, Phase};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_receiver::{Clock as _, SystemClock};
use gatehouse_tests::wait::SOON;
use gatehouse_tests::{Client, ClientOptions, Tab};
use serde_json::{Value, json};

use super::look::{pictures, set};
use super::scene::Scene;

/// A picture: its bytes and their SHA-256, as sha256sum tells it.
struct Picture(&'static [u8], &'static str);

const GATE: Picture = Picture(
    include_bytes!("pictures/gate.jpg"),
    "4b38e66470341ccdcac2bd60c85581ec6e1bb2de0df6e5a507634e33d681fd3f",
);
const DRIVE: Picture = Picture(
    include_bytes!("pictures/drive.jpg"),
    "023d1d293f7c9c34041daca544dfcffe343fe78f70f2b7e61e050bbd02e0af8d",
);
const HALL: Picture = Picture(
    include_bytes!("pictures/hall.jpg"),
    "94e2cb9f98ae6989cc797b5a983895edd309fbb2e893246f5dace799b7f0b660",
);

/// The gateway of the community's gate, with four cameras.
struct Box {
    client: Client,
    prefix: String,
    gateway: Id,
    next: u64,
    prev: [u8; 32],
}

impl Box {
    /// Comes online with its cameras, two of which do not see.
    async fn connect(scene: &Scene) -> anyhow::Result<Self> {
        let id = "g-gate";
        let client = Client::connect(scene.broker.address(), ClientOptions::new(id)).await?;
        let prefix = format!("gatehouse/v1/d-1/s-204/{id}");
        let mut own = Self { client, prefix, gateway: id.parse()?, next: 1, prev: GENESIS };
        let now = SystemClock.now().utc;
        for (camera, state, flags) in [
            ("drive", "up", json!([])),
            ("gate", "up", json!([])),
            ("hall", "up", json!(["covered"])),
            ("yard", "unreachable", json!(["lost"])),
        ] {
            let state = json!({"state": state, "since": UtcMs(now.0 - 4_000_000), "seq": 1,
                "valid_s": 600, "flags": flags, "session": 1});
            own.retain(&format!("camera/{camera}"), &state).await?;
        }
        let status = Status {
            state: GatewayState::Online,
            session: 1,
            boot_id: "b".into(),
            since: now,
            reason: None,
            version: "0".into(),
            config_rev: 1,
            config_hash: "0".into(),
            // One heartbeat is enough for the whole test.
            hb_s: Some(600),
            reporting_s: None,
        };
        own.retain("status", &serde_json::to_value(status)?).await?;
        let beat = json!({"session": 1, "utc": now, "uptime_s": 9, "head": 0, "host_upto": 0,
            "backlog": {"alarm": 0, "normal": 0}, "oldest_unreceived_s": 0, "clock": "synced",
            "err_ms": 3, "rss_kib": 9, "disk_free": 1_u64 << 32, "journal_written": 1,
            "degraded": [], "digest": "0", "hb_s": 600});
        own.client.publish(&format!("{}/hb", own.prefix), &serde_json::to_vec(&beat)?).await?;
        Ok(own)
    }

    async fn retain(&mut self, below: &str, payload: &Value) -> anyhow::Result<()> {
        let topic = format!("{}/{below}", self.prefix);
        self.client.publish_retained(&topic, &serde_json::to_vec(payload)?).await?;
        Ok(())
    }

    /// An open incident.
    async fn incident(&mut self, id: &str, danger: Danger, class: Class) -> anyhow::Result<()> {
        let incident = Incident {
            id: id.parse()?,
            phase: Phase::Active,
            danger,
            class,
            severity: 1,
            partition: Some("outside".parse()?),
            since: SystemClock.now().utc,
            sources: vec!["zone/gate-bar".into()],
            open: [("zone/gate-bar".into(), "zone.alarm".into())].into(),
            acked: None,
            escalated: false,
            notes: vec![],
        };
        let state = AlarmState { incident, seq: Seq(self.next), session: 1 };
        self.retain(&format!("alarm/{id}"), &serde_json::to_value(state)?).await
    }

    /// Records and sends an event; its number.
    async fn tell(
        &mut self,
        class: Class,
        kind: &'static str,
        source: (&'static str, &str),
        detail: Value,
    ) -> anyhow::Result<u64> {
        let draft = Draft {
            class,
            kind: kind.into(),
            qualifier: Qualifier::Status,
            severity: 4,
            partition: None,
            source: Source { kind: source.0.into(), id: source.1.parse()?, driver: None },
            time: Time {
                utc: SystemClock.now().utc,
                boot: "5e1c0000-0000-0000-0000-000000000000".into(),
                mono_ns: Mono(self.next),
                err_ms: Some(3),
                clock: ClockState::Synced,
            },
            state: None,
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            detail: Some(detail),
            closes: None,
            test: false,
            flags: vec![],
        };
        let (seq, prev) = (Seq(self.next), self.prev);
        let stamp = Stamp { gateway: &self.gateway, session: 1, seq, prev };
        let bytes = event::render(&stamp, &draft)?;
        self.prev = event::chain_hash(&bytes);
        self.next += 1;
        let topic = format!("{}/ev/{}", self.prefix, class.as_str());
        self.client.publish(&topic, &bytes).await?;
        Ok(seq.0)
    }

    /// What the event of a picture says.
    async fn shot(
        &mut self,
        camera: &str,
        of: Option<u64>,
        picture: &Picture,
        silent: bool,
    ) -> anyhow::Result<u64> {
        let kind = if silent { "camera.snapshot_silent" } else { "camera.snapshot" };
        let detail = json!({"of": of, "bytes": picture.0.len(), "width": 640, "height": 360,
            "sha256": picture.1, "masked": camera == "gate"});
        self.tell(Class::Camera, kind, ("camera", camera), detail).await
    }

    async fn picture(&mut self, camera: &str, picture: &Picture) -> anyhow::Result<()> {
        self.client.publish(&format!("{}/snap/{camera}", self.prefix), picture.0).await?;
        Ok(())
    }
}

/// Waits until so many pictures of this place are on the page, decoded.
async fn painted(tab: &Tab, place: &str, count: usize) -> anyhow::Result<()> {
    let is = format!(
        "[...document.querySelectorAll('{place} .picture img')].filter((one) => \
         one.complete && one.naturalWidth === 640).length === {count}"
    );
    tab.until(&format!("{count} pictures in {place}"), &is).await
}

#[tokio::test]
async fn cameras_stand_at_their_site_with_their_last_picture_and_an_incident_shows_its_own()
-> anyhow::Result<()> {
    let accounts = [
        "op-7 --role operator",
        "guard-204 --role viewer --site s-204 --class alarm --class camera --class arm",
        "guard-118 --role viewer --site s-118",
    ];
    let scene = Scene::start(&accounts).await?;
    let mut own = Box::connect(&scene).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    own.shot("drive", None, &DRIVE, false).await?;
    own.picture("drive", &DRIVE).await?;
    // Nobody stands for this one yet.
    own.picture("hall", &HALL).await?;
    tab.press("2").await?;
    tab.until("the site", "document.querySelector('[data-site=\"s-204\"]')").await?;
    tab.click("#site-list [data-site='s-204']").await?;
    painted(&tab, "#site", 2).await?;
    let of = |camera: &str, what: &str| {
        format!(
            "[...document.querySelectorAll('.group[data-kind=\"camera\"] .thing')].find((one) => \
             one.firstElementChild.textContent === '{camera}').querySelector('{what}').textContent"
        )
    };
    for (camera, what, text) in [
        ("drive", ".state", "sends pictures"),
        ("hall", ".flags", "covered"),
        ("hall", ".picture .marks", "not proven"),
        ("yard", ".state", "does not answer"),
    ] {
        let is = tab.eval(&of(camera, what)).await?;
        ensure!(is == text, "{camera} {what}: {is}");
    }
    ensure!(
        tab.eval(&of("drive", ".picture .when")).await?.as_str().unwrap_or("").contains(" ago")
    );
    tab.press("1").await?;
    let blind = "document.getElementById('blind').textContent";
    let blind = tab.eval(blind).await?;
    let blind = blind.as_str().unwrap_or_default();
    ensure!(blind.contains("Camera hall") && blind.contains("covered"), "{blind}");
    ensure!(blind.contains("Camera yard") && blind.contains("does not answer"), "{blind}");

    // A burglary of which two cameras took pictures; one picture never comes.
    own.incident("a1", Danger::Burglary, Class::Alarm).await?;
    let alarm = ("zone", "gate-bar");
    let of_it = own.tell(Class::Alarm, "zone.alarm", alarm, json!({"incident": "a1"})).await?;
    own.shot("gate", Some(of_it), &GATE, false).await?;
    own.picture("gate", &GATE).await?;
    let lost = Picture(b"", &"1".repeat(64).leak()[..]);
    own.shot("yard", Some(of_it), &lost, false).await?;
    own.shot("drive", Some(of_it), &DRIVE, false).await?;
    tab.until("the incident", "document.querySelector('.incident')").await?;
    tab.press("Enter").await?;
    painted(&tab, ".incident.chosen", 2).await?;
    let row = tab.text(".incident.chosen .pictures").await?;
    ensure!(row.contains("gate") && row.contains("masked"), "{row}");
    ensure!(row.contains("the picture has not come, or had to make room"), "{row}");
    ensure!(!row.contains("not proven"), "each has its event: {row}");

    // Large by a key, and from one to the next.
    tab.press("p").await?;
    tab.until("large", "document.querySelector('#shot[open]')").await?;
    let title = tab.text("#shot-title").await?;
    ensure!(title == "Camera gate, site s-204", "{title}");
    let facts = tab.text("#shot-facts").await?;
    ensure!(facts.contains("names the SHA-256 of this picture"), "{facts}");
    tab.until("the large one", "document.getElementById('shot-image').naturalWidth === 640")
        .await?;
    pictures_large(&tab, "camera-large").await?;
    tab.click("#shot-after").await?;
    tab.until("the next", "document.getElementById('shot-title').textContent.includes('drive')")
        .await?;
    tab.press("Escape").await?;
    let shut =
        "!document.querySelector('#shot[open]') && !document.querySelector('#shot-image[src]')";
    tab.until("shut, and nothing of it left", shut).await?;
    let log = scene.room.log();
    let looked = |lines: &[String]| {
        let look = lines.iter().find(|line| line.contains("a picture was looked at"))?;
        (look.contains("op-7") && look.contains("s-204") && look.contains("sha256")).then_some(())
    };
    log.wait_for("the look in the log", SOON, looked).await?;
    pictures(&scene, &tab, "cameras", &["1", "2"]).await?;
    set(&tab, "en", "dark").await?;
    cards(&tab).await?;

    // Who sees no panic alarms sees no picture of one, nor that there is one.
    own.shot("hall", None, &HALL, true).await?;
    tab.press("2").await?;
    let silent = of("hall", ".picture .marks");
    tab.until("silent", &format!("{silent} === 'SILENT'")).await?;
    let guard = scene.enter("guard-204", "?lang=en").await?;
    guard.press("2").await?;
    guard.click("#site-list [data-site='s-204']").await?;
    painted(&guard, "#site", 2).await?;
    ensure!(guard.eval("document.querySelector('.picture .silent')").await?.is_null());
    let fetched = |site: &str, picture: &Picture| {
        format!("fetch('/api/picture/{site}/g-gate/{}').then((answer) => answer.status)", picture.1)
    };
    ensure!(guard.eval(&fetched("s-204", &GATE)).await? == 200);
    ensure!(guard.eval(&fetched("s-204", &HALL)).await? == 404);
    let other = scene.enter("guard-118", "?lang=en").await?;
    for site in ["s-204", "s-118"] {
        ensure!(other.eval(&fetched(site, &GATE)).await? == 404);
    }
    Ok(())
}

/// The cameras' cards on a phone, where they are far down.
async fn cards(tab: &Tab) -> anyhow::Result<()> {
    use gatehouse_tests::browser::{PHONE, Viewport, WALL};
    tab.resize(Viewport { height: 2400, ..PHONE }).await?;
    tab.press("2").await?;
    painted(tab, "#site", 3).await?;
    super::look::whole(tab, "cameras on a phone").await?;
    if let Some(folder) = super::look::folder() {
        tab.screenshot(&folder.join("cameras-cards-phone.png")).await?;
    }
    tab.resize(WALL).await
}

/// The dialog at each size and language.
async fn pictures_large(tab: &Tab, name: &str) -> anyhow::Result<()> {
    use gatehouse_tests::browser::{PHONE, WALL};
    for (size, viewport) in [("wall", WALL), ("phone", PHONE)] {
        tab.resize(viewport).await?;
        super::look::whole(tab, name).await?;
        if let Some(folder) = super::look::folder() {
            std::fs::create_dir_all(&folder)?;
            tab.screenshot(&folder.join(format!("{name}-{size}.png"))).await?;
        }
    }
    tab.resize(WALL).await
}
