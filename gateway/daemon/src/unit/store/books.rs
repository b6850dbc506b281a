//! What is owed, told and shown: the books of the unit.

use std::collections::BTreeSet;

use gatehouse_core::site::Input;
use tokio::task::spawn_blocking;
use tracing::info;

use super::push::{Stop, on_disk};
use super::taken::{self, Fact};
use super::{Pusher, notes, told};

impl Pusher {
    /// A piece is in the store.
    pub(super) fn stored(&mut self, file: &str) {
        let open = self.notes.get(file).is_some_and(|note| note.open.is_some());
        if open {
            info!(file, "a picture or clip is in the store");
            self.view.stored += 1;
            self.view.last = Some((self.clock.now().utc, file.to_owned()));
        }
    }

    /// Hands in what is to be told. False: the rules have ended.
    pub(super) async fn tell(&mut self) -> bool {
        let mut inputs = Vec::new();
        for note in self.notes.values() {
            if let Some(done) = note.done.as_ref().filter(|_| !self.told.contains(&note.file)) {
                self.told.insert(note.file.clone());
                inputs.extend(told::stored(note, done));
            }
        }
        if let Some((fault, cause)) = self.trouble.tell(self.clock.mono()) {
            let bucket = &self.plan.store.bucket;
            inputs.push(told::fault(&self.plan.gateway, bucket, fault, &cause));
        }
        self.send(inputs).await
    }

    pub(super) async fn send(&self, inputs: Vec<Input>) -> bool {
        for input in inputs {
            if self.inputs.send(input).await.is_err() {
                return false;
            }
        }
        true
    }

    /// Makes notes of what the journal tells of, and ends those that are told of.
    pub(super) async fn take_up(&mut self) -> Result<(), Stop> {
        loop {
            let heads = *self.heads.borrow_and_update();
            // Evidence is told of in the normal lane.
            if heads.normal <= self.upto {
                return Ok(());
            }
            let head = heads.normal.max(heads.alarm);
            let (journal, after) = (self.journal.clone(), self.upto);
            let page = spawn_blocking(move || taken::read(&journal, after, head)).await;
            let page = page.map_err(|error| Stop::Disk(error.to_string()))?;
            let page = page.map_err(|error| Stop::Disk(error.to_string()))?;
            let news = !page.facts.is_empty();
            for fact in page.facts {
                self.take(fact).await?;
            }
            self.upto = page.upto;
            if news {
                let (root, upto) = (self.plan.root.clone(), page.upto);
                on_disk(move || notes::save_upto(&root, upto)).await?;
            }
            if !page.more {
                return Ok(());
            }
        }
    }

    async fn take(&mut self, fact: Fact) -> Result<(), Stop> {
        match fact {
            Fact::Piece(piece) => {
                if let Some(mut note) = self.notes.get(piece.file()).cloned() {
                    if piece.add_to(&mut note) {
                        self.save(&note).await?;
                    }
                    return Ok(());
                }
                let path = piece.path(&self.plan.root);
                let length = spawn_blocking(move || Some(std::fs::metadata(path).ok()?.len()));
                let length = length.await.map_err(|error| Stop::Disk(error.to_string()))?;
                // It has had its time, which was told.
                let Some(bytes) = length else { return Ok(()) };
                let note = piece.note(bytes);
                self.save(&note).await
            }
            Fact::Told { file, silent } => {
                let Some(mut note) = self.notes.get(&file).cloned() else { return Ok(()) };
                let told = if silent { &mut note.silent } else { &mut note.open };
                *told = None;
                if note.open.is_none() && note.silent.is_none() {
                    self.forget(&file).await
                } else {
                    self.save(&note).await
                }
            }
        }
    }

    /// Finds pieces that are not on the flash any more. What is in the store and not told of yet stays.
    pub(super) async fn look_for_gone(&mut self) -> Result<(), Stop> {
        let left = self.notes.values().filter(|note| note.done.is_none());
        let paths: Vec<_> =
            left.map(|note| (note.file.clone(), note.path(&self.plan.root))).collect();
        let gone = spawn_blocking(move || {
            let gone = paths.into_iter().filter(|(_, path)| !path.exists());
            gone.map(|(file, _)| file).collect::<BTreeSet<_>>()
        });
        self.gone = gone.await.map_err(|error| Stop::Disk(error.to_string()))?;
        // Of most the store has nothing.
        let begun = |file: &&String| self.notes.get(*file).is_some_and(|it| it.upload.is_some());
        let not_begun: Vec<_> = self.gone.iter().filter(|file| !begun(file)).cloned().collect();
        for file in not_begun {
            self.forget(&file).await?;
        }
        Ok(())
    }

    /// What is shown of it: nothing of what is silent.
    pub(super) fn show(&mut self) {
        let owed = self.notes.values().filter(|note| self.is_owed(note) && note.open.is_some());
        let (mut pending, mut bytes, mut refused) = (0, 0, 0);
        for note in owed {
            pending += 1;
            bytes += note.bytes;
            refused += usize::from(self.later.contains_key(&note.file));
        }
        (self.view.pending, self.view.pending_bytes, self.view.refused) = (pending, bytes, refused);
        let view = self.view.clone();
        self.board.note(|board| board.store = Some(view));
    }
}
