//! Handovers on a server.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::time::UtcMs;
use tokio::time::timeout;
use tokio_postgres::types::ToSql;

use super::super::ledger::{Change, Decide, Kept, Ledger, Spoken, read, written};
use super::super::writer::{count, signed_count};
use super::super::{OpenError, StoreError};
use super::address::Server;
use super::connection::{ANSWER_S, Session};
use super::{Client, outside};
use crate::handover::Handover;

/// Held while a handover changes, so that receivers side by side decide one after the other: there
/// are too few of them for finer locks. "hand" as a number.
const CHANGING: i64 = 0x6861_6e64;

/// A connection of its own.
#[derive(Debug)]
pub(in super::super) struct Handovers {
    client: Client,
    room: String,
}

impl Handovers {
    pub(in super::super) fn open(server: &Server, room: &Id) -> Result<Self, OpenError> {
        let client = Client::open_to_read(server)?;
        Ok(Self { client, room: room.to_string() })
    }

    fn session(&self) -> Result<Arc<Session>, StoreError> {
        outside(|| self.client.session())
    }

    /// Does something on this connection within the patience of whoever commits. One in a state that
    /// nobody knows is not used again, and what was done on it since `BEGIN` is undone with it.
    fn on<T: Send>(
        &self,
        session: &Session,
        work: impl AsyncFnOnce(&Session) -> Result<T, StoreError> + Send,
    ) -> Result<T, StoreError> {
        outside(|| {
            let limit = Duration::from_secs(ANSWER_S);
            let done = self.client.wait(async {
                let done = timeout(limit, work(session)).await;
                done.unwrap_or(Err(StoreError::Silent(ANSWER_S)))
            });
            if done.is_err() {
                self.client.hang_up();
            }
            done
        })
    }
}

async fn known(session: &Session, room: &str, id: &Id) -> Result<Option<String>, StoreError> {
    session.client.execute("SELECT pg_advisory_xact_lock($1)", &[&CHANGING]).await?;
    let row = session
        .client
        .query_opt(
            "SELECT facts FROM handovers WHERE room = $1 AND id = $2",
            &[&room, &id.as_str()],
        )
        .await?;
    Ok(row.map(|row| row.get(0)))
}

async fn write(session: &Session, room: &str, change: &Change) -> Result<(), StoreError> {
    let Change { matter, said, heard, upto } = change;
    let (client, id) = (&session.client, matter.id.as_str());
    let at = said.iter().chain(heard).map(|spoken| spoken.at.0).max().unwrap_or(0);
    client
        .execute(
            "INSERT INTO handovers (room, id, peer, open, changed_ms, facts) \
             VALUES ($1, $2, $3, $4, $5, $6) ON CONFLICT (room, id) DO UPDATE SET \
             open = excluded.open, facts = excluded.facts, \
             changed_ms = greatest(handovers.changed_ms, excluded.changed_ms)",
            &[&room, &id, &matter.peer.as_str(), &matter.is_open(), &at, &written(matter)],
        )
        .await?;
    let ours = said.iter().map(|one| (true, one));
    for (ours, spoken) in ours.chain(heard.iter().map(|one| (false, one))) {
        let Spoken { number, kind, at, payload } = spoken;
        client
            .execute(
                "INSERT INTO handover_messages (room, id, ours, number, kind, at_ms, payload) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7)",
                &[&room, &id, &ours, &signed_count(*number), kind, &at.0, payload],
            )
            .await?;
    }
    if let Some(upto) = upto {
        let sql = "UPDATE handover_messages SET receipted = true \
                   WHERE room = $1 AND id = $2 AND ours AND number <= $3 AND NOT receipted";
        client.execute(sql, &[&room, &id, &signed_count(*upto)]).await?;
    }
    Ok(())
}

impl Ledger for Handovers {
    fn change(&mut self, id: &Id, decide: Decide<'_>) -> Result<bool, StoreError> {
        let (session, room) = (self.session()?, &*self.room);
        let facts = self.on(&session, async |session: &Session| {
            session.client.batch_execute("BEGIN").await?;
            known(session, room, id).await
        })?;
        let known = match facts.as_deref().map(read) {
            None => Ok(None),
            Some(Some(matter)) => Ok(Some(matter)),
            Some(None) => Err(()),
        };
        let change = known.ok().and_then(|known: Option<Handover>| decide(known));
        let wrote = change.is_some();
        self.on(&session, async |session: &Session| {
            if let Some(change) = &change {
                write(session, room, change).await?;
            }
            Ok(session.client.batch_execute("COMMIT").await?)
        })?;
        Ok(wrote)
    }

    fn heard(&mut self, id: &Id, number: u64) -> Result<Option<Vec<u8>>, StoreError> {
        let (session, room) = (self.session()?, &*self.room);
        self.on(&session, async |session: &Session| {
            let sql = "SELECT payload FROM handover_messages \
                       WHERE room = $1 AND id = $2 AND NOT ours AND number = $3";
            let values: [&(dyn ToSql + Sync); 3] = [&room, &id.as_str(), &signed_count(number)];
            let row = session.client.query_opt(sql, &values).await?;
            Ok(row.map(|row| row.get(0)))
        })
    }

    fn all(&mut self, since: UtcMs, most: i64) -> Result<Vec<Kept>, StoreError> {
        let (session, room) = (self.session()?, &*self.room);
        let (facts, owed) = self.on(&session, async |session: &Session| {
            let client = &session.client;
            client.batch_execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY").await?;
            let sql = "SELECT facts FROM handovers h WHERE room = $1 AND (open OR changed_ms >= $2 \
                       OR EXISTS (SELECT 1 FROM handover_messages m WHERE m.room = h.room \
                       AND m.id = h.id AND m.ours AND NOT m.receipted)) \
                       ORDER BY open DESC, changed_ms DESC, id LIMIT $3";
            let facts = client.query(sql, &[&room, &since.0, &most]).await?;
            let sql = "SELECT id, number, kind, at_ms, payload FROM handover_messages \
                       WHERE room = $1 AND ours AND NOT receipted ORDER BY id, number";
            let owed = client.query(sql, &[&room]).await?;
            client.batch_execute("COMMIT").await?;
            Ok((facts, owed))
        })?;
        let matters = facts.iter().filter_map(|row| read(row.get(0)));
        let with_owed = |matter: Handover| {
            let ours = owed.iter().filter(|row| row.get::<_, &str>(0) == matter.id.as_str());
            let spoken = ours.map(|row| Spoken {
                number: count(row.get(1)),
                kind: row.get(2),
                at: UtcMs(row.get(3)),
                payload: row.get(4),
            });
            Kept { owed: spoken.collect(), matter }
        };
        Ok(matters.map(with_owed).collect())
    }
}
