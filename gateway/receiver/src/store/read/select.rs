//! The questions for events, in the SQL that both kinds of database read.

use gatehouse_core::id::Seq;

use super::{Cursor, Filter, Search};
use crate::gaps::MAX_SEQ;

/// What is read of each event, in this order.
pub(in super::super) const COLUMNS: &str = "g.district, g.site, g.gateway, e.seq, e.class, \
     e.recv_ms, e.utc_ms, e.basis, e.replayed, e.body, e.arrival";

/// The same as [`COLUMNS`], of a question inside another.
const OUTER: &str =
    "district, site, gateway, seq, class, recv_ms, utc_ms, basis, replayed, body, arrival";

/// A value that is asked with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in super::super) enum Value {
    Integer(i64),
    Text(String),
}

/// A question with its values, which are `$1`, `$2`, … in the order in which they stand.
#[derive(Clone, Debug)]
pub(in super::super) struct Select {
    pub(in super::super) sql: String,
    pub(in super::super) values: Vec<Value>,
}

#[derive(Default)]
struct Builder {
    clauses: Vec<String>,
    values: Vec<Value>,
}

impl Builder {
    /// A clause with a `?` for each value.
    fn clause(&mut self, text: &str, values: impl IntoIterator<Item = Value>) {
        let mut clause = text.to_owned();
        for value in values {
            let cast = match value {
                Value::Integer(_) => "BIGINT",
                Value::Text(_) => "TEXT",
            };
            self.values.push(value);
            // A server cannot tell by itself of what type a value is.
            clause = clause.replacen('?', &format!("CAST(${} AS {cast})", self.values.len()), 1);
        }
        self.clauses.push(clause);
    }

    /// One of these; of none: all.
    fn any_of(&mut self, column: &str, values: Vec<Value>) {
        if !values.is_empty() {
            let marks = vec!["?"; values.len()].join(", ");
            self.clause(&format!("{column} IN ({marks})"), values);
        }
    }

    fn from(&self) -> String {
        let clauses = if self.clauses.is_empty() {
            String::new()
        } else {
            format!(" WHERE {}", self.clauses.join(" AND "))
        };
        format!("FROM events e JOIN gateways g ON g.gw = e.gw{clauses}")
    }
}

/// By site, gateway and number.
pub(super) fn by_number(filter: &Filter) -> Select {
    let mut builder = Builder::default();
    let text = |id: &gatehouse_core::id::Id| Value::Text(id.to_string());
    builder.any_of("g.gateway", filter.gateway.iter().map(text).collect());
    if let Some(from) = filter.from {
        builder.clause("e.seq >= ?", [Value::Integer(bounded(from))]);
    }
    if let Some(to) = filter.to {
        builder.clause("e.seq <= ?", [Value::Integer(bounded(to))]);
    }
    builder.any_of("e.class", filter.class.map(|c| Value::Integer(c as i64)).into_iter().collect());
    let from = builder.from();
    let sql = match filter.newest {
        // The newest are those that arrived last; shown in the order of the numbers.
        Some(newest) => format!(
            "SELECT {OUTER} FROM (SELECT {COLUMNS} {from} ORDER BY e.arrival DESC LIMIT {newest}) \
             AS newest ORDER BY site, gateway, seq"
        ),
        None => format!("SELECT {COLUMNS} {from} ORDER BY g.site, g.gateway, e.seq"),
    };
    Select { sql, values: builder.values }
}

/// Newest first, what follows a place.
pub(super) fn by_time(search: &Search, after: Option<Cursor>, limit: u32) -> Select {
    let mut builder = Builder::default();
    let text = |id: &gatehouse_core::id::Id| Value::Text(id.to_string());
    builder.any_of("g.district", search.district.iter().map(text).collect());
    builder.any_of("g.site", search.sites.iter().map(text).collect());
    builder.any_of("g.gateway", search.gateway.iter().map(text).collect());
    let classes = search.classes.iter().map(|class| Value::Integer(*class as i64));
    builder.any_of("e.class", classes.collect());
    if let Some(since) = search.since {
        builder.clause("e.utc_ms >= ?", [Value::Integer(since.0)]);
    }
    if let Some(until) = search.until {
        builder.clause("e.utc_ms < ?", [Value::Integer(until.0)]);
    }
    if let Some(Cursor { utc, arrival }) = after {
        let place = [Value::Integer(utc), Value::Integer(arrival)];
        builder.clause("(e.utc_ms, e.arrival) < (?, ?)", place);
    }
    let from = builder.from();
    let sql =
        format!("SELECT {COLUMNS} {from} ORDER BY e.utc_ms DESC, e.arrival DESC LIMIT {limit}");
    Select { sql, values: builder.values }
}

fn bounded(seq: Seq) -> i64 {
    i64::try_from(seq.0.min(MAX_SEQ)).unwrap_or(i64::MAX)
}
