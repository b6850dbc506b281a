//! `gatehouse events`: query the journal on this box, or follow it.
//!
//! It reads the journal's file by itself, so it works while the daemon is down; the daemon is only
//! asked when something new is there.

use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::process::ExitCode;
use std::str::FromStr;

use gatehouse_core::event::{Class, Event, Flag};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::site::is_silent_event;
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{Query, ReadError, Reader, Record};

use super::output::{self, Paint};
use super::{ConfigArg, load};
use crate::clock::Clock;

/// Events that one read of the journal brings.
const PAGE: usize = 1000;

#[derive(Clone, Debug, clap::Args)]
pub(super) struct EventsArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// Go on with every new event, as it is recorded.
    #[arg(short, long)]
    follow: bool,
    /// The newest N events; with --follow, so many of the past.
    #[arg(short = 'n', long, value_name = "N", default_value_t = 50)]
    last: usize,
    /// All events that match, not only the newest.
    #[arg(long, conflicts_with = "last")]
    all: bool,
    /// Only events after this one.
    #[arg(long, value_name = "SEQ")]
    after: Option<u64>,
    /// Only of this class: panic, alarm, tamper, fault, access, arm, camera, door, system, test.
    #[arg(long, value_parser = class)]
    class: Option<Class>,
    /// Only from this source, as door:lobby-main.
    #[arg(long, value_name = "KIND:ID")]
    source: Option<Source>,
    /// Only from then on: 2026-09-30T08:00:00Z, or 90s, 15m, 2h, 7d ago.
    #[arg(long, value_name = "TIME")]
    since: Option<When>,
    /// Only until then.
    #[arg(long, value_name = "TIME")]
    until: Option<When>,
    /// One line of JSON an event: the canonical bytes as they are recorded and sent.
    #[arg(long)]
    json: bool,
}

fn class(word: &str) -> Result<Class, String> {
    Class::from_word(word).ok_or_else(|| {
        let words: Vec<_> = Class::ALL.iter().map(|class| class.as_str()).collect();
        format!("there is no class {word}; allowed: {}", words.join(", "))
    })
}

#[derive(Clone, Debug)]
struct Source(String, Id);

impl FromStr for Source {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let (kind, id) = text.split_once(':').ok_or("write it as door:lobby-main")?;
        Ok(Self(kind.to_owned(), id.parse().map_err(|error| format!("{error}"))?))
    }
}

/// A time of the wall, or so many milliseconds ago.
#[derive(Clone, Copy, Debug)]
pub(super) enum When {
    At(UtcMs),
    Ago(i64),
}

impl FromStr for When {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let unit = text.char_indices().last().map_or(0, |(at, _)| at);
        let (number, unit) = text.split_at(unit);
        let factor = match unit {
            "s" => 1_000,
            "m" => 60_000,
            "h" => 3_600_000,
            "d" => 86_400_000,
            _ => 0,
        };
        if let (Ok(number), 1..) = (number.parse::<u32>(), factor) {
            return Ok(Self::Ago(i64::from(number) * factor));
        }
        let quoted = serde_json::Value::String(text.to_owned());
        serde_json::from_value(quoted)
            .map(Self::At)
            .map_err(|_| "write 2026-09-30T08:00:00Z, or 90s, 15m, 2h, 7d".to_owned())
    }
}

impl When {
    pub(super) fn utc(self, now: UtcMs) -> UtcMs {
        match self {
            Self::At(utc) => utc,
            Self::Ago(ms) => UtcMs(now.0 - ms),
        }
    }
}

pub(super) fn events(args: &EventsArgs) -> ExitCode {
    let config = match load(&args.config) {
        Ok(config) => config,
        Err(code) => return code,
    };
    let clock = Clock::system();
    let reader = Reader::open(&config.state_dir.join("journal"), clock.boot());
    let now = clock.now().utc;
    let query = Query {
        since: args.since.map(|when| when.utc(now)),
        until: args.until.map(|when| when.utc(now)),
        class: args.class,
        source: args.source.as_ref().map(|source| (source.0.clone(), source.1.clone())),
        after: args.after.map(Seq),
        newest_first: false,
        limit: PAGE,
    };
    let show = Show {
        json: args.json,
        paint: Paint(output::coloured(args.config.color, &std::io::stdout())),
    };
    let result = match (args.follow, args.all) {
        (true, _) => follow(&reader, &query, args, &show, &config.socket),
        (false, true) => page(&reader, query, &show).map(|_| ()),
        (false, false) => newest(&reader, &query, args.last, &show),
    };
    match result {
        Ok(()) | Err(Problem::Silent) => ExitCode::SUCCESS,
        Err(Problem::Read(error)) => {
            let dir = config.state_dir.join("journal");
            super::unreadable(&dir, &error)
        }
        Err(Problem::Gone(error)) => {
            output::eprint(&format!(
                "error: no gateway answers at {}: {error}\nhint: leave out --follow to see what \
                 is recorded\n",
                config.socket.display()
            ));
            ExitCode::FAILURE
        }
    }
}

enum Problem {
    /// Nobody reads what is printed.
    Silent,
    Read(ReadError),
    Gone(std::io::Error),
}

impl From<ReadError> for Problem {
    fn from(error: ReadError) -> Self {
        Self::Read(error)
    }
}

/// Shows everything that matches, page by page; says the last number.
fn page(reader: &Reader, mut query: Query, show: &Show) -> Result<Seq, Problem> {
    loop {
        let records = reader.query(&query)?;
        show.all(&records)?;
        let Some(last) = records.last() else { return Ok(query.after.unwrap_or_default()) };
        query.after = Some(last.seq);
        if records.len() < query.limit {
            return Ok(last.seq);
        }
    }
}

/// Shows the newest that match.
fn newest(reader: &Reader, query: &Query, last: usize, show: &Show) -> Result<(), Problem> {
    if last == 0 {
        return Ok(());
    }
    // Backwards from the end; `--after` bounds the other side.
    let backwards = Query { newest_first: true, limit: last, after: None, ..query.clone() };
    let mut records = reader.query(&backwards)?;
    records.retain(|record| query.after.is_none_or(|after| record.seq > after));
    records.reverse();
    show.all(&records)
}

fn follow(
    reader: &Reader,
    query: &Query,
    args: &EventsArgs,
    show: &Show,
    socket: &Path,
) -> Result<(), Problem> {
    let gone = Problem::Gone;
    let mut stream = UnixStream::connect(socket).map_err(gone)?;
    stream.write_all(b"follow\n").map_err(gone)?;
    let mut heads = BufReader::new(stream).lines();
    // The first line says where the journal stands: what comes after it is new.
    let mut head = next_head(&mut heads)?;
    let mut shown = if args.all || args.after.is_some() {
        page(reader, query.clone(), show)?.max(query.after.unwrap_or_default())
    } else {
        newest(reader, &Query { limit: args.last, ..query.clone() }, args.last, show)?;
        head
    };
    loop {
        if head > shown {
            shown = page(reader, Query { after: Some(shown), ..query.clone() }, show)?.max(head);
        }
        head = next_head(&mut heads)?;
    }
}

fn next_head(lines: &mut impl Iterator<Item = std::io::Result<String>>) -> Result<Seq, Problem> {
    let line = lines.next().ok_or_else(|| std::io::Error::other("it has stopped"));
    let line = line.and_then(|line| line).map_err(Problem::Gone)?;
    let head = line.parse().map_err(|_| std::io::Error::other("its answer cannot be read"));
    head.map(Seq).map_err(Problem::Gone)
}

struct Show {
    json: bool,
    paint: Paint,
}

impl Show {
    fn all(&self, records: &[Record]) -> Result<(), Problem> {
        let mut text = String::new();
        for record in records {
            let event = serde_json::from_slice::<Event>(&record.payload).ok();
            // What nobody at the site may notice is for the district alone.
            if event.as_ref().is_some_and(|event| is_silent_event(&event.draft)) {
                continue;
            }
            if self.json {
                text.push_str(&String::from_utf8_lossy(&record.payload));
                text.push('\n');
            } else {
                self.line(record, event.as_ref(), &mut text);
            }
        }
        if output::print(&text) { Ok(()) } else { Err(Problem::Silent) }
    }

    fn line(&self, record: &Record, event: Option<&Event>, text: &mut String) {
        let paint = self.paint;
        let Some(event) = event else {
            let _ = writeln!(text, "{:>8}  {}", record.seq, paint.bad("cannot be read"));
            return;
        };
        let draft = &event.draft;
        let what = format!("{:<22}", draft.kind);
        let what = match record.class {
            Class::Panic | Class::Alarm | Class::Tamper => paint.bad(&what),
            Class::Fault => paint.warn(&what),
            _ => what,
        };
        let _ = write!(
            text,
            "{:>8}  {}  {what} {}:{}",
            record.seq, draft.time.utc, draft.source.kind, draft.source.id
        );
        if let Some(cause) = &draft.cause {
            let _ = write!(text, "  {cause}");
        }
        if let Some(detail) = &draft.detail {
            let _ = write!(text, "  {}", paint.dim(&detail.to_string()));
        }
        for flag in &draft.flags {
            let word = match flag {
                Flag::WhileDown => "while down",
                Flag::Resynced => "resynced",
                Flag::Replayed => "replayed",
            };
            let _ = write!(text, "  [{}]", paint.warn(word));
        }
        text.push('\n');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_read_as_people_write_them() {
        assert!(matches!("2h".parse(), Ok(When::Ago(7_200_000))));
        assert!(matches!("2026-09-21T14:13:20Z".parse(), Ok(When::At(UtcMs(1_790_000_000_000)))));
        for wrong in ["", "h", "2y", "yesterday", "-2h", "日"] {
            assert!(wrong.parse::<When>().is_err(), "{wrong}");
        }
    }
}
