//! `gatehouse evidence`: what is kept of cameras on this box, and one of it opened.
//!
//! Each look is an event, and that event is on the flash before a byte is given out: so the gateway must
//! run. Who has the medium and a key needs neither this program nor the gateway: `age -d` opens the same
//! files.

use std::fmt::Write as _;
use std::fs::File;
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatehouse_camera::seal;
use gatehouse_config::{Config, PasswordSource};
use gatehouse_core::checkpoint::to_hex;
use gatehouse_core::event::Event;
use gatehouse_core::id::Seq;
use gatehouse_core::sealed::Identity;
use gatehouse_core::site::is_silent_event;
use gatehouse_core::time::UtcMs;
use gatehouse_journal::{Query, Reader};
use ring::digest::{Context, SHA256};
use serde_json::json;

use super::{ConfigArg, EX_CONFIG, EX_NOPERM, EX_SOFTWARE, load, output, status};
use crate::clock::Clock;
use crate::control::Wish;
use crate::unit::camera::content::Content;
use crate::unit::camera::evidence::{self, FOLDERS};

#[derive(Clone, Debug, clap::Args)]
pub(super) struct EvidenceArgs {
    #[command(subcommand)]
    act: Act,
}

#[derive(Clone, Debug, clap::Subcommand)]
enum Act {
    /// List pictures and clips, the newest last.
    List {
        /// One JSON object a line.
        #[arg(long)]
        json: bool,
        #[command(flatten)]
        config: ConfigArg,
    },
    /// Write one into a file, opened if it is sealed. That is an event, with who and which.
    Open {
        /// Its name, as `list` has it.
        name: String,
        /// Where to: a file that is not there yet.
        #[arg(short, long, value_name = "FILE")]
        out: PathBuf,
        /// The secret key of age, where this box has none.
        #[arg(short, long, value_name = "FILE")]
        identity: Option<PathBuf>,
        #[command(flatten)]
        config: ConfigArg,
    },
}

pub(super) fn evidence(args: &EvidenceArgs) -> ExitCode {
    match &args.act {
        Act::List { json, config } => with(config, |config| list(config, *json)),
        Act::Open { name, out, identity, config } => {
            with(config, |config| open(config, name, out, identity.as_deref()))
        }
    }
}

/// What cannot be done: the text for whoever asked, and the exit code.
type Refused = (String, u8);

fn with(args: &ConfigArg, act: impl FnOnce(&Config) -> Result<(), Refused>) -> ExitCode {
    let config = match load(args) {
        Ok(config) => config,
        Err(code) => return code,
    };
    match act(&config) {
        Ok(()) => ExitCode::SUCCESS,
        Err((text, code)) => {
            output::eprint(&format!("error: {text}\n"));
            ExitCode::from(code)
        }
    }
}

struct Piece {
    folder: &'static str,
    name: String,
    path: PathBuf,
    bytes: u64,
    written: UtcMs,
}

impl Piece {
    fn is_sealed(&self) -> bool {
        self.path.extension().is_some_and(|extension| extension == seal::EXTENSION)
    }
}

/// All that may be seen on the box, the oldest first.
fn pieces(config: &Config) -> Result<Vec<Piece>, Refused> {
    let reader = Reader::open(&config.state_dir.join("journal"), Clock::system().boot());
    let mut all = Vec::new();
    for folder in FOLDERS {
        let path = evidence::root(config).join(folder);
        let unreadable = |error: io::Error| {
            let hint = "may you read it? Try as root, or as the gateway's user";
            (format!("{}: {error}\nhint: {hint}", path.display()), EX_NOPERM)
        };
        let entries = match std::fs::read_dir(&path) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
            Err(error) => return Err(unreadable(error)),
        };
        for entry in entries {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            let Ok(facts) = entry.metadata() else { continue };
            let half = entry.path().extension().is_some_and(|extension| extension == "partial");
            if !facts.is_file() || half || is_silent(&reader, &name)? {
                continue;
            }
            let since =
                facts.modified().ok().and_then(|at| at.duration_since(std::time::UNIX_EPOCH).ok());
            let ms = since.and_then(|since| i64::try_from(since.as_millis()).ok());
            let (path, bytes) = (entry.path(), facts.len());
            all.push(Piece { folder, name, path, bytes, written: UtcMs(ms.unwrap_or_default()) });
        }
    }
    all.sort_by(|a, b| (a.written.0, &a.name).cmp(&(b.written.0, &b.name)));
    Ok(all)
}

/// Whether it is of something that nobody at the site may notice. Any number in its name may be that of
/// its event: a camera may be called `gate-2`.
fn is_silent(reader: &Reader, name: &str) -> Result<bool, Refused> {
    let stem = name.split('.').next().unwrap_or_default();
    if stem.ends_with("-s") {
        return Ok(true);
    }
    let numbers = stem.split('-').filter_map(|part| part.parse::<u64>().ok());
    for number in numbers.filter(|number| *number > 0) {
        let query = Query { after: Some(Seq(number - 1)), limit: 1, ..Query::default() };
        let found = reader.query(&query).map_err(|error| {
            let why = format!("the journal cannot say what may be shown: {error}");
            (why, EX_NOPERM)
        })?;
        let Some(record) = found.first().filter(|record| record.seq == Seq(number)) else {
            continue;
        };
        let event: Event = serde_json::from_slice(&record.payload)
            .map_err(|error| (format!("event {number}: {error}"), EX_SOFTWARE))?;
        if is_silent_event(&event.draft) {
            return Ok(true);
        }
    }
    Ok(false)
}

fn list(config: &Config, as_json: bool) -> Result<(), Refused> {
    let mut text = String::new();
    for piece in pieces(config)? {
        let Piece { folder, name, bytes, written, .. } = &piece;
        let sealed = piece.is_sealed();
        if as_json {
            let facts = json!({
                "kind": folder, "name": name, "bytes": bytes, "written": written, "sealed": sealed,
            });
            let _ = writeln!(text, "{facts}");
        } else {
            let sealed = if sealed { "  sealed" } else { "" };
            let _ = writeln!(text, "{written}  {:>8} KiB  {name}{sealed}", bytes.div_ceil(1024));
        }
    }
    output::print(&text);
    Ok(())
}

fn open(config: &Config, name: &str, out: &Path, identity: Option<&Path>) -> Result<(), Refused> {
    let all = pieces(config)?;
    let piece = all.iter().find(|piece| piece.name == name).ok_or_else(|| {
        (format!("there is no {name}\nhint: gatehouse evidence list says what there is"), 1)
    })?;
    let unreadable = |error: io::Error| (format!("{}: {error}", piece.path.display()), EX_NOPERM);
    let file = File::open(&piece.path).map_err(unreadable)?;
    let key = if piece.is_sealed() { Some(key(config, identity)?) } else { None };
    let mut content = Content::of(file, key.as_ref(), 0)
        .map_err(|error| (format!("{}: {error}", piece.path.display()), EX_NOPERM))?;
    // Before a byte is given out.
    let wish = Wish::EvidenceOpened { file: name.to_owned() };
    if let Err(error) = status::facts(&config.socket, &wish) {
        let hint = "each look is recorded, so the gateway must run: systemctl status gatehouse";
        let why =
            format!("the look cannot be recorded, and nothing was opened: {error}\nhint: {hint}");
        return Err((why, 1));
    }
    let unwritable = |error: io::Error| (format!("{}: {error}", out.display()), EX_NOPERM);
    let mut options = File::options();
    let mut to = options.write(true).create_new(true).mode(0o600).open(out).map_err(unwritable)?;
    let (mut hash, mut bytes) = (Context::new(&SHA256), 0u64);
    let mut buffer = vec![0; 64 << 10];
    loop {
        let count = content.read(&mut buffer).map_err(|error| {
            let why = format!(
                "{}: {error}; what was whole before is in {}",
                piece.path.display(),
                out.display()
            );
            (why, EX_SOFTWARE)
        })?;
        if count == 0 {
            break;
        }
        to.write_all(&buffer[..count]).map_err(unwritable)?;
        hash.update(&buffer[..count]);
        bytes += count as u64;
    }
    to.sync_all().map_err(unwritable)?;
    let sha256 = to_hex(hash.finish().as_ref());
    let mut text = format!("{}: {bytes} bytes, SHA-256 {sha256}\n", out.display());
    if content.cut_off() {
        text.push_str("it was cut off while it was made: it ends before what was recorded did\n");
    }
    output::print(&text);
    Ok(())
}

/// The key of the file that was named, or of this box.
fn key(config: &Config, named: Option<&Path>) -> Result<Identity, Refused> {
    let source = match named {
        Some(path) => PasswordSource::File(path.to_owned()),
        None => config.evidence.key.clone().ok_or_else(|| {
            let hint = "--identity FILE names the secret key of one of `recipients`";
            (format!("it is sealed, and this box has no key\nhint: {hint}"), EX_NOPERM)
        })?,
    };
    evidence::identity(&source).map_err(|why| (why, EX_CONFIG))
}
