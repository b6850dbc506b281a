//! Pictures on a server. Receivers side by side may do all of this at once.

use gatehouse_core::time::UtcMs;
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use super::super::StoreError;
use super::super::pictures::{NewPicture, NewShot, enough};
use super::super::writer::{count, signed, signed_count};

pub(super) async fn keep(
    client: &Client,
    pictures: &[NewPicture<'_>],
) -> Result<Vec<bool>, StoreError> {
    let mut fresh = Vec::with_capacity(pictures.len());
    // Each for itself: half of them is better than none, and they come again.
    for picture in pictures {
        let address = picture.address;
        let values: [&(dyn ToSql + Sync); 9] = [
            &address.district.as_str(),
            &address.site.as_str(),
            &address.gateway.as_str(),
            &picture.camera.as_str(),
            &picture.sha256,
            &picture.seq.map(signed),
            &signed_count(picture.jpeg.len() as u64),
            &picture.recv.0,
            &picture.jpeg,
        ];
        let inserted = client
            .execute(
                "INSERT INTO gatehouse.pictures (district, site, gateway, camera, sha256, seq, \
                 bytes, recv_ms, jpeg) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) \
                 ON CONFLICT DO NOTHING",
                &values,
            )
            .await?;
        fresh.push(inserted > 0);
    }
    Ok(fresh)
}

pub(super) async fn shot(client: &Client, shot: &NewShot<'_>) -> Result<(), StoreError> {
    let NewShot { address, told, .. } = shot;
    let [width, height] = [told.width, told.height].map(|n| i32::try_from(n).unwrap_or(i32::MAX));
    let values: [&(dyn ToSql + Sync); 13] = [
        &shot.gw,
        &signed(shot.seq),
        &address.district.as_str(),
        &address.site.as_str(),
        &address.gateway.as_str(),
        &told.camera.as_str(),
        &told.sha256,
        &told.of.map(signed),
        // A text of a server has no zero in it.
        &shot.incident.as_ref().map(|incident| incident.replace('\0', "\u{fffd}")),
        &told.silent,
        &told.masked,
        &width,
        &height,
    ];
    client
        .execute(
            "INSERT INTO gatehouse.shots (gw, seq, district, site, gateway, camera, sha256, of_seq, \
             incident, silent, masked, width, height) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
             ON CONFLICT DO NOTHING",
            &values,
        )
        .await?;
    Ok(())
}

pub(super) async fn expire(client: &Client, before: UtcMs, limit: u32) -> Result<u64, StoreError> {
    let limit = i64::from(limit);
    let told = client
        .query(
            "DELETE FROM gatehouse.shots WHERE (gw, seq) IN (SELECT s.gw, s.seq \
             FROM gatehouse.shots s JOIN gatehouse.events e ON e.gw = s.gw AND e.seq = s.seq \
             WHERE e.utc_ms < $1 LIMIT $2) RETURNING district, site, gateway, sha256",
            &[&before.0, &limit],
        )
        .await?;
    let column = |at: usize| told.iter().map(|row| row.get::<_, String>(at)).collect::<Vec<_>>();
    // One that a later event tells of as well stays with that. What ends in between is left without
    // an event, and goes below by the time of its receipt.
    client
        .execute(
            "DELETE FROM gatehouse.pictures p USING unnest($1::text[], $2::text[], $3::text[], \
             $4::text[]) AS w (district, site, gateway, sha256) WHERE p.district = w.district \
             AND p.site = w.site AND p.gateway = w.gateway AND p.sha256 = w.sha256 AND NOT EXISTS \
             (SELECT 1 FROM gatehouse.shots s WHERE s.district = p.district AND s.site = p.site \
             AND s.gateway = p.gateway AND s.sha256 = p.sha256)",
            &[&column(0), &column(1), &column(2), &column(3)],
        )
        .await?;
    let unproven = client
        .execute(
            "DELETE FROM gatehouse.pictures WHERE picture IN (SELECT p.picture \
             FROM gatehouse.pictures p WHERE p.recv_ms < $1 AND NOT EXISTS (SELECT 1 \
             FROM gatehouse.shots s WHERE s.district = p.district AND s.site = p.site \
             AND s.gateway = p.gateway AND s.sha256 = p.sha256) LIMIT $2)",
            &[&before.0, &limit],
        )
        .await?;
    Ok(told.len() as u64 + unproven)
}

pub(super) async fn trim(client: &Client, most: u64, limit: u32) -> Result<u64, StoreError> {
    let all = "SELECT coalesce(sum(bytes), 0)::bigint FROM gatehouse.pictures";
    let all: i64 = client.query_one(all, &[]).await?.get(0);
    let Some(over) = count(all).checked_sub(most).filter(|over| *over > 0) else { return Ok(0) };
    let oldest = client
        .query(
            "SELECT p.picture, p.bytes FROM gatehouse.pictures p JOIN (SELECT district, site, \
             gateway, camera FROM gatehouse.pictures GROUP BY 1, 2, 3, 4 ORDER BY sum(bytes) DESC \
             LIMIT 1) c USING (district, site, gateway, camera) \
             ORDER BY p.recv_ms, p.picture LIMIT $1",
            &[&i64::from(limit)],
        )
        .await?;
    let oldest = oldest.iter().map(|row| (row.get(0), row.get(1))).collect();
    let gone = enough(oldest, over);
    let sql = "DELETE FROM gatehouse.pictures WHERE picture = ANY($1)";
    Ok(client.execute(sql, &[&gone]).await?)
}
