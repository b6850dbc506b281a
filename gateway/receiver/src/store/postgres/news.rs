//! What the other receivers have committed, told by the server: each commit says which numbers of
//! arrival it brought, and every other receiver reads these events. So an operator's act is done
//! here, and an alarm is shown here, whoever of them took the gateway's event in.

use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::poll_fn;
use futures_util::{FutureExt, StreamExt, TryStreamExt};
use tokio::time::{sleep, timeout};
use tokio_postgres::types::ToSql;
use tokio_postgres::{AsyncMessage, Client};

use super::super::read::COLUMNS;
use super::super::{StoreError, Stored};
use super::address::Server;
use super::connection::{ANSWER_S, configured};
use super::read::stored;
use super::tls::Securing;

/// The channel of all receivers on one database.
pub(super) const CHANNEL: &str = "gatehouse";

/// Who, the first number of arrival, and how many.
pub(super) const NOTIFY: &str = "SELECT pg_notify('gatehouse', $1)";

/// Commits whose events are to be read; what comes above was missed.
const MAX_HEARD: usize = 1024;

/// Between two attempts to hear the server again.
const AGAIN: Duration = Duration::from_secs(1);

/// Whoever takes the news.
pub(crate) trait Reader: Send + Sync {
    /// Another receiver has committed these.
    fn committed(&self, events: Vec<Stored>);

    /// Something may have been missed: the server was not heard for a while.
    fn missed(&self);
}

/// Listens for as long as it is polled. `own` is how this receiver signs its commits.
pub(crate) async fn listen(server: &Server, own: i64, district: &str, reader: Arc<dyn Reader>) {
    let mut told = false;
    loop {
        let error = match once(server, own, district, &*reader, &mut told).await {
            Ok(()) => "the server has closed the connection".to_owned(),
            Err(error) => error.to_string(),
        };
        if !std::mem::replace(&mut told, true) {
            tracing::warn!(error, "other receivers' commits are not heard at present");
        }
        sleep(AGAIN).await;
    }
}

async fn once(
    server: &Server,
    own: i64,
    district: &str,
    reader: &dyn Reader,
    told: &mut bool,
) -> Result<(), StoreError> {
    let config = configured(server)?;
    let connecting = config.connect(Securing(server.tls.clone()));
    let limit = Duration::from_secs(ANSWER_S);
    let (client, mut connection) =
        timeout(limit, connecting).await.map_err(|_| StoreError::Silent(ANSWER_S))??;
    let mut messages = pin!(poll_fn(move |context| connection.poll_message(context)).fuse());
    let begin = format!("SET search_path = gatehouse; LISTEN {CHANNEL};");
    let mut begun = pin!(client.batch_execute(&begin).fuse());
    let mut heard = Vec::new();
    // The connection is served only while its messages are taken.
    loop {
        tokio::select! {
            message = messages.next() => match message {
                Some(message) => take(message?, own, &mut heard),
                None => return Ok(()),
            },
            begun = &mut begun => break begun?,
        }
    }
    if std::mem::take(told) {
        tracing::info!("other receivers' commits are heard again");
    }
    reader.missed();
    loop {
        if heard.len() >= MAX_HEARD {
            heard.clear();
            reader.missed();
        }
        if let Some((first, count)) = heard.pop() {
            let mut events = pin!(events(&client, first, count, district).fuse());
            loop {
                tokio::select! {
                    message = messages.next() => match message {
                        Some(message) => take(message?, own, &mut heard),
                        None => return Ok(()),
                    },
                    events = &mut events => break reader.committed(events?),
                }
            }
        } else {
            match messages.next().await {
                Some(message) => take(message?, own, &mut heard),
                None => return Ok(()),
            }
        }
    }
}

/// Notes which numbers of arrival another receiver has brought, the newest first: what is behind
/// must not keep an alarm waiting.
fn take(message: AsyncMessage, own: i64, heard: &mut Vec<(i64, i64)>) {
    let AsyncMessage::Notification(note) = message else { return };
    let mut words = note.payload().split(' ').map(str::parse);
    if let (Some(Ok(by)), Some(Ok(first)), Some(Ok(count))) =
        (words.next(), words.next(), words.next())
        && by != own
        && count > 0
        && heard.len() < MAX_HEARD
    {
        heard.push((first, count));
    }
}

async fn events(
    client: &Client,
    first: i64,
    count: i64,
    district: &str,
) -> Result<Vec<Stored>, StoreError> {
    let sql = format!(
        "SELECT {COLUMNS} FROM events e JOIN gateways g ON g.gw = e.gw \
         WHERE e.arrival >= $1 AND e.arrival < $1 + $2 AND g.district = $3 ORDER BY e.arrival"
    );
    let values: [&(dyn ToSql + Sync); 3] = [&first, &count, &district];
    let rows = client.query_raw(&sql, values).await?;
    Ok(rows.map_ok(|row| stored(&row)).try_collect().await?)
}
