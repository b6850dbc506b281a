//! `looks`: who looked at pictures, and who took them along.

use std::io::{self, Write};
use std::process::ExitCode;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use serde_json::json;

use super::Failed;
use super::db::Db;
use crate::store::looks::{self, Look};

#[derive(Debug, clap::Args)]
pub(super) struct LooksArgs {
    #[command(flatten)]
    db: Db,
    /// Only of this site.
    #[arg(long, value_name = "ID")]
    site: Option<Id>,
    /// Only by this account, or `uid-N` for a user of this machine.
    #[arg(long, value_name = "WHO")]
    by: Option<String>,
    /// Only from then on, as 2026-09-30T08:00:00Z.
    #[arg(long, value_name = "TIME", value_parser = time)]
    since: Option<UtcMs>,
    /// Each as a line of JSON.
    #[arg(long)]
    json: bool,
}

fn time(text: &str) -> Result<UtcMs, String> {
    let quoted = serde_json::Value::String(text.to_owned());
    serde_json::from_value(quoted).map_err(|_| "write 2026-09-30T08:00:00Z".to_owned())
}

pub(super) fn list(args: LooksArgs) -> Result<ExitCode, Failed> {
    let LooksArgs { db, site, by, since, json } = args;
    let mut looks = looks::open(&db.database()?, false)?;
    let mut out = io::stdout().lock();
    for look in looks.list(since.unwrap_or(UtcMs(i64::MIN)))? {
        let of_site = site.as_ref().is_none_or(|site| site.as_str() == look.site);
        if !of_site || by.as_ref().is_some_and(|by| *by != look.who) {
            continue;
        }
        writeln!(out, "{}", if json { line_of_json(&look) } else { line(&look) })?;
    }
    Ok(ExitCode::SUCCESS)
}

fn line(look: &Look) -> String {
    let Look { at, who, via, site, gateway, camera, sha256, incident } = look;
    let camera = camera.as_ref().map_or_else(String::new, |id| format!(" camera {id}"));
    let incident = incident.as_ref().map_or_else(String::new, |id| format!(" incident {id}"));
    let sha256 = sha256.as_ref().map_or_else(String::new, |hash| format!(" SHA-256 {hash}"));
    format!("{at} {who} ({via}): {site}/{gateway}{camera}{incident}{sha256}")
}

fn line_of_json(look: &Look) -> String {
    let Look { at, who, via, site, gateway, camera, sha256, incident } = look;
    json!({
        "time": at, "who": who, "via": via, "site": site, "gateway": gateway, "camera": camera,
        "sha256": sha256, "incident": incident,
    })
    .to_string()
}
