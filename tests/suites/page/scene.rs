//! A community with a page.

use std::fmt::Write as _;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::ports::Port;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, BrokerOptions, District, Gateway, GatewayOptions, World};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::client::Client;
use crate::harness::{Auth, Feeder, Picture, Server, port};

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

/// What everybody's password is here.
pub(crate) const PASSWORD: &str = "four words are enough";

/// The lines of the window, the safe and the silent button at the till.
pub(crate) const WINDOW: u32 = 2;
pub(crate) const SAFE: u32 = 5;
pub(crate) const TILL: u32 = 6;

/// The lines of a card reader, which rest at level 1.
pub(crate) const READER: (u32, u32) = (7, 8);

const ZONES: &str = "[[partition]]\nid = \"shop\"\nname = \"Shop 商店\"\n\
    [[zone]]\nid = \"window\"\nname = \"Window 窗\"\nkind = \"instant\"\npartition = \"shop\"\n\
    input = \"sim:2\"\ndebounce-ms = 0\n\
    [[zone]]\nid = \"safe\"\nkind = \"24h\"\ninput = \"sim:5\"\ndebounce-ms = 0\n\
    [[zone]]\nid = \"till\"\nkind = \"silent-panic\"\ninput = \"sim:6\"\ndebounce-ms = 0\n";

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) district: District,
    pub(crate) gateway: Gateway,
    pub(crate) port: Port,
    pub(crate) url: String,
    camera: Option<(Server, Feeder)>,
    _broker: Broker,
    _clock: TempDir,
}

impl Scene {
    /// Two doors, a partition, three zones; with a camera that looks at the safe and the till.
    pub(crate) async fn start(with_camera: bool) -> anyhow::Result<Self> {
        Self::with(with_camera, |_| ()).await
    }

    /// The same, configured otherwise.
    pub(crate) async fn with(
        with_camera: bool,
        configure: impl FnOnce(&mut GatewayOptions),
    ) -> anyhow::Result<Self> {
        let port = Port::hold()?;
        let mut extra = format!("[page]\nlisten = \"{}\"\n{ZONES}", port.address());
        let camera = if with_camera { Some(camera().await?) } else { None };
        if let Some((server, _)) = &camera {
            let stream = server.address("/cam-0");
            write!(
                extra,
                "[[camera]]\nid = \"vault\"\nname = \"Vault 金库\"\nstream = \"{stream}\"\n\
                 zones = [\"safe\", \"till\"]\npre-s = 2\npost-s = 2\n"
            )?;
        }
        let world = World::start(0..10)?;
        for line in [READER.0, READER.1] {
            world.set(line, true);
        }
        let broker = Broker::start(BrokerOptions::default()).await?;
        let district = District::start(broker.address()).await?;
        let mut options = GatewayOptions::new(&world).doors(2).broker(broker.address());
        options.extra = extra;
        options.uplink.push_str("heartbeat-s = 5\n");
        let clock = tempfile::tempdir()?;
        let mark = clock.path().join("synchronized");
        std::fs::write(&mark, "")?;
        options.environment.push(("GATEHOUSE_SYNC_MARK".into(), mark.display().to_string()));
        configure(&mut options);
        let gateway = Gateway::start(options).await?;
        let url = format!("https://{}/", port.address());
        let here =
            Self { world, district, gateway, port, url, camera, _broker: broker, _clock: clock };
        until("everything to be known", PATIENCE, async || {
            // The socket opens a moment after READY=1.
            let Ok(status) = here.status().await else { return Ok(None) };
            let things = status["things"].as_array().context("no things")?;
            let unknown =
                things.iter().any(|it| it["state"] == "unknown" && it["kind"] != "camera");
            let page = status["page"]["fingerprint"].is_string();
            Ok((!unknown && page).then_some(()))
        })
        .await?;
        Ok(here)
    }

    /// What a command prints.
    pub(crate) async fn says(&self, words: &[&str]) -> anyhow::Result<String> {
        self.gateway.command(&[words, &["--config"]].concat(), true).await
    }

    /// What `gatehouse status` shows.
    pub(crate) async fn status(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.says(&["status", "--json"]).await?)?)
    }

    /// What `gatehouse page` shows.
    pub(crate) async fn page(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.says(&["page", "--json"]).await?)?)
    }

    /// The code for the first account.
    pub(crate) async fn code(&self) -> anyhow::Result<String> {
        let page = self.page().await?;
        page["code"][0].as_str().map(str::to_owned).with_context(|| format!("no code: {page}"))
    }

    pub(crate) fn stranger(&self) -> anyhow::Result<Client> {
        Client::new(self.port.address(), &self.gateway.state())
    }

    /// The first account, `in-1`, logged in.
    pub(crate) async fn installer(&self) -> anyhow::Result<Client> {
        let body = json!({ "code": self.code().await?, "name": "in-1", "password": PASSWORD });
        self.stranger()?.enter("/api/pair", &body).await
    }

    /// An account of this role, of the same name, logged in.
    pub(crate) async fn account(&self, by: &Client, role: &str) -> anyhow::Result<Client> {
        let body = json!({ "name": role, "role": role, "password": PASSWORD });
        let made = by.post("/api/accounts", &body).await?;
        ensure!(made.status == 200, "{} {}", made.status, made.error());
        self.stranger()?.enter("/api/login", &json!({ "name": role, "password": PASSWORD })).await
    }

    /// Waits for the `count`th event of this type at the control room.
    pub(crate) async fn event(&self, kind: &str, count: usize) -> anyhow::Result<Event> {
        let what = format!("{count} × {kind}");
        let found = self.district.committed().wait_for(&what, PATIENCE, |all| {
            let events = all.iter().filter_map(|event| event.event().ok());
            { events }.filter(|event| event.draft.kind == kind).nth(count - 1)
        });
        found.await.with_context(|| format!("{:#?}", self.gateway.log().all()))
    }

    /// How many events of this type the journal has now.
    pub(crate) async fn recorded(&self, kind: &str) -> anyhow::Result<usize> {
        let events = self.gateway.events().await?;
        Ok(events.iter().filter(|event| event.draft.kind == kind).count())
    }

    /// Until the camera is up, so that there is something to be seen.
    pub(crate) async fn sees(&self) -> anyhow::Result<()> {
        ensure!(self.camera.is_some(), "this scene has no camera");
        until("the camera to be up", PATIENCE, async || {
            let status = self.status().await?;
            let things = status["things"].as_array().context("no things")?;
            Ok(things.iter().any(|it| it["kind"] == "camera" && it["state"] == "up").then_some(()))
        })
        .await
    }

    /// Resident memory of the daemon in KiB.
    pub(crate) async fn rss(&self) -> anyhow::Result<u64> {
        self.status().await?["rss_kib"].as_u64().context("no figure")
    }
}

/// A yard in which something moves.
async fn camera() -> anyhow::Result<(Server, Feeder)> {
    let udp = port();
    let picture = Picture { size: "640x360", ..Picture::SMALL };
    let feeder = Feeder::of("testsrc2=size=640x360:rate=10", picture, udp)?;
    let server = Server::start(Auth::None, &[("/cam-0", "H264", udp)]).await?;
    ensure!(SOON < PATIENCE);
    Ok((server, feeder))
}
