//! A real broker of the test's own, a gateway's end, and a proxy that can hold back one direction.
#![expect(dead_code, unreachable_pub, reason = "each suite uses its part of the harness")]
#![expect(clippy::unwrap_used, reason = "a harness that fails ends its test")]

pub mod far;
pub mod http;
pub mod postgres;
pub mod room;

use std::fs;
use std::io::BufRead;
use std::net::{Ipv4Addr, SocketAddr, TcpListener};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use gatehouse_core::contract::{
    AlarmAct, AlarmOp, AlarmState, DistrictState, GatewayState, Receipt, RetainedState, Status,
};
use gatehouse_core::event::{self, Class, Draft, GENESIS, Qualifier, Source, Stamp};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{Danger, Incident, Phase};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_core::topic::Address;
use gatehouse_receiver::{Database, Handle, Link, Receiver, ReceiverConfig, Snapshot};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The patience of every wait in the suites: far more than any takes on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(30);

/// A mosquitto on a free loopback port with its own folder; ended with the value.
pub struct Broker {
    folder: TempDir,
    port: u16,
    durable: bool,
    child: Option<Child>,
}

impl Broker {
    pub async fn start() -> Self {
        Self::start_with(true).await
    }

    /// Without a disk behind it, for measurements.
    pub async fn start_volatile() -> Self {
        Self::start_with(false).await
    }

    async fn start_with(durable: bool) -> Self {
        let mut broker =
            Self { folder: TempDir::new().unwrap(), port: free_port(), durable, child: None };
        broker.restart().await;
        broker
    }

    pub fn url(&self) -> String {
        format!("mqtt://127.0.0.1:{}", self.port)
    }

    pub fn address(&self) -> SocketAddr {
        (Ipv4Addr::LOCALHOST, self.port).into()
    }

    /// Starts it again on the same port with what its folder still holds.
    pub async fn restart(&mut self) {
        assert!(self.child.is_none());
        let folder = self.folder.path();
        let user = if rustix::process::geteuid().is_root() { "user root\n" } else { "" };
        let conf = format!(
            "listener {} 127.0.0.1\nallow_anonymous true\nset_tcp_nodelay true\n{user}\
             persistence {}\npersistence_location {}/\nautosave_interval 1\n\
             autosave_on_changes true\nmax_queued_messages 0\nlog_dest file {}/log\nlog_type error\n",
            self.port,
            self.durable,
            folder.display(),
            folder.display()
        );
        let file = folder.join("mosquitto.conf");
        fs::write(&file, conf).unwrap();
        let binary = if Path::new("/usr/sbin/mosquitto").exists() {
            "/usr/sbin/mosquitto"
        } else {
            "mosquitto"
        };
        let child = Command::new(binary)
            .arg("-c")
            .arg(&file)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("these suites need mosquitto: apt install mosquitto");
        self.child = Some(child);
        let address = self.address();
        within("the broker listens", async {
            while TcpStream::connect(address).await.is_err() {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
    }

    /// Kills it as a power cut does.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().unwrap();
            child.wait().unwrap();
        }
    }

    /// Its memory of sessions, retained messages and queues is gone.
    pub fn forget(&self) {
        assert!(self.child.is_none());
        let _ = fs::remove_file(self.folder.path().join("mosquitto.db"));
    }
}

impl Drop for Broker {
    fn drop(&mut self) {
        self.kill();
    }
}

fn free_port() -> u16 {
    TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap().local_addr().unwrap().port()
}

pub async fn within<T>(what: &str, future: impl Future<Output = T>) -> T {
    let done = timeout(PATIENCE, future).await.ok();
    done.unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}"))
}

pub fn district() -> Id {
    "d-1".parse().unwrap()
}

pub fn config(url: &str, database: impl Into<Database>) -> ReceiverConfig {
    let mut config = ReceiverConfig::new(url.parse().unwrap(), district(), database);
    "room".clone_into(&mut config.host);
    config
}

pub async fn receiver(broker: &Broker, database: impl Into<Database>) -> Handle {
    started(config(&broker.url(), database)).await
}

/// A receiver that has subscribed: a broker keeps nothing for one that it does not know.
pub async fn started(config: ReceiverConfig) -> Handle {
    let handle = Receiver::start(config).await.unwrap();
    until(&handle, "subscribed", |snapshot| snapshot.link == Link::Up).await;
    handle
}

/// Waits until the receiver's counts are as told.
pub async fn until(handle: &Handle, what: &str, mut is: impl FnMut(&Snapshot) -> bool) -> Snapshot {
    let wait = async {
        loop {
            let snapshot = handle.snapshot();
            if is(&snapshot) {
                return snapshot;
            }
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    let done = timeout(PATIENCE, wait).await.ok();
    done.unwrap_or_else(|| panic!("not within {PATIENCE:?}: {what}; {:#?}", handle.snapshot()))
}

/// A gateway's end: sends what it is told, collects receipts and the district's state.
pub struct Gateway {
    pub address: Address,
    client: AsyncClient,
    pub receipts: mpsc::Receiver<Receipt>,
    pub states: mpsc::Receiver<DistrictState>,
    /// Operators' acts, each with its incident.
    pub acts: mpsc::Receiver<(Id, AlarmAct)>,
    acked: mpsc::Receiver<()>,
    tasks: JoinSet<()>,
}

impl Gateway {
    pub async fn connect(broker: SocketAddr, id: &str) -> Self {
        Self::connect_at(broker, "s-1", id).await
    }

    pub async fn connect_at(broker: SocketAddr, site: &str, id: &str) -> Self {
        let address = Address {
            district: district(),
            site: site.parse().unwrap(),
            gateway: id.parse().unwrap(),
        };
        let mut options = MqttOptions::new(id, broker.ip().to_string(), broker.port());
        options.set_outgoing_inflight_upper_limit(100).set_keep_alive(Duration::from_secs(30));
        options.set_session_expiry_interval(Some(3600));
        options.set_max_packet_size(Some(1 << 20));
        options.set_clean_start(false);
        let (client, mut eventloop) = AsyncClient::new(options, 100);
        client.subscribe(address.receipt(), QoS::AtLeastOnce).await.unwrap();
        client.subscribe(address.district_state(), QoS::AtLeastOnce).await.unwrap();
        client.subscribe(address.alarm_acts(), QoS::AtLeastOnce).await.unwrap();
        let (receipt, receipts) = mpsc::channel(10_000);
        let (state, states) = mpsc::channel(10_000);
        let (act, acts) = mpsc::channel(100);
        let (ack, acked) = mpsc::channel(200_000);
        let ours = address.clone();
        let (ready, mut is_ready) = mpsc::channel(8);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = std::str::from_utf8(&publish.topic).unwrap();
                        if let Some(incident) = ours.alarm_act_of(topic) {
                            let message = serde_json::from_slice(&publish.payload).unwrap();
                            assert!(!publish.retain);
                            act.send((incident, message)).await.unwrap();
                        } else if publish.topic.ends_with(b"/receipt") {
                            let message = serde_json::from_slice(&publish.payload).unwrap();
                            receipt.send(message).await.unwrap();
                        } else {
                            let message = serde_json::from_slice(&publish.payload).unwrap();
                            state.send(message).await.unwrap();
                        }
                    }
                    Ok(Event::Incoming(Packet::PubAck(_))) => ack.try_send(()).unwrap(),
                    Ok(Event::Incoming(Packet::SubAck(_))) => drop(ready.try_send(())),
                    Ok(_) => {}
                    Err(_) => tokio::time::sleep(Duration::from_millis(50)).await,
                }
            }
        });
        for _ in 0..3 {
            within("the gateway is subscribed", is_ready.recv()).await.unwrap();
        }
        Self { address, client, receipts, states, acts, acked, tasks }
    }

    /// Hands an event to the broker; see [`Gateway::acked`].
    pub async fn send(&self, class: Class, payload: &[u8]) {
        let topic = self.address.events(class);
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).await.unwrap();
    }

    /// Hands over whatever bytes under a topic below the prefix.
    pub async fn raw(&self, below: &str, payload: Vec<u8>, retain: bool) {
        let topic = format!("{}/{below}", self.address);
        self.client.publish(topic, QoS::AtLeastOnce, retain, payload).await.unwrap();
    }

    /// Hands over a picture as a gateway does: with its digest, and with a number if it has one.
    pub async fn picture(&self, camera: &str, jpeg: &[u8], seq: Option<u64>) {
        self.picture_named(camera, jpeg, seq, &sha256(jpeg)).await;
    }

    /// The same under this digest.
    pub async fn picture_named(&self, camera: &str, jpeg: &[u8], seq: Option<u64>, sha256: &str) {
        let mut user_properties = vec![("sha256".to_owned(), sha256.to_owned())];
        user_properties.extend(seq.map(|seq| ("seq".to_owned(), seq.to_string())));
        let properties = PublishProperties { user_properties, ..PublishProperties::default() };
        let topic = self.address.snapshot(&camera.parse().unwrap());
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, jpeg.to_vec(), properties)
            .await
            .unwrap();
    }

    /// The same for another gateway.
    pub async fn send_for(&self, address: &Address, class: Class, payload: &[u8]) {
        let topic = address.events(class);
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).await.unwrap();
    }

    pub async fn send_with_seq(&self, class: Class, payload: &[u8], seq: u64) {
        let properties = PublishProperties {
            user_properties: vec![("seq".into(), seq.to_string())],
            ..PublishProperties::default()
        };
        let topic = self.address.events(class);
        self.client
            .publish_with_properties(topic, QoS::AtLeastOnce, false, payload.to_vec(), properties)
            .await
            .unwrap();
    }

    pub async fn retain(&self, topic: String, payload: &impl serde::Serialize) {
        let payload = serde_json::to_vec(payload).unwrap();
        self.client.publish(topic, QoS::AtLeastOnce, true, payload).await.unwrap();
    }

    /// A retained message is deleted.
    pub async fn forget(&self, topic: String) {
        self.client.publish(topic, QoS::AtLeastOnce, true, Vec::new()).await.unwrap();
    }

    /// The retained state of a thing.
    pub async fn thing(&self, kind: &str, id: &str, state: &'static str, flags: &[&str]) {
        let state = RetainedState {
            state: state.into(),
            since: UtcMs(0),
            seq: Seq(0),
            valid_s: 90,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            session: 1,
        };
        self.retain(self.address.state(kind, &id.parse().unwrap()), &state).await;
    }

    /// The retained state of an open incident.
    pub async fn incident(&self, id: &str, danger: Danger, acked: Option<&str>, session: u64) {
        let id: Id = id.parse().unwrap();
        let incident = Incident {
            id: id.clone(),
            phase: if acked.is_some() { Phase::Acked } else { Phase::Active },
            danger,
            class: Class::Alarm,
            severity: 1,
            partition: Some("lobby".parse().unwrap()),
            since: UtcMs(1_790_000_000_000),
            sources: vec!["zone/hall".into()],
            open: [("zone/hall".into(), "zone.alarm".into())].into(),
            acked: acked.map(|by| (Some(by.to_owned()), UtcMs(1_790_000_001_000))),
            escalated: false,
            notes: vec![],
        };
        let state = AlarmState { incident, seq: Seq(0), session };
        self.retain(self.address.state("alarm", &id), &state).await;
    }

    /// Waits for an operator's act.
    pub async fn act(&mut self, incident: &str, op: AlarmOp) -> AlarmAct {
        let (of, act) = within("an act", self.acts.recv()).await.unwrap();
        assert_eq!((of.as_str(), act.op), (incident, op));
        act
    }

    pub async fn say(&self, topic: String, payload: &impl serde::Serialize) {
        let payload = serde_json::to_vec(payload).unwrap();
        self.client.publish(topic, QoS::AtMostOnce, false, payload).await.unwrap();
    }

    pub async fn status(&self, state: GatewayState, session: u64) {
        let status = Status {
            state,
            session,
            boot_id: "boot".into(),
            since: UtcMs(0),
            reason: None,
            version: "0".into(),
            config_rev: 1,
            config_hash: "0".into(),
            hb_s: None,
            reporting_s: None,
        };
        self.retain(self.address.status(), &status).await;
    }

    /// Waits for so many PUBACKs.
    pub async fn acked(&mut self, count: usize) {
        for _ in 0..count {
            within("the broker acknowledges", self.acked.recv()).await.unwrap();
        }
    }

    /// Waits for a receipt of which this is true.
    pub async fn receipt(&mut self, what: &str, mut is: impl FnMut(&Receipt) -> bool) -> Receipt {
        within(what, async {
            loop {
                let receipt = self.receipts.recv().await.unwrap();
                if is(&receipt) {
                    return receipt;
                }
            }
        })
        .await
    }

    pub async fn state(&mut self, what: &str, mut is: impl FnMut(&DistrictState) -> bool) {
        within(what, async { while !is(&self.states.recv().await.unwrap()) {} }).await;
    }
}

/// The events of a gateway's journal, numbered and chained.
pub struct Journal {
    gateway: Id,
    pub session: u64,
    pub next: u64,
    prev: [u8; 32],
}

impl Journal {
    pub fn new(gateway: &Gateway) -> Self {
        Self::of(&gateway.address.gateway)
    }

    pub fn of(gateway: &Id) -> Self {
        Self { gateway: gateway.clone(), session: 1, next: 1, prev: GENESIS }
    }

    /// What this gateway begins with after its flash was wiped.
    pub fn anew(gateway: &Gateway, birth: u8) -> Self {
        Self { prev: [birth; 32], ..Self::new(gateway) }
    }

    pub fn event(&mut self, class: Class, kind: &'static str) -> Vec<u8> {
        self.detailed(class, kind, None)
    }

    pub fn door(&mut self) -> Vec<u8> {
        self.event(Class::Door, "door.opened")
    }

    pub fn gap(&mut self, from: u64, to: u64) -> Vec<u8> {
        let detail = serde_json::json!({ "from": from, "to": to, "reason": "retention" });
        self.detailed(Class::System, "system.gap", Some(detail))
    }

    pub fn detailed(
        &mut self,
        class: Class,
        kind: &'static str,
        detail: Option<serde_json::Value>,
    ) -> Vec<u8> {
        self.filled(class, kind, |draft| draft.detail = detail)
    }

    /// An event of this time.
    pub fn timed(&mut self, class: Class, kind: &'static str, time: Time) -> Vec<u8> {
        self.filled(class, kind, |draft| draft.time = time)
    }

    /// The end of what this event began.
    pub fn ended(&mut self, class: Class, kind: &'static str, opens: Seq) -> Vec<u8> {
        self.filled(class, kind, |draft| {
            draft.qualifier = Qualifier::Restore;
            draft.opens = Some(opens);
        })
    }

    /// What a gateway records of an operator's act.
    pub fn handled(&mut self, incident: &str, kind: &'static str, by: &str) -> Vec<u8> {
        self.answered(incident, kind, by, None)
    }

    /// As [`Self::handled`]; with the nonce of the act that it answers.
    pub fn answered(
        &mut self,
        incident: &str,
        kind: &'static str,
        by: &str,
        nonce: Option<&str>,
    ) -> Vec<u8> {
        self.filled(Class::Arm, kind, |draft| {
            draft.source =
                Source { kind: "incident".into(), id: incident.parse().unwrap(), driver: None };
            draft.actor = Some(by.to_owned());
            let mut detail = serde_json::json!({ "via": "district", "danger": "burglary" });
            if let Some(nonce) = nonce {
                detail["nonce"] = nonce.into();
            }
            draft.detail = Some(detail);
        })
    }

    /// An operator's closing that says what it was.
    pub fn closed(&mut self, incident: &str, by: &str, reason: &str) -> Vec<u8> {
        self.filled(Class::Arm, "incident.closed", |draft| {
            draft.source =
                Source { kind: "incident".into(), id: incident.parse().unwrap(), driver: None };
            draft.actor = Some(by.to_owned());
            let detail = serde_json::json!({"via": "district", "danger": "burglary",
                "reason": reason});
            draft.detail = Some(detail);
        })
    }

    /// An alarm of this incident that names a list, as a card at a help point brings it.
    pub fn calls(
        &mut self,
        kind: &'static str,
        incident: &str,
        list: Option<&str>,
        utc: i64,
    ) -> Vec<u8> {
        self.filled(Class::Panic, kind, |draft| {
            draft.source =
                Source { kind: "zone".into(), id: "hall".parse().unwrap(), driver: None };
            draft.severity = 1;
            draft.actor = Some("c0ffee-of-a-card".into());
            draft.time.utc = UtcMs(utc);
            draft.detail = Some(serde_json::json!({"incident": incident, "place": "gate",
                "responders": list}));
        })
    }

    /// What a gateway records of a picture.
    pub fn shot(&mut self, camera: &str, silent: bool, detail: serde_json::Value) -> Vec<u8> {
        let kind = if silent { "camera.snapshot_silent" } else { "camera.snapshot" };
        self.filled(Class::Camera, kind, |draft| of_camera(draft, camera, detail))
    }

    /// What a gateway records of a clip on its flash.
    pub fn clip(&mut self, camera: &str, of: &[u64]) -> Vec<u8> {
        let clip = serde_json::json!({"camera": camera, "ref": "0001.mp4", "sha256": "ab".repeat(32),
            "pre_s": 10, "post_s": 20, "bytes": 9});
        let detail = serde_json::json!({"of": of, "clip": clip});
        self.filled(Class::Camera, "camera.clip", |draft| of_camera(draft, camera, detail))
    }

    /// The same of this moment.
    pub fn shot_of_today(&mut self, camera: &str, detail: serde_json::Value) -> Vec<u8> {
        let since = std::time::SystemTime::UNIX_EPOCH.elapsed().unwrap();
        self.filled(Class::Camera, "camera.snapshot", |draft| {
            of_camera(draft, camera, detail);
            draft.time.utc = UtcMs(i64::try_from(since.as_millis()).unwrap());
        })
    }

    fn filled(
        &mut self,
        class: Class,
        kind: &'static str,
        fill: impl FnOnce(&mut Draft),
    ) -> Vec<u8> {
        let mut draft = Draft {
            class,
            kind: kind.into(),
            qualifier: Qualifier::New,
            severity: 4,
            partition: None,
            source: Source { kind: "door".into(), id: "lobby".parse().unwrap(), driver: None },
            time: Time {
                utc: UtcMs(1_790_000_000_000),
                boot: "b".into(),
                mono_ns: Mono(self.next),
                err_ms: Some(3),
                clock: ClockState::Synced,
            },
            state: None,
            arming: None,
            actor: None,
            cause: None,
            opens: None,
            detail: None,
            closes: None,
            test: false,
            flags: vec![],
        };
        fill(&mut draft);
        let stamp = Stamp {
            gateway: &self.gateway,
            session: self.session,
            seq: Seq(self.next),
            prev: self.prev,
        };
        let bytes = event::render(&stamp, &draft).unwrap();
        self.next += 1;
        self.prev = event::chain_hash(&bytes);
        bytes
    }
}

fn of_camera(draft: &mut Draft, camera: &str, detail: serde_json::Value) {
    draft.source = Source { kind: "camera".into(), id: camera.parse().unwrap(), driver: None };
    draft.qualifier = Qualifier::Status;
    draft.detail = Some(detail);
}

/// What begins and ends as a JPEG, of this length; another number is another picture.
pub fn jpeg(number: u8, length: usize) -> Vec<u8> {
    let mut bytes = vec![number; length];
    bytes[..3].copy_from_slice(&[0xff, 0xd8, 0xff]);
    bytes[length - 2..].copy_from_slice(&[0xff, 0xd9]);
    bytes
}

/// The SHA-256 of these bytes in hex.
pub fn sha256(bytes: &[u8]) -> String {
    let digest = ring::digest::digest(&ring::digest::SHA256, bytes);
    gatehouse_core::checkpoint::to_hex(digest.as_ref())
}

/// The receiver's program, killed with the value.
pub struct Program {
    child: Child,
    lines: std::io::Lines<std::io::BufReader<std::process::ChildStdout>>,
}

impl Program {
    /// `run --jsonl` on this database.
    pub fn run(broker: &str, database: &Path) -> Self {
        let database = database.to_str().unwrap().to_owned();
        Self::run_with(broker, "room", &["--db".to_owned(), database])
    }

    /// The same with another name and further words.
    pub fn run_with(broker: &str, host: &str, words: &[String]) -> Self {
        let mut child = Command::new(env!("CARGO_BIN_EXE_gatehouse-receiver"))
            .args(["run", "--jsonl", "--district", "d-1", "--host", host, "--broker", broker])
            .args(words)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let lines = std::io::BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, lines }
    }

    /// The next committed event, as printed.
    pub fn line(&mut self) -> Option<serde_json::Value> {
        Some(serde_json::from_str(&self.lines.next()?.unwrap()).unwrap())
    }

    /// As a power cut does.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// As systemd does; the exit code.
    pub fn terminate(mut self) -> Option<i32> {
        let id = rustix::process::Pid::from_child(&self.child);
        rustix::process::kill_process(id, rustix::process::Signal::TERM).unwrap();
        self.child.wait().unwrap().code()
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs the program to its end: exit code, stdout, stderr.
pub fn program(args: &[&str]) -> (Option<i32>, String, String) {
    let output =
        Command::new(env!("CARGO_BIN_EXE_gatehouse-receiver")).args(args).output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

/// A TCP proxy in front of the broker which can hold back what the client says.
pub struct Proxy {
    pub address: SocketAddr,
    /// While set, nothing of the client's reaches the broker.
    muted: Arc<AtomicBool>,
    /// Counts the cuts; each ends the connections of its time.
    cuts: watch::Sender<u32>,
    tasks: JoinSet<()>,
}

impl Proxy {
    pub async fn start(broker: SocketAddr) -> Self {
        let listener = tokio::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let muted = Arc::new(AtomicBool::new(false));
        let mut tasks = JoinSet::new();
        let for_task = Arc::clone(&muted);
        let (cuts, cut) = watch::channel(0);
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                let Ok(server) = TcpStream::connect(broker).await else { continue };
                let muted = Arc::clone(&for_task);
                let mut cut = cut.clone();
                cut.mark_unchanged();
                let ended = cut.clone();
                connections.spawn(async move {
                    let (mut from_client, mut to_client) = client.into_split();
                    let (mut from_server, mut to_server) = server.into_split();
                    let up = async {
                        let mut bytes = [0; 4096];
                        loop {
                            let Ok(count) = from_client.read(&mut bytes).await else { return };
                            if count == 0 {
                                return;
                            }
                            // Muted words are lost, as in a connection that is cut later.
                            if muted.load(Ordering::SeqCst) {
                                continue;
                            }
                            // Looked up after it: whoever cuts and then lets others speak means others.
                            if ended.has_changed().unwrap_or(true)
                                || to_server.write_all(&bytes[..count]).await.is_err()
                            {
                                return;
                            }
                        }
                    };
                    let down = tokio::io::copy(&mut from_server, &mut to_client);
                    tokio::select! {
                        () = up => {}
                        _ = down => {}
                        _ = cut.changed() => {}
                    }
                });
            }
        });
        Self { address, muted, cuts, tasks }
    }

    /// Ends every connection of this moment.
    pub fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    pub fn url(&self) -> String {
        format!("mqtt://{}", self.address)
    }

    pub fn mute(&self, muted: bool) {
        self.muted.store(muted, Ordering::SeqCst);
    }
}
