//! What is to be seen in a clip: `tests/clips/labels.toml`.

use std::collections::BTreeMap;

use gatehouse_camera::picture::{Point, Polygon};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Labels {
    clip: Vec<Clip>,
}

/// A clip and its labels; times in seconds.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Clip {
    pub(crate) name: String,
    pub(crate) source: String,
    #[serde(default)]
    pub(crate) held_out: bool,
    /// Why nothing is asserted of it.
    pub(crate) weak: Option<String>,
    #[serde(default = "usual_size")]
    pub(crate) size: (u32, u32),
    #[serde(default = "usual_rate")]
    pub(crate) rate: u32,
    #[serde(default)]
    areas: BTreeMap<String, Vec<(f64, f64)>>,
    #[serde(default)]
    motion: Vec<Motion>,
    #[serde(default)]
    tamper: Vec<Tamper>,
    #[serde(default)]
    unsure: Vec<(f64, f64)>,
    #[serde(default)]
    quiet: Vec<(f64, f64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Motion {
    area: String,
    from: f64,
    to: f64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Tamper {
    kind: String,
    from: f64,
    #[serde(default = "never")]
    to: f64,
}

/// Something that has to be found.
pub(crate) struct Event {
    /// The area, or the kind of tamper.
    pub(crate) what: String,
    pub(crate) from: f64,
    pub(crate) to: f64,
    /// How long after its end it may still begin to be on: a picture, or 12 s of sizes.
    pub(crate) slack: f64,
    /// How long after its end it has to be off.
    pub(crate) most_late: f64,
}

fn usual_size() -> (u32, u32) {
    (640, 360)
}

fn usual_rate() -> u32 {
    15
}

fn never() -> f64 {
    1e9
}

pub(crate) fn clips() -> Vec<Clip> {
    let text = include_str!("../../../../tests/clips/labels.toml");
    toml::from_str::<Labels>(text).unwrap().clip
}

impl Clip {
    /// Whether it can be made everywhere.
    pub(crate) fn drawn(&self) -> bool {
        matches!(self.source.as_str(), "yard" | "curves")
    }

    /// Name and shape; all of the picture where there are no others.
    pub(crate) fn areas(&self) -> Vec<(String, Polygon)> {
        if self.areas.is_empty() {
            return vec![("all".to_owned(), Polygon::whole())];
        }
        let shape = |corners: &Vec<(f64, f64)>| {
            Polygon::new(corners.iter().map(|&(x, y)| Point { x, y }).collect()).unwrap()
        };
        self.areas.iter().map(|(name, corners)| (name.clone(), shape(corners))).collect()
    }

    pub(crate) fn events(&self) -> impl Iterator<Item = Event> + '_ {
        let motion = self.motion.iter().map(|motion| Event {
            what: motion.area.clone(),
            from: motion.from,
            to: motion.to,
            slack: 1.0,
            // What stands is told from what goes after 6 s; the hold, and a group of pictures.
            most_late: 11.0,
        });
        let tamper = self.tamper.iter().map(|tamper| Event {
            what: tamper.kind.clone(),
            from: tamper.from,
            to: tamper.to,
            slack: 0.0,
            most_late: 8.0,
        });
        motion.chain(tamper)
    }

    /// Whether an alarm that begins now and belongs to no event is a false one.
    pub(crate) fn counts(&self, what: &str, at: f64) -> bool {
        let within = |&(from, to): &(f64, f64)| at >= from && at <= to;
        let motion = self.areas().iter().any(|(area, _)| area == what);
        let border =
            |tamper: &Tamper| (at - tamper.from).abs() < 4.0 || (at - tamper.to).abs() < 4.0;
        if motion && (self.tamper.iter().any(border) || self.unsure.iter().any(within)) {
            return false;
        }
        self.quiet.is_empty() || self.quiet.iter().any(within)
    }
}
