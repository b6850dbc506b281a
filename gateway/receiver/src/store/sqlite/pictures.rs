//! Pictures in a file.

use gatehouse_core::time::UtcMs;
use rusqlite::{Connection, params};

use super::super::StoreError;
use super::super::pictures::{NewPicture, NewShot};
use super::super::writer::{count, signed, signed_count};

pub(super) fn keep(
    connection: &Connection,
    pictures: &[NewPicture<'_>],
) -> Result<Vec<bool>, StoreError> {
    let changes = super::begin(connection)?;
    let mut insert = changes.prepare_cached(
        "INSERT INTO pictures (district, site, gateway, camera, sha256, seq, bytes, recv_ms, jpeg) \
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9) ON CONFLICT DO NOTHING",
    )?;
    let mut fresh = Vec::with_capacity(pictures.len());
    for picture in pictures {
        let address = picture.address;
        let inserted = insert.execute(params![
            address.district.as_str(),
            address.site.as_str(),
            address.gateway.as_str(),
            picture.camera.as_str(),
            picture.sha256,
            picture.seq.map(signed),
            signed_count(picture.jpeg.len() as u64),
            picture.recv.0,
            picture.jpeg
        ])?;
        fresh.push(inserted > 0);
    }
    drop(insert);
    changes.commit()?;
    Ok(fresh)
}

pub(super) fn shot(connection: &Connection, shot: &NewShot<'_>) -> Result<(), StoreError> {
    let NewShot { address, told, .. } = shot;
    let mut insert = connection.prepare_cached(
        "INSERT INTO shots (gw, seq, district, site, gateway, camera, sha256, of_seq, incident, \
         silent, masked, width, height) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, \
         ?13) ON CONFLICT DO NOTHING",
    )?;
    insert.execute(params![
        shot.gw,
        signed(shot.seq),
        address.district.as_str(),
        address.site.as_str(),
        address.gateway.as_str(),
        told.camera.as_str(),
        told.sha256,
        told.of.map(signed),
        shot.incident,
        told.silent,
        told.masked,
        told.width,
        told.height
    ])?;
    Ok(())
}

pub(super) fn expire(
    connection: &Connection,
    before: UtcMs,
    limit: u32,
) -> Result<u64, StoreError> {
    let changes = super::begin(connection)?;
    let mut shots = changes.prepare_cached(
        "DELETE FROM shots WHERE (gw, seq) IN (SELECT s.gw, s.seq FROM shots s JOIN events e \
         ON e.gw = s.gw AND e.seq = s.seq WHERE e.utc_ms < ?1 LIMIT ?2) \
         RETURNING district, site, gateway, sha256",
    )?;
    let told = shots
        .query_map(params![before.0, limit], |row| {
            Ok([row.get(0)?, row.get(1)?, row.get(2)?, row.get(3)?])
        })?
        .collect::<Result<Vec<[String; 4]>, _>>()?;
    drop(shots);
    // One that a later event tells of as well stays with that.
    let mut delete = changes.prepare_cached(
        "DELETE FROM pictures WHERE district = ?1 AND site = ?2 AND gateway = ?3 AND sha256 = ?4 \
         AND NOT EXISTS (SELECT 1 FROM shots WHERE district = ?1 AND site = ?2 AND gateway = ?3 \
         AND sha256 = ?4)",
    )?;
    for named in &told {
        delete.execute(rusqlite::params_from_iter(named))?;
    }
    drop(delete);
    let unproven = changes.execute(
        "DELETE FROM pictures WHERE picture IN (SELECT p.picture FROM pictures p \
         WHERE p.recv_ms < ?1 AND NOT EXISTS (SELECT 1 FROM shots s WHERE s.district = p.district \
         AND s.site = p.site AND s.gateway = p.gateway AND s.sha256 = p.sha256) LIMIT ?2)",
        params![before.0, limit],
    )?;
    changes.commit()?;
    Ok((told.len() + unproven) as u64)
}

pub(super) fn trim(connection: &Connection, most: u64, limit: u32) -> Result<u64, StoreError> {
    let all: i64 = connection
        .prepare_cached("SELECT coalesce(sum(bytes), 0) FROM pictures")?
        .query_row([], |row| row.get(0))?;
    let Some(over) = count(all).checked_sub(most).filter(|over| *over > 0) else { return Ok(0) };
    let changes = super::begin(connection)?;
    // Those that are needed, and of more than that only as many as a step takes.
    let mut select = changes.prepare_cached(
        "SELECT p.picture, p.bytes FROM pictures p JOIN (SELECT district, site, gateway, camera \
         FROM pictures GROUP BY 1, 2, 3, 4 ORDER BY sum(bytes) DESC LIMIT 1) c \
         ON c.district = p.district AND c.site = p.site AND c.gateway = p.gateway \
         AND c.camera = p.camera ORDER BY p.recv_ms, p.picture LIMIT ?1",
    )?;
    let oldest = select
        .query_map([limit], |row| Ok((row.get(0)?, row.get(1)?)))?
        .collect::<Result<Vec<(i64, i64)>, _>>()?;
    drop(select);
    let gone = super::super::pictures::enough(oldest, over);
    let mut delete = changes.prepare_cached("DELETE FROM pictures WHERE picture = ?1")?;
    for picture in &gone {
        delete.execute([picture])?;
    }
    drop(delete);
    changes.commit()?;
    Ok(gone.len() as u64)
}
