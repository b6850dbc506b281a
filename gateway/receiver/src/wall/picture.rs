//! The district as the pages show it: painted once for all of them, piece by piece.
//!
//! A district has up to 3,000 gateways, so nobody is sent the whole more than once: each gateway
//! and each incident is a piece with the number of the picture in which it changed last, and a
//! page is sent what is newer than what it has.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::event::Class;
use gatehouse_core::time::{Now, UtcMs};
use gatehouse_core::topic::Address;
use serde_json::json;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};

use super::scope::Scope;
use super::view;
use crate::operator::Operator;
use crate::responders::Failing;
use crate::snapshot::{GatewayView, Link, Snapshot};
use crate::storms::StormView;

/// How often the receiver's board is looked at: an alarm is on the wall within a blink, and 3,000
/// gateways cost some milliseconds of a second.
const PAINT: Duration = Duration::from_millis(200);

/// One picture.
#[derive(Debug, Default)]
pub(crate) struct Picture {
    /// Counts the pictures.
    pub(crate) number: u64,
    /// What it was painted from.
    pub(crate) snapshot: Arc<Snapshot>,
    /// The receiver itself.
    pub(crate) room: Arc<str>,
    pub(crate) room_changed: u64,
    /// Faults of many gateways that are one matter, for whoever may see every site.
    pub(crate) storms: Arc<str>,
    pub(crate) storms_changed: u64,
    /// Other control rooms; what an account may see of them is told apart for each.
    pub(crate) rooms_changed: u64,
    /// By `site/gateway`.
    pub(crate) gateways: BTreeMap<String, Arc<Gateway>>,
    /// By `site/gateway/incident`.
    pub(crate) incidents: BTreeMap<String, Arc<Incident>>,
}

/// A gateway's piece.
#[derive(Debug)]
pub(crate) struct Gateway {
    /// The picture in which it changed last.
    pub(crate) changed: u64,
    pub(crate) address: Address,
    view: GatewayView,
    heard: Option<UtcMs>,
    /// For whoever may see every class.
    whole: String,
}

/// An incident's piece.
#[derive(Debug)]
pub(crate) struct Incident {
    /// The picture in which it changed last.
    pub(crate) changed: u64,
    pub(crate) site: Box<str>,
    pub(crate) class: Class,
    pub(crate) json: String,
}

impl Gateway {
    /// What an account may see of it.
    pub(crate) fn json(&self, scope: &Scope) -> String {
        if scope.classes.is_none() {
            return self.whole.clone();
        }
        view::gateway(&self.address, &self.view, self.heard, scope).to_string()
    }
}

/// Paints for as long as it is polled, or until no page can ever come again.
pub(crate) async fn paint(operator: Operator, picture: watch::Sender<Arc<Picture>>) {
    let mut ticks = interval(PAINT);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        let next = next(&picture.borrow(), operator.snapshot(), operator.time());
        picture.send_if_modified(|old| {
            let changed = next.number != old.number;
            // What is looked up in the snapshot must be of now, also where no page is told.
            *old = Arc::new(next);
            changed
        });
    }
}

fn next(old: &Picture, snapshot: Snapshot, now: Now) -> Picture {
    let number = old.number + 1;
    let mut changed = false;
    let mut gateways = BTreeMap::new();
    let mut incidents = BTreeMap::new();
    for (address, view) in &snapshot.gateways {
        let key = view::key(address);
        let piece = match old.gateways.get(&key) {
            Some(piece) if same(&piece.view, view) => Arc::clone(piece),
            known => {
                let at = |at| UtcMs(now.utc.0 - millis(now.mono.since(at)));
                let heard = view.heartbeat.as_ref().map(|(heard, _)| at(*heard));
                let whole = view::gateway(address, view, heard, &Scope::default()).to_string();
                let same = known.filter(|piece| piece.whole == whole);
                changed |= same.is_none();
                Arc::new(Gateway {
                    changed: same.map_or(number, |piece| piece.changed),
                    address: address.clone(),
                    view: view.clone(),
                    heard,
                    whole,
                })
            }
        };
        gateways.insert(key, piece);
        for (id, incident) in &*view.incidents {
            let key = format!("{}/{id}", view::key(address));
            let told =
                snapshot.told.of(&address.site, &address.gateway, &incident.state.incident.id);
            let json = view::incident(address, view, incident, told, now.utc).to_string();
            let piece = match old.incidents.get(&key) {
                Some(piece) if piece.json == json => Arc::clone(piece),
                _ => {
                    changed = true;
                    let class = incident.state.incident.class;
                    let site = address.site.as_str().into();
                    Arc::new(Incident { changed: number, site, class, json })
                }
            };
            incidents.insert(key, piece);
        }
    }
    changed |= old.gateways.keys().any(|key| !gateways.contains_key(key));
    changed |= old.incidents.keys().any(|key| !incidents.contains_key(key));
    let room = room(&snapshot);
    let same_room = *old.room == *room;
    let storms = storms(&snapshot);
    let same_storms = *old.storms == *storms;
    let same_rooms = old.snapshot.rooms == snapshot.rooms;
    changed |= !same_room || !same_storms || !same_rooms;
    Picture {
        number: if changed { number } else { old.number },
        rooms_changed: if same_rooms { old.rooms_changed } else { number },
        snapshot: Arc::new(snapshot),
        room: if same_room { Arc::clone(&old.room) } else { room.into() },
        room_changed: if same_room { old.room_changed } else { number },
        storms: if same_storms { Arc::clone(&old.storms) } else { storms.into() },
        storms_changed: if same_storms { old.storms_changed } else { number },
        gateways,
        incidents,
    }
}

fn millis(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).unwrap_or(i64::MAX)
}

/// The receiver: whether it hears its broker, and whether what it hears is committed.
fn room(snapshot: &Snapshot) -> String {
    let (link, why) = match &snapshot.link {
        Link::Up => ("up", None),
        Link::Connecting => ("connecting", None),
        Link::Down(why) => ("down", Some(why)),
    };
    // Paths and addresses stay in the log: only that it fails is told here.
    let untold = |one: &Failing| json!({"way": one.way, "since": one.since.0});
    json!({
        "link": link,
        "why": why.is_some(),
        "failing": snapshot.failing.is_some(),
        "untold": snapshot.told.failing.iter().map(untold).collect::<Vec<_>>(),
    })
    .to_string()
}

/// What of one kind has reached many gateways at about the same time.
fn storms(snapshot: &Snapshot) -> String {
    let of = |storm: &StormView| {
        json!({
            "type": storm.kind,
            "began": storm.began.0,
            "gateways": storm.gateways,
            "open": storm.open,
        })
    };
    serde_json::Value::Array(snapshot.storms.iter().map(of).collect()).to_string()
}

/// Whether nothing that is shown of a gateway can have changed. Its things are compared by where
/// they lie: what has moved is painted again, and then compared by its text.
fn same(old: &GatewayView, new: &GatewayView) -> bool {
    let counts = |view: &GatewayView| {
        let heard = view.heartbeat.as_ref().map(|(at, _)| *at);
        let log = (view.upto, view.head, view.missing, view.began_anew);
        let bad = (view.conflicts, view.quarantined, view.breaks);
        (view.life, view.session, log, bad, heard, view.pictures)
    };
    counts(old) == counts(new)
        && Arc::ptr_eq(&old.doors, &new.doors)
        && Arc::ptr_eq(&old.zones, &new.zones)
        && Arc::ptr_eq(&old.partitions, &new.partitions)
        && Arc::ptr_eq(&old.readers, &new.readers)
        && Arc::ptr_eq(&old.outputs, &new.outputs)
        && Arc::ptr_eq(&old.cameras, &new.cameras)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::life::Life;

    fn snapshot(lives: &[(&str, Life)]) -> Snapshot {
        let of = |(gateway, life): &(&str, Life)| {
            let id = |text: &str| text.parse().unwrap();
            let address = Address { district: id("d"), site: id("s"), gateway: id(gateway) };
            (address, GatewayView { life: *life, ..GatewayView::default() })
        };
        Snapshot { gateways: lives.iter().map(of).collect(), ..Snapshot::default() }
    }

    #[test]
    fn only_what_has_changed_gets_a_new_number() {
        let now = Now::default();
        let mut view = snapshot(&[("a", Life::Online), ("b", Life::Online)]);
        let first = next(&Picture::default(), view.clone(), now);
        assert_eq!((first.number, first.gateways.len()), (1, 2));
        let second = next(&first, view.clone(), now);
        assert_eq!(second.number, 1, "nothing has changed");
        for (address, gateway) in &mut view.gateways {
            if address.gateway.as_str() == "b" {
                gateway.life = Life::Lost;
            }
        }
        let third = next(&second, view, now);
        assert_eq!(third.number, 2);
        assert_eq!((third.gateways["s/a"].changed, third.gateways["s/b"].changed), (1, 2));
        assert!(third.gateways["s/b"].json(&Scope::default()).contains("\"lost\""));
        let gone = next(&third, snapshot(&[("a", Life::Online)]), now);
        assert_eq!(gone.number, 3, "one is gone");
        let link = Snapshot { link: Link::Up, ..snapshot(&[("a", Life::Online)]) };
        assert_eq!(next(&gone, link, now).room_changed, 4);
    }
}
