//! What a receiver does inside its transactions on a server.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use bytes::{BufMut, Bytes, BytesMut};
use futures_util::SinkExt;
use gatehouse_core::event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{Mono, UtcMs};
use gatehouse_core::topic::Address;
use tokio::time::timeout;
use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;

use super::super::writer::{
    Expired, Expiring, ExpiringLooks, MAX_ODD_ROWS, Over, count, seq, signed, signed_count,
};
use super::super::{
    Basis, FORMER, Loaded, NewCall, NewEvent, NewPicture, NewShot, Progress, StoreError, Wanted,
    Writer,
};
use super::Client;
use super::connection::{ANSWER_S, Session};
use super::gateways::{self, Found};
use super::{expire, pictures};
use crate::responders::End;
use crate::wire::{self, Anchor};

pub(super) const BODIES: &str = "SELECT e.gw, e.seq, e.body \
     FROM unnest($1::bigint[], $2::bigint[]) AS w (gw, seq) JOIN events e USING (gw, seq)";

pub(super) const COPY: &str = "COPY events (arrival, gw, seq, recv_ms, utc_ms, class, basis, \
     replayed, body) FROM STDIN (FORMAT binary)";

/// Holes come as the words of an array: an array of arrays of unlike lengths there is not.
pub(super) const PROGRESS: &str = "UPDATE gateways g SET revision = g.revision + 1, \
     upto = w.upto, head = w.head, holes = w.holes::bigint[], events = w.events, \
     duplicates = w.duplicates, conflicts = w.conflicts, quarantined = w.quarantined, \
     breaks = w.breaks FROM unnest($1::bigint[], $2::bigint[], $3::bigint[], $4::text[], \
     $5::bigint[], $6::bigint[], $7::bigint[], $8::bigint[], $9::bigint[]) \
     AS w (gw, upto, head, holes, events, duplicates, conflicts, quarantined, breaks) \
     WHERE g.gw = w.gw";

/// How a COPY in binary form begins: signature, no flags, no extension.
const COPY_HEAD: &[u8] = b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0";

/// How often a transaction is begun anew because a gateway began anew meanwhile.
const ATTEMPTS: usize = 3;

/// See the module's page.
pub(in super::super) struct PostgresWriter<'c> {
    client: &'c Client,
    /// The connection of the open transaction.
    session: Option<Arc<Session>>,
    /// Revision of each locked row.
    locked: HashMap<i64, i64>,
    /// The first number of arrival of this transaction, and the next that is free.
    first: i64,
    block: i64,
    /// Rows for the COPY, in binary form, and how many.
    rows: BytesMut,
    count: i64,
    /// Where the bodies of these rows lie.
    fresh: HashMap<(i64, Seq), std::ops::Range<usize>>,
    /// Stored bodies, and that there is none, as far as asked.
    stored: HashMap<(i64, Seq), Option<Vec<u8>>>,
    anchors: HashMap<(i64, String), Option<Anchor>>,
    left: Left,
    /// Rows whose numbers are to be counted from the events, since a row contradicted them.
    recount: HashSet<i64>,
}

/// What a transaction leaves of its gateways, column by column.
#[derive(Default)]
struct Left {
    gw: Vec<i64>,
    upto: Vec<i64>,
    head: Vec<i64>,
    holes: Vec<String>,
    events: Vec<i64>,
    duplicates: Vec<i64>,
    conflicts: Vec<i64>,
    quarantined: Vec<i64>,
    breaks: Vec<i64>,
}

impl<'c> PostgresWriter<'c> {
    pub(super) fn new(client: &'c Client) -> Self {
        Self {
            client,
            session: None,
            locked: HashMap::new(),
            first: 0,
            block: 0,
            rows: BytesMut::new(),
            count: 0,
            fresh: HashMap::new(),
            stored: HashMap::new(),
            anchors: HashMap::new(),
            left: Left::default(),
            recount: HashSet::new(),
        }
    }

    /// Waits for the server, but not for ever. What takes longer, or fails, leaves a connection of
    /// which nobody knows how far it came.
    fn ask<T>(&self, future: impl Future<Output = Result<T, StoreError>>) -> Result<T, StoreError> {
        let limit = Duration::from_secs(ANSWER_S);
        let answer = self.client.wait(async { timeout(limit, future).await });
        answer.unwrap_or_else(|_| {
            self.client.hang_up();
            Err(StoreError::Silent(ANSWER_S))
        })
    }

    /// The connection of the open transaction.
    fn open(&self) -> Result<Arc<Session>, StoreError> {
        self.session.clone().ok_or(StoreError::Overtaken)
    }

    fn forget(&mut self) {
        self.locked.clear();
        self.rows.clear();
        self.count = 0;
        self.fresh.clear();
        self.stored.clear();
        self.anchors.clear();
        self.left = Left::default();
    }

    /// One attempt to lock these rows. `None`: one of them has begun anew meanwhile.
    fn lock(
        &mut self,
        session: &Session,
        rows: &[i64],
        now: Mono,
    ) -> Result<Option<HashMap<i64, Found>>, StoreError> {
        let Session { client, statements, .. } = session;
        let values: [&(dyn ToSql + Sync); 1] = [&rows];
        let asked = self.ask(async {
            // Sent together: one round trip.
            let (begun, locked, block) = tokio::join!(
                client.batch_execute("BEGIN"),
                client.query(&statements.lock, &values),
                client.query_one(&statements.block, &[])
            );
            begun?;
            Ok((locked?, block?))
        });
        let (locked, block) = asked?;
        self.block = block.get(0);
        self.first = self.block;
        let found: HashMap<_, _> =
            locked.iter().map(|row| Found::of(row, now)).map(|found| (found.row, found)).collect();
        let all = rows.iter().all(|row| found.get(row).is_some_and(|found| !found.retired));
        Ok(all.then_some(found))
    }

    /// Sends the rows; `keep` if their bodies may still be asked for.
    fn flush(&mut self, session: &Session, keep: bool) -> Result<(), StoreError> {
        if self.count == 0 {
            return Ok(());
        }
        let mut data = std::mem::take(&mut self.rows);
        data.put_i16(-1);
        let wanted = count(self.count);
        let data = data.freeze();
        let Session { client, statements, .. } = session;
        let copied = self.ask(async {
            let sink = client.copy_in::<_, Bytes>(&statements.copy).await?;
            let mut sink = std::pin::pin!(sink);
            sink.send(data.clone()).await?;
            Ok(sink.finish().await?)
        })?;
        self.block += self.count;
        self.count = 0;
        for (key, range) in self.fresh.drain().filter(|_| keep) {
            self.stored.insert(key, Some(data[range].to_vec()));
        }
        // The memory serves the next batch.
        if let Ok(room) = data.try_into_mut() {
            self.rows = room;
            self.rows.clear();
        }
        if copied == wanted { Ok(()) } else { Err(StoreError::Overtaken) }
    }
}

impl Writer for PostgresWriter<'_> {
    fn load_all(
        &mut self,
        district: &str,
        now: Mono,
    ) -> Result<Vec<(Arc<Address>, Loaded)>, StoreError> {
        let session = self.client.session()?;
        self.ask(gateways::all(&session.client, district, now))
    }

    fn begin(
        &mut self,
        wanted: &[Wanted<'_>],
        now: Mono,
    ) -> Result<Vec<(usize, Loaded)>, StoreError> {
        self.forget();
        let session = self.client.session()?;
        let mut known: Vec<_> = wanted.iter().map(|wanted| wanted.known).collect();
        for _ in 0..ATTEMPTS {
            let unknown: Vec<_> = (0..wanted.len()).filter(|at| known[*at].is_none()).collect();
            if !unknown.is_empty() {
                let addresses: Vec<_> = unknown.iter().map(|at| wanted[*at].address).collect();
                let rows = self.ask(gateways::rows_of(&session.client, &addresses))?;
                for (at, row) in unknown.into_iter().zip(rows) {
                    // A revision that no row has: it is to be read.
                    known[at] = Some((row, -1));
                }
            }
            let rows: Vec<i64> = known.iter().flatten().map(|(row, _)| *row).collect();
            self.session = Some(Arc::clone(&session));
            let Some(mut found) = self.lock(&session, &rows, now)? else {
                self.roll_back();
                known.fill(None);
                continue;
            };
            let mut news = Vec::new();
            for (at, (row, revision)) in known.into_iter().flatten().enumerate() {
                let Some(found) = found.remove(&row) else { return Err(StoreError::Overtaken) };
                self.locked.insert(row, found.revision);
                let recount = self.recount.contains(&row);
                if found.revision != revision || recount {
                    let loaded = found.complete(&session.client, recount, now);
                    news.push((at, self.ask(loaded)?));
                }
            }
            return Ok(news);
        }
        Err(StoreError::Overtaken)
    }

    fn prefetch(&mut self, wanted: &[(i64, Seq)]) -> Result<(), StoreError> {
        if wanted.is_empty() {
            return Ok(());
        }
        let session = self.open()?;
        let (gw, number): (Vec<_>, Vec<_>) =
            wanted.iter().map(|(gw, seq)| (*gw, signed(*seq))).unzip();
        let Session { client, statements, .. } = &*session;
        let rows =
            self.ask(async { Ok(client.query(&statements.bodies, &[&gw, &number]).await?) })?;
        self.stored.extend(wanted.iter().map(|key| (*key, None)));
        for row in rows {
            self.stored.insert((row.get(0), seq(row.get(1))), Some(row.get(2)));
        }
        Ok(())
    }

    fn commit(&mut self) -> Result<(), StoreError> {
        let session = self.open()?;
        let rows: Vec<_> = self.locked.keys().copied().collect();
        let flushed = self.flush(&session, false);
        if let Err(StoreError::Postgres(error)) = &flushed
            && error.code() == Some(&SqlState::UNIQUE_VIOLATION)
        {
            // An event is there of which its gateway's row knows nothing.
            self.recount.extend(&rows);
        }
        flushed?;
        let left = std::mem::take(&mut self.left);
        let brought = format!("{} {} {}", self.client.token, self.first, self.block - self.first);
        let Session { client, statements, .. } = &*session;
        self.ask(async {
            let columns: [&(dyn ToSql + Sync); 9] = [
                &left.gw,
                &left.upto,
                &left.head,
                &left.holes,
                &left.events,
                &left.duplicates,
                &left.conflicts,
                &left.quarantined,
                &left.breaks,
            ];
            let note: [&(dyn ToSql + Sync); 1] = [&brought];
            // Sent together: one round trip. A commit after a failed update commits nothing, and
            // the update says so.
            let (updated, noted, committed) = tokio::join!(
                client.execute(&statements.progress, &columns),
                client.execute(&statements.notify, &note),
                client.execute(&statements.commit, &[])
            );
            updated?;
            noted?;
            committed?;
            Ok(())
        })?;
        self.session = None;
        for row in rows {
            self.recount.remove(&row);
        }
        self.forget();
        Ok(())
    }

    fn roll_back(&mut self) {
        self.forget();
        if let Some(session) = self.session.take()
            && !session.is_closed()
            && let Err(error) =
                self.ask(async { Ok(session.client.batch_execute("ROLLBACK").await?) })
        {
            tracing::debug!(%error, "cannot roll back; the connection is given up");
            self.client.hang_up();
        }
    }

    fn refresh(
        &mut self,
        wanted: &[Wanted<'_>],
        now: Mono,
    ) -> Result<Vec<(usize, Loaded)>, StoreError> {
        let session = self.client.session()?;
        self.ask(gateways::changed(&session, wanted, now))
    }

    fn begin_anew(&mut self, gw: i64, address: &Address) -> Result<i64, StoreError> {
        let session = self.open()?;
        let (district, site, gateway) =
            (address.district.as_str(), address.site.as_str(), address.gateway.as_str());
        let fresh: i64 = self.ask(async {
            let row = session
                .client
                .query_one(
                    "UPDATE gateways SET former = former + 1, retired = true, \
                     revision = revision + 1, gateway = gateway || $2 || (former + 1) \
                     WHERE gw = $1 RETURNING former",
                    &[&gw, &FORMER.to_string()],
                )
                .await?;
            let former: i32 = row.get(0);
            let row = session
                .client
                .query_one(
                    "INSERT INTO gateways (district, site, gateway, former) \
                     VALUES ($1, $2, $3, $4) RETURNING gw",
                    &[&district, &site, &gateway, &former],
                )
                .await?;
            Ok(row.get(0))
        })?;
        self.locked.insert(fresh, 0);
        Ok(fresh)
    }

    fn event(&mut self, event: &NewEvent<'_>) -> Result<bool, StoreError> {
        let NewEvent { gw, seq, class, recv, replayed, when, body } = *event;
        if self.fresh.contains_key(&(gw, seq)) {
            return Ok(false);
        }
        let rows = &mut self.rows;
        if rows.is_empty() {
            rows.put_slice(COPY_HEAD);
        }
        rows.put_i16(9);
        for number in [self.block + self.count, gw, signed(seq), recv.0, when.utc.0] {
            rows.put_i32(8);
            rows.put_i64(number);
        }
        for number in [class as i16, when.basis as i16] {
            rows.put_i32(2);
            rows.put_i16(number);
        }
        rows.put_i32(1);
        rows.put_u8(replayed.into());
        rows.put_i32(i32::try_from(body.len()).unwrap_or(i32::MAX));
        let begin = rows.len();
        rows.put_slice(body);
        self.fresh.insert((gw, seq), begin..rows.len());
        self.count += 1;
        Ok(true)
    }

    fn body(&mut self, gw: i64, number: Seq) -> Result<Option<Vec<u8>>, StoreError> {
        let key = (gw, number);
        if let Some(range) = self.fresh.get(&key) {
            return Ok(Some(self.rows[range.clone()].to_vec()));
        }
        if !self.stored.contains_key(&key) {
            self.prefetch(&[key])?;
        }
        Ok(self.stored.get(&key).cloned().flatten())
    }

    fn conflict(&mut self, gw: i64, seq: Seq, recv: UtcMs, body: &[u8]) -> Result<(), StoreError> {
        let session = self.open()?;
        let digest = event::chain_hash(body);
        self.ask(async {
            session
                .client
                .execute(
                    "INSERT INTO conflicts (gw, seq, digest, recv_ms, body) \
                     SELECT $1, $2, $3, $4, $5 WHERE (SELECT count(*) FROM conflicts) < $6 \
                     ON CONFLICT (gw, seq, digest) DO UPDATE SET times = conflicts.times + 1",
                    &[&gw, &signed(seq), &&digest[..], &recv.0, &body, &MAX_ODD_ROWS],
                )
                .await?;
            Ok(())
        })
    }

    fn quarantine(
        &mut self,
        gw: i64,
        topic: &str,
        seq: Option<Seq>,
        recv: UtcMs,
        reason: &str,
        body: &[u8],
    ) -> Result<(), StoreError> {
        let session = self.open()?;
        let digest = event::chain_hash(body);
        let kept = &body[..body.len().min(2 * event::MAX_PAYLOAD)];
        // A text of a server has no zero in it; a reason may quote one.
        let reason = reason.replace('\0', "\u{fffd}");
        self.ask(async {
            session
                .client
                .execute(
                    "INSERT INTO quarantine (topic, digest, gw, seq, recv_ms, reason, body) \
                     SELECT $1, $2, $3, $4, $5, $6, $7 \
                     WHERE (SELECT count(*) FROM quarantine) < $8 \
                     ON CONFLICT (topic, digest) DO UPDATE SET times = quarantine.times + 1",
                    &[
                        &topic,
                        &&digest[..],
                        &gw,
                        &seq.map(signed),
                        &recv.0,
                        &reason,
                        &kept,
                        &MAX_ODD_ROWS,
                    ],
                )
                .await?;
            Ok(())
        })
    }

    fn gap(
        &mut self,
        gw: i64,
        from: Seq,
        to: Seq,
        at: Seq,
        reason: &str,
    ) -> Result<(), StoreError> {
        let session = self.open()?;
        let reason = reason.replace('\0', "\u{fffd}");
        self.ask(async {
            session
                .client
                .execute(
                    "INSERT INTO gaps (gw, from_seq, to_seq, at_seq, reason) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    &[&gw, &signed(from), &signed(to), &signed(at), &reason],
                )
                .await?;
            Ok(())
        })
    }

    fn chain_break(
        &mut self,
        gw: i64,
        seq: Seq,
        recv: UtcMs,
        expected: &str,
        found: &str,
    ) -> Result<(), StoreError> {
        let session = self.open()?;
        let found = found.replace('\0', "\u{fffd}");
        self.ask(async {
            session
                .client
                .execute(
                    "INSERT INTO breaks (gw, seq, recv_ms, expected, found) \
                     VALUES ($1, $2, $3, $4, $5) ON CONFLICT DO NOTHING",
                    &[&gw, &signed(seq), &recv.0, &expected, &found],
                )
                .await?;
            Ok(())
        })
    }

    fn newest(&mut self) -> Result<Option<UtcMs>, StoreError> {
        let session = self.client.session()?;
        self.ask(expire::newest(&session.client))
    }

    fn expire(&mut self, expiring: &Expiring<'_>) -> Result<Expired, StoreError> {
        let session = self.client.session()?;
        self.ask(expire::expire(&session.client, expiring))
    }

    fn expire_odd(&mut self, before: UtcMs) -> Result<u64, StoreError> {
        let session = self.client.session()?;
        self.ask(expire::odd(&session.client, before))
    }

    fn expire_told(&mut self, over: Over<'_>) -> Result<u64, StoreError> {
        let session = self.client.session()?;
        self.ask(expire::told(&session.client, over))
    }

    fn expire_looks(&mut self, expiring: &ExpiringLooks) -> Result<Expired, StoreError> {
        let session = self.client.session()?;
        self.ask(expire::looks(&session.client, expiring))
    }

    fn shot(&mut self, shot: &NewShot<'_>) -> Result<(), StoreError> {
        let session = self.open()?;
        self.ask(pictures::shot(&session.client, shot))
    }

    fn pictures(&mut self, pictures: &[NewPicture<'_>]) -> Result<Vec<bool>, StoreError> {
        let session = self.client.session()?;
        self.ask(pictures::keep(&session.client, pictures))
    }

    fn expire_pictures(&mut self, before: UtcMs, limit: u32) -> Result<u64, StoreError> {
        let session = self.client.session()?;
        self.ask(pictures::expire(&session.client, before, limit))
    }

    fn trim_pictures(&mut self, most: u64, limit: u32) -> Result<u64, StoreError> {
        let session = self.client.session()?;
        self.ask(pictures::trim(&session.client, most, limit))
    }

    fn anchor(&mut self, gw: i64, boot: &str) -> Result<Option<Anchor>, StoreError> {
        let key = (gw, boot.to_owned());
        if let Some(known) = self.anchors.get(&key) {
            return Ok(*known);
        }
        let session = self.open()?;
        let anchor = self.ask(async {
            let row = session
                .client
                .query_opt(
                    "SELECT utc_ms, mono_ns FROM anchors WHERE gw = $1 AND boot = $2",
                    &[&gw, &boot.replace('\0', "\u{fffd}")],
                )
                .await?;
            let anchor = |row: tokio_postgres::Row| Anchor {
                utc: UtcMs(row.get(0)),
                mono: Mono(count(row.get(1))),
            };
            Ok(row.map(anchor))
        })?;
        self.anchors.insert(key, anchor);
        Ok(anchor)
    }

    fn set_anchor(&mut self, gw: i64, boot: &str, anchor: Anchor) -> Result<u64, StoreError> {
        let session = self.open()?;
        // Earlier events of this very batch are corrected as well.
        self.flush(&session, true)?;
        self.anchors.insert((gw, boot.to_owned()), Some(anchor));
        let mono = signed_count(anchor.mono.0);
        self.ask(async {
            let client = &session.client;
            client
                .execute(
                    "INSERT INTO anchors (gw, boot, utc_ms, mono_ns) VALUES ($1, $2, $3, $4) \
                     ON CONFLICT (gw, boot) DO UPDATE \
                     SET utc_ms = excluded.utc_ms, mono_ns = excluded.mono_ns",
                    &[&gw, &boot.replace('\0', "\u{fffd}"), &anchor.utc.0, &mono],
                )
                .await?;
            let waiting = client
                .query("SELECT arrival, body FROM events WHERE gw = $1 AND basis = 2", &[&gw])
                .await?;
            let (mut arrivals, mut times) = (Vec::new(), Vec::new());
            for row in &waiting {
                if let Some(time) = wire::stamped(row.get(1)).filter(|time| time.boot == boot) {
                    arrivals.push(row.get::<_, i64>(0));
                    times.push(time.corrected(anchor).0);
                }
            }
            let basis = Basis::Anchor as i16;
            Ok(client
                .execute(
                    "UPDATE events e SET utc_ms = w.utc_ms, basis = $3 \
                     FROM unnest($1::bigint[], $2::bigint[]) AS w (arrival, utc_ms) \
                     WHERE e.arrival = w.arrival",
                    &[&arrivals, &times, &basis],
                )
                .await?)
        })
    }

    fn call(&mut self, call: &NewCall<'_>) -> Result<(), StoreError> {
        let (address, called) = (call.address, call.called);
        let session = self.open()?;
        let (class, basis) = (call.class as i16, call.when.basis as i16);
        let (severity, escalated) = (i16::from(called.severity), i16::from(called.escalated));
        let values: [&(dyn ToSql + Sync); 16] = [
            &address.district.as_str(),
            &address.site.as_str(),
            &address.gateway.as_str(),
            &call.gw,
            &signed(call.seq),
            &call.event,
            &called.incident.as_str(),
            &class,
            &call.kind,
            &severity,
            &called.source,
            &called.list.as_ref().map_or("", Id::as_str),
            &escalated,
            &call.when.utc.0,
            &basis,
            &call.recv.0,
        ];
        self.ask(async {
            Ok(session
                .client
                .execute(
                    "INSERT INTO calls (district, site, gateway, gw, seq, event, incident, class, \
                     kind, severity, source, list, escalated, utc_ms, basis, recv_ms) \
                     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, \
                     $16) ON CONFLICT DO NOTHING",
                    &values,
                )
                .await?)
        })?;
        Ok(())
    }

    fn call_over(&mut self, gw: i64, incident: &Id, end: End, at: UtcMs) -> Result<(), StoreError> {
        let session = self.open()?;
        self.ask(async {
            Ok(session
                .client
                .execute(
                    "UPDATE calls SET over = $3, over_ms = $4 \
                     WHERE gw = $1 AND incident = $2 AND over IS NULL",
                    &[&gw, &incident.as_str(), &end.as_str(), &at.0],
                )
                .await?)
        })?;
        Ok(())
    }

    fn progress(&mut self, progress: &Progress<'_>) -> Result<i64, StoreError> {
        let Progress { row, tracker, counts, .. } = *progress;
        let Some(revision) = self.locked.get(&row) else { return Err(StoreError::Overtaken) };
        let left = &mut self.left;
        left.gw.push(row);
        left.upto.push(signed(tracker.upto()));
        left.head.push(signed(tracker.head()));
        left.holes.push(gateways::holes(tracker));
        left.events.push(signed_count(counts.received));
        left.duplicates.push(signed_count(counts.duplicates));
        left.conflicts.push(signed_count(counts.conflicts));
        left.quarantined.push(signed_count(counts.quarantined));
        left.breaks.push(signed_count(counts.breaks));
        Ok(revision + 1)
    }
}
