//! `gatehouse backup` and `gatehouse restore`.

use std::fmt::Write as _;
use std::fs::OpenOptions;
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use gatehouse_camera::seal;
use gatehouse_config::{Config, PasswordSource, socket_of};
use gatehouse_core::sealed::{Identity, Recipient};

use super::{ConfigArg, EX_CONFIG, EX_NOPERM, EX_SOFTWARE, output, status};
use crate::backup::{BackupError, Placed, Restore, make};

/// What the command ends with, and what it says of it.
type Refused = (String, u8);

#[derive(Clone, Debug, Args)]
pub(super) struct BackupArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The file to write, which must not be there yet.
    #[arg(short, long, value_name = "FILE")]
    output: PathBuf,
    /// For whoever has the key of this: age1…; may be given several times.
    #[arg(short, long, value_name = "AGE1…", required_unless_present = "new_key")]
    recipient: Vec<Recipient>,
    /// Makes a key for this backup and writes it to FILE, which must not be there yet. Keep it apart from the backup.
    #[arg(long, value_name = "FILE")]
    new_key: Option<PathBuf>,
}

#[derive(Clone, Debug, Args)]
pub(super) struct RestoreArgs {
    #[command(flatten)]
    config: ConfigArg,
    /// The backup.
    file: PathBuf,
    /// The key that opens it: AGE-SECRET-KEY-1… in a file.
    #[arg(short, long, value_name = "FILE")]
    key: PathBuf,
    /// Put the files in their places. Without it they are only listed.
    #[arg(long)]
    yes: bool,
}

pub(super) fn backup(args: &BackupArgs) -> ExitCode {
    ended(backed_up(args))
}

pub(super) fn restore(args: &RestoreArgs) -> ExitCode {
    ended(restored(args))
}

fn ended(outcome: Result<String, Refused>) -> ExitCode {
    match outcome {
        Ok(text) => {
            output::print(&text);
            ExitCode::SUCCESS
        }
        Err((why, code)) => {
            output::eprint(&format!("error: {why}\n"));
            ExitCode::from(code)
        }
    }
}

fn backed_up(args: &BackupArgs) -> Result<String, Refused> {
    let made = make(&args.config.config).map_err(|error| refused(&error))?;
    let mut recipients = args.recipient.clone();
    let mut text = String::new();
    if let Some(path) = &args.new_key {
        let key = seal::generate().map_err(|error| (error.to_string(), EX_SOFTWARE))?;
        written(path, format!("{}\n", key.to_text().as_str()).as_bytes())?;
        recipients.push(seal::recipient(&key));
        let _ = writeln!(
            text,
            "{}: the key. Keep it apart from the backup: it opens it, and nothing else does.",
            path.display()
        );
    }
    let sealed = made.sealed(&recipients).map_err(|error| (error.to_string(), EX_SOFTWARE))?;
    written(&args.output, &sealed)?;
    let _ = writeln!(
        text,
        "{}: gateway {}, sealed, {} bytes. In it:",
        args.output.display(),
        made.manifest.gateway,
        sealed.len()
    );
    for (path, what) in made.files() {
        let _ = writeln!(text, "  {}, {what}", path.display());
    }
    left_out(&mut text, &made.manifest.left_out);
    text.push_str(
        "Never in it: journal, evidence, and the key that this box signs its record with.\n",
    );
    Ok(text)
}

fn left_out(text: &mut String, lines: &[String]) {
    if !lines.is_empty() {
        text.push_str("Not in it:\n");
    }
    for line in lines {
        let _ = writeln!(text, "  {line}");
    }
}

fn restored(args: &RestoreArgs) -> Result<String, Refused> {
    let sealed = std::fs::read(&args.file)
        .map_err(|error| (format!("{}: {error}", args.file.display()), EX_NOPERM))?;
    let path = &args.config.config;
    let restore =
        Restore::open(&sealed, &key(&args.key)?, path).map_err(|error| refused(&error))?;
    let mut text = format!(
        "{}: gateway {}, made {} by version {}\n",
        args.file.display(),
        restore.manifest.gateway,
        restore.manifest.made,
        restore.manifest.version
    );
    let places = restore.places().map_err(|error| refused(&error))?;
    for place in &places {
        let word = match place.placed {
            Placed::New => "new      ",
            Placed::Differs => "replaced ",
            Placed::Same => "as it is ",
        };
        let _ = writeln!(text, "  {word}{}", place.path.display());
    }
    left_out(&mut text, &restore.manifest.left_out);
    if !args.yes {
        text.push_str("Nothing was written. If this is what you want: the same with --yes\n");
        return Ok(text);
    }
    for socket in [socket_of(path), restore.config.socket.clone()] {
        if status::ask(&socket, "status").is_ok() {
            let hint = "hint: systemctl stop gatehouse, restore, systemctl start gatehouse";
            let why = format!("a gateway runs (it answers at {})", socket.display());
            return Err((format!("{why}\n{hint}"), 1));
        }
    }
    restore.put().map_err(|error| refused(&error))?;
    if places.iter().any(|place| place.placed == Placed::Differs) {
        text.push_str("What stood there is beside it, as NAME.before-restore\n");
    }
    // What is still missing is seen now that the others are in their places.
    match Config::load(path) {
        Ok(config) => {
            for warning in config.warnings().lines() {
                let _ = writeln!(text, "warning: {warning}");
            }
        }
        Err(errors) => return Err((errors.render(false), EX_CONFIG)),
    }
    text.push_str("Restored. systemctl start gatehouse\n");
    Ok(text)
}

fn key(path: &Path) -> Result<Identity, Refused> {
    let text = PasswordSource::File(path.to_owned())
        .read()
        .map_err(|error| (format!("the key: {error}"), EX_NOPERM))?;
    let wrong = |error| {
        let hint = "hint: the file that `gatehouse backup --new-key` wrote, or one of age-keygen";
        (format!("the key cannot be used: {error}\n{hint}"), EX_CONFIG)
    };
    text.expose().parse().map_err(wrong)
}

/// A new file, for its owner alone, on the medium.
fn written(path: &Path, bytes: &[u8]) -> Result<(), Refused> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let done = file.and_then(|mut file| file.write_all(bytes).and_then(|()| file.sync_all()));
    done.map_err(|error| {
        let hint = "hint: name a file that is not there yet, in a folder that you may write to";
        (format!("{}: {error}\n{hint}", path.display()), EX_NOPERM)
    })
}

fn refused(error: &BackupError) -> Refused {
    let code = match error {
        BackupError::File { .. } => EX_NOPERM,
        BackupError::Config(_) | BackupError::Sealed(_) | BackupError::Form(_) => EX_CONFIG,
    };
    (error.to_string(), code)
}
