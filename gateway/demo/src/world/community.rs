//! The alarm sensors of the community and the partitions they belong to.
//!
//! All contacts are normally closed, as alarm contacts are: at rest the line is low, an activation
//! (or a cut wire) makes it high.

use std::fmt::Write as _;

use super::DOORS;

/// How a sensor is drawn, and how it is moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Look {
    Door,
    Gate,
    Window,
    Fence,
    Motion,
    Button,
    Silent,
    Water,
}

impl Look {
    /// The page's word.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Door => "door",
            Self::Gate => "gate",
            Self::Window => "window",
            Self::Fence => "fence",
            Self::Motion => "motion",
            Self::Button => "button",
            Self::Silent => "silent",
            Self::Water => "water",
        }
    }

    /// Whether it comes back to rest by itself: a person walks past, a button is let go.
    pub(crate) const fn is_pulse(self) -> bool {
        matches!(self, Self::Fence | Self::Motion | Self::Button | Self::Silent)
    }
}

/// One alarm sensor.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sensor {
    /// Its id in configuration and topics.
    pub(crate) id: &'static str,
    /// Its name for English readers.
    pub(crate) name_en: &'static str,
    /// Its name for Chinese readers.
    pub(crate) name_zh: &'static str,
    pub(crate) look: Look,
    /// Its partition; the panic buttons of the guard room have none.
    pub(crate) partition: Option<&'static str>,
    /// Its `kind` and what else the configuration says of it.
    keys: &'static str,
}

const fn sensor(
    id: &'static str,
    (name_en, name_zh): (&'static str, &'static str),
    look: Look,
    partition: Option<&'static str>,
    keys: &'static str,
) -> Sensor {
    Sensor { id, name_en, name_zh, look, partition, keys }
}

const PERIMETER: Option<&str> = Some("perimeter");
const LOBBY: Option<&str> = Some("lobby");
const GARAGE: Option<&str> = Some("garage");

const INSTANT: &str = "kind = \"instant\"\n";
const WAY_IN: &str = "kind = \"entry-exit\"\n";
/// Motion detectors see who lives here: they protect only when nobody is in, and are not recorded.
const MOTION: &str = "kind = \"follower\"\nmodes = [\"away\"]\nrecord = false\n";

/// The sensors; the line of each comes after those of the doors.
pub(crate) const SENSORS: [Sensor; 10] = [
    sensor("fence-north", ("North fence", "北侧围栏"), Look::Fence, PERIMETER, INSTANT),
    sensor("fence-east", ("East fence", "东侧围栏"), Look::Fence, PERIMETER, INSTANT),
    sensor("window", ("Window", "一层窗户"), Look::Window, PERIMETER, INSTANT),
    sensor("entrance", ("Main entrance", "大堂正门"), Look::Door, LOBBY, WAY_IN),
    sensor("lobby-motion", ("Lobby motion", "大堂红外"), Look::Motion, LOBBY, MOTION),
    sensor("garage-gate", ("Garage gate", "车库大门"), Look::Gate, GARAGE, WAY_IN),
    sensor("garage-motion", ("Garage motion", "车库红外"), Look::Motion, GARAGE, MOTION),
    sensor("garage-water", ("Water alarm", "车库水浸"), Look::Water, GARAGE, "kind = \"flood\"\n"),
    sensor("guard-panic", ("Panic button", "紧急按钮"), Look::Button, None, "kind = \"panic\"\n"),
    sensor(
        "guard-silent",
        ("Silent panic", "静默报警"),
        Look::Silent,
        None,
        "kind = \"silent-panic\"\n",
    ),
];

/// What is armed and disarmed as one.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Partition {
    /// Its id in configuration and topics.
    pub(crate) id: &'static str,
    /// Its name for English readers.
    pub(crate) name_en: &'static str,
    /// Its name for Chinese readers.
    pub(crate) name_zh: &'static str,
    /// Its delays.
    keys: &'static str,
}

/// Delays short enough to be watched; real ones are 30 s and more.
const DELAYS: &str = "exit-s = 8\nentry-s = 10\n\n[partition.home]\nexit-s = 0\nentry-s = 10\n\n\
                      [partition.night]\nexit-s = 0\nentry-s = 6\n";

pub(crate) const PARTITIONS: [Partition; 3] = [
    Partition {
        id: "perimeter",
        name_en: "Perimeter",
        name_zh: "周界",
        keys: "exit-s = 0\nentry-s = 0\n",
    },
    Partition { id: "lobby", name_en: "Lobby", name_zh: "大堂", keys: DELAYS },
    Partition { id: "garage", name_en: "Garage", name_zh: "车库", keys: DELAYS },
];

/// The line of the sensor with this id.
pub(crate) fn line_of(id: &str) -> Option<usize> {
    SENSORS.iter().position(|sensor| sensor.id == id).map(|place| DOORS.len() + place)
}

/// Partitions and zones, as the box's configuration has them.
pub(crate) fn toml() -> String {
    // Soon enough for a viewer to see what happens when nobody acknowledges.
    let mut toml = "\n[alarm]\nack-within-s = 30\n".to_owned();
    for partition in &PARTITIONS {
        let _ = write!(
            toml,
            "\n[[partition]]\nid = \"{}\"\nname = \"{}\"\nmodes = [\"away\", \"home\", \"night\"]\n{}",
            partition.id, partition.name_en, partition.keys
        );
    }
    for (place, sensor) in SENSORS.iter().enumerate() {
        let _ = write!(
            toml,
            "\n[[zone]]\nid = \"{}\"\nname = \"{}\"\ninput = \"sim:{}\"\n{}",
            sensor.id,
            sensor.name_en,
            DOORS.len() + place,
            sensor.keys
        );
        if let Some(partition) = sensor.partition {
            let _ = writeln!(toml, "partition = \"{partition}\"");
        }
    }
    toml
}
