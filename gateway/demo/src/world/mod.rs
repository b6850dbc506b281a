//! The community: doors, alarm sensors, the wires from their contacts, and the people who use the
//! doors.
//!
//! The world outlives the box. It goes on while the box has no power, and a box that comes back
//! finds the wires as they are at that moment, not as it left them. Each door and each sensor has one
//! line with a normally-closed contact to ground and a pull-up: at rest, closed contact, level 0;
//! open or active, open contact, level 1.

pub(crate) mod camera;
pub(crate) mod community;
pub(crate) mod people;
mod wiring;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;

use crate::clock;

pub(crate) use wiring::{ListenError, Wiring};

/// One door of the building.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Door {
    /// Its id in configuration and topics.
    pub(crate) id: &'static str,
    /// Its name for English readers.
    pub(crate) name_en: &'static str,
    /// Its name for Chinese readers.
    pub(crate) name_zh: &'static str,
    /// How people use it.
    pub(crate) habit: people::Habit,
}

const fn door(
    id: &'static str,
    name_en: &'static str,
    name_zh: &'static str,
    idle_s: f64,
    open_s: (f64, f64),
    propped: f64,
) -> Door {
    Door { id, name_en, name_zh, habit: people::Habit { idle_s, open_s, propped } }
}

/// The building has eight doors; the index is also the number of the line.
pub(crate) const DOORS: [Door; 8] = [
    door("lobby-north", "North lobby", "北门厅", 9.0, (1.2, 3.0), 0.02),
    door("lobby-south", "South lobby", "南门厅", 12.0, (1.2, 3.0), 0.02),
    door("garden-gate", "Garden gate", "花园门", 17.0, (2.0, 5.0), 0.08),
    door("garage", "Garage stairs", "车库楼梯门", 15.0, (3.0, 6.0), 0.04),
    door("parcel-room", "Parcel room", "快递间", 20.0, (2.0, 6.0), 0.10),
    door("bike-store", "Bicycle store", "自行车房", 25.0, (2.0, 6.0), 0.06),
    door("plant-room", "Plant room", "设备间", 60.0, (3.0, 8.0), 0.10),
    door("roof", "Roof", "屋顶", 70.0, (4.0, 8.0), 0.25),
];

/// After so many seconds open, a door counts as held open. Real sites use 30 to 60; a viewer of
/// the demo would not wait that long.
pub(crate) const HELD_OPEN_S: u32 = 8;

/// How long a pulse lasts: as a detector holds its relay, and well above the 400 ms that an alarm
/// input must always report.
const PULSE: Duration = Duration::from_secs(2);

/// Edges that may wait for one box. A box that reads slower than that loses edges, as a kernel's
/// FIFO does, and sees it by the gap in the line's numbers.
const EDGES_QUEUED: usize = 1024;

/// The lines of the box: those of the doors, then those of the sensors.
pub(crate) const LINES: usize = DOORS.len() + community::SENSORS.len();

/// How often something moved.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Moves {
    /// Edges since the demo began.
    pub(crate) edges: u64,
    /// Of these, the ones that no box saw, since none was connected.
    pub(crate) in_the_dark: u64,
}

impl Moves {
    /// Those that a powered box saw.
    pub(crate) const fn seen(self) -> u64 {
        self.edges - self.in_the_dark
    }
}

/// What is known of the world without asking the box.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct WorldView {
    /// Which lines are open: a door stands open, a sensor is active.
    pub(crate) open: [bool; LINES],
    /// Of doors: each is an event of its own.
    pub(crate) doors: Moves,
    /// Of sensors: what becomes an event depends on what is armed.
    pub(crate) sensors: Moves,
}

/// The wires between doors and box. Cheap to clone; all clones are the same building.
#[derive(Clone, Debug)]
pub(crate) struct World {
    wires: Arc<Mutex<Wires>>,
    view: watch::Sender<WorldView>,
}

#[derive(Debug, Default)]
struct Wires {
    view: WorldView,
    boxes: Vec<Cable>,
}

/// The cable to one connected box.
#[derive(Debug)]
struct Cable {
    lines: mpsc::Sender<String>,
    /// The last number given to an edge of each line on this connection.
    seqno: [u64; LINES],
}

impl World {
    /// A community with every door closed and every sensor at rest.
    pub(crate) fn new() -> Self {
        let view = watch::Sender::new(WorldView::default());
        Self { wires: Arc::default(), view }
    }

    /// What happens in the building, without the box.
    pub(crate) fn watch(&self) -> watch::Receiver<WorldView> {
        self.view.subscribe()
    }

    /// Opens or closes a door, or makes a sensor active or calm. `false` when it stood like that
    /// already, so that no edge came.
    pub(crate) fn swing(&self, line: usize, open: bool) -> bool {
        let mut wires = self.lock();
        match wires.view.open.get_mut(line) {
            Some(now) if *now != open => *now = open,
            _ => return false,
        }
        let at = clock::monotonic_ns();
        wires.boxes.retain(|cable| !cable.lines.is_closed());
        let dark = wires.boxes.is_empty();
        let view = &mut wires.view;
        let moves = if line < DOORS.len() { &mut view.doors } else { &mut view.sensors };
        moves.edges += 1;
        moves.in_the_dark += u64::from(dark);
        for cable in &mut wires.boxes {
            cable.seqno[line] += 1;
            // A full queue loses this edge; its number is spent, so the box sees the gap.
            let _ = cable.lines.try_send(format!(
                "edge {line} {} {at} {}\n",
                u8::from(open),
                cable.seqno[line]
            ));
        }
        self.view.send_replace(wires.view);
        true
    }

    /// Makes a sensor active for a moment, as somebody who walks past or presses a button.
    /// `false` when it was active already.
    pub(crate) fn pulse(&self, line: usize, tasks: &mut JoinSet<()>) -> bool {
        if !self.swing(line, true) {
            return false;
        }
        let world = self.clone();
        tasks.spawn(async move {
            tokio::time::sleep(PULSE).await;
            world.swing(line, false);
        });
        true
    }

    /// Connects a box. The queue begins with the level of every line and `ready`; since it is
    /// filled under the same lock that [`World::swing`] takes, no edge can fall between.
    fn connect(&self) -> (mpsc::Sender<String>, mpsc::Receiver<String>) {
        let (lines, queue) = mpsc::channel(EDGES_QUEUED);
        let mut wires = self.lock();
        for line in 0..LINES {
            let _ = lines.try_send(wires.level(line));
        }
        let _ = lines.try_send("ready\n".to_owned());
        wires.boxes.push(Cable { lines: lines.clone(), seqno: [0; LINES] });
        (lines, queue)
    }

    /// The answer to `get`.
    fn level(&self, line: usize) -> Option<String> {
        (line < LINES).then(|| self.lock().level(line))
    }

    fn lock(&self) -> MutexGuard<'_, Wires> {
        // Nothing inside the lock can panic half way through a change.
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    fn level(&self, line: usize) -> String {
        format!("level {line} {} {}\n", u8::from(self.view.open[line]), clock::monotonic_ns())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_box_finds_the_wires_as_they_are_and_then_sees_every_edge_in_order() {
        let world = World::new();
        assert!(world.swing(2, true));
        assert!(!world.swing(2, true), "an open door cannot be opened");
        assert!(!world.swing(99, true), "there is no such door");
        let (_, mut queue) = world.connect();
        world.swing(2, false);
        world.swing(2, true);

        let mut lines = Vec::new();
        while let Ok(line) = queue.try_recv() {
            lines.push(line);
        }
        assert_eq!(lines.len(), LINES + 1 + 2);
        assert!(lines[2].starts_with("level 2 1 "), "{}", lines[2]);
        assert!(lines[3].starts_with("level 3 0 "), "{}", lines[3]);
        assert_eq!(lines[LINES], "ready\n");
        let [off, on] = [&lines[LINES + 1], &lines[LINES + 2]];
        assert!(off.starts_with("edge 2 0 ") && off.ends_with(" 1\n"), "{off}");
        assert!(on.starts_with("edge 2 1 ") && on.ends_with(" 2\n"), "{on}");
        let view = *world.watch().borrow();
        assert_eq!(view.doors, Moves { edges: 3, in_the_dark: 1 });
        assert!(world.swing(DOORS.len(), true), "a sensor");
        let view = *world.watch().borrow();
        assert_eq!((view.doors.edges, view.sensors.seen()), (3, 1));
    }

    #[test]
    fn a_box_that_does_not_read_sees_a_gap_in_the_numbers_instead_of_holding_up_the_doors() {
        let world = World::new();
        let (_, mut queue) = world.connect();
        for n in 0..2 * EDGES_QUEUED {
            world.swing(0, n % 2 == 0);
        }
        let mut last = String::new();
        while let Ok(line) = queue.try_recv() {
            last = line;
        }
        world.swing(0, true);
        let next = queue.try_recv().unwrap();
        let number = |line: &str| line.trim().rsplit(' ').next().unwrap().parse::<u64>().unwrap();
        assert!(number(&next) > number(&last) + 1, "{last} {next}");
    }
}
