//! `verify GATEWAY` and `export --folder`: a log that is proven, here or on another machine.

use std::fs::File;
use std::io::{self, BufRead as _, BufReader, BufWriter, Read as _, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use gatehouse_core::checkpoint::from_hex;
use gatehouse_core::event::{self, Event};
use gatehouse_core::id::Id;

use super::db::Db;
use super::{Failed, Select};
use crate::proof::{Proof, Prover};
use crate::store::{Filter, Store, StoreError};

/// What a file of exported events ends with.
const EXTENSION: &str = "jsonl";

/// The longest line that is read: an event, with room for a later version's.
const LONGEST_LINE: u64 = 4 * event::MAX_PAYLOAD as u64;

/// A public key as an argument: 64 hex digits, or a file with them.
pub(super) fn key(text: &str) -> Result<[u8; 32], String> {
    let read = || -> io::Result<String> {
        let mut digits = String::new();
        File::open(text)?.take(256).read_to_string(&mut digits)?;
        Ok(digits)
    };
    let digits = if text.len() == 64 {
        text.to_owned()
    } else {
        read()
            .map_err(|error| format!("{error}; allowed are 64 hex digits, or a file with them"))?
    };
    from_hex(digits.trim())
        .ok_or_else(|| "allowed are 64 hex digits, or a file with them".to_owned())
}

/// Proves the log of one gateway from the database.
pub(super) fn database(db: Db, gateway: &Id, key: Option<[u8; 32]>) -> Result<ExitCode, Failed> {
    let store = Store::open_to_read(db.database()?)?;
    let mut prover = Prover::new(gateway.clone(), key);
    let filter = Filter { gateway: Some(gateway.clone()), ..Filter::default() };
    store.query(&filter, |stored| {
        prover.take(&stored.body);
        Ok::<_, StoreError>(())
    })?;
    let proof = prover.finish();
    if proof.events == 0 {
        return Err(Failed::new(64, format!("there is no event of {gateway} in this database")));
    }
    told(&[proof])
}

/// Proves every log in a folder of exported events; of one gateway only, if one is named.
pub(super) fn folder(
    folder: &Path,
    gateway: Option<&Id>,
    key: Option<[u8; 32]>,
) -> Result<ExitCode, Failed> {
    let unreadable = |path: &Path, error: &dyn std::fmt::Display| {
        Failed::new(77, format!("{}: {error}", path.display()))
    };
    let mut files = Vec::new();
    for entry in std::fs::read_dir(folder).map_err(|error| unreadable(folder, &error))? {
        let path = entry.map_err(|error| unreadable(folder, &error))?.path();
        if path.extension().is_some_and(|extension| extension == EXTENSION) {
            files.push(path);
        }
    }
    files.sort();
    let mut proofs = Vec::new();
    for file in &files {
        if let Some(proof) = prove(file, gateway, key).map_err(|error| unreadable(file, &error))? {
            proofs.push(proof);
        }
    }
    if proofs.is_empty() {
        let whose = gateway.map_or_else(String::new, |gateway| format!(" of {gateway}"));
        let message = format!(
            "{} holds no events{whose}: allowed is a folder as `export --folder` makes it, with \
             files *.{EXTENSION}",
            folder.display()
        );
        return Err(Failed::new(64, message));
    }
    told(&proofs)
}

fn prove(path: &Path, wanted: Option<&Id>, key: Option<[u8; 32]>) -> io::Result<Option<Proof>> {
    let mut lines = BufReader::new(File::open(path)?);
    let mut prover: Option<Prover> = None;
    loop {
        let mut line = Vec::new();
        let read = (&mut lines).take(LONGEST_LINE).read_until(b'\n', &mut line)?;
        if read == 0 {
            return Ok(prover.map(Prover::finish));
        }
        let body = line.strip_suffix(b"\n").unwrap_or(&line);
        if prover.is_none() {
            let event: Event = serde_json::from_slice(body).map_err(io::Error::from)?;
            if wanted.is_some_and(|wanted| event.gw != *wanted) {
                return Ok(None);
            }
            prover = Some(Prover::new(event.gw, key));
        }
        if let Some(prover) = &mut prover {
            prover.take(body);
        }
    }
}

/// A line of JSON for each gateway on stdout, and for people on stderr what it means.
fn told(proofs: &[Proof]) -> Result<ExitCode, Failed> {
    for proof in proofs {
        explain(proof, &mut io::stderr())?;
        let line = serde_json::to_string(proof).map_err(io::Error::from)?;
        writeln!(io::stdout(), "{line}")?;
    }
    let good = proofs.iter().all(Proof::is_good);
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn explain(proof: &Proof, to: &mut dyn Write) -> io::Result<()> {
    let Proof { gateway, events, range: (first, last), proven, checkpoints, .. } = proof;
    writeln!(
        to,
        "{gateway}: {events} events, {first} to {last}; proven {proven}, by {checkpoints} checkpoints"
    )?;
    if proof.emptied > 0 {
        let what = "have had their time: their places are here, what they said is not kept";
        writeln!(to, "  {} of these {what}", proof.emptied)?;
    }
    for (id, public, since) in &proof.keys {
        writeln!(to, "  signed by the key {id} since {since}: {public}")?;
    }
    for what in &proof.wrong {
        writeln!(to, "  WRONG: {what}")?;
    }
    if proof.wrong_count > proof.wrong.len() as u64 {
        let more = proof.wrong_count - proof.wrong.len() as u64;
        writeln!(to, "  WRONG: … and {more} more")?;
    }
    for (word, parts) in [
        ("MISSING", &proof.missing),
        ("not provable", &proof.accounted),
        ("not proven", &proof.unsigned),
    ] {
        for part in parts {
            writeln!(to, "  {word}: {} to {}: {}", part.from, part.to, part.why)?;
        }
    }
    Ok(())
}

/// Writes the canonical bytes of each gateway's events into a file of its own, one event a line.
pub(super) fn export(select: Select, folder: &Path) -> Result<ExitCode, Failed> {
    let Select { db, gateway, from, to, class } = select;
    if class.is_some() || from.is_some() || to.is_some() {
        let message = "--folder takes whole logs: without all events there is no chain to prove";
        return Err(Failed::new(64, message));
    }
    let store = Store::open_to_read(db.database()?)?;
    let cannot =
        |path: &Path, error: &io::Error| Failed::new(70, format!("{}: {error}", path.display()));
    std::fs::create_dir_all(folder).map_err(|error| cannot(folder, &error))?;
    let mut open: Option<(String, PathBuf, BufWriter<File>)> = None;
    let mut files = 0_u32;
    let filter = Filter { gateway, ..Filter::default() };
    let written = store.query(&filter, |stored| {
        // Sorted by site and gateway: one file after the other.
        let name =
            format!("{}.{}", stored.site, stored.gateway.replace(crate::store::FORMER, "-life-"));
        if open.as_ref().is_none_or(|(known, ..)| *known != name) {
            if let Some((_, path, mut file)) = open.take() {
                file.flush().map_err(|error| cannot(&path, &error))?;
            }
            let path = folder.join(format!("{name}.{EXTENSION}"));
            let file = File::create_new(&path).map_err(|error| cannot(&path, &error))?;
            open = Some((name, path, BufWriter::new(file)));
            files += 1;
        }
        if let Some((_, path, file)) = &mut open {
            let line = file.write_all(&stored.body).and_then(|()| file.write_all(b"\n"));
            line.map_err(|error| cannot(path, &error))?;
        }
        Ok::<_, Failed>(())
    });
    written?;
    if let Some((_, path, mut file)) = open {
        file.flush().map_err(|error| cannot(&path, &error))?;
    }
    writeln!(io::stderr(), "{files} logs in {}", folder.display())?;
    Ok(ExitCode::SUCCESS)
}
