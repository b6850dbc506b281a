//! What a page is told of a gateway and of an incident, as JSON.

use std::collections::BTreeMap;

use gatehouse_core::contract::Heartbeat;
use gatehouse_core::time::{ClockState, UtcMs};
use gatehouse_core::topic::Address;
use serde_json::{Value, json};

use super::scope::Scope;
use crate::protection::not_protecting;
use crate::responders::ToldLine;
use crate::snapshot::{GatewayView, IncidentView, Snapshot, ThingView};

/// Things that do not protect, told of one gateway; of more the count is told. Whoever looks at
/// the site sees all.
const BLIND: usize = 24;

/// `site/gateway`: the key of a gateway on the page.
pub(crate) fn key(address: &Address) -> String {
    format!("{}/{}", address.site, address.gateway)
}

/// One gateway in the overview: life, health, partitions, and what does not protect. `heard` is
/// when the last heartbeat came. The heartbeat stands there as it came, with whatever newer
/// gateways say in it.
pub(crate) fn gateway(
    address: &Address,
    view: &GatewayView,
    heard: Option<UtcMs>,
    scope: &Scope,
) -> Value {
    let mut blind = not_protecting(address.gateway.as_str(), view);
    blind.retain(|one| scope.kind(one.kind));
    let total = blind.len();
    blind.truncate(BLIND);
    let blind: Vec<_> = blind.iter().map(|one| json!([one.kind, one.id, one.why])).collect();
    let partitions = if scope.kind("partition") { things(&view.partitions) } else { json!({}) };
    // A page that shows them asks again when there are more.
    let pictures = if scope.kind("camera") { view.pictures } else { 0 };
    let beat: Option<&Heartbeat> = view.heartbeat.as_ref().map(|(_, beat)| &**beat);
    json!({
        "site": address.site.as_str(),
        "gateway": address.gateway.as_str(),
        "life": view.life,
        "upto": view.upto,
        "head": view.head,
        "missing": view.missing,
        "began_anew": view.began_anew,
        "conflicts": view.conflicts,
        "quarantined": view.quarantined,
        "breaks": view.breaks,
        "heard": heard.map(|at| at.0),
        "hb": beat,
        "partitions": partitions,
        "pictures": pictures,
        "blind": blind,
        "blind_total": total,
    })
}

/// Things of one kind: what is to be shown, since when, and the remarks.
fn things(all: &BTreeMap<String, ThingView>) -> Value {
    let of = |(id, thing): (&String, &ThingView)| {
        let since = (thing.shown != "unknown").then_some(thing.state.since.0);
        (id.clone(), json!({"state": thing.shown, "since": since, "flags": thing.flags()}))
    };
    Value::Object(all.iter().map(of).collect())
}

/// A site with every thing that its gateways have, as far as the account may see it.
pub(crate) fn site(snapshot: &Snapshot, site: &str, scope: &Scope) -> Value {
    let mut gateways = serde_json::Map::new();
    let of_site = snapshot.gateways.iter().filter(|(address, _)| address.site.as_str() == site);
    for (address, view) in of_site {
        let mut told = serde_json::Map::new();
        for (kind, all) in [
            ("door", &view.doors),
            ("zone", &view.zones),
            ("partition", &view.partitions),
            ("reader", &view.readers),
            ("output", &view.outputs),
            ("camera", &view.cameras),
        ] {
            if scope.kind(kind) {
                told.insert(kind.to_owned(), things(all));
            }
        }
        let mut blind = not_protecting(address.gateway.as_str(), view);
        blind.retain(|one| scope.kind(one.kind));
        let blind: Vec<_> = blind.iter().map(|one| json!([one.kind, one.id, one.why])).collect();
        let one = json!({"life": view.life, "things": told, "blind": blind});
        gateways.insert(address.gateway.to_string(), one);
    }
    json!({"site": site, "gateways": gateways})
}

/// One open incident. `began` is where its age counts from: its own time, unless the gateway's
/// clock is known to be wrong; then when it was first heard of here.
pub(crate) fn incident(
    address: &Address,
    gateway: &GatewayView,
    view: &IncidentView,
    told: &[ToldLine],
    now: UtcMs,
) -> Value {
    let incident = &view.state.incident;
    let never = gateway.heartbeat.as_ref().is_some_and(|(_, beat)| beat.clock == ClockState::Never);
    let sure = incident.since <= now && !never;
    let began = if sure { incident.since } else { view.received };
    let acked = incident.acked.as_ref().map(|(by, at)| json!({"by": by, "at": at.0}));
    let note = |note: &gatehouse_core::site::Note| json!({"by": note.by, "at": note.utc.0, "text": note.text});
    json!({
        "site": address.site.as_str(),
        "gateway": address.gateway.as_str(),
        "id": incident.id.as_str(),
        "phase": incident.phase.as_str(),
        "shown": view.shown,
        "danger": incident.danger.as_str(),
        "class": incident.class.as_str(),
        "severity": incident.severity,
        "partition": incident.partition.as_ref().map(gatehouse_core::id::Id::as_str),
        "began": began.0,
        "sure": sure,
        "received": view.received.0,
        "sources": incident.sources,
        "open": incident.open.iter().map(|(source, _)| source).collect::<Vec<_>>(),
        "acked": acked,
        "escalated": incident.escalated,
        "silent": view.is_silent(),
        "notes": incident.notes.iter().map(note).collect::<Vec<_>>(),
        "told": told.iter().map(told_line).collect::<Vec<_>>(),
    })
}

/// An attempt to tell a responder.
fn told_line(line: &ToldLine) -> Value {
    json!({
        "member": line.member.as_ref().map(gatehouse_core::id::Id::as_str),
        "list": line.list.as_str(),
        "way": line.way,
        "at": line.at.0,
        "why": line.why,
        "next": line.next.map(|at| at.0),
    })
}
