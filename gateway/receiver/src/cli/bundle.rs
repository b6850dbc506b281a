//! `bundle` and `verify --bundle`: an incident as a file that proves itself.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatehouse_core::id::Id;

use super::Failed;
use super::db::Db;
use super::operate::{NOT_DONE, place};
use crate::bundle::{self, Extent, MAX_BYTES, MakeError, Pictures, Report};
use crate::clock::{Clock as _, SystemClock};
use crate::pictures::sha256;
use crate::signing::SigningKey;
use crate::store::Store;
use crate::store::looks::{self, Look};

#[derive(Debug, clap::Args)]
pub(super) struct Args {
    /// The gateway's id, or SITE/GATEWAY where two sites have the same.
    #[arg(value_parser = place)]
    gateway: String,
    /// The incident's id, as `incidents` shows it; it may be closed.
    incident: Id,
    #[command(flatten)]
    db: Db,
    /// The receiver's own key, as `keygen` makes it.
    #[arg(long, value_name = "FILE")]
    sign: PathBuf,
    /// Where it is written. A file that is there is never replaced.
    #[arg(long, value_name = "FILE")]
    out: PathBuf,
    /// Only the incident's own events, nothing of other matters: then the gateway's signature proves
    /// nothing, and the receiver's word must do.
    #[arg(long)]
    own: bool,
    /// Without the pictures: only their SHA-256.
    #[arg(long)]
    no_pictures: bool,
}

pub(super) fn make(args: Args) -> Result<ExitCode, Failed> {
    let Args { gateway, incident, db, sign, out, own, no_pictures } = args;
    let signer = "bundle".parse().map_err(|error| Failed::new(70, error))?;
    let key = SigningKey::read(&sign, signer)?;
    let place = gateway.parse().map_err(|error| Failed::new(64, error))?;
    let database = db.database()?;
    let store = Store::open_to_read(&database)?;
    let extent = if own { Extent::Own } else { Extent::Whole };
    let pictures = if no_pictures { Pictures::Named } else { Pictures::Here };
    let made = bundle::make(&store, &place, &incident, extent, pictures, &key);
    let bytes = made.map_err(|error| {
        let code = match error {
            MakeError::NoIncident { .. } | MakeError::Ambiguous { .. } => 64,
            MakeError::TooLarge { .. } => NOT_DONE,
            _ => 70,
        };
        Failed::new(code, error)
    })?;
    let report = bundle::check(&bytes, None, None).map_err(|error| Failed::new(70, error))?;
    // Before it is given out.
    let look = Look {
        at: SystemClock.now().utc,
        who: format!("uid-{}", rustix::process::getuid().as_raw()),
        via: "bundle".to_owned(),
        site: report.site.to_string(),
        gateway: report.gateway.to_string(),
        camera: None,
        sha256: Some(sha256(&bytes)),
        incident: Some(incident.to_string()),
    };
    looks::open(&database, true)?.record(&look)?;
    let cannot = |error: io::Error| Failed::new(77, format!("{}: {error}", out.display()));
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create_new(true).mode(0o600).open(&out).map_err(cannot)?;
    file.write_all(&bytes).and_then(|()| file.sync_all()).map_err(cannot)?;
    explain(&report, &mut io::stderr())?;
    Ok(ExitCode::SUCCESS)
}

pub(super) fn verify(
    file: &Path,
    signer: Option<[u8; 32]>,
    device: Option<[u8; 32]>,
) -> Result<ExitCode, Failed> {
    let cannot = |error: io::Error| Failed::new(77, format!("{}: {error}", file.display()));
    let mut bytes = Vec::new();
    File::open(file)
        .map_err(cannot)?
        .take(MAX_BYTES + 1)
        .read_to_end(&mut bytes)
        .map_err(cannot)?;
    if bytes.len() as u64 > MAX_BYTES {
        let message =
            format!("{} is larger than a bundle may be, {MAX_BYTES} bytes", file.display());
        return Err(Failed::new(NOT_DONE, message));
    }
    let report = bundle::check(&bytes, signer, device)
        .map_err(|error| Failed::new(NOT_DONE, format!("{}: {error}", file.display())))?;
    explain(&report, &mut io::stderr())?;
    writeln!(io::stdout(), "{}", serde_json::to_string(&report).map_err(io::Error::from)?)?;
    Ok(if report.is_good() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// For people.
fn explain(report: &Report, to: &mut dyn Write) -> io::Result<()> {
    let Report { district, site, gateway, incident, manifest, .. } = report;
    let (events, acts) = (report.events, report.acts);
    writeln!(
        to,
        "{district}/{site}/{gateway} {incident}: {events} events, {acts} acts; numbers {} to {}",
        manifest.from, manifest.to
    )?;
    writeln!(to, "  the receiver's key: {}", report.signer.0)?;
    if let Some(device) = &report.device.0 {
        writeln!(to, "  the gateway's key: {device}")?;
    }
    for what in &report.wrong {
        writeln!(to, "  WRONG: {what}")?;
    }
    for (from, to_seq) in &report.missing {
        writeln!(to, "  MISSING: {from} to {to_seq}")?;
    }
    for what in &report.proven {
        writeln!(to, "  proven: {what}")?;
    }
    for what in &report.unproven {
        writeln!(to, "  not proven: {what}")?;
    }
    for picture in &manifest.pictures {
        let there = if picture.here { "" } else { ", not in it" };
        let (camera, sha256, seq) = (&picture.camera, &picture.sha256, picture.seq);
        writeln!(to, "  picture of camera {camera}, event {seq}, SHA-256 {sha256}{there}")?;
    }
    for act in &manifest.acts {
        let by = act.by.as_deref().unwrap_or("the gateway");
        let text = act.text.as_deref().unwrap_or_default();
        writeln!(to, "  {} {} by {by}, event {}: {text}", act.utc, act.act, act.seq)?;
    }
    Ok(())
}
