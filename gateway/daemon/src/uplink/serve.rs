//! One connection from its first word to its last.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytes::Bytes;
use gatehouse_core::contract::{
    AlarmAct, AlarmOp, DistrictState, GatewayState, Receipt, SAY_AGAIN_S,
};
use gatehouse_core::event::{Class, with_replayed};
use gatehouse_core::id::Id;
use gatehouse_core::site::{self, Act, Command, Verb, Via};
use gatehouse_core::time::Mono;
use gatehouse_core::uplink::{Action, Input, Outgoing as _};
use gatehouse_journal::{Cursors, Marks, ReadError};
use tracing::{debug, warn};

use super::announce::{self, Control};
use super::commands::{Arrival, Say};
use super::home_assistant::HomeAssistant;
use super::link::{Link, LinkEvent, Message, Token, Wants};
use super::looks::Looks;
use super::{ARRIVAL, End, GRACE, Out, Uplinker, is_same_broker, stopped};
use crate::board::{AlarmsView, View};

/// Events of the link that are taken in one go.
const BATCH: usize = 256;

/// Bytes that one read of the journal may bring: as much as the window can hold of large events.
const READ_BYTES: usize = 2 << 20;

/// The shortest period of heartbeats, whatever the district asks for. The longest is the profile's.
const SHORTEST_HEARTBEAT: Duration = Duration::from_secs(5);

/// A door that goes on changing is shown at most so often: only its latest state counts, and each
/// costs the broker as much as an event. A lone change is shown at once.
const SHOW_EVERY: Duration = Duration::from_millis(250);

/// The acts whose nonces are remembered: a broker sends again what it saw no acknowledgement of.
const ACTS: usize = 256;

/// A command that nobody waits for.
const UNANSWERED: u64 = 0;

/// What belongs to one connection.
struct Connection {
    link: Link,
    /// Of the events of each class.
    topics: Vec<Bytes>,
    /// What was published of each thing, by its place on the board of this layout.
    shown: Vec<Shown>,
    layout: u64,
    /// A state is said again after so long, so that the broker does not forget it.
    say_again: Duration,
    /// When the next thing that goes on changing may be shown, or one is to be said again.
    next_show: Option<Mono>,
    /// What the broker was told to forget.
    gone: BTreeSet<(&'static str, Id)>,
    /// The version of each incident that was published or waits to be.
    incidents: BTreeMap<Id, u64>,
    heartbeat: Duration,
    next_heartbeat: Mono,
    /// What the control room last said of itself on this connection.
    host_online: Option<bool>,
    end: Option<End>,
}

/// What was published of a thing.
#[derive(Clone, Debug)]
struct Shown {
    kind: &'static str,
    id: Id,
    /// Its version; 0: nothing yet.
    version: u64,
    at: Option<Mono>,
    /// It waits in the machine's control queue.
    queued: bool,
}

impl Connection {
    /// The places of things have changed: what was published of them goes with them.
    fn follow(&mut self, view: &View) {
        let mut before = std::mem::take(&mut self.shown);
        let shown = view.things.iter().map(|thing| {
            let (kind, id) = (thing.thing.kind(), &thing.id);
            let known = before.iter().position(|shown| shown.kind == kind && shown.id == *id);
            match known {
                Some(place) => before.swap_remove(place),
                None => Shown { kind, id: id.clone(), version: 0, at: None, queued: false },
            }
        });
        self.shown = shown.collect();
        self.layout = view.layout;
        self.gone.retain(|key| view.gone.contains(key));
    }

    /// What cannot be read is not what is not there: the connection ends, so that the machine goes
    /// back to its cursors and asks again after the back-off.
    fn unreadable(&mut self, error: &ReadError) {
        warn!(%error, "the journal cannot be read");
        let why = "the journal cannot be read".to_owned();
        self.end.get_or_insert(End::Down { why, silent: false });
    }
}

impl Uplinker {
    pub(super) async fn serve(&mut self, link: Link, index: usize) -> End {
        let session_present = link.session_present;
        let receive_max = link.window;
        let parts = &self.parts;
        let now = self.now();
        let topics =
            Class::ALL.iter().map(|class| parts.config.address.events(*class).into()).collect();
        let mut connection = Connection {
            link,
            topics,
            shown: Vec::new(),
            // No board counts so far: the first look takes all.
            layout: u64::MAX,
            // A district that has connected at once does not say all again at once.
            say_again: Duration::from_secs(u64::from(SAY_AGAIN_S))
                .mul_f64(1.0 - fastrand::f64() / 2.0),
            next_show: None,
            gone: BTreeSet::new(),
            incidents: BTreeMap::new(),
            heartbeat: parts.config.uplink.heartbeat,
            next_heartbeat: now,
            host_online: None,
            end: None,
        };
        let mut changes = parts.board.watch();
        let mut heads = parts.heads.clone();
        let mut stop = self.stop.clone();
        let mut running = parts.running.clone();
        let mut looks = Looks::default();
        let mut batch = Vec::with_capacity(BATCH);

        // The order of a connection: starting, every retained state, desc, online; then events.
        self.feed(&mut connection, Input::Control(Control::Status(ARRIVAL[0])));
        self.show_states(&mut connection);
        self.feed(&mut connection, Input::Control(Control::Description));
        self.feed(&mut connection, Input::Control(Control::Status(ARRIVAL[1])));
        self.discover(&mut connection);
        let head = *heads.borrow_and_update();
        self.feed(&mut connection, Input::Head { alarm: head.alarm, normal: head.normal });
        let broker = &self.parts.config.brokers[index];
        let last = self.last_broker.as_ref();
        let other_broker = last.is_some_and(|last| !is_same_broker(last, broker));
        let random = fastrand::f64();
        let up = Input::Connected { session_present, receive_max, other_broker, random };
        self.feed(&mut connection, up);
        // What no broker has taken yet of what came of commands.
        for answered in self.commands.unsent() {
            self.feed(&mut connection, Input::Control(Control::Result(answered)));
        }

        loop {
            self.show_progress();
            self.commands.handed_over(self.machine.resending());
            // One at a time, and none before an alarm: on a slow line each takes seconds.
            if !self.machine.alarms_wait()
                && let Some(picture) = self.commands.next_picture()
            {
                self.feed(&mut connection, Input::Control(Control::Picture(picture)));
            }
            if let Some(end) = connection.end.take() {
                return end;
            }
            let wait = self.wake_at(&connection).since(self.now());
            tokio::select! {
                taken = connection.link.events.recv_many(&mut batch, BATCH) => {
                    if taken == 0 {
                        let why = "the link ended without a word".to_owned();
                        return End::Down { why, silent: false };
                    }
                    for event in batch.drain(..) {
                        self.link_event(&mut connection, event);
                    }
                }
                Ok(()) = heads.changed() => {
                    let head = *heads.borrow_and_update();
                    let (alarm, normal) = (head.alarm, head.normal);
                    self.feed(&mut connection, Input::Head { alarm, normal });
                }
                Ok(()) = changes.changed() => self.show_states(&mut connection),
                Some(say) = self.commands.says.recv() => self.say(&mut connection, say),
                () = stopped(&mut stop) => {
                    self.goodbye(connection).await;
                    return End::Stopped;
                }
                Ok(()) = running.changed() => {
                    if !self.takes_over() {
                        self.goodbye(connection).await;
                        return End::Reconfigured;
                    }
                    self.show_states(&mut connection);
                    self.feed(&mut connection, Input::Control(Control::Description));
                    self.feed(&mut connection, Input::Control(Control::Status(ARRIVAL[1])));
                    self.discover(&mut connection);
                }
                (path, found) = looks.ended() => {
                    let looked = self.standby.looked(path, found, self.now());
                    self.tell_path(looked.news);
                    self.note_paths();
                    if looked.go_back {
                        return End::GoBack(path);
                    }
                }
                () = tokio::time::sleep(wait) => {
                    self.feed(&mut connection, Input::Tick);
                    self.beat(&mut connection);
                    let now = self.now();
                    if connection.next_show.is_some_and(|at| at <= now) {
                        self.show_states(&mut connection);
                    }
                    while let Some(path) = self.standby.look(now) {
                        let config = &self.parts.config;
                        let id = config.address.gateway.to_string();
                        let within = config.uplink.reporting.connect_within();
                        looks.start(path, config.brokers[path].clone(), id, within);
                    }
                }
            }
        }
    }

    fn wake_at(&self, connection: &Connection) -> Mono {
        let deadlines = [
            self.machine.next_deadline(),
            Some(connection.next_heartbeat),
            self.standby.next_look(),
            connection.next_show,
        ];
        deadlines.into_iter().flatten().min().unwrap_or(connection.next_heartbeat)
    }

    fn beat(&mut self, connection: &mut Connection) {
        let now = self.now();
        if now < connection.next_heartbeat {
            return;
        }
        connection.next_heartbeat = now.plus(connection.heartbeat);
        self.note_paths();
        let nonce = self.commands.next_nonce(now);
        let period = connection.heartbeat;
        let beat = announce::heartbeat(&self.parts, &mut self.cpu, nonce, period);
        // QoS 0: a heartbeat that finds no room is late anyway.
        let _ = connection.link.publish_lossy(beat);
    }

    /// Queues each thing and incident whose state is newer than what was published and that may be shown now.
    fn show_states(&mut self, connection: &mut Connection) {
        let now = self.now();
        let mut newer = Vec::new();
        let mut incidents = Vec::new();
        connection.next_show = None;
        let board = self.parts.board.view();
        if connection.layout != board.layout {
            connection.follow(&board);
        }
        let gone: Vec<_> = board.gone.difference(&connection.gone).cloned().collect();
        for (shown, view) in connection.shown.iter_mut().zip(&board.things) {
            // A state that is queued already is rendered when its turn comes: only the latest.
            let again = shown.at.map(|at| at.plus(connection.say_again));
            let same = shown.version >= view.version && again.is_none_or(|at| at > now);
            if same || shown.queued {
                soonest(&mut connection.next_show, again.filter(|_| same));
                continue;
            }
            match shown.at.map(|at| at.plus(SHOW_EVERY)) {
                Some(at) if at > now => soonest(&mut connection.next_show, Some(at)),
                _ => {
                    shown.queued = true;
                    newer.push((shown.kind, shown.id.clone()));
                }
            }
        }
        // Incidents are few and each change of one matters.
        for (id, view) in &board.incidents {
            if connection.incidents.get(id).is_none_or(|shown| *shown < view.version) {
                incidents.push((id.clone(), view.version));
            }
        }
        drop(board);
        for (id, version) in incidents {
            connection.incidents.insert(id.clone(), version);
            self.feed(connection, Input::Control(Control::Incident(id)));
        }
        for (kind, id) in newer {
            self.feed(connection, Input::Control(Control::Thing(kind, id)));
        }
        for (kind, id) in gone {
            connection.gone.insert((kind, id.clone()));
            self.feed(connection, Input::Control(Control::Gone(kind, id)));
        }
    }

    fn link_event(&mut self, connection: &mut Connection, event: LinkEvent) {
        match event {
            LinkEvent::Acked(Token::Event(seq), ack) => {
                self.feed(connection, Input::Acked(seq, ack));
            }
            LinkEvent::Acked(Token::Control, _) => {
                self.feed(connection, Input::ControlAcked);
                if self.machine.control_is_done() {
                    self.home.settle(&self.parts.config, connection.heartbeat);
                }
            }
            LinkEvent::Acked(Token::Picture, ack) => {
                self.commands.picture_acked(ack);
                self.feed(connection, Input::ControlAcked);
            }
            LinkEvent::Acked(Token::Result(number), ack) => {
                self.commands.acked(number, ack);
                self.feed(connection, Input::ControlAcked);
            }
            LinkEvent::Message { topic, payload, retained, wants } => {
                if let Some(name) = self.parts.config.address.command_of(&topic) {
                    let name = name.to_owned();
                    self.command(connection, name, (payload, wants), retained);
                } else {
                    self.message(connection, &topic, &payload, retained);
                }
            }
            LinkEvent::Down(down, why) => {
                self.feed(connection, Input::Down(down));
                connection.end.get_or_insert(End::Down { why, silent: false });
            }
        }
    }

    fn message(&mut self, connection: &mut Connection, topic: &str, payload: &[u8], kept: bool) {
        let address = &self.parts.config.address;
        if topic == address.receipt() {
            match serde_json::from_slice::<Receipt>(payload) {
                // A kept receipt is an old one: it was never meant to be retained.
                Ok(_) if kept => warn!("a retained receipt is not believed"),
                Ok(receipt) => {
                    self.feed(connection, Input::Receipt(&receipt));
                    self.received();
                }
                Err(error) => warn!(%error, "a receipt cannot be read"),
            }
        } else if topic == address.district_state() {
            match serde_json::from_slice::<DistrictState>(payload) {
                Ok(state) => {
                    if let Some(replay) = state.replay {
                        self.feed(connection, Input::Replay(replay));
                    }
                    if let Some(period) = state.hb_s {
                        let period = Duration::from_secs(period.into()).max(SHORTEST_HEARTBEAT);
                        // Never so long that a failure would be known too late.
                        let period = period.min(self.parts.config.uplink.heartbeat);
                        if std::mem::replace(&mut connection.heartbeat, period) != period {
                            self.discover(connection);
                        }
                        let latest = self.now().plus(connection.heartbeat);
                        connection.next_heartbeat = connection.next_heartbeat.min(latest);
                    }
                    let arrived = state.online && connection.host_online != Some(true);
                    connection.host_online = Some(state.online);
                    if arrived {
                        self.feed(connection, Input::HostArrived);
                    }
                    let online = Some(state.online);
                    self.parts.board.note(|view| view.uplink.host_online = online);
                }
                Err(error) => warn!(%error, "the state of the control room cannot be read"),
            }
        } else if let Some(incident) = address.alarm_act_of(topic) {
            match serde_json::from_slice::<AlarmAct>(payload) {
                // Kept, it would be done again with every connection.
                Ok(_) if kept => warn!("a retained act on an incident is refused"),
                Ok(act) => self.act(incident, act),
                Err(error) => warn!(%error, "an act on an incident cannot be read"),
            }
        } else if HomeAssistant::birth(&self.parts.config).as_deref() == Some(topic) {
            if payload == b"online" {
                self.discover(connection);
            }
        } else {
            debug!(topic, "a message of no meaning here");
        }
    }

    /// The control room has something more: how long that took is the path's.
    fn received(&mut self) {
        let Some(path) = self.standby.active() else { return };
        let upto = self.machine.progress().host_upto;
        for took in self.transit.received(upto, self.now()) {
            self.ledgers.transmitted(path, took);
        }
    }

    /// Describes the gateway to Home Assistant, or takes back what was described.
    fn discover(&mut self, connection: &mut Connection) {
        for said in self.home.publications(&self.parts.config, connection.heartbeat) {
            self.feed(connection, Input::Control(Control::Discovery(said)));
        }
    }

    /// Hands a command to those who judge it.
    fn command(
        &mut self,
        connection: &mut Connection,
        name: String,
        (payload, wants): (Vec<u8>, Wants),
        retained: bool,
    ) {
        let now = self.now();
        let prefix = self.parts.config.address.to_string();
        let refused =
            self.commands.arrived(Arrival::new(name, payload, wants, retained, now), &prefix);
        if let Some(answered) = refused {
            self.feed(connection, Input::Control(Control::Result(answered)));
        }
    }

    /// What commands want of the connection.
    fn say(&mut self, connection: &mut Connection, say: Say) {
        match say {
            Say::Result(answered) => {
                let answered = self.commands.keep(answered);
                self.feed(connection, Input::Control(Control::Result(answered)));
            }
            Say::Picture(picture) => self.commands.keep_picture(picture),
            Say::Resend { from, to, told } => {
                if self.commands.resends(told) {
                    self.feed(connection, Input::Resend { from, to });
                }
            }
            Say::State { told } => {
                for shown in connection.shown.iter_mut().filter(|shown| !shown.queued) {
                    (shown.version, shown.at) = (0, None);
                }
                connection.incidents.clear();
                let count = connection.shown.len();
                self.show_states(connection);
                self.feed(connection, Input::Control(Control::Description));
                // Who asked may have gone away.
                let _ = told.send(count);
            }
        }
    }

    /// Hands an operator's act to the rules. What came of it is an event, and the incident's state.
    fn act(&mut self, incident: Id, act: AlarmAct) {
        if self.acts.contains(&act.nonce) {
            return;
        }
        if self.acts.len() >= ACTS {
            self.acts.pop_front();
        }
        self.acts.push_back(act.nonce.clone());
        let wanted = match act.op {
            AlarmOp::Ack => Act::Acknowledge,
            AlarmOp::Note => Act::Note(act.text.unwrap_or_default()),
            AlarmOp::Close => act.reason.map_or(Act::Close, Act::CloseAs),
            AlarmOp::Escalate => Act::Escalate,
        };
        let command = Command {
            id: UNANSWERED,
            via: Via::District,
            actor: Some(act.operator.chars().take(64).collect()),
            verb: Verb::IncidentOnce { nonce: act.nonce, id: incident, act: wanted },
            at: self.now(),
        };
        if self.parts.rules.try_send(site::Input::Command(command)).is_err() {
            warn!("an operator's act found no room; the control room sees that nothing came of it");
        }
    }

    /// Feeds the machine and does what it says, until it says nothing more.
    fn feed(&mut self, connection: &mut Connection, input: Input<'_, Out, Control>) {
        let now = self.now();
        let mut actions = VecDeque::from(self.machine.handle(input, now));
        while let Some(action) = actions.pop_front() {
            match action {
                Action::Read { lane, after, limit } => {
                    match self.parts.journal.read(Some(lane), after, limit, READ_BYTES) {
                        Ok(records) => {
                            let records = records.into_iter().map(Out).collect();
                            actions.extend(self.machine.handle(Input::Read(lane, records), now));
                        }
                        Err(error) => return connection.unreadable(&error),
                    }
                }
                Action::Fetch { from, to } => {
                    let limit = usize::try_from(to.0 - from.0 + 1).unwrap_or(usize::MAX);
                    match self.parts.journal.range(from, to, limit) {
                        Ok(records) => {
                            let records = records.into_iter().map(Out).collect();
                            let input = Input::Fetched { from, to, records };
                            actions.extend(self.machine.handle(input, now));
                        }
                        Err(error) => return connection.unreadable(&error),
                    }
                }
                Action::Publish { record, replayed } => {
                    self.transit.sent(record.seq(), record.stored());
                    publish(connection, &record, replayed);
                }
                Action::Control(control) => {
                    if let Control::Thing(kind, id) = &control {
                        let board = self.parts.board.view();
                        if connection.layout != board.layout {
                            connection.follow(&board);
                        }
                        if let Some(place) = board.place(kind, id) {
                            let shown = &mut connection.shown[place];
                            shown.queued = false;
                            shown.at = Some(now);
                            shown.version = board.things[place].version;
                        }
                    }
                    let token = match &control {
                        Control::Result(answered) => Token::Result(answered.number),
                        Control::Picture(_) => Token::Picture,
                        _ => Token::Control,
                    };
                    let message = announce::message(&self.parts, &control);
                    // A refusal means that the connection is over: its end comes as an event.
                    let _ = connection.link.publish(token, message);
                }
                Action::Mark { host_upto, alarm, normal } => {
                    let acked = Some(Cursors { alarm, normal });
                    let marks = Marks { host_upto: Some(host_upto), acked };
                    if let Err(error) = self.parts.journal.mark(marks) {
                        self.marked_ahead(error);
                    }
                }
                Action::Report(report) => self.report(report),
                Action::Disconnect { why, next_broker } => {
                    let why = why.to_owned();
                    connection.end = Some(End::Down { why, silent: next_broker });
                }
            }
        }
    }

    fn show_progress(&self) {
        let progress = self.machine.progress();
        let alarms =
            AlarmsView { upto: self.machine.alarm_head(), wait: self.machine.alarms_wait() };
        self.parts.board.note(|view| {
            view.uplink.progress = progress;
            view.uplink.alarms = alarms;
        });
    }

    /// Says that we stop, waits for what is in flight, and ends the session in order.
    async fn goodbye(&mut self, mut connection: Connection) {
        connection.shown.iter_mut().for_each(|shown| shown.at = None);
        self.show_states(&mut connection);
        self.feed(&mut connection, Input::Control(Control::Status(GatewayState::Stopping)));
        let until = self.now().plus(GRACE);
        while connection.end.is_none() {
            let left = until.since(self.now());
            // What is late is paced and may take hours: it waits for the next start.
            let in_flight = self.machine.progress().in_flight;
            if left.is_zero() || (in_flight == 0 && self.machine.control_is_done()) {
                break;
            }
            match tokio::time::timeout(left, connection.link.events.recv()).await {
                Ok(Some(event)) => self.link_event(&mut connection, event),
                Ok(None) | Err(_) => break,
            }
        }
        connection.link.disconnect();
        let drained = async { while connection.link.events.recv().await.is_some() {} };
        // Nothing more is expected; the broker's close is the sign that it has read us.
        let _ = tokio::time::timeout(Duration::from_secs(1), drained).await;
    }
}

/// The earlier of both.
fn soonest(next: &mut Option<Mono>, at: Option<Mono>) {
    *next = next.iter().copied().chain(at).min();
}

fn publish(connection: &mut Connection, record: &Out, replayed: bool) {
    let record = &record.0;
    let payload = if replayed {
        with_replayed(&record.payload).into()
    } else {
        Bytes::copy_from_slice(&record.payload)
    };
    let message = Message {
        topic: connection.topics[usize::from(record.class as u8)].clone(),
        payload,
        retain: false,
        expiry_s: None,
        properties: vec![
            ("seq".to_owned(), record.seq.to_string()),
            ("class".to_owned(), record.class.as_str().to_owned()),
            ("schema".to_owned(), "1".to_owned()),
        ],
        correlation: None,
    };
    // A refusal means that the connection is over: its end comes as an event.
    let _ = connection.link.publish(Token::Event(record.seq), message);
}
