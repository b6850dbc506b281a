//! What would have been different under another configuration: recorded events are turned back into
//! what the wires and people did, and that is told to two sites, one as it is and one as proposed.
//!
//! [`Recording`] takes the events in their order and keeps steps, some hundred bytes each.
//! [`Recording::replay`] plays them. Deadlines fire at their own times in between; a start of the
//! box is one here too, with what each site kept.
//!
//! A record does not say everything. Where it says what came of something (an arming that was
//! refused, a bypass by force), the conditions that nobody recorded are set so that the site as it is
//! does what it did; how well that works is told beside the result ([`Replayed::faithful`]), and
//! what cannot be seen in a record at all stands in [`Replayed::not_comparable`].

mod compare;
mod player;
mod steps;
#[cfg(test)]
mod tests;

pub use compare::{Counts, Difference, How, Replayed, Told};
pub use steps::Recording;

use super::{LinesConfig, SiteConfig};

/// What can be replayed of a configuration: who was let in, and what locks did, was decided by what
/// no record has (cards, PINs, buttons), and is not decided again. What a schedule, a key or a round
/// did is replayed as it was: done again by the sites it would be done twice.
fn comparable(config: &SiteConfig) -> SiteConfig {
    let mut config = config.clone();
    for door in &mut config.doors {
        (door.forced, door.rex, door.lock, door.passage) = (false, None, None, None);
    }
    for zone in &mut config.zones {
        // What all its lines said together is recorded, not which of them said it.
        zone.latch = zone.latches();
        (zone.lines, zone.stuck) = (LinesConfig { second: None, fault: true, mask: true }, None);
        if let Some(help) = &mut zone.help {
            (help.reader, help.only_card) = (None, false);
        }
    }
    // What a zone of a camera said is recorded with the zone.
    config.cameras.clear();
    config.readers.clear();
    config.credentials.clear();
    config.schedules.clear();
    config.key_switches.clear();
    config.rounds.clear();
    config.checkpoints.clear();
    config.challenge = None;
    config
}
