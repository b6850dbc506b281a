//! Emptying what has had its time, on a server. Any number of receivers may do it at once: each event
//! is emptied once, and to the same bytes.

use gatehouse_core::event::Class;
use gatehouse_core::time::UtcMs;
use tokio_postgres::Client;

use super::super::StoreError;
use super::super::ledger;
use super::super::writer::{Expired, Expiring, ExpiringLooks, Over, seq};

const SELECT: &str = "SELECT utc_ms, arrival, seq, class, body, gw FROM gatehouse.events \
     WHERE (utc_ms, arrival) > ($1, $2) AND utc_ms < $3 ORDER BY utc_ms, arrival LIMIT $4";

const UPDATE: &str = "UPDATE gatehouse.events e SET body = w.body \
     FROM unnest($1::bigint[], $2::bigint[], $3::bytea[]) AS w (gw, seq, body) \
     WHERE e.gw = w.gw AND e.seq = w.seq";

pub(super) async fn expire(
    client: &Client,
    expiring: &Expiring<'_>,
) -> Result<Expired, StoreError> {
    let (utc, arrival) = expiring.after;
    let limit = i64::from(expiring.limit);
    let rows = client.query(SELECT, &[&utc, &arrival, &expiring.until.0, &limit]).await?;
    let mut expired = Expired { last: expiring.after, ..Expired::default() };
    let (mut gw, mut numbers, mut bodies) = (Vec::new(), Vec::new(), Vec::<Vec<u8>>::new());
    for row in rows {
        expired.looked += 1;
        expired.last = (row.get(0), row.get(1));
        let number: i64 = row.get(2);
        let class = u8::try_from(row.get::<_, i16>(3)).ok().and_then(Class::from_number);
        let class = class.unwrap_or(Class::System);
        let left = (expiring.left)(class, UtcMs(expired.last.0), seq(number), row.get(4));
        if let Some(left) = left {
            gw.push(row.get::<_, i64>(5));
            numbers.push(number);
            bodies.push(left);
        }
    }
    if !gw.is_empty() {
        expired.gone = client.execute(UPDATE, &[&gw, &numbers, &bodies]).await?;
    }
    Ok(expired)
}

pub(super) async fn odd(client: &Client, before: UtcMs) -> Result<u64, StoreError> {
    let mut gone = 0;
    for table in ["conflicts", "quarantine"] {
        let sql = format!(
            "UPDATE gatehouse.{table} SET body = '' WHERE recv_ms < $1 AND length(body) > 0"
        );
        gone += client.execute(&sql, &[&before.0]).await?;
    }
    Ok(gone)
}

pub(super) async fn newest(client: &Client) -> Result<Option<UtcMs>, StoreError> {
    let sql = "SELECT utc_ms FROM gatehouse.events WHERE basis = 0 ORDER BY utc_ms DESC LIMIT 1";
    Ok(client.query_opt(sql, &[]).await?.map(|row| UtcMs(row.get(0))))
}

/// Calls that are over with every attempt of theirs, and handovers that are over and owe nothing.
pub(super) async fn told(client: &Client, over: Over<'_>) -> Result<u64, StoreError> {
    let calls = "SELECT call, class, utc_ms FROM gatehouse.calls WHERE over IS NOT NULL";
    let calls = client.query(calls, &[]).await?;
    let calls = calls.iter().filter(|row| {
        let class = u8::try_from(row.get::<_, i16>(1)).ok().and_then(Class::from_number);
        class.is_none_or(|class| over(class, UtcMs(row.get(2))))
    });
    let calls: Vec<i64> = calls.map(|row| row.get(0)).collect();
    let mut gone =
        client.execute("DELETE FROM gatehouse.calls WHERE call = ANY($1)", &[&calls]).await?;
    // Of a storm, attempts go with the last of its calls.
    let attempts = "DELETE FROM gatehouse.told t WHERE NOT EXISTS \
                    (SELECT 1 FROM gatehouse.calls c WHERE c.matter = t.matter)";
    gone += client.execute(attempts, &[]).await?;
    let handovers = "SELECT room, id, facts FROM gatehouse.handovers h WHERE NOT open \
                     AND NOT EXISTS (SELECT 1 FROM gatehouse.handover_messages m \
                     WHERE m.room = h.room AND m.id = h.id AND m.ours AND NOT m.receipted)";
    for row in client.query(handovers, &[]).await? {
        if !ledger::is_over(row.get(2), over) {
            continue;
        }
        let (room, id): (&str, &str) = (row.get(0), row.get(1));
        for table in ["handover_messages", "handovers"] {
            let sql = format!("DELETE FROM gatehouse.{table} WHERE room = $1 AND id = $2");
            gone += client.execute(&sql, &[&room, &id]).await?;
        }
    }
    Ok(gone)
}

/// Looks at pictures that are gone, and at incidents of whose time no event is kept.
pub(super) async fn looks(
    client: &Client,
    expiring: &ExpiringLooks,
) -> Result<Expired, StoreError> {
    // The index of pictures begins with their district, of which a look says nothing.
    let select = "SELECT look, CASE WHEN camera IS NULL THEN at_ms < $3 ELSE NOT EXISTS (SELECT 1 \
         FROM gatehouse.pictures p WHERE p.district IN (SELECT district FROM gatehouse.gateways) \
         AND p.site = l.site AND p.gateway = l.gateway AND p.sha256 = l.sha256) END \
         FROM gatehouse.looks l WHERE look > $1 AND at_ms < $2 ORDER BY look LIMIT $4";
    let bundles = expiring.bundles.map_or(i64::MIN, |before| before.0);
    let limit = i64::from(expiring.limit);
    let found =
        client.query(select, &[&expiring.after, &expiring.before.0, &bundles, &limit]).await?;
    let mut expired = Expired { last: (expiring.after, 0), ..Expired::default() };
    let mut over = Vec::new();
    for row in found {
        let look: i64 = row.get(0);
        expired.looked += 1;
        expired.last.0 = look;
        if row.get(1) {
            over.push(look);
        }
    }
    if !over.is_empty() {
        let delete = "DELETE FROM gatehouse.looks WHERE look = ANY($1)";
        expired.gone = client.execute(delete, &[&over]).await?;
    }
    Ok(expired)
}
