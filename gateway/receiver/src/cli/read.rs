//! `verify`, `query` and `export`: they only read, also while a receiver writes.

use std::io::{self, BufWriter, Write};
use std::process::ExitCode;

use gatehouse_core::id::{Id, Seq};

use super::db::Db;
use super::{Failed, Select};
use crate::store::{Filter, Store, StoreError, Stored};

/// The most findings that are named; all are counted.
const NAMED: usize = 100;

pub(super) fn verify(db: Db, gateway: Option<&Id>) -> Result<ExitCode, Failed> {
    let store = Store::open_to_read(db.database()?)?;
    let mut found = 0usize;
    let audit = store.audit(gateway, &mut |finding| {
        found += 1;
        if found <= NAMED {
            let _ = writeln!(io::stderr(), "{finding}");
        }
    })?;
    if found > NAMED {
        let _ = writeln!(io::stderr(), "… and {} more", found - NAMED);
    }
    if gateway.is_some() && audit.gateways == 0 {
        return Err(Failed::new(64, "no such gateway in this database"));
    }
    let summary = serde_json::to_string(&audit).map_err(io::Error::from)?;
    writeln!(io::stdout(), "{summary}")?;
    Ok(if audit.is_clean() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

pub(super) fn query(select: Select, newest: Option<u32>) -> Result<ExitCode, Failed> {
    print(select, newest, |out, event| {
        write!(
            out,
            "{{\"site\":\"{}\",\"gateway\":\"{}\",\"seq\":{},\"utc\":\"{}\",\"basis\":\"{}\",\
             \"recv\":\"{}\",\"replayed\":{},\"event\":",
            event.site,
            event.gateway,
            event.seq,
            event.when.utc,
            event.when.basis.as_str(),
            event.recv,
            event.replayed
        )?;
        out.write_all(&event.body)?;
        out.write_all(b"}\n")
    })
}

pub(super) fn export(select: Select) -> Result<ExitCode, Failed> {
    print(select, None, |out, event| {
        out.write_all(&event.body)?;
        out.write_all(b"\n")
    })
}

fn print(
    select: Select,
    newest: Option<u32>,
    each: impl Fn(&mut dyn Write, Stored) -> io::Result<()>,
) -> Result<ExitCode, Failed> {
    let Select { db, gateway, from, to, class } = select;
    let store = Store::open_to_read(db.database()?)?;
    let filter = Filter { gateway, from: from.map(Seq), to: to.map(Seq), class, newest };
    let mut out = BufWriter::new(io::stdout().lock());
    let printed = store.query(&filter, |event| each(&mut out, event).map_err(Stop::Io));
    match printed.and_then(|()| out.flush().map_err(Stop::Io)) {
        // Whoever reads has seen enough, as `head` does.
        Err(Stop::Io(error)) if error.kind() == io::ErrorKind::BrokenPipe => {}
        Err(Stop::Io(error)) => return Err(error.into()),
        Err(Stop::Store(error)) => return Err(error.into()),
        Ok(()) => {}
    }
    Ok(ExitCode::SUCCESS)
}

enum Stop {
    Io(io::Error),
    Store(StoreError),
}

impl From<StoreError> for Stop {
    fn from(error: StoreError) -> Self {
        Self::Store(error)
    }
}
