//! One piece on its way: a request at a time, each with its note before what follows from it.

use std::io::ErrorKind::NotFound;
use std::sync::Arc;

use gatehouse_core::time::UtcMs;
use tokio::task::spawn_blocking;
use tracing::{info, warn};

use super::feed::{self, open};
use super::notes::{self, Done, Note, Sums, Upload};
use super::{Plan, Pusher};
use crate::s3::{About, Object, S3Error};

/// How far a step came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Went {
    /// There is more of it; others may be more urgent.
    On,
    /// It is in the store.
    Stored,
    /// It is not on the flash any more.
    Gone,
}

/// Why a step was not made.
#[derive(Debug)]
pub(super) enum Stop {
    /// The store, or the piece.
    Store(S3Error),
    /// Notes cannot be kept: without them nothing is sent.
    Disk(String),
}

impl From<S3Error> for Stop {
    fn from(error: S3Error) -> Self {
        Self::Store(error)
    }
}

/// The key of a piece: the same for whatever attempt, and of no other piece, also when a box begins its
/// numbers anew.
pub(super) fn key(plan: &Plan, note: &Note) -> String {
    format!(
        "{}{}/{}/{}/{}-{}",
        plan.store.prefix,
        plan.gateway,
        note.camera,
        day(note.at, note.dated),
        note.id,
        note.file
    )
}

/// The day in UTC; what was kept before the clock was set has none.
fn day(at: UtcMs, dated: bool) -> String {
    let text = at.to_string();
    match text.get(..10).filter(|_| dated && text.len() == 24) {
        Some(day) => day.to_owned(),
        None => "undated".to_owned(),
    }
}

fn about(plan: &Plan, note: &Note, sums: &Sums) -> About {
    let content_type = match note.file.rsplit('.').next() {
        Some("mp4") => "video/mp4",
        Some("jpg") => "image/jpeg",
        // Sealed: nobody can look into it here.
        _ => "application/octet-stream",
    };
    let meta = vec![
        ("x-amz-meta-camera", note.camera.to_string()),
        ("x-amz-meta-event", note.id.clone()),
        ("x-amz-meta-gateway", plan.gateway.to_string()),
        ("x-amz-meta-sha256", sums.sha256.clone()),
    ];
    About { content_type, meta }
}

fn is_it(object: &Object, sums: &Sums) -> bool {
    let same = |said: &String| *said == sums.sha256;
    object.bytes == sums.bytes && object.sha256.as_ref().is_none_or(same)
}

/// How long a part is, and where it begins.
fn span(sums: &Sums, number: u32) -> (u64, u64) {
    let at = u64::from(number - 1) * sums.part_bytes;
    (at, sums.part_bytes.min(sums.bytes.saturating_sub(at)))
}

impl Pusher {
    /// One request for a piece, or the few that end it.
    pub(super) async fn step(&mut self, file: &str) -> Result<Went, Stop> {
        let Some(mut note) = self.notes.get(file).cloned() else { return Ok(Went::Gone) };
        let path = note.path(&self.plan.root);
        let opened = spawn_blocking(move || {
            let file = open(&path)?;
            let bytes = file.metadata()?.len();
            Ok((Arc::new(file), bytes))
        });
        let opened: std::io::Result<_> = opened.await.map_err(|e| Stop::Disk(e.to_string()))?;
        let (content, bytes) = match opened {
            Ok(opened) => opened,
            Err(error) if error.kind() == NotFound => return Ok(Went::Gone),
            Err(error) => return Err(S3Error::Source(error).into()),
        };
        let known = note.sums.clone().filter(|sums| sums.bytes == bytes);
        let sums = if let Some(sums) = known {
            sums
        } else {
            let sums = feed::sums(Arc::clone(&content), self.plan.store.part_bytes).await;
            let sums = sums.map_err(S3Error::Source)?;
            if note.said.as_ref().is_some_and(|said| *said != sums.sha256) {
                let camera = &note.camera;
                warn!(%camera, "evidence is not what its event says; it is sent, and told");
            }
            (note.sums, note.upload) = (Some(sums.clone()), None);
            self.save(&note).await?;
            sums
        };
        let key = key(&self.plan, &note);
        if sums.parts.len() > 1 {
            if self.parts(&mut note, (&key, &sums), &content).await? == Went::On {
                return Ok(Went::On);
            }
        } else {
            let payload = self.flow.payload(&content, (0, sums.bytes), sums.sha256.clone());
            let about = about(&self.plan, &note, &sums);
            self.client.put(&key, &about, payload).await?;
        }
        let checked = self.check(&key, &sums).await?;
        let (bucket, bytes, sha256) = (self.plan.store.bucket.clone(), sums.bytes, sums.sha256);
        note.done = Some(Done { bucket, key, bytes, sha256, checked });
        note.upload = None;
        self.save(&note).await?;
        self.listed.remove(file);
        Ok(Went::Stored)
    }

    /// The next request of an upload in parts.
    async fn parts(
        &mut self,
        note: &mut Note,
        (key, sums): (&str, &Sums),
        content: &Arc<std::fs::File>,
    ) -> Result<Went, Stop> {
        let place = self.plan.place();
        let here = |upload: &Upload| upload.place == place && upload.key == key;
        let Some(mut upload) = note.upload.take().filter(here) else {
            let id = self.client.create(key, &about(&self.plan, note, sums)).await?;
            let (key, etags) = (key.to_owned(), std::collections::BTreeMap::new());
            note.upload = Some(Upload { place, key, id, etags, completing: false });
            self.save(note).await?;
            self.listed.insert(note.file.clone());
            return Ok(Went::On);
        };
        // Of the life before: what the store has, it has.
        if !self.listed.contains(&note.file) {
            match self.client.parts(key, &upload.id).await {
                Ok(listed) => {
                    let whole = |part: &crate::s3::Listed| {
                        let number = part.number;
                        (1..=sums.parts.len()).contains(&(number as usize))
                            && part.bytes == span(sums, number).1
                    };
                    let there = listed.into_iter().filter(whole);
                    upload.etags = there.map(|part| (part.number, part.etag)).collect();
                    let (has, of) = (upload.etags.len(), sums.parts.len());
                    info!(camera = %note.camera, has, of, "an upload goes on");
                }
                Err(error) if error.is("NoSuchUpload") => {
                    return self.lost(note, &upload, (key, sums)).await;
                }
                // The key has no right to ask: the note is believed.
                Err(error) if error.has_status(403) && !upload.etags.is_empty() => {}
                Err(error) => {
                    return Err(error.into());
                }
            }
            self.listed.insert(note.file.clone());
        }
        let count = u32::try_from(sums.parts.len()).unwrap_or(u32::MAX);
        if let Some(number) = (1..=count).find(|number| !upload.etags.contains_key(number)) {
            let sha256 = sums.parts[number as usize - 1].clone();
            let payload = self.flow.payload(content, span(sums, number), sha256);
            match self.client.part(key, &upload.id, number, payload).await {
                Ok(etag) => drop(upload.etags.insert(number, etag)),
                Err(error) if error.is("NoSuchUpload") => {
                    return self.lost(note, &upload, (key, sums)).await;
                }
                Err(error) => return Err(error.into()),
            }
            note.upload = Some(upload);
            self.save(note).await?;
            return Ok(Went::On);
        }
        upload.completing = true;
        note.upload = Some(upload.clone());
        self.save(note).await?;
        let etags: Vec<_> = upload.etags.clone().into_iter().collect();
        match self.client.complete(key, &upload.id, &etags).await {
            Ok(()) => Ok(Went::Stored),
            Err(error) if error.is("NoSuchUpload") => self.lost(note, &upload, (key, sums)).await,
            Err(error) if error.is_of_one() => {
                // What it has of it, it will not put together: all of it anew.
                self.client.abort(key, &upload.id).await?;
                note.upload = None;
                self.save(note).await?;
                Err(error.into())
            }
            Err(error) => Err(error.into()),
        }
    }

    /// The store knows nothing of an upload: it was put together before this was told, or all of it is sent
    /// anew.
    async fn lost(
        &mut self,
        note: &mut Note,
        upload: &Upload,
        (key, sums): (&str, &Sums),
    ) -> Result<Went, Stop> {
        if upload.completing
            && self.client.head(key).await?.is_some_and(|object| is_it(&object, sums))
        {
            return Ok(Went::Stored);
        }
        info!(camera = %note.camera, "the store has forgotten an upload: it begins anew");
        note.upload = None;
        self.save(note).await?;
        Ok(Went::On)
    }

    /// Whether the store says that it has it. False: this key has no right to ask.
    async fn check(&mut self, key: &str, sums: &Sums) -> Result<bool, Stop> {
        match self.client.head(key).await {
            Ok(Some(object)) if is_it(&object, sums) => Ok(true),
            Ok(Some(object)) => {
                let why = format!("of {} bytes it has {}, or others", sums.bytes, object.bytes);
                Err(S3Error::Differs(why).into())
            }
            Ok(None) => Err(S3Error::Differs("it took an object and has none".to_owned()).into()),
            Err(error) if error.has_status(403) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// A piece that is not on the flash any more: what the store has of it goes, then its note.
    pub(super) async fn give_up(&mut self, file: &str) -> Result<(), Stop> {
        let Some(note) = self.notes.get(file).cloned() else { return Ok(()) };
        let place = self.plan.place();
        if let Some(upload) = note.upload.as_ref().filter(|upload| upload.place == place) {
            match self.client.abort(&upload.key, &upload.id).await {
                Ok(()) => {}
                Err(error) if error.is_of_one() || error.has_status(403) => {
                    // The bucket's own rule ends it.
                    warn!(why = error.advice(), "an upload of what is gone stays in the store");
                }
                Err(error) => return Err(error.into()),
            }
        }
        self.forget(file).await
    }

    pub(super) async fn save(&mut self, note: &Note) -> Result<(), Stop> {
        self.notes.insert(note.file.clone(), note.clone());
        let (root, note) = (self.plan.root.clone(), note.clone());
        on_disk(move || notes::save(&root, &note)).await
    }

    pub(super) async fn forget(&mut self, file: &str) -> Result<(), Stop> {
        self.notes.remove(file);
        self.gone.remove(file);
        self.listed.remove(file);
        self.later.remove(file);
        self.told.remove(file);
        let (root, file) = (self.plan.root.clone(), file.to_owned());
        on_disk(move || notes::remove(&root, &file)).await
    }
}

pub(super) async fn on_disk<T: Send + 'static>(
    work: impl FnOnce() -> std::io::Result<T> + Send + 'static,
) -> Result<T, Stop> {
    let done = spawn_blocking(work).await.map_err(|error| Stop::Disk(error.to_string()))?;
    done.map_err(|error| Stop::Disk(format!("a note of the store cannot be kept: {error}")))
}

#[cfg(test)]
mod tests {
    use super::super::notes::tests::note;
    use super::super::tests::plan;
    use super::*;

    #[test]
    fn a_key_is_made_of_what_never_changes() {
        let plan = plan("prefix = \"d-3/north\"\n");
        let mut note = note("gate-7.mp4", 8);
        let id = "00000000000000000000000000000008";
        let at = |day: &str| format!("d-3/north/g/gate/{day}/{id}-gate-7.mp4");
        assert_eq!(key(&plan, &note), at("2026-09-21"));
        note.dated = false;
        assert_eq!(key(&plan, &note), at("undated"));
        (note.dated, note.at) = (true, UtcMs(i64::MAX));
        assert_eq!(key(&plan, &note), at("undated"));
    }

    #[test]
    fn the_last_part_is_what_is_left() {
        let sums = Sums {
            bytes: 11,
            sha256: "ab".to_owned(),
            part_bytes: 5,
            parts: vec![String::new(); 3],
        };
        let spans: Vec<_> = (1..=3).map(|number| span(&sums, number)).collect();
        assert_eq!(spans, [(0, 5), (5, 5), (10, 1)]);
        let object =
            |bytes, sha256: Option<&str>| Object { bytes, sha256: sha256.map(str::to_owned) };
        assert!(is_it(&object(11, Some("ab")), &sums) && is_it(&object(11, None), &sums));
        assert!(!is_it(&object(10, Some("ab")), &sums) && !is_it(&object(11, Some("cd")), &sums));
    }

    #[test]
    fn what_is_in_the_store_says_what_it_is() {
        let plan = plan("");
        let sums =
            Sums { bytes: 1, sha256: "ab".to_owned(), part_bytes: 5, parts: vec!["ab".to_owned()] };
        let about_of = |file: &str| about(&plan, &note(file, 8), &sums);
        assert_eq!(about_of("gate-7.jpg").content_type, "image/jpeg");
        assert_eq!(about_of("gate-7.mp4").content_type, "video/mp4");
        assert_eq!(about_of("gate-7.mp4.age").content_type, "application/octet-stream");
        assert!(about_of("gate-7.jpg").meta.contains(&("x-amz-meta-sha256", "ab".to_owned())));
    }
}
