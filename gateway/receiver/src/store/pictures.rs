//! What is kept of cameras' pictures.
//!
//! | table | what |
//! |---|---|
//! | `pictures` | the bytes of each, once for a gateway, by their SHA-256 |
//! | `shots` | what an event `camera.snapshot` says of one: which camera, its SHA-256, and of what it was taken |
//!
//! Neither needs the other: a picture may come before its event, or without one, and an event may
//! come whose picture is lost. Only who has both has a picture that its gateway stands for. The tables
//! are made where they are missing, beside the layout, as those of [`super::calls`].

use gatehouse_core::event::Event;
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::UtcMs;
use gatehouse_core::topic::Address;
use serde::Deserialize;

use super::read::{Cell, Select, Value};
use super::{Store, StoreError};

/// Events whose pictures are wanted together, at most: those of one incident.
const MOST: u32 = 200;

/// The newest pictures of a camera that are looked through for one that may be seen.
const LATEST: u32 = 20;

/// A picture as it came.
#[derive(Clone, Copy, Debug)]
pub(crate) struct NewPicture<'a> {
    pub(crate) address: &'a Address,
    pub(crate) camera: &'a Id,
    /// Of its bytes, 64 hex digits.
    pub(crate) sha256: &'a str,
    /// The event that it says to be of: MQTT 5 alone tells it.
    pub(crate) seq: Option<Seq>,
    pub(crate) recv: UtcMs,
    pub(crate) jpeg: &'a [u8],
}

/// What an event says of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct NewShot<'a> {
    pub(crate) address: &'a Address,
    pub(crate) gw: i64,
    pub(crate) seq: Seq,
    pub(crate) told: &'a Told,
    /// The incident that it belongs to; an empty one: to none; nothing: the event that it is of has
    /// not come yet.
    pub(crate) incident: Option<String>,
}

/// The same as the event tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Told {
    pub(crate) camera: Id,
    pub(crate) sha256: String,
    /// The event that it was taken of.
    pub(crate) of: Option<Seq>,
    /// As the event names it, if it does.
    pub(crate) incident: Option<String>,
    /// Nobody at the site may notice what it was taken of.
    pub(crate) silent: bool,
    pub(crate) masked: bool,
    pub(crate) bytes: u64,
    pub(crate) width: u32,
    pub(crate) height: u32,
}

/// The type of the event that tells of a picture.
pub(crate) const SHOT: &str = "camera.snapshot";

/// The same of what nobody at the site may notice.
pub(crate) const SILENT: &str = "camera.snapshot_silent";

/// Whether events of this type tell of a picture.
pub(crate) fn is_shot(kind: &str) -> bool {
    kind == SHOT || kind == SILENT
}

impl Told {
    /// What these bytes say, if they are such an event.
    pub(crate) fn read(body: &[u8]) -> Option<Self> {
        Self::of(&serde_json::from_slice(body).ok()?)
    }

    /// The same of an event.
    pub(crate) fn of(event: &Event) -> Option<Self> {
        #[derive(Deserialize)]
        struct Detail {
            #[serde(default)]
            of: Option<Seq>,
            sha256: String,
            #[serde(default)]
            incident: Option<String>,
            #[serde(default)]
            masked: bool,
            #[serde(default)]
            bytes: u64,
            #[serde(default)]
            width: u32,
            #[serde(default)]
            height: u32,
        }
        let draft = &event.draft;
        if !is_shot(&draft.kind) || draft.source.kind != "camera" {
            return None;
        }
        let detail = Detail::deserialize(draft.detail.as_ref()?).ok()?;
        let Detail { of, sha256, incident, masked, bytes, width, height } = detail;
        let camera = draft.source.id.clone();
        let silent = draft.kind == SILENT;
        is_sha256(&sha256).then_some(Self {
            camera,
            sha256,
            of,
            incident,
            silent,
            masked,
            bytes,
            width,
            height,
        })
    }
}

/// Whether a text is a SHA-256 as this receiver writes it.
pub(crate) fn is_sha256(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

/// The incident that an event belongs to: the one that it names, or that it is about. A restore has
/// that of what it ends, whose number is the error.
pub(crate) fn incident_of(body: &[u8]) -> Result<Option<String>, Seq> {
    #[derive(Deserialize)]
    struct Only {
        source: Source,
        #[serde(default)]
        detail: Option<serde_json::Value>,
        #[serde(default)]
        opens: Option<Seq>,
    }
    #[derive(Deserialize)]
    struct Source {
        kind: String,
        id: String,
    }
    let Ok(Only { source, detail, opens }) = serde_json::from_slice(body) else { return Ok(None) };
    if source.kind == "incident" {
        return Ok(Some(source.id));
    }
    let named = detail.as_ref().and_then(|detail| detail.get("incident")?.as_str());
    match (named, opens) {
        (Some(named), _) => Ok(Some(named.to_owned())),
        (None, Some(opens)) => Err(opens),
        (None, None) => Ok(None),
    }
}

/// Of the oldest pictures of a camera, each with its bytes, those that must go so that there are so
/// many bytes less.
pub(super) fn enough(oldest: Vec<(i64, i64)>, over: u64) -> Vec<i64> {
    let mut left = over;
    let needed = oldest.into_iter().take_while(|(_, bytes)| {
        let more = left > 0;
        left = left.saturating_sub(number(*bytes));
        more
    });
    needed.map(|(picture, _)| picture).collect()
}

/// A picture with what is known of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Picture {
    pub(crate) camera: String,
    pub(crate) sha256: String,
    /// When it came, and its length; none: only its event has come.
    pub(crate) came: Option<(UtcMs, u64)>,
    /// What its gateway says of it; none: nobody stands for it.
    pub(crate) shot: Option<Shot>,
}

/// What a gateway's event says of a picture.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Shot {
    pub(crate) seq: Seq,
    pub(crate) of: Option<Seq>,
    pub(crate) incident: Option<String>,
    pub(crate) silent: bool,
    pub(crate) masked: bool,
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// When the event happened, by the best that is known.
    pub(crate) utc: UtcMs,
}

impl Picture {
    /// Whether nobody who may not know of silent things may see it. Of one that nobody stands for it
    /// is not known what it is of.
    pub(crate) fn is_silent(&self) -> bool {
        self.shot.as_ref().is_none_or(|shot| shot.silent)
    }
}

/// In the order in which [`picture`] takes them.
const COLUMNS: &str =
    "s.seq, s.of_seq, s.incident, s.silent, s.masked, s.width, s.height, e.utc_ms";

/// What a picture and an event's word of it have in common.
const SAME: &str = "s.district = p.district AND s.site = p.site AND s.gateway = p.gateway \
     AND s.camera = p.camera AND s.sha256 = p.sha256";

const EVENT: &str = "events e ON e.gw = s.gw AND e.seq = s.seq";

/// `$1` to `$3`.
fn at(of: &str) -> String {
    let is = |column: &str, n: u8| format!("{of}.{column} = CAST(${n} AS TEXT)");
    [is("district", 1), is("site", 2), is("gateway", 3)].join(" AND ")
}

fn values(address: &Address) -> Vec<Value> {
    let Address { district, site, gateway } = address;
    [district, site, gateway].map(|id| Value::Text(id.to_string())).into()
}

impl Store {
    /// The newest pictures of a camera, newest first.
    pub(crate) fn latest_pictures(
        &self,
        address: &Address,
        camera: &str,
    ) -> Result<Vec<Picture>, StoreError> {
        let mut values = values(address);
        values.push(Value::Text(camera.to_owned()));
        // The newest by a number that is in the index, before anything is joined.
        let sql = format!(
            "SELECT p.camera, p.sha256, p.recv_ms, p.bytes, {COLUMNS} FROM (SELECT * FROM pictures p \
             WHERE {} AND p.camera = CAST($4 AS TEXT) ORDER BY p.recv_ms DESC, p.picture DESC \
             LIMIT {LATEST}) p LEFT JOIN shots s ON {SAME} LEFT JOIN {EVENT} \
             ORDER BY p.recv_ms DESC, p.picture DESC, s.seq",
            at("p")
        );
        self.read_pictures(&Select { sql, values })
    }

    /// The picture of this SHA-256, if it is there.
    pub(crate) fn picture(
        &self,
        address: &Address,
        sha256: &str,
    ) -> Result<Option<Picture>, StoreError> {
        let mut values = values(address);
        values.push(Value::Text(sha256.to_owned()));
        let sql = format!(
            "SELECT p.camera, p.sha256, p.recv_ms, p.bytes, {COLUMNS} FROM pictures p \
             LEFT JOIN shots s ON {SAME} LEFT JOIN {EVENT} \
             WHERE {} AND p.sha256 = CAST($4 AS TEXT) ORDER BY s.silent DESC, s.seq",
            at("p")
        );
        // The same picture may have been told of twice: once as silent is silent.
        Ok(self.read_pictures(&Select { sql, values })?.into_iter().next())
    }

    /// Its bytes.
    pub(crate) fn jpeg(
        &self,
        address: &Address,
        sha256: &str,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let mut values = values(address);
        values.push(Value::Text(sha256.to_owned()));
        let sql = format!(
            "SELECT p.jpeg FROM pictures p WHERE {} AND p.sha256 = CAST($4 AS TEXT)",
            at("p")
        );
        let mut found = None;
        self.reading().cells(&Select { sql, values }, &mut |mut row| {
            found = row.pop().and_then(Cell::bytes);
        })?;
        Ok(found)
    }

    /// The pictures of an incident, as its gateway's events tell of them, oldest first: also of those
    /// whose bytes have not come.
    pub(crate) fn pictures_of(
        &self,
        address: &Address,
        incident: &Id,
    ) -> Result<Vec<Picture>, StoreError> {
        let mut values = values(address);
        values.push(Value::Text(incident.to_string()));
        let sql = format!(
            "SELECT s.camera, s.sha256, p.recv_ms, p.bytes, {COLUMNS}, o.body FROM shots s \
             LEFT JOIN pictures p ON {SAME} JOIN {EVENT} \
             LEFT JOIN events o ON s.incident IS NULL AND o.gw = s.gw AND o.seq = s.of_seq \
             WHERE {} AND (s.incident = CAST($4 AS TEXT) OR s.incident IS NULL) \
             ORDER BY s.gw DESC, s.seq DESC LIMIT {MOST}",
            at("s")
        );
        let mut found = Vec::new();
        self.reading().cells(&Select { sql, values }, &mut |mut row| {
            // What it is of came after it.
            let late = row.pop().and_then(Cell::bytes).map(|body| incident_of(&body));
            let late = late.and_then(Result::ok).flatten();
            let Some(mut picture) = picture(row) else { return };
            if let Some(shot) = &mut picture.shot {
                shot.incident = shot.incident.take().or(late);
            }
            if picture.shot.as_ref().and_then(|shot| shot.incident.as_deref())
                == Some(incident.as_str())
            {
                found.push(picture);
            }
        })?;
        found.reverse();
        Ok(found)
    }

    fn read_pictures(&self, select: &Select) -> Result<Vec<Picture>, StoreError> {
        let mut found: Vec<Picture> = Vec::new();
        self.reading().cells(select, &mut |row| {
            let Some(mut picture) = picture(row) else { return };
            // Told of more than once: the first is enough, unless another is silent.
            match found.last_mut().filter(|last| last.sha256 == picture.sha256) {
                Some(last) if !last.is_silent() && picture.is_silent() => {
                    last.shot = picture.shot.take();
                }
                Some(_) => {}
                None => found.push(picture),
            }
        })?;
        Ok(found)
    }
}

fn picture(row: Vec<Cell>) -> Option<Picture> {
    let mut row = row.into_iter();
    let mut next = || row.next().unwrap_or(Cell::Null);
    let (camera, sha256) = (next().text()?, next().text()?);
    let came = next().integer().map(UtcMs).zip(next().integer().map(number));
    let (seq, of, incident) = (next().integer(), next().integer(), next().text());
    let (silent, masked) = (next().integer(), next().integer());
    let (width, height, utc) = (next().integer(), next().integer(), next().integer());
    let shot = seq.map(|seq| Shot {
        seq: Seq(number(seq)),
        of: of.map(|of| Seq(number(of))),
        incident,
        silent: silent != Some(0),
        masked: masked == Some(1),
        width: width.and_then(|width| u32::try_from(width).ok()).unwrap_or(0),
        height: height.and_then(|height| u32::try_from(height).ok()).unwrap_or(0),
        utc: UtcMs(utc.unwrap_or_default()),
    });
    Some(Picture { camera, sha256, came, shot })
}

fn number(of: i64) -> u64 {
    u64::try_from(of).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn an_event_is_of_the_incident_that_it_names_is_about_or_ends() {
        let of = |event: serde_json::Value| incident_of(event.to_string().as_bytes());
        let zone = json!({"kind": "zone", "id": "hall"});
        let named = json!({"source": zone, "detail": {"incident": "a1"}, "opens": 4});
        assert_eq!(of(named), Ok(Some("a1".to_owned())));
        let about = json!({"source": {"kind": "incident", "id": "a2"}});
        assert_eq!(of(about), Ok(Some("a2".to_owned())));
        assert_eq!(of(json!({"source": zone, "opens": 4})), Err(Seq(4)));
        assert_eq!(of(json!({"source": zone, "detail": null})), Ok(None));
        assert_eq!(incident_of(b"{\"expired\":true}"), Ok(None), "it has had its time");
    }

    #[test]
    fn a_digest_is_64_small_hex_digits() {
        assert!(is_sha256(&"0af9".repeat(16)));
        for wrong in ["", "0", &"0AF9".repeat(16), &"0af9".repeat(17), &"g".repeat(64)] {
            assert!(!is_sha256(wrong), "{wrong}");
        }
    }
}
