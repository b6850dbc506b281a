//! Looks on a server.

use std::sync::Arc;
use std::time::Duration;

use gatehouse_core::time::UtcMs;
use tokio::time::timeout;

use super::super::looks::{Look, Looks, MOST, missing};
use super::super::{OpenError, StoreError};
use super::connection::{ANSWER_S, Session};
use super::{Client, Server, outside};

/// A connection of its own beside the one that commits.
#[derive(Debug)]
pub(in super::super) struct PostgresLooks(Client);

impl PostgresLooks {
    pub(in super::super) fn open(server: &Server) -> Result<Self, OpenError> {
        let looks = Self(Client::open_to_read(server)?);
        let sql = "SELECT to_regclass('looks') IS NOT NULL";
        let there = looks.ask(async |session| session.client.query_one(sql, &[]).await);
        let there =
            there.map_err(|source| OpenError::Server { server: server.to_string(), source })?;
        if there.get(0) { Ok(looks) } else { Err(missing(server.to_string())) }
    }

    /// Waits for the server, but not for ever.
    fn ask<T: Send>(
        &self,
        work: impl AsyncFnOnce(Arc<Session>) -> Result<T, tokio_postgres::Error> + Send,
    ) -> Result<T, StoreError> {
        outside(|| {
            let session = self.0.session()?;
            let limit = Duration::from_secs(ANSWER_S);
            let Ok(answer) = self.0.wait(async { timeout(limit, work(session)).await }) else {
                self.0.hang_up();
                return Err(StoreError::Silent(ANSWER_S));
            };
            Ok(answer?)
        })
    }
}

impl Looks for PostgresLooks {
    fn record(&mut self, look: &Look) -> Result<(), StoreError> {
        let Look { at, who, via, site, gateway, camera, sha256, incident } = look;
        let sql = "INSERT INTO looks (at_ms, who, via, site, gateway, camera, sha256, incident) \
                   VALUES ($1, $2, $3, $4, $5, $6, $7, $8)";
        self.ask(async |session| {
            let values: [&(dyn tokio_postgres::types::ToSql + Sync); 8] =
                [&at.0, who, via, site, gateway, camera, sha256, incident];
            session.client.execute(sql, &values).await
        })?;
        Ok(())
    }

    fn list(&mut self, since: UtcMs) -> Result<Vec<Look>, StoreError> {
        let sql = "SELECT at_ms, who, via, site, gateway, camera, sha256, incident FROM looks \
                   WHERE at_ms >= $1 ORDER BY look DESC LIMIT $2";
        let rows = self.ask(async |session| session.client.query(sql, &[&since.0, &MOST]).await)?;
        let look = |row: &tokio_postgres::Row| Look {
            at: UtcMs(row.get(0)),
            who: row.get(1),
            via: row.get(2),
            site: row.get(3),
            gateway: row.get(4),
            camera: row.get(5),
            sha256: row.get(6),
            incident: row.get(7),
        };
        Ok(rows.iter().rev().map(look).collect())
    }
}
