//! The measures of the paths, and their file.
//!
//! They are kept beside the journal: a path is judged by a week, and boxes are restarted. The file is
//! small (some 6 KB for each path) and written once an hour, when a path fails or works again, and at
//! the stop, so it costs flash next to nothing. What a crash takes is at most an hour of figures.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_config::Broker;
use gatehouse_core::contract::PathState;
use gatehouse_core::id::Id;
use gatehouse_core::time::{ClockState, Mono, Now, UtcMs};
use gatehouse_core::uplink::{KeptLedger, PathLedger, Standby};
use serde::{Deserialize, Serialize};
use tracing::warn;

/// Its name in the state folder.
const NAME: &str = "paths.json";

/// The form of the file.
const FORMAT: u32 = 1;

/// The largest file: that of eight paths takes a tenth of it.
const MAX_BYTES: u64 = 1 << 20;

const SAVE_EVERY: Duration = Duration::from_secs(3600);

#[derive(Debug, Default, Serialize, Deserialize)]
struct Kept {
    format: u32,
    /// When it was written, if the wall clock was known.
    utc: Option<UtcMs>,
    paths: BTreeMap<String, KeptPath>,
}

#[derive(Debug, Default, Serialize, Deserialize)]
struct KeptPath {
    #[serde(flatten)]
    ledger: KeptLedger,
    /// A fault of it stands in the record without its restore.
    fault: bool,
}

/// The ledgers of all paths, in the order of the configuration.
#[derive(Debug)]
pub(super) struct Ledgers {
    file: PathBuf,
    paths: Vec<(Id, PathLedger)>,
    save_at: Mono,
}

impl Ledgers {
    /// Goes on with what the file holds of these paths. Also says why the file was set aside, if it
    /// could not be read: then the figures begin anew, and say so by the time they are of.
    pub(super) fn open(
        dir: &Path,
        brokers: &[Broker],
        standby: &mut Standby,
        now: &Now,
    ) -> (Self, Option<String>) {
        let file = dir.join(NAME);
        let (kept, trouble) = match read(&file) {
            Ok(kept) => (kept, None),
            Err(error) => {
                warn!(file = %file.display(), %error, "the measures of the paths begin anew");
                // Kept for who wants to look; the next one that cannot be read takes its place.
                let aside = std::fs::rename(&file, file.with_extension("unreadable"));
                if let Err(error) = aside {
                    warn!(file = %file.display(), %error, "it cannot be set aside");
                }
                (Kept::default(), Some(error.to_string()))
            }
        };
        let known = now.clock != ClockState::Never;
        let away = kept.utc.filter(|_| known).map(|then| {
            let ms = u64::try_from(now.utc.0.saturating_sub(then.0)).unwrap_or(0);
            Duration::from_millis(ms)
        });
        let paths = brokers.iter().enumerate().map(|(place, broker)| {
            let ledger = match kept.paths.get(broker.id.as_str()) {
                Some(kept) => {
                    if kept.fault {
                        standby.was_told(place);
                    }
                    PathLedger::restored(&kept.ledger, away, now.mono)
                }
                None => PathLedger::new(now.mono),
            };
            (broker.id.clone(), ledger)
        });
        let paths = paths.collect();
        (Self { file, paths, save_at: now.mono.plus(SAVE_EVERY) }, trouble)
    }

    /// An event went over this path in so long.
    pub(super) fn transmitted(&mut self, path: usize, took: Duration) {
        if let Some((_, ledger)) = self.paths.get_mut(path) {
            ledger.transmitted(took);
        }
    }

    /// What is known of the paths now.
    pub(super) fn note(&mut self, standby: &Standby, now: Mono) {
        for (place, (_, ledger)) in self.paths.iter_mut().enumerate() {
            ledger.works(standby.works(place), now);
        }
    }

    /// Each path as the district is told of it.
    pub(super) fn states(&mut self, standby: &Standby, now: Mono) -> Vec<PathState> {
        let state = |(place, (id, ledger)): (usize, &mut (Id, PathLedger))| {
            let measures = ledger.measures(now);
            PathState {
                id: id.clone(),
                active: standby.active() == Some(place),
                works: standby.works(place),
                available_ppm: measures.available_ppm,
                observed_s: measures.observed_s,
                mean_ms: measures.mean_ms,
                p95_ms: measures.p95_ms,
                events: measures.events,
            }
        };
        self.paths.iter_mut().enumerate().map(state).collect()
    }

    /// When the file is to be written.
    pub(super) const fn save_at(&self) -> Mono {
        self.save_at
    }

    /// Writes the file. A disk that does not take it is the journal's to complain of.
    pub(super) fn save(&mut self, standby: &Standby, now: &Now) {
        self.save_at = now.mono.plus(SAVE_EVERY);
        let kept = |(place, (id, ledger)): (usize, &mut (Id, PathLedger))| {
            ledger.measures(now.mono);
            (id.to_string(), KeptPath { ledger: ledger.kept(), fault: standby.is_told(place) })
        };
        let kept = Kept {
            format: FORMAT,
            utc: (now.clock != ClockState::Never).then_some(now.utc),
            paths: self.paths.iter_mut().enumerate().map(kept).collect(),
        };
        let written = serde_json::to_vec(&kept).map_err(io::Error::from);
        if let Err(error) = written.and_then(|bytes| write(&self.file, &bytes)) {
            warn!(file = %self.file.display(), %error, "the measures of the paths are not kept");
        }
    }
}

fn read(file: &Path) -> io::Result<Kept> {
    let length = match std::fs::metadata(file) {
        Ok(facts) => facts.len(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Kept::default()),
        Err(error) => return Err(error),
    };
    if length > MAX_BYTES {
        return Err(io::Error::other(format!("{length} bytes, more than it can have")));
    }
    let kept: Kept = serde_json::from_slice(&std::fs::read(file)?)?;
    if kept.format != FORMAT {
        return Err(io::Error::other(format!("it is of format {}, not {FORMAT}", kept.format)));
    }
    Ok(kept)
}

/// Beside it first, so that a power cut leaves the old one or the new one.
fn write(file: &Path, bytes: &[u8]) -> io::Result<()> {
    let new = file.with_extension("new");
    let mut beside = File::create(&new)?;
    beside.write_all(bytes)?;
    beside.sync_all()?;
    std::fs::rename(&new, file)
}

#[cfg(test)]
mod tests {
    use gatehouse_config::Config;

    use super::*;

    fn brokers() -> Vec<Broker> {
        let text = "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\n\
                    [[broker]]\nid = \"wired\"\nhost = \"localhost\"\n\
                    [[broker]]\nid = \"mobile\"\nhost = \"localhost\"\ninterface = \"wwan0\"\n";
        Config::parse(text, "test").unwrap().brokers
    }

    fn now(s: u64) -> Now {
        Now {
            mono: Mono(s * 1_000_000_000),
            utc: UtcMs(i64::try_from(s * 1000).unwrap()),
            err_ms: Some(1),
            clock: ClockState::Synced,
        }
    }

    #[test]
    fn measures_and_open_faults_are_found_again_after_a_restart() {
        let dir = tempfile::tempdir().unwrap();
        let mut standby = Standby::new(2, Duration::from_secs(900));
        let (mut ledgers, trouble) = Ledgers::open(dir.path(), &brokers(), &mut standby, &now(0));
        assert_eq!(trouble, None);
        standby.connected(0, now(0).mono);
        ledgers.note(&standby, now(0).mono);
        ledgers.transmitted(0, Duration::from_millis(40));
        assert!(standby.failed(1, "no modem").is_some());
        ledgers.save(&standby, &now(100));
        let before = ledgers.states(&standby, now(100).mono);
        assert_eq!((before[0].active, before[0].available_ppm), (true, Some(1_000_000)));

        let mut again = Standby::new(2, Duration::from_secs(900));
        let (mut ledgers, trouble) = Ledgers::open(dir.path(), &brokers(), &mut again, &now(200));
        assert_eq!(trouble, None);
        let after = ledgers.states(&again, now(200).mono);
        assert_eq!((after[0].active, after[0].works), (false, None), "not looked at yet");
        assert_eq!((after[0].observed_s, after[0].mean_ms), (100, Some(40)));
        assert!(again.is_told(1), "the fault of then gets its restore");
        assert_eq!(again.connected(1, now(201).mono).map(|news| news.fault), Some(None));
    }

    #[test]
    fn a_file_that_cannot_be_read_is_set_aside_and_said() {
        let dir = tempfile::tempdir().unwrap();
        for damaged in ["", "{", "{\"format\":9,\"utc\":null,\"paths\":{}}"] {
            std::fs::write(dir.path().join(NAME), damaged).unwrap();
            let mut standby = Standby::new(2, Duration::from_secs(900));
            let (_, trouble) = Ledgers::open(dir.path(), &brokers(), &mut standby, &now(0));
            assert!(trouble.is_some(), "{damaged:?}");
            let aside = std::fs::read_to_string(dir.path().join("paths.unreadable")).unwrap();
            assert_eq!(aside, damaged);
            assert!(!dir.path().join(NAME).exists());
        }
    }
}
