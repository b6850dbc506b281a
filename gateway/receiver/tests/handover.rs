//! Incidents between control rooms: two real receivers, a real broker, and either database.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::fs;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use common::postgres::Home;
use common::{Broker, Gateway, Journal, Proxy, program, started, within};
use gatehouse_core::checkpoint::{from_hex, to_hex};
use gatehouse_core::contract::{AlarmOp, GatewayState};
use gatehouse_core::event::Class;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::{CloseReason, Danger};
use gatehouse_core::topic::HandoverTopic;
use gatehouse_receiver::handover::{
    Handover, HandoverView, Handovers, Outcome, RoomConfig, RoomsView, Side, State,
};
use gatehouse_receiver::{
    ActError, Database, Handle, Receiver, ReceiverConfig, SigningKey, StartError, bundle,
};
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

/// Two control rooms that know each other: `north` of d-1, whose gateways they are, and `south`.
struct Rooms {
    home: Home,
    files: TempDir,
    broker: Broker,
    south_district: &'static str,
}

impl Rooms {
    async fn of(home: Home) -> Self {
        Self::with(home, "d-2", "").await
    }

    /// `more` stands in south's file beside north.
    async fn with(home: Home, south_district: &'static str, more: &str) -> Self {
        let files = TempDir::new().unwrap();
        let key = |name: &str| {
            let file = files.path().join(format!("{name}.key"));
            SigningKey::make(&file, id(name)).unwrap().public()
        };
        let peer = |name: &str, district: &str, key: &str| {
            format!("[[peer]]\nname = {name:?}\ndistrict = {district:?}\nkey = {key:?}\n")
        };
        let (north, south) =
            (peer("north", "d-1", &key("north")), peer("south", south_district, &key("south")));
        fs::write(files.path().join("north.toml"), south).unwrap();
        fs::write(files.path().join("south.toml"), north + more).unwrap();
        Self { home, files, broker: Broker::start().await, south_district }
    }

    fn file(&self, name: &str) -> std::path::PathBuf {
        self.files.path().join(name)
    }

    fn database(&self, room: &str) -> Database {
        match &self.home.postgres {
            // Both in one: each has its own side.
            Some(postgres) => postgres.database(),
            None => Database::File(self.home.path().join(format!("{room}.db"))),
        }
    }

    fn district(&self, room: &str) -> &'static str {
        if room == "north" { "d-1" } else { self.south_district }
    }

    fn config(&self, room: &str) -> ReceiverConfig {
        let (url, district) = (self.broker.url().parse().unwrap(), id(self.district(room)));
        let mut config = ReceiverConfig::new(url, district, self.database(room));
        room.clone_into(&mut config.host);
        config.room = Some(RoomConfig {
            name: id(room),
            key: self.file(&format!("{room}.key")),
            peers: self.file(&format!("{room}.toml")),
        });
        config
    }

    async fn start(&self, room: &str) -> Room {
        let handle = started(self.config(room)).await;
        let desk = handle.handovers().unwrap();
        Room { handle, desk }
    }

    /// The room's program by way of a proxy, to be killed.
    fn program(&self, room: &str, url: &str) -> Running {
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let mut command = Command::new(env!("CARGO_BIN_EXE_gatehouse-receiver"));
        command.args(["run", "--district", self.district(room), "--host", room, "--broker", url]);
        command.args(["--room", room, "--room-key", &text(&self.file(&format!("{room}.key")))]);
        command.args(["--peers", &text(&self.file(&format!("{room}.toml")))]);
        command.args(["--socket", &text(&self.file(&format!("{room}.sock")))]);
        if self.home.postgres.is_some() {
            command.args(self.home.words());
        } else {
            command.args(["--db", &text(&self.home.path().join(format!("{room}.db")))]);
        }
        let child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        Running(child)
    }

    /// What an operator's tool says at a room, as soon as that answers with this code.
    async fn tool(&self, room: &str, words: &[&str]) -> String {
        let socket = self.file(&format!("{room}.sock"));
        let mut args: Vec<_> = words.iter().map(|word| (*word).to_owned()).collect();
        args.extend(["--socket".to_owned(), socket.to_str().unwrap().to_owned()]);
        within(&format!("{words:?} at {room}"), async {
            loop {
                let args = args.clone();
                let run = move || program(&args.iter().map(String::as_str).collect::<Vec<_>>());
                let (code, out, _) = tokio::task::spawn_blocking(run).await.unwrap();
                if code == Some(0) {
                    return out;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// The only handover of a room's list, as soon as it is so.
    async fn listed(
        &self,
        room: &str,
        what: &str,
        is: impl Fn(&HandoverView) -> bool,
    ) -> HandoverView {
        within(what, async {
            loop {
                let out = self.tool(room, &["handover", "list", "--json"]).await;
                let first = out.lines().next().map(|line| serde_json::from_str(line).unwrap());
                if let Some(view) = first.filter(&is) {
                    return view;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// A gateway of north's with an open burglary, of which north has the alarm.
    async fn in_alarm(&self) -> (Gateway, Journal) {
        let mut gateway = Gateway::connect(self.broker.address(), "g-1").await;
        let mut journal = Journal::new(&gateway);
        gateway.send(Class::Door, &journal.door()).await;
        let detail = Some(json!({"incident": "a1"}));
        let alarm = journal.detailed(Class::Alarm, "zone.alarm", detail);
        gateway.send(Class::Alarm, &alarm).await;
        gateway.incident("a1", Danger::Burglary, None, 1).await;
        gateway.status(GatewayState::Online, 1).await;
        gateway.receipt("north has the alarm", |receipt| receipt.upto == Seq(2)).await;
        (gateway, journal)
    }
}

struct Running(Child);

impl Running {
    /// As a power cut does.
    fn kill(&mut self) {
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

struct Room {
    handle: Handle,
    desk: Handovers,
}

impl Room {
    async fn sees(&self, what: &str, is: impl Fn(&HandoverView) -> bool) -> Handover {
        let wait = async {
            loop {
                let view = self.desk.view();
                if let Some(one) = view.handovers.iter().find(|view| is(view)) {
                    return one.handover.clone();
                }
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        let done = tokio::time::timeout(common::PATIENCE, wait).await.ok();
        done.unwrap_or_else(|| panic!("not seen: {what}: {:#?}", self.desk.view()))
    }

    async fn state(&self, state: State) -> Handover {
        self.sees(state.as_str(), |view| view.handover.state == state).await
    }

    async fn offers(&self, incident: &str) -> Id {
        within("north knows the incident", async {
            while !self
                .handle
                .snapshot()
                .gateways
                .values()
                .any(|view| view.incidents.contains_key(incident))
            {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        })
        .await;
        let place = "g-1".parse().unwrap();
        self.desk.offer(&place, &id(incident), &id("south"), "op-7").await.unwrap()
    }

    async fn acts(&self, op: AlarmOp, who: &str, text: Option<&str>) -> Result<Seq, ActError> {
        let place = "g-1".parse().unwrap();
        self.handle.operator().act(&place, &id("a1"), op, who, text).await
    }
}

/// Someone else at the broker, who hears everything that rooms say to each other.
struct Stranger {
    client: AsyncClient,
    heard: mpsc::Receiver<(String, Vec<u8>)>,
    acked: mpsc::Receiver<()>,
    _tasks: JoinSet<()>,
}

impl Stranger {
    async fn at(broker: &Broker) -> Self {
        let address = broker.address();
        let mut options = MqttOptions::new("stranger", address.ip().to_string(), address.port());
        options.set_max_packet_size(Some(1 << 20));
        let (client, mut eventloop) = AsyncClient::new(options, 100);
        let ((hear, heard), (ack, acked)) = (mpsc::channel(1000), mpsc::channel(1000));
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            loop {
                match eventloop.poll().await {
                    Ok(Event::Incoming(Packet::Publish(publish))) => {
                        let topic = String::from_utf8(publish.topic.to_vec()).unwrap();
                        hear.send((topic, publish.payload.to_vec())).await.unwrap();
                    }
                    Ok(Event::Incoming(Packet::PubAck(_) | Packet::SubAck(_))) => {
                        ack.send(()).await.unwrap();
                    }
                    Ok(_) => {}
                    Err(_) => return,
                }
            }
        });
        let mut stranger = Self { client, heard, acked, _tasks: tasks };
        let all = "gatehouse/v1/+/_dc/handover/#";
        stranger.client.subscribe(all, QoS::AtLeastOnce).await.unwrap();
        within("subscribed", stranger.acked.recv()).await.unwrap();
        stranger
    }

    async fn says(&mut self, topic: &str, payload: &[u8]) {
        self.client.publish(topic, QoS::AtLeastOnce, false, payload.to_vec()).await.unwrap();
        within("the broker has it", self.acked.recv()).await.unwrap();
    }

    /// The next message of this kind, with its topic.
    async fn hears(&mut self, kind: &str) -> (String, Vec<u8>) {
        within(kind, async {
            loop {
                let (topic, payload) = self.heard.recv().await.unwrap();
                let sealed: Value = serde_json::from_slice(&payload).unwrap_or_default();
                let message = sealed["message"].as_str().unwrap_or_default();
                let message: Value = serde_json::from_str(message).unwrap_or_default();
                if message["kind"] == kind {
                    return (topic, payload);
                }
            }
        })
        .await
    }
}

/// A payload as the contract describes it, by other code than ours.
fn sealed(topic: &str, message: &Value, pair: &ring::signature::Ed25519KeyPair) -> Vec<u8> {
    let message = message.to_string();
    let stated = format!("gatehouse-handover 1\n{topic}\n{message}\n");
    let sig = to_hex(pair.sign(stated.as_bytes()).as_ref());
    json!({"message": message, "sig": sig}).to_string().into_bytes()
}

/// Answers the gateway's next act as a gateway does.
async fn does(
    gateway: &mut Gateway,
    journal: &mut Journal,
    op: AlarmOp,
    kind: &'static str,
    by: &str,
) {
    let act = gateway.act("a1", op).await;
    assert_eq!(act.operator, by);
    let event = journal.answered("a1", kind, &act.operator, Some(&act.nonce));
    gateway.send(Class::Arm, &event).await;
}

async fn an_incident_goes_over_with_its_history_and_both_sides_acts_are_on_it(home: Home) {
    let rooms = Rooms::of(home).await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let (mut gateway, mut journal) = rooms.in_alarm().await;
    let handover = north.offers("a1").await;
    let offered = south.sees("the offer", |view| view.handover.side == Side::Taken).await;
    assert_eq!((offered.state, offered.offered.by.as_str()), (State::Offered, "op-7@north"));
    assert_eq!((offered.gateway.as_str(), offered.incident.id.as_str()), ("g-1", "a1"));
    assert_eq!(offered.history[0].kind, "zone.alarm");
    // The file that came proves itself, by the giver's key.
    let bytes = south.desk.bundle(&handover).await.unwrap();
    let key = SigningKey::read(&rooms.file("north.key"), id("north")).unwrap().public();
    let report = bundle::check(&bytes, from_hex(&key), None).unwrap();
    assert!(report.is_good() && report.signer.1, "{report:?}");
    assert_eq!((report.incident.as_str(), report.events), ("a1", 1));
    // Until it is accepted nothing is handed over, and it is not offered twice.
    assert_eq!(north.state(State::Offered).await.answered, None);
    let place = "g-1".parse().unwrap();
    let twice = north.desk.offer(&place, &id("a1"), &id("south"), "op-7").await.unwrap_err();
    assert_eq!(twice.to_string(), "a1 is offered already: to south");

    south.desk.accept(&handover, "op-9").await.unwrap();
    let given = north.state(State::Accepted).await;
    assert_eq!(given.answered.unwrap().by, "op-9@south");
    // The giver may note, and nothing else.
    for op in [AlarmOp::Ack, AlarmOp::Escalate, AlarmOp::Close] {
        let refused = north.acts(op, "op-7", None).await.unwrap_err();
        assert_eq!(refused, ActError::HandedOver(id("a1"), id("south")), "{op:?}");
    }
    let note = does(&mut gateway, &mut journal, AlarmOp::Note, "incident.noted", "op-7");
    let (noted, ()) = tokio::join!(north.acts(AlarmOp::Note, "op-7", Some("caller is sure")), note);
    assert_eq!(noted.unwrap(), Seq(3));
    let by = |kind: &'static str, by: &'static str| {
        move |view: &HandoverView| {
            let entries = &view.handover.history;
            entries.iter().any(|entry| entry.kind == kind && entry.by.as_deref() == Some(by))
        }
    };
    south.sees("the giver's note", by("incident.noted", "op-7@north")).await;

    let act = south.desk.act(&handover, AlarmOp::Ack, "op-9", None, None).await.unwrap();
    does(&mut gateway, &mut journal, AlarmOp::Ack, "incident.acked", "op-9@south").await;
    let done = move |view: &HandoverView| {
        let asked = view.handover.acts.iter().find(|asked| asked.number == act);
        asked.is_some_and(|asked| asked.outcome == Some(Outcome::Done(Seq(4))))
    };
    south.sees("the act is done", done).await;
    south.sees("its own act", by("incident.acked", "op-9")).await;
    north.sees("the taker's act", by("incident.acked", "op-9@south")).await;

    let (close, reason) = (AlarmOp::Close, Some(CloseReason::False));
    south.desk.act(&handover, close, "op-9", None, reason).await.unwrap();
    let act = gateway.act("a1", AlarmOp::Close).await;
    assert_eq!((act.operator.as_str(), act.reason), ("op-9@south", reason));
    let event = journal.answered("a1", "incident.closed", "op-9@south", Some(&act.nonce));
    gateway.send(Class::Arm, &event).await;
    gateway.forget(gateway.address.state("alarm", &id("a1"))).await;
    let settled = |view: &HandoverView| {
        view.handover.state == State::Ended
            && view.owed.is_none()
            && view.handover.acts.iter().all(|asked| asked.outcome.is_some())
    };
    let given = north.sees("the end", settled).await;
    let taken = south.sees("the end", settled).await;
    let kinds = |of: &Handover| {
        of.history.iter().map(|entry| (entry.seq, entry.kind.clone())).collect::<Vec<_>>()
    };
    assert_eq!(kinds(&given), kinds(&taken));
    assert_eq!(given.history.len(), 4);
    let late = south.desk.act(&handover, AlarmOp::Ack, "op-9", None, None).await.unwrap_err();
    assert!(late.to_string().contains("is ended already"), "{late}");
    north.handle.stop().await;
    south.handle.stop().await;
}

async fn what_is_refused_stays_and_what_a_peer_may_not_hand_over_is_refused_by_the_room(
    home: Home,
) {
    let rooms = Rooms::of(home).await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let (mut gateway, mut journal) = rooms.in_alarm().await;
    let handover = north.offers("a1").await;
    south.state(State::Offered).await;
    south.desk.refuse(&handover, "op-9", "not our street").await.unwrap();
    let refused = north.state(State::Refused).await;
    assert_eq!(refused.why.as_deref(), Some("not our street"));
    assert_eq!(refused.answered.unwrap().by, "op-9@south");
    let again = south.desk.accept(&handover, "op-9").await.unwrap_err();
    assert!(again.to_string().contains("refused already"), "{again}");
    // It is ours, and may be offered again; the file does not let burglaries come any more.
    let ack = does(&mut gateway, &mut journal, AlarmOp::Ack, "incident.acked", "op-7");
    let (acked, ()) = tokio::join!(north.acts(AlarmOp::Ack, "op-7", None), ack);
    assert_eq!(acked.unwrap(), Seq(3));
    south.handle.stop().await;
    let file = rooms.file("south.toml");
    let text = fs::read_to_string(&file).unwrap();
    fs::write(&file, format!("{text}may-offer = [\"panic\"]\n")).unwrap();
    let south = rooms.start("south").await;
    let second = north.offers("a1").await;
    let refused = north.sees("refused by the room", |view| {
        view.handover.id == second && view.handover.state == State::Refused
    });
    let refused = refused.await;
    assert_eq!((refused.why.as_deref(), refused.answered), (Some("class"), None));
    north.handle.stop().await;
    south.handle.stop().await;
}

async fn a_room_that_is_killed_between_its_commit_and_its_word_says_it_afterwards(home: Home) {
    let rooms = Rooms::of(home).await;
    let proxy = Proxy::start(rooms.broker.address()).await;
    // The giver, before its offer.
    let mut north = rooms.program("north", &proxy.url());
    let south = rooms.start("south").await;
    rooms.tool("north", &["handover", "list"]).await;
    let (mut gateway, mut journal) = rooms.in_alarm().await;
    within("north knows the incident", async {
        while !rooms.tool("north", &["incidents"]).await.contains(" a1 ") {}
    })
    .await;
    proxy.mute(true);
    let offer = ["handover", "offer", "g-1", "a1", "--to", "south", "--operator", "op-7"];
    let handover = id(rooms.tool("north", &offer).await.trim());
    let owed = |kind: &'static str| {
        move |view: &HandoverView| view.owed.as_ref().is_some_and(|owed| owed.kind == kind)
    };
    rooms.listed("north", "the offer is owed", owed("offer")).await;
    north.kill();
    assert!(south.desk.view().handovers.is_empty(), "nothing was said before the kill");
    proxy.mute(false);
    let mut north = rooms.program("north", &proxy.url());
    south.state(State::Offered).await;
    south.handle.stop().await;

    // The taker, before its word.
    let to_south = Proxy::start(rooms.broker.address()).await;
    let mut south = rooms.program("south", &to_south.url());
    rooms.listed("south", "the offer", |view| view.handover.state == State::Offered).await;
    to_south.mute(true);
    rooms.tool("south", &["handover", "accept", handover.as_str(), "--operator", "op-9"]).await;
    rooms.listed("south", "the word is owed", owed("accepted")).await;
    south.kill();
    let given = rooms.listed("north", "still ours", |_| true).await;
    assert_eq!(given.handover.state, State::Offered);
    to_south.mute(false);
    let _south = rooms.program("south", &to_south.url());
    rooms.listed("north", "handed over", |view| view.handover.state == State::Accepted).await;

    // The giver again, with an act that it has and the gateway has not.
    proxy.mute(true);
    let ack = ["handover", "act", handover.as_str(), "ack", "--operator", "op-9"];
    rooms.tool("south", &ack).await;
    rooms.listed("north", "the act is here", |view| view.handover.acts.len() == 1).await;
    north.kill();
    assert!(gateway.acts.try_recv().is_err(), "the gateway heard of it before the kill");
    proxy.mute(false);
    let mut north = rooms.program("north", &proxy.url());
    does(&mut gateway, &mut journal, AlarmOp::Ack, "incident.acked", "op-9@south").await;
    let done = |view: &HandoverView| {
        view.handover.acts.first().is_some_and(|asked| asked.outcome == Some(Outcome::Done(Seq(3))))
            && view.owed.is_none()
    };
    rooms.listed("south", "done", done).await;
    rooms.listed("north", "nothing is owed", done).await;
    // What comes twice is done once: the next that the gateway hears of is something else.
    let note = ["note", "g-1", "a1", "patrol goes", "--operator", "op-7"];
    let answer = does(&mut gateway, &mut journal, AlarmOp::Note, "incident.noted", "op-7");
    tokio::join!(rooms.tool("north", &note), answer);

    // And once more, when the gateway has the act and its event of it comes to nobody.
    let close = ["handover", "act", handover.as_str(), "close", "--operator", "op-9"];
    rooms.tool("south", &close).await;
    let act = gateway.act("a1", AlarmOp::Close).await;
    north.kill();
    let event = journal.answered("a1", "incident.closed", "op-9@south", Some(&act.nonce));
    gateway.send(Class::Arm, &event).await;
    gateway.forget(gateway.address.state("alarm", &id("a1"))).await;
    let _north = rooms.program("north", &proxy.url());
    let ended = |view: &HandoverView| {
        view.handover.state == State::Ended
            && view.handover.acts.last().unwrap().outcome == Some(Outcome::Done(Seq(5)))
    };
    rooms.listed("south", "closed, and by its own act", ended).await;
    rooms.listed("north", "closed", ended).await;
}

async fn what_is_forged_foreign_or_said_again_changes_nothing(home: Home) {
    let rooms = Rooms::of(home).await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let mut stranger = Stranger::at(&rooms.broker).await;
    let (mut _gateway, _journal) = rooms.in_alarm().await;
    let handover = north.offers("a1").await;
    let (topic, offer) = stranger.hears("offer").await;
    let parsed = HandoverTopic::parse(&topic).unwrap();
    assert_eq!((parsed.id.as_str(), parsed.district.as_str()), (handover.as_str(), "d-2"));
    south.state(State::Offered).await;

    // A word for the taker, by a key that is not the taker's; and one under no name that is known.
    let back = HandoverTopic {
        district: id("d-1"),
        to: id("north"),
        from: id("south"),
        id: handover.clone(),
    };
    let word = json!({"number": 1, "at": "2026-11-29T00:00:00.000Z", "kind": "accepted",
        "operator": "op-x"});
    let pair = ring::signature::Ed25519KeyPair::from_seed_unchecked(&[9; 32]).unwrap();
    let forged = sealed(&back.to_string(), &word, &pair);
    stranger.says(&back.to_string(), &forged).await;
    let west = HandoverTopic { from: id("west"), ..back.clone() };
    stranger.says(&west.to_string(), &sealed(&west.to_string(), &word, &pair)).await;
    // The real offer under another id, and under the same with a changed word.
    let other = HandoverTopic { id: id("h-0"), ..parsed.clone() };
    stranger.says(&other.to_string(), &offer).await;
    let changed = String::from_utf8(offer.clone()).unwrap().replace("op-7", "op-8");
    stranger.says(&topic, changed.as_bytes()).await;
    stranger.says(&topic, b"\x00 no message").await;
    // And as it is: a replay, which is confirmed again and done once.
    stranger.says(&topic, &offer).await;
    for _ in 0..2 {
        stranger.hears("receipt").await;
    }
    south.desk.refuse(&handover, "op-9", "no").await.unwrap();
    north.state(State::Refused).await;
    stranger.says(&topic, &offer).await;
    stranger.hears("receipt").await;
    let refusal = south.desk.view();
    assert_eq!(refusal.handovers.len(), 1);
    let matter = &refusal.handovers[0].handover;
    assert_eq!((matter.state, matter.offered.by.as_str()), (State::Refused, "op-7@north"));
    assert_eq!(north.desk.view().handovers[0].handover.why.as_deref(), Some("no"));
    north.handle.stop().await;
    south.handle.stop().await;
}

async fn while_the_broker_is_away_what_is_owed_is_shown_and_goes_when_it_is_back(home: Home) {
    let mut rooms = Rooms::of(home).await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let (mut gateway, mut journal) = rooms.in_alarm().await;
    let handover = north.offers("a1").await;
    south.state(State::Offered).await;
    rooms.broker.kill();
    // Its memory is lost with it: nothing of ours may lie there alone.
    rooms.broker.forget();
    south.desk.accept(&handover, "op-9").await.unwrap();
    let owed = south.sees("the word is owed", |view| {
        view.owed.as_ref().is_some_and(|owed| owed.kind == "accepted")
    });
    assert_eq!(owed.await.state, State::Accepted);
    assert_eq!(north.desk.view().handovers[0].handover.state, State::Offered);
    drop(gateway);
    rooms.broker.restart().await;
    north.state(State::Accepted).await;
    gateway = Gateway::connect(rooms.broker.address(), "g-1").await;
    gateway.incident("a1", Danger::Burglary, None, 1).await;
    gateway.status(GatewayState::Online, 1).await;
    south.desk.act(&handover, AlarmOp::Ack, "op-9", None, None).await.unwrap();
    does(&mut gateway, &mut journal, AlarmOp::Ack, "incident.acked", "op-9@south").await;
    south
        .sees("done, and nothing owed", |view| {
            view.handover.acts[0].outcome == Some(Outcome::Done(Seq(3))) && view.owed.is_none()
        })
        .await;
    north.handle.stop().await;
    south.handle.stop().await;
}

async fn what_a_broker_had_and_has_forgotten_is_said_again(home: Home) {
    let mut rooms = Rooms::of(home).await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let (_gateway, _journal) = rooms.in_alarm().await;
    // South has a session there: the broker takes the offer for it, and dies with it.
    south.handle.stop().await;
    let mut stranger = Stranger::at(&rooms.broker).await;
    let handover = north.offers("a1").await;
    stranger.hears("offer").await;
    north
        .sees("the broker has it, south has not", |view| {
            view.owed.as_ref().is_some_and(|owed| owed.kind == "offer" && owed.trouble.is_none())
        })
        .await;
    rooms.broker.kill();
    rooms.broker.forget();
    rooms.broker.restart().await;
    let south = rooms.start("south").await;
    let offered = south.state(State::Offered).await;
    assert_eq!(offered.id, handover);
    north.sees("nothing is owed any more", |view| view.owed.is_none()).await;
    north.handle.stop().await;
    south.handle.stop().await;
}

async fn a_guard_room_and_a_district_at_one_broker_hand_over_within_it(home: Home) {
    let rooms = Rooms::with(home, "d-1", "").await;
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    let (mut gateway, mut journal) = rooms.in_alarm().await;
    let handover = north.offers("a1").await;
    south.state(State::Offered).await;
    south.desk.accept(&handover, "op-9").await.unwrap();
    north.state(State::Accepted).await;
    // It is the taker's own gateway too: its operators' desk acts there, and signs for its room.
    let ack = does(&mut gateway, &mut journal, AlarmOp::Ack, "incident.acked", "op-9@south");
    let (acked, ()) = tokio::join!(south.acts(AlarmOp::Ack, "op-9", None), ack);
    assert_eq!(acked.unwrap(), Seq(3));
    let refused = north.acts(AlarmOp::Close, "op-7", None).await.unwrap_err();
    assert_eq!(refused, ActError::HandedOver(id("a1"), id("south")));
    let acked = |view: &HandoverView| view.handover.incident.acked.is_some();
    assert_eq!(
        north.sees("acked", acked).await.incident.acked.unwrap().0.as_deref(),
        Some("op-9@south")
    );
    assert_eq!(south.sees("acked", acked).await.incident.acked.unwrap().0.as_deref(), Some("op-9"));
    north.handle.stop().await;
    south.handle.stop().await;
}

on_both!(
    an_incident_goes_over_with_its_history_and_both_sides_acts_are_on_it,
    what_is_refused_stays_and_what_a_peer_may_not_hand_over_is_refused_by_the_room,
    a_room_that_is_killed_between_its_commit_and_its_word_says_it_afterwards,
    what_is_forged_foreign_or_said_again_changes_nothing,
    while_the_broker_is_away_what_is_owed_is_shown_and_goes_when_it_is_back,
    what_a_broker_had_and_has_forgotten_is_said_again,
    a_guard_room_and_a_district_at_one_broker_hand_over_within_it,
);

#[tokio::test]
async fn a_receiver_without_peers_ignores_what_rooms_say_and_its_silence_is_shown() {
    let rooms = Rooms::of(Home::sqlite()).await;
    let north = rooms.start("north").await;
    let deaf = ReceiverConfig { room: None, ..rooms.config("south") };
    let deaf = started(deaf).await;
    assert!(deaf.handovers().is_none());
    rooms.in_alarm().await;
    north.offers("a1").await;
    north
        .sees("nobody listens", |view| {
            let owed = view.owed.as_ref();
            owed.is_some_and(|owed| owed.trouble.as_deref() == Some("nobody_listens"))
        })
        .await;
    // Whoever waits in vain takes it back, and may offer it again.
    let waits = north.desk.view().handovers[0].handover.id.clone();
    north.desk.withdraw(&waits, "op-7").await.unwrap();
    assert_ne!(north.offers("a1").await, waits);
    assert_eq!(*deaf.snapshot().rooms, RoomsView::default());
    assert_eq!(deaf.snapshot().gateways.len(), 0);
    assert_eq!(deaf.snapshot().quarantined, 0);
    north.handle.stop().await;
    deaf.stop().await;
}

#[tokio::test]
async fn a_server_of_layout_2_gets_the_tables_of_handovers_and_keeps_its_events() {
    let rooms = Rooms::of(Home::postgres().await).await;
    let north = rooms.start("north").await;
    rooms.in_alarm().await;
    north.handle.stop().await;
    let postgres = rooms.home.postgres.as_ref().unwrap();
    let older = "SET search_path = gatehouse; DROP TABLE handovers, handover_messages; \
                 UPDATE layout SET version = 2";
    postgres.sql(older).await.unwrap();
    let unread = gatehouse_receiver::Store::open_to_read(postgres.database()).map(drop);
    assert!(unread.unwrap_err().to_string().contains("layout 2"));
    let (north, south) = (rooms.start("north").await, rooms.start("south").await);
    assert_eq!(north.handle.snapshot().received, 2);
    north.offers("a1").await;
    south.state(State::Offered).await;
    north.handle.stop().await;
    south.handle.stop().await;
}

#[tokio::test]
async fn a_peers_file_that_cannot_be_read_is_never_one_without_peers() {
    let rooms = Rooms::of(Home::sqlite()).await;
    let start = async |file: &str, content: Option<&str>| {
        let mut config = rooms.config("north");
        let path = rooms.file(file);
        if let Some(content) = content {
            fs::write(&path, content).unwrap();
        }
        config.room.as_mut().unwrap().peers = path;
        match Receiver::start(config).await {
            Err(StartError::Room(error)) => error.to_string(),
            other => panic!("{other:?}"),
        }
    };
    assert!(start("absent.toml", None).await.contains("absent.toml: No such file"));
    let wrong =
        start("wrong.toml", Some("[[peer]]\nname = \"South\"\ndistrict = \"d\"\nkey = \"\"\n"));
    let wrong = wrong.await;
    assert!(
        wrong.contains("line 2, column 8: name \"South\"") && wrong.contains("line 4, column 7"),
        "{wrong}"
    );
    let mut config = rooms.config("north");
    config.database = Database::Memory;
    let memory = Receiver::start(config).await.unwrap_err().to_string();
    assert!(memory.contains("needs a database that lasts"), "{memory}");
}
