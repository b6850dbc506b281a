//! Keeps a camera's ring, and makes clips of it when triggered.

use std::path::{Path, PathBuf};

use gatehouse_core::time::Mono;
use thiserror::Error;

use super::disk::Disk;
use super::notes::Notes;
use super::plan::{ClipId, ClipLimits, Plan, Trigger};
use super::recover;
use super::write::{ClipWriter, WriteError};
use crate::frame::Frame;
use crate::picture::Unmasked;
use crate::ring::Ring;
use crate::seal::Sum;

/// A finished file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClipFile {
    /// Where it is.
    pub path: PathBuf,
    /// What is seen when it is opened; `None`: it is sealed for others, and was found at a start.
    pub content: Option<Sum>,
    /// What lies on the medium, where that is sealed.
    pub sealed: Option<Sum>,
    /// Pictures in it, where that is known.
    pub frames: Option<u64>,
    /// When the first and the last had come; `None` when it was recovered.
    pub span: Option<(Mono, Mono)>,
}

/// What became of a clip.
#[derive(Debug)]
pub enum ClipTold {
    /// It is on the medium.
    Done {
        /// Its name.
        id: ClipId,
        /// Further triggers that it covers, up to 32.
        merged: Vec<ClipId>,
        /// Its files, in order: one for each format that the stream had.
        files: Vec<ClipFile>,
    },
    /// There was no picture from its beginning to its end.
    Empty {
        /// Its name.
        id: ClipId,
        /// Further triggers.
        merged: Vec<ClipId>,
    },
    /// The disk failed, or a mask could not be painted. The ring is as it was, and the next trigger
    /// tries anew.
    Failed {
        /// Its name.
        id: ClipId,
        /// Further triggers.
        merged: Vec<ClipId>,
        /// What failed.
        error: ClipError,
        /// What could be saved of it: files that were whole, and the last up to its last fragment.
        files: Vec<ClipFile>,
    },
}

/// Why a clip is not as it should be.
#[derive(Debug, Error)]
pub enum ClipError {
    /// The disk failed.
    #[error(transparent)]
    Write(#[from] WriteError),
    /// Its mask could not be painted.
    #[cfg(feature = "masked-clips")]
    #[error(transparent)]
    Masked(#[from] super::masked::MaskedError),
}

/// The recorder of one camera, which copies what comes. Its methods block on the disk.
pub struct Recorder<D: Disk> {
    disk: D,
    folder: PathBuf,
    limits: ClipLimits,
    ring: Ring,
    making: Option<Making<D::File>>,
    notes: Option<Box<dyn Notes>>,
}

struct Making<F> {
    plan: Plan,
    writer: Option<ClipWriter<F>>,
    files: Vec<ClipFile>,
    parts: u32,
}

impl<D: Disk> Recorder<D> {
    /// A recorder that writes into `folder`, which must be there. Frames go there as they come, so
    /// the camera must have no mask.
    pub fn new(
        disk: D,
        folder: PathBuf,
        limits: ClipLimits,
        ring: Ring,
        _unmasked: Unmasked,
    ) -> Self {
        Self { disk, folder, limits, ring, making: None, notes: None }
    }

    /// A recorder for frames whose masks are painted. It has no ring: what is to be in the clip is
    /// given to it.
    #[cfg(feature = "masked-clips")]
    pub(super) fn of_masked(disk: D, folder: PathBuf, limits: ClipLimits) -> Self {
        let nothing = crate::ring::RingLimits { span: std::time::Duration::ZERO, bytes: 0 };
        Self { disk, folder, limits, ring: Ring::new(nothing), making: None, notes: None }
    }

    /// The same, whose files are noted while they are made.
    pub fn noted(self, notes: Box<dyn Notes>) -> Self {
        Self { notes: Some(notes), ..self }
    }

    /// Begins the clip of this plan with the next frame, or goes on with it as the plan is now.
    #[cfg(feature = "masked-clips")]
    pub(super) fn adopt(&mut self, plan: &Plan) {
        if let Some(making) = &mut self.making {
            if making.plan != *plan {
                making.plan = plan.clone();
                making.note(self.notes.as_deref());
            }
        } else {
            let (writer, files) = (None, Vec::new());
            self.making = Some(Making { plan: plan.clone(), writer, files, parts: 0 });
        }
    }

    /// The ring.
    pub fn ring(&self) -> &Ring {
        &self.ring
    }

    /// When [`Recorder::tick`] is due at the latest.
    pub fn due(&self) -> Option<Mono> {
        self.making.as_ref().map(|making| making.plan.until)
    }

    /// A frame has come.
    pub fn frame(&mut self, frame: Frame) -> Option<ClipTold> {
        self.ring.push(&frame);
        let making = self.making.as_mut()?;
        if frame.received > making.plan.until {
            return self.end();
        }
        match making.push(&self.disk, (&self.folder, self.notes.as_deref()), frame) {
            Ok(()) => None,
            Err(error) => self.fail(error),
        }
    }

    /// Something happened. A clip that is being made may cover it; what it ends is returned.
    pub fn trigger(&mut self, trigger: &Trigger) -> Vec<ClipTold> {
        if let Some(making) = &mut self.making
            && making.plan.merge(trigger, self.limits)
        {
            making.note(self.notes.as_deref());
            return Vec::new();
        }
        let mut told: Vec<_> = self.end().into_iter().collect();
        let plan = Plan::new(trigger, self.limits);
        let mut making = Making { plan, writer: None, files: Vec::new(), parts: 0 };
        // A group that ended before the clip begins shows nothing of it.
        let frames = self.ring.since(making.plan.from);
        let newest = frames.last().map_or(Mono(0), |frame| frame.received);
        let mut failed = None;
        for frame in frames {
            if newest >= making.plan.from && frame.received <= making.plan.until {
                let to = (self.folder.as_path(), self.notes.as_deref());
                failed = making.push(&self.disk, to, frame).err();
            }
            if failed.is_some() {
                break;
            }
        }
        self.making = Some(making);
        told.extend(failed.and_then(|error| self.fail(error)));
        told
    }

    /// Time has passed: a clip whose end has come is finished, whether or not pictures still come.
    pub fn tick(&mut self, now: Mono) -> Option<ClipTold> {
        if self.due().is_some_and(|due| now >= due) { self.end() } else { None }
    }

    /// Ends a clip that is being made: at its end, or because the daemon stops.
    pub fn end(&mut self) -> Option<ClipTold> {
        let mut making = self.making.take()?;
        if let Err(error) = making.close(&self.disk) {
            self.making = Some(making);
            return self.fail(error);
        }
        let Making { plan: Plan { id, merged, .. }, files, .. } = making;
        Some(if files.is_empty() {
            ClipTold::Empty { id, merged }
        } else {
            ClipTold::Done { id, merged, files }
        })
    }

    fn fail(&mut self, error: WriteError) -> Option<ClipTold> {
        let Making { plan: Plan { id, merged, .. }, mut files, parts, writer } =
            self.making.take()?;
        drop(writer);
        // What cannot be saved now is found at the next start.
        let path = part(&self.folder, &id, parts, self.disk.extension());
        let partial = path.with_added_extension(super::write::PARTIAL);
        if let Ok(Some((file, _))) = recover::one(&partial, None) {
            files.push(file);
        }
        Some(ClipTold::Failed { id, merged, error: error.into(), files })
    }
}

impl<F: std::io::Write> Making<F> {
    fn push<D: Disk<File = F>>(
        &mut self,
        disk: &D,
        (folder, notes): (&Path, Option<&dyn Notes>),
        frame: Frame,
    ) -> Result<(), WriteError> {
        if self.writer.as_ref().is_some_and(|writer| !writer.takes(&frame)) {
            self.close(disk)?;
        }
        if self.writer.is_none() {
            // The ring's frames begin with one; a camera that had none before the trigger may not.
            if !frame.key {
                return Ok(());
            }
            self.parts += 1;
            let path = part(folder, &self.plan.id, self.parts, disk.extension());
            // Before the file: one that nothing is known of would be told of by nobody.
            if let Some(notes) = notes {
                notes.making(&path, &self.plan, frame.received);
            }
            self.writer = Some(ClipWriter::begin(disk, path, &frame)?);
        }
        match &mut self.writer {
            Some(writer) => writer.push(disk, frame),
            None => Ok(()),
        }
    }

    /// What the file is of has changed.
    fn note(&self, notes: Option<&dyn Notes>) {
        if let (Some(writer), Some(notes)) = (&self.writer, notes) {
            notes.making(writer.path(), &self.plan, writer.first());
        }
    }

    fn close<D: Disk<File = F>>(&mut self, disk: &D) -> Result<(), WriteError> {
        if let Some(writer) = self.writer.take() {
            self.files.push(writer.finish(disk)?);
        }
        Ok(())
    }
}

/// `<id>.mp4`, and for further formats `<id>.2.mp4`; sealed, `<id>.mp4.age`.
fn part(folder: &Path, id: &ClipId, part: u32, extension: Option<&str>) -> PathBuf {
    let name = if part <= 1 { format!("{id}.mp4") } else { format!("{id}.{part}.mp4") };
    let path = folder.join(name);
    extension.map_or_else(|| path.clone(), |extension| path.with_added_extension(extension))
}

#[cfg(test)]
mod tests;
