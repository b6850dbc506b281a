//! Reading the database: by gateway and number, and the audit of chain and completeness.

use gatehouse_core::event::{self, Class};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};
use rusqlite::params_from_iter;
use rusqlite::types::Value;
use serde::{Deserialize, Serialize};

use super::{FORMER, Store};
use crate::gaps::{GapTracker, MAX_SEQ};

/// Which events are asked for.
#[derive(Clone, Debug, Default)]
pub struct Filter {
    /// Only of the gateways of this id, and of those only what came since they last began anew.
    pub gateway: Option<Id>,
    /// Only from this number on.
    pub from: Option<Seq>,
    /// Only up to this number.
    pub to: Option<Seq>,
    /// Only of this class.
    pub class: Option<Class>,
    /// Only the newest so many.
    pub newest: Option<u32>,
}

/// One stored event.
#[derive(Clone, Debug)]
pub struct Stored {
    /// The community.
    pub site: String,
    /// The gateway.
    pub gateway: String,
    /// The event's number.
    pub seq: Seq,
    /// Wall time of its receipt.
    pub recv: UtcMs,
    /// It came late.
    pub replayed: bool,
    /// Its canonical bytes.
    pub body: Vec<u8>,
}

/// What the database says of its own completeness.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Audit {
    /// Events stored.
    pub events: u64,
    /// Gateways they are of.
    pub gateways: u64,
    /// How often a gateway has begun anew: its flash was wiped, and it numbers from 1 again.
    pub began_anew: u64,
    /// Ranges below a gateway's newest event of which nothing is known.
    pub holes: u64,
    /// The numbers in them.
    pub missing: u64,
    /// Numbers that a `system.gap` accounts for and that have not come after all.
    pub accounted: u64,
    /// Numbers of which only an unreadable payload came.
    pub quarantined: u64,
    /// Events whose `prev` is not the hash of the event before, or whose bytes are not what their
    /// place says.
    pub breaks: u64,
    /// Deliveries of an event that was stored already.
    pub duplicates: u64,
    /// Other contents that came under the number of a stored event.
    pub conflicts: u64,
}

impl Audit {
    /// Whether every event is there, unchanged, or its absence is accounted for.
    pub const fn is_clean(&self) -> bool {
        self.holes == 0 && self.breaks == 0 && self.conflicts == 0 && self.quarantined == 0
    }
}

/// One finding of the audit, for people.
pub(crate) type Finding<'a> = &'a mut dyn FnMut(String);

impl Store {
    /// Calls `each` with every event that passes the filter: by site, gateway and number.
    ///
    /// # Errors
    /// When SQLite cannot read on, or when `each` says so.
    pub fn query<E: From<rusqlite::Error>>(
        &self,
        filter: &Filter,
        mut each: impl FnMut(Stored) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut clauses = vec!["1".to_owned()];
        let mut values = Vec::new();
        let mut clause = |text: &str, value: Value| {
            values.push(value);
            clauses.push(text.replace('?', &format!("?{}", values.len())));
        };
        if let Some(gateway) = &filter.gateway {
            clause("g.gateway = ?", Value::Text(gateway.to_string()));
        }
        if let Some(from) = filter.from {
            clause("e.seq >= ?", Value::Integer(bounded(from)));
        }
        if let Some(to) = filter.to {
            clause("e.seq <= ?", Value::Integer(bounded(to)));
        }
        if let Some(class) = filter.class {
            clause("e.class = ?", Value::Integer(class as i64));
        }
        let from =
            format!("FROM events e JOIN gateways g ON g.gw = e.gw WHERE {}", clauses.join(" AND "));
        let columns = "g.site, g.gateway, e.seq, e.recv_ms, e.replayed, e.body";
        let sql = match filter.newest {
            // The newest are those that arrived last; shown in the order of the numbers.
            Some(newest) => format!(
                "SELECT * FROM (SELECT {columns} {from} ORDER BY e.arrival DESC LIMIT {newest}) \
                 ORDER BY site, gateway, seq"
            ),
            None => format!("SELECT {columns} {from} ORDER BY g.site, g.gateway, e.seq"),
        };
        let mut statement = self.connection.prepare(&sql)?;
        let mut rows = statement.query(params_from_iter(values))?;
        while let Some(row) = rows.next()? {
            each(Stored {
                site: row.get(0)?,
                gateway: row.get(1)?,
                seq: Seq(u64::try_from(row.get::<_, i64>(2)?).unwrap_or(0)),
                recv: UtcMs(row.get(3)?),
                replayed: row.get(4)?,
                body: row.get(5)?,
            })?;
        }
        Ok(())
    }

    /// Reads every event, checks each link of the chain and that no number is missing.
    ///
    /// # Errors
    /// When SQLite cannot read on.
    pub fn audit(
        &self,
        gateway: Option<&Id>,
        finding: Finding<'_>,
    ) -> Result<Audit, rusqlite::Error> {
        let mut audit = Audit::default();
        // One read transaction: the receiver may be writing meanwhile.
        let view = self.connection.unchecked_transaction()?;
        let mut gateways = view.prepare(
            "SELECT gw, site, gateway, duplicates FROM gateways \
             WHERE ?1 IS NULL OR gateway = ?1 OR gateway GLOB ?1 || '#*' ORDER BY site, gateway",
        )?;
        let mut rows = gateways.query([gateway.map(Id::as_str)])?;
        while let Some(row) = rows.next()? {
            let gw: i64 = row.get(0)?;
            let name = format!("{}/{}", row.get::<_, String>(1)?, row.get::<_, String>(2)?);
            let id: String = row.get(2)?;
            let id = match id.split_once(FORMER) {
                None => {
                    audit.gateways += 1;
                    id.as_str()
                }
                Some((id, _)) => {
                    audit.began_anew += 1;
                    finding(format!("{name}: sent before this gateway began anew, numbers from 1"));
                    id
                }
            };
            audit.duplicates += u64::try_from(row.get::<_, i64>(3)?).unwrap_or(0);
            self.audit_one(gw, &name, id, &mut audit, finding)?;
        }
        Ok(audit)
    }

    fn audit_one(
        &self,
        gw: i64,
        name: &str,
        id: &str,
        audit: &mut Audit,
        finding: Finding<'_>,
    ) -> Result<(), rusqlite::Error> {
        let mut tracker = GapTracker::default();
        let mut before: Option<(u64, [u8; 32])> = None;
        let mut events = self
            .connection
            .prepare("SELECT seq, body, class FROM events WHERE gw = ?1 ORDER BY seq")?;
        let mut rows = events.query([gw])?;
        while let Some(row) = rows.next()? {
            let number = u64::try_from(row.get::<_, i64>(0)?).unwrap_or(0);
            let body: Vec<u8> = row.get(1)?;
            tracker.resolve(Seq(number), Seq(number), Mono::default());
            audit.events += 1;
            let expected =
                before.filter(|(seq, _)| seq + 1 == number).map(|(_, hash)| event::hex(&hash));
            let complaint = link(&body, id, number, row.get(2)?, expected.as_deref());
            if let Some(complaint) = complaint {
                audit.breaks += 1;
                finding(format!("{name} seq {number}: {complaint}"));
            }
            before = Some((number, event::chain_hash(&body)));
        }
        let mut account = |sql: &str| -> Result<u64, rusqlite::Error> {
            let mut statement = self.connection.prepare(sql)?;
            let mut rows = statement.query([gw])?;
            let mut count = 0;
            while let Some(row) = rows.next()? {
                let of = |value: i64| Seq(u64::try_from(value).unwrap_or(0));
                count += tracker.resolve(of(row.get(0)?), of(row.get(1)?), Mono::default());
            }
            Ok(count)
        };
        audit.accounted += account("SELECT from_seq, to_seq FROM gaps WHERE gw = ?1")?;
        audit.quarantined += account(
            "SELECT seq, seq FROM quarantine WHERE gw = ?1 AND seq IS NOT NULL ORDER BY seq",
        )?;
        for (from, to) in tracker.holes() {
            audit.holes += 1;
            finding(format!("{name}: {from}..={to} missing"));
        }
        audit.missing += tracker.missing();
        let conflicts: i64 = self.connection.query_row(
            "SELECT count(*) FROM conflicts WHERE gw = ?1",
            [gw],
            |row| row.get(0),
        )?;
        audit.conflicts += u64::try_from(conflicts).unwrap_or(0);
        Ok(())
    }
}

/// What is wrong with the bytes of an event at their place, if anything is.
fn link(
    body: &[u8],
    gateway: &str,
    number: u64,
    class: u8,
    expected: Option<&str>,
) -> Option<String> {
    #[derive(Deserialize)]
    struct Link<'a> {
        #[serde(borrow)]
        gw: std::borrow::Cow<'a, str>,
        seq: u64,
        #[serde(borrow)]
        prev: std::borrow::Cow<'a, str>,
        class: Class,
    }
    let link: Link<'_> = match serde_json::from_slice(body) {
        Ok(link) => link,
        Err(error) => return Some(format!("the stored bytes are no event: {error}")),
    };
    if link.seq != number || link.gw != gateway || link.class as u8 != class {
        return Some(format!(
            "the stored bytes are of {} seq {} class {}",
            link.gw,
            link.seq,
            link.class.as_str()
        ));
    }
    match expected {
        Some(expected) if expected != link.prev => {
            Some(format!("prev is {}, the event before hashes to {expected}", link.prev))
        }
        _ => None,
    }
}

fn bounded(seq: Seq) -> i64 {
    i64::try_from(seq.0.min(MAX_SEQ)).unwrap_or(i64::MAX)
}
