//! The rows of the gateways: found, made, locked, and read.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::sync::Arc;

use gatehouse_core::id::Seq;
use gatehouse_core::time::Mono;
use gatehouse_core::topic::Address;
use tokio_postgres::{Client, Row};

use super::super::writer::{count, seq};
use super::super::{FORMER, Loaded, StoreError, Wanted};
use super::connection::Session;
use crate::correspondent::Counts;
use crate::gaps::GapTracker;

/// What is read of a gateway, in this order.
macro_rules! columns {
    () => {
        "g.gw, g.revision, g.retired, g.head, g.holes, g.former, g.events, g.duplicates, \
         g.conflicts, g.quarantined, g.breaks"
    };
}

/// In the order of the rows, so that two receivers never wait for each other.
pub(super) const LOCK: &str = concat!(
    "SELECT ",
    columns!(),
    " FROM gateways g WHERE g.gw = ANY($1) ORDER BY g.gw FOR NO KEY UPDATE"
);

/// By their addresses, with the place of each in the question.
pub(super) const NAMED: &str = concat!(
    "SELECT ",
    columns!(),
    ", w.at FROM unnest($1::text[], $2::text[], $3::text[]) WITH ORDINALITY \
     AS w (district, site, gateway, at) JOIN gateways g USING (district, site, gateway)"
);

/// What has changed since; with the place of each in the question.
pub(super) const REFRESH: &str = concat!(
    "SELECT ",
    columns!(),
    ", w.at FROM unnest($1::bigint[], $2::bigint[]) WITH ORDINALITY AS w (gw, revision, at) \
     JOIN gateways g ON g.gw = w.gw WHERE g.revision <> w.revision"
);

const ALL: &str = concat!(
    "SELECT ",
    columns!(),
    ", g.site, g.gateway FROM gateways g WHERE g.district = $1 ORDER BY g.site, g.gateway"
);

/// One row.
#[derive(Debug)]
pub(super) struct Found {
    pub(super) row: i64,
    pub(super) revision: i64,
    /// It began anew: this is what it sent before.
    pub(super) retired: bool,
    /// How often it has begun anew before this.
    pub(super) former: i32,
    /// None: what the row says makes no sense, and is to be counted anew.
    tracker: Option<GapTracker>,
    counts: Counts,
}

impl Found {
    pub(super) fn of(row: &Row, now: Mono) -> Self {
        let holes: Vec<i64> = row.get(4);
        let pairs =
            holes.chunks(2).map(|pair| (seq(pair[0]), seq(pair.get(1).copied().unwrap_or(0))));
        Self {
            row: row.get(0),
            revision: row.get(1),
            retired: row.get(2),
            former: row.get(5),
            tracker: GapTracker::restored(seq(row.get(3)), pairs, now),
            counts: Counts {
                received: count(row.get(6)),
                duplicates: count(row.get(7)),
                conflicts: count(row.get(8)),
                quarantined: count(row.get(9)),
                breaks: count(row.get(10)),
            },
        }
    }

    /// With what is not in the row itself.
    pub(super) async fn complete(
        self,
        client: &Client,
        recount: bool,
        now: Mono,
    ) -> Result<Loaded, StoreError> {
        let former = if self.former == 0 { Vec::new() } else { formers(client, self.row).await? };
        let tracker = match self.tracker {
            Some(tracker) if !recount => tracker,
            _ => {
                tracing::error!(row = self.row, "a gateway's numbers are counted anew");
                counted(client, self.row, now).await?
            }
        };
        let (row, revision, counts) = (self.row, self.revision, self.counts);
        Ok(Loaded { row, revision, former, tracker, counts })
    }
}

/// The rows of what the gateway of this row sent before it began anew.
async fn formers(client: &Client, row: i64) -> Result<Vec<i64>, StoreError> {
    // `$` is the character after `#`.
    let rows = client
        .query(
            "SELECT f.gw FROM gateways g JOIN gateways f \
             ON f.district = g.district AND f.site = g.site AND f.retired \
             AND f.gateway > g.gateway || '#' AND f.gateway < g.gateway || '$' WHERE g.gw = $1 ORDER BY f.gw",
            &[&row],
        )
        .await?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}

/// What is accounted for, from the events themselves.
async fn counted(client: &Client, row: i64, now: Mono) -> Result<GapTracker, StoreError> {
    let rows = client
        .query(
            "SELECT min(seq), max(seq) FROM (SELECT seq, seq - row_number() OVER (ORDER BY seq) \
             AS island FROM events WHERE gw = $1) AS numbered GROUP BY island \
             UNION ALL SELECT from_seq, to_seq FROM gaps WHERE gw = $1 \
             UNION ALL SELECT seq, seq FROM quarantine WHERE gw = $1 AND seq IS NOT NULL \
             ORDER BY 1",
            &[&row],
        )
        .await?;
    let mut tracker = GapTracker::default();
    for row in &rows {
        tracker.resolve(seq(row.get(0)), seq(row.get(1)), now);
    }
    Ok(tracker)
}

/// What is not as the receiver knows it, by index.
pub(super) async fn changed(
    session: &Session,
    wanted: &[Wanted<'_>],
    now: Mono,
) -> Result<Vec<(usize, Loaded)>, StoreError> {
    let (client, statements) = (&session.client, &session.statements);
    let mut news = Vec::new();
    // Who is not there any more under its row has begun anew, and is looked for by its name.
    let mut unknown: Vec<usize> =
        (0..wanted.len()).filter(|at| wanted[*at].known.is_none()).collect();
    let known: Vec<usize> = (0..wanted.len()).filter(|at| wanted[*at].known.is_some()).collect();
    let (gw, revision): (Vec<i64>, Vec<i64>) = wanted.iter().filter_map(|one| one.known).unzip();
    for row in client.query(&statements.refresh, &[&gw, &revision]).await? {
        let Some(at) = place(&row).and_then(|at| known.get(at)) else { continue };
        let found = Found::of(&row, now);
        if found.retired {
            unknown.push(*at);
        } else {
            news.push((*at, found.complete(client, false, now).await?));
        }
    }
    if unknown.is_empty() {
        return Ok(news);
    }
    let part = |of: fn(&Address) -> &str| {
        unknown.iter().map(|at| of(wanted[*at].address)).collect::<Vec<_>>()
    };
    let districts = part(|address| address.district.as_str());
    let sites = part(|address| address.site.as_str());
    let gateways = part(|address| address.gateway.as_str());
    for row in client.query(&statements.named, &[&districts, &sites, &gateways]).await? {
        let Some(at) = place(&row).and_then(|at| unknown.get(at)) else { continue };
        news.push((*at, Found::of(&row, now).complete(client, false, now).await?));
    }
    Ok(news)
}

/// The place of a row in the question, from 0.
fn place(row: &Row) -> Option<usize> {
    usize::try_from(row.get::<_, i64>(11) - 1).ok()
}

/// The rows of these gateways, made where there are none. Outside of a transaction: two receivers
/// that meet a gateway at once must not wait for each other.
pub(super) async fn rows_of(
    client: &Client,
    addresses: &[&Address],
) -> Result<Vec<i64>, StoreError> {
    let part = |of: fn(&Address) -> &str| addresses.iter().map(|a| of(a)).collect::<Vec<_>>();
    let districts = part(|address| address.district.as_str());
    let sites = part(|address| address.site.as_str());
    let gateways = part(|address| address.gateway.as_str());
    client
        .execute(
            "INSERT INTO gateways (district, site, gateway) \
             SELECT * FROM unnest($1::text[], $2::text[], $3::text[]) ON CONFLICT DO NOTHING",
            &[&districts, &sites, &gateways],
        )
        .await?;
    let rows = client
        .query(
            "SELECT g.gw, g.district, g.site, g.gateway FROM gateways g \
             JOIN unnest($1::text[], $2::text[], $3::text[]) AS w (district, site, gateway) \
             USING (district, site, gateway)",
            &[&districts, &sites, &gateways],
        )
        .await?;
    let found: HashMap<(&str, &str, &str), i64> =
        rows.iter().map(|row| ((row.get(1), row.get(2), row.get(3)), row.get(0))).collect();
    let row = |address: &&Address| {
        let key = (address.district.as_str(), address.site.as_str(), address.gateway.as_str());
        found.get(&key).copied().ok_or(StoreError::Overtaken)
    };
    addresses.iter().map(row).collect()
}

/// Every gateway of a district.
pub(super) async fn all(
    client: &Client,
    district: &str,
    now: Mono,
) -> Result<Vec<(Arc<Address>, Loaded)>, StoreError> {
    let mut loaded = Vec::new();
    for row in client.query(ALL, &[&district]).await? {
        let (site, gateway): (&str, &str) = (row.get(11), row.get(12));
        let found = Found::of(&row, now);
        if found.retired || gateway.contains(FORMER) {
            continue;
        }
        let (Ok(district), Ok(site), Ok(gateway)) =
            (district.parse(), site.parse(), gateway.parse())
        else {
            continue;
        };
        let address = Arc::new(Address { district, site, gateway });
        loaded.push((address, found.complete(client, false, now).await?));
    }
    Ok(loaded)
}

/// The holes of a tracker as its row keeps them, in the words of an array.
pub(super) fn holes(tracker: &GapTracker) -> String {
    let mut text = String::from("{");
    for (at, (Seq(from), Seq(to))) in tracker.holes().enumerate() {
        let comma = if at == 0 { "" } else { "," };
        let _ = write!(text, "{comma}{from},{to}");
    }
    text.push('}');
    text
}
