//! What does not protect at this moment, and why: for the table and the wall.

use std::collections::BTreeMap;

use gatehouse_core::time::ClockState;

use crate::life::Life;
use crate::snapshot::{GatewayView, ThingView};

/// One thing that does not do its work.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Blind {
    /// `gateway`, `clock`, `unit`, `door`, `zone`, `reader`, `output`, `camera`.
    pub(crate) kind: &'static str,
    /// Which.
    pub(crate) id: String,
    /// Its state or its remark, as `unknown`, `bypassed`, `masked`.
    pub(crate) why: String,
}

/// Everything of a gateway, itself first. Of one that is not heard of nothing else is told: all it
/// has is unknown for that reason.
pub(crate) fn not_protecting(gateway: &str, view: &GatewayView) -> Vec<Blind> {
    let blind = |kind, id: &str, why: &str| Blind { kind, id: id.to_owned(), why: why.to_owned() };
    let mut all = Vec::new();
    if view.life != Life::Online {
        all.push(blind("gateway", gateway, view.life.as_str()));
    }
    if !matches!(view.life, Life::Online | Life::Suspect) {
        return all;
    }
    if let Some((_, beat)) = &view.heartbeat {
        if beat.clock == ClockState::Never {
            all.push(blind("clock", gateway, "never"));
        }
        all.extend(beat.degraded.iter().map(|unit| blind("unit", unit, "degraded")));
    }
    all.extend(things(view));
    all
}

/// Each door, zone, reader, output and camera that does not do its work.
pub(crate) fn things(view: &GatewayView) -> Vec<Blind> {
    let flagged = |thing: &ThingView, flags: &[&str]| {
        thing.flags().iter().find(|flag| flags.contains(&flag.as_str())).cloned()
    };
    let door = |thing: &ThingView| match &*thing.shown {
        why @ ("unknown" | "fault" | "tamper") => Some(why.to_owned()),
        _ => flagged(thing, &["tamper", "fault", "rex-stuck"]),
    };
    let zone = |thing: &ThingView| match &*thing.shown {
        "normal" | "active" => flagged(thing, &["bypassed", "shut-down", "soak", "trouble"]),
        why => Some(why.to_owned()),
    };
    let reader = |thing: &ThingView| match &*thing.shown {
        "online" => flagged(thing, &["tamper", "power", "insecure", "locked-out"]),
        why => Some(why.to_owned()),
    };
    let output = |thing: &ThingView| match &*thing.shown {
        why @ ("unknown" | "fault") => Some(why.to_owned()),
        _ => flagged(thing, &["fault", "tamper"]),
    };
    // One whose picture is wrong is told by that: what it sends is no use, however well it comes.
    let camera = |thing: &ThingView| {
        let wrong = flagged(thing, &["lost", "covered", "moved", "blinded", "defocused", "frozen"]);
        match &*thing.shown {
            "up" => wrong,
            "degraded" => wrong.or_else(|| Some("degraded".to_owned())),
            why => Some(why.to_owned()),
        }
    };
    let mut blind = Vec::new();
    let mut look =
        |kind, things: &BTreeMap<String, ThingView>, why: &dyn Fn(&ThingView) -> Option<String>| {
            for (id, thing) in things {
                if let Some(why) = why(thing) {
                    blind.push(Blind { kind, id: id.clone(), why });
                }
            }
        };
    look("door", &view.doors, &door);
    look("zone", &view.zones, &zone);
    look("reader", &view.readers, &reader);
    look("output", &view.outputs, &output);
    look("camera", &view.cameras, &camera);
    blind
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use gatehouse_core::contract::RetainedState;
    use gatehouse_core::id::Seq;
    use gatehouse_core::time::UtcMs;

    use super::*;

    fn thing(state: &'static str, flags: &[&str]) -> ThingView {
        let state = RetainedState {
            state: state.into(),
            since: UtcMs(0),
            seq: Seq(1),
            valid_s: 90,
            flags: flags.iter().map(|flag| (*flag).to_owned()).collect(),
            session: 1,
        };
        ThingView { shown: state.state.clone().into_owned(), state, received: UtcMs(0) }
    }

    #[test]
    fn a_lost_gateway_is_told_once_and_a_suspect_one_with_all_it_has() {
        let of = |all: &[(&str, ThingView)]| {
            Arc::new(all.iter().map(|(id, thing)| ((*id).to_owned(), thing.clone())).collect())
        };
        let mut view = GatewayView {
            life: Life::Suspect,
            doors: of(&[("back", thing("unknown", &[])), ("front", thing("open", &["forced"]))]),
            zones: of(&[
                ("hall", thing("active", &["bypassed"])),
                ("stair", thing("masked", &[])),
                ("yard", thing("normal", &["alarm"])),
            ]),
            readers: of(&[("north", thing("online", &["insecure"]))]),
            outputs: of(&[("siren", thing("on", &[]))]),
            cameras: of(&[
                ("drive", thing("up", &[])),
                ("gate", thing("degraded", &["covered"])),
                ("hall", thing("silent", &["lost", "moved"])),
                ("yard", thing("degraded", &[])),
            ]),
            ..GatewayView::default()
        };
        let told = |view: &GatewayView| {
            let all = not_protecting("g-1", view);
            all.into_iter().map(|one| format!("{} {} {}", one.kind, one.id, one.why)).collect()
        };
        let all: Vec<String> = told(&view);
        assert_eq!(
            all,
            [
                "gateway g-1 suspect",
                "door back unknown",
                "zone hall bypassed",
                "zone stair masked",
                "reader north insecure",
                "camera gate covered",
                "camera hall silent",
                "camera yard degraded"
            ]
        );
        view.life = Life::Lost;
        let all: Vec<String> = told(&view);
        assert_eq!(all, ["gateway g-1 lost"]);
        view.life = Life::Online;
        view.zones = Arc::default();
        view.doors = Arc::default();
        view.readers = Arc::default();
        view.cameras = Arc::default();
        assert!(not_protecting("g-1", &view).is_empty());
    }
}
