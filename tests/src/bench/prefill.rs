//! A journal full of what doors do, written by the journal itself.

use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use gatehouse_core::event::Draft;
use gatehouse_core::id::Id;
use gatehouse_core::site::{Contact, DoorConfig, Effect, Input, Site, SiteConfig};
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_journal::{ClockSource, Journal, Options};
use gatehouse_tests::wait::boottime;

/// Events in one transaction.
const BATCH: u64 = 4096;

/// Stores so many events of so many doors in the journal of this folder.
pub(crate) fn fill(folder: &Path, doors: u32, count: u64) -> anyhow::Result<()> {
    let boot = std::fs::read_to_string("/proc/sys/kernel/random/boot_id")?.trim().to_owned();
    let gateway: Id = "g-1".parse()?;
    let clock = ClockSource::new(|| now(boottime()));
    let mut options = Options::new(folder, gateway, boot.clone(), clock);
    options.max_bytes = 2 << 30;
    let (journal, _) = Journal::open(options)?;
    let config = (0..doors).map(|door| {
        anyhow::Ok(DoorConfig::new(format!("door-{door}").parse()?, format!("sim:{door}")))
    });
    let config = SiteConfig { doors: config.collect::<Result<_, _>>()?, ..SiteConfig::default() };
    let mut site = Site::new(config, &boot);
    let mut stored = 0;
    let mut turn = 0;
    while stored < count {
        let mut drafts = Vec::new();
        while (drafts.len() as u64) < BATCH.min(count - stored) {
            drafts.extend(step(&mut site, turn, u64::from(doors)));
            turn += 1;
        }
        stored += drafts.len() as u64;
        journal.append_and_wait(drafts).context("store a batch")?;
    }
    journal.close();
    Ok(())
}

/// The next door opens, or closes, as the rules see it.
fn step(site: &mut Site, turn: u64, doors: u64) -> Vec<Draft> {
    let now = now(boottime());
    let contact = if (turn / doors).is_multiple_of(2) { Contact::Open } else { Contact::Closed };
    let door = usize::try_from(turn % doors).expect("a few doors");
    let input = Input::Contact { door, contact, at: now.mono, resynced: false };
    let effects = site.apply(input, &now).into_iter();
    effects
        .filter_map(|effect| match effect {
            Effect::Record(draft) => Some(draft),
            _ => None,
        })
        .collect()
}

fn now(mono: Mono) -> Now {
    // Wall time that begins in 2026 with the machine: nobody looks at it.
    let since = Duration::from_nanos(mono.0).as_millis();
    let utc = UtcMs(1_780_000_000_000 + i64::try_from(since).unwrap_or(0));
    Now { mono, utc, err_ms: Some(20), clock: ClockState::Synced }
}
