//! A site with cameras.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::{
    Broker, BrokerOptions, ClientOptions, District, Gateway, GatewayOptions, Subscriber, World,
};
use ring::digest::{SHA256, digest};
use serde_json::{Value, json};

use crate::harness::{Auth, Feeder, Picture, Server, port};
use crate::simulator::Camera;

/// Longer than anything here may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(60);

pub(crate) const SMALL: Picture = Picture { size: "640x360", ..Picture::SMALL };

/// Everything, from the cameras to the control room.
pub(crate) struct Site<S = Server> {
    /// What the cameras are.
    pub(crate) server: S,
    _feeders: Vec<Feeder>,
    pub(crate) world: World,
    _broker: Broker,
    pub(crate) district: District,
    pub(crate) gateway: Gateway,
    pub(crate) heard: Subscriber,
    /// The camera that has ONVIF, if one was wanted.
    pub(crate) onvif: Option<Camera>,
    _clock: tempfile::TempDir,
}

/// Cameras `/cam-0`, `/cam-1`, … each showing what its source says, and the rest of the file.
pub(crate) struct Wanted<'a> {
    pub(crate) auth: Auth,
    pub(crate) sources: &'a [&'a str],
    /// Given the RTSP address of each camera.
    pub(crate) config: &'a dyn Fn(&[String]) -> String,
}

impl Site {
    pub(crate) async fn start(wanted: Wanted<'_>) -> anyhow::Result<Self> {
        Self::begin(wanted, None).await
    }

    /// With an ONVIF camera of these options before the streams: the first is its main stream, the second
    /// its sub stream. Its address is the last that the configuration is given.
    pub(crate) async fn with_onvif(wanted: Wanted<'_>, options: Value) -> anyhow::Result<Self> {
        Self::begin(wanted, Some(options)).await
    }

    async fn begin(wanted: Wanted<'_>, onvif: Option<Value>) -> anyhow::Result<Self> {
        let mut feeders = Vec::new();
        let mut mounts = Vec::new();
        for (number, source) in wanted.sources.iter().enumerate() {
            let udp = port();
            feeders.push(Feeder::of(source, SMALL, udp)?);
            let path: &'static str = ["/cam-0", "/cam-1", "/cam-2"][number];
            mounts.push((path, "H264", udp));
        }
        let server = Server::start(wanted.auth, &mounts).await?;
        let mut urls: Vec<_> =
            mounts.iter().map(|(path, ..)| server.address(path).to_string()).collect();
        let onvif = match onvif {
            None => None,
            Some(mut options) => {
                options["rtsp"] =
                    json!({ "main": urls[0], "sub": urls.get(1).unwrap_or(&urls[0]) });
                let camera = Camera::start(options).await?;
                urls.push(camera.settings().address.to_string());
                Some(camera)
            }
        };
        Self::around((server, feeders, onvif), (wanted.config)(&urls)).await
    }
}

impl<S> Site<S> {
    /// These cameras, which the rest of the file names.
    pub(crate) async fn of(server: S, config: String) -> anyhow::Result<Self> {
        Self::around((server, Vec::new(), None), config).await
    }

    async fn around(
        (server, feeders, onvif): (S, Vec<Feeder>, Option<Camera>),
        config: String,
    ) -> anyhow::Result<Self> {
        let world = World::start(0..10)?;
        let broker = Broker::start(BrokerOptions::default()).await?;
        let district = District::start(broker.address()).await?;
        let heard =
            Subscriber::start(broker.address(), ClientOptions::new("watcher"), &["gatehouse/#"])
                .await?;
        let mut options = GatewayOptions::new(&world).broker(broker.address());
        options.extra = config;
        // Commands need a box that believes its clock.
        let clock = tempfile::tempdir()?;
        std::fs::write(clock.path().join("synchronized"), "")?;
        let mark = clock.path().join("synchronized").display().to_string();
        options.environment.push(("GATEHOUSE_SYNC_MARK".to_owned(), mark));
        options.uplink.push_str("heartbeat-s = 5\n");
        let gateway = Gateway::start(options).await?;
        Ok(Self {
            server,
            _feeders: feeders,
            world,
            _broker: broker,
            district,
            gateway,
            heard,
            onvif,
            _clock: clock,
        })
    }

    /// Waits until the retained state of a camera is this.
    pub(crate) async fn state(&self, camera: &str, state: &str) -> anyhow::Result<Value> {
        self.state_of("camera", camera, state).await
    }

    /// The same of anything.
    pub(crate) async fn state_of(&self, of: &str, id: &str, state: &str) -> anyhow::Result<Value> {
        let topic = format!("gatehouse/v1/d-1/s-1/g-1/{of}/{id}");
        let what = format!("{of} {id} to be {state}");
        let found = self.heard.messages().wait_for(&what, PATIENCE, |all| {
            let last = all.iter().rfind(|message| message.publish.topic == topic)?;
            let value: Value = serde_json::from_slice(&last.publish.payload).ok()?;
            (value["state"] == state).then_some(value)
        });
        found.await.with_context(|| format!("{:#?}", self.gateway.log().all()))
    }

    /// Waits until the state of a camera has these flags. A state has a way of its own, behind its event.
    pub(crate) async fn flagged(&self, camera: &str, flags: &[&str]) -> anyhow::Result<()> {
        let topic = format!("gatehouse/v1/d-1/s-1/g-1/camera/{camera}");
        let wanted = serde_json::json!(flags);
        let what = format!("{camera} to have the flags {wanted}");
        let found = self.heard.messages().wait_for(&what, PATIENCE, |all| {
            let last = all.iter().rfind(|message| message.publish.topic == topic)?;
            let value: Value = serde_json::from_slice(&last.publish.payload).ok()?;
            (value["flags"] == wanted).then_some(())
        });
        found.await.with_context(|| format!("{:#?}", self.gateway.log().all()))
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

    /// Every event of a camera or a bus so far, as `source type`.
    pub(crate) fn told(&self) -> Vec<String> {
        self.told_of(&["camera", "bus"])
    }

    /// The same of other kinds of things.
    pub(crate) fn told_of(&self, kinds: &[&str]) -> Vec<String> {
        self.district.committed().read(|all| {
            let events = all.iter().filter_map(|event| event.event().ok());
            let events = events
                .map(|event| event.draft)
                .filter(|draft| kinds.contains(&&*draft.source.kind));
            events.map(|draft| format!("{} {}", draft.source.id, draft.kind)).collect()
        })
    }
}

/// Every picture of a file: its luma at 640x360, as ffmpeg decodes it.
pub(crate) fn luma(path: &Path) -> anyhow::Result<Vec<Vec<u8>>> {
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-i"])
        .arg(path)
        .args(["-f", "rawvideo", "-pix_fmt", "gray", "-"])
        .output()?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Ok(output.stdout.chunks_exact(640 * 360).map(<[u8]>::to_vec).collect())
}

/// The SHA-256 of some bytes, as events have it.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    use std::fmt::Write as _;

    digest(&SHA256, bytes).as_ref().iter().fold(String::new(), |mut text, byte| {
        write!(text, "{byte:02x}").expect("a String takes everything");
        text
    })
}
