//! The files beside `gateway.toml`, and what is on flash at each moment of a change.
//!
//! | file | what |
//! |---|---|
//! | `gateway.toml` | what holds, or is about to |
//! | `gateway.toml.before` | the one before it, while a change is made or unconfirmed |
//! | `gateway.toml.unconfirmed` | a [`Mark`]: from which file to which, by whom, and how far it is |
//! | `gateway.toml.new` | half a file, of no meaning |
//!
//! They stand beside the file and not in the state folder: a change may name another state folder. Each
//! is replaced as a whole and is on the medium, with its name, before the next step is made; so a kill or
//! a power cut leaves one of these, and [`settle`] makes one of two files of each:
//!
//! 1. `before` written: the old file holds.
//! 2. `unconfirmed` says *about*: the old file holds, the mark is removed.
//! 3. the file replaced, *about* or *trial*: nobody confirmed it, the one before is put back.
//! 4. *kept*: the new file holds, which is told. *back*: the old one holds, which is told.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, Write as _};
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use super::Touch;
use super::who::Who;
use gatehouse_config::config_hash;
use serde::{Deserialize, Serialize};

const BEFORE: &str = "before";
const UNCONFIRMED: &str = "unconfirmed";

/// How far an unconfirmed change is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    /// The file is about to be replaced.
    About,
    /// It holds until a deadline.
    Trial,
    /// It was confirmed, which is not told yet.
    Kept,
    /// The one before was put back, which is not told yet.
    Back,
}

/// A change that must be confirmed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Mark {
    pub(crate) stage: Stage,
    /// The hash of the file before.
    pub(crate) before: String,
    /// The hash of the file that is unconfirmed.
    pub(crate) after: String,
    /// Who changed it; of one that is over, who ended it.
    pub(crate) who: Who,
    pub(crate) within_s: u64,
    pub(crate) touches: Vec<Touch>,
    /// Why it is over.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) why: Option<String>,
}

impl Mark {
    /// The same, over: how, by whom and why.
    pub(crate) fn over(&self, stage: Stage, who: &Who, why: &str) -> Self {
        Self { stage, who: who.clone(), why: Some(why.to_owned()), ..self.clone() }
    }

    pub(crate) fn write(&self, path: &Path) -> io::Result<()> {
        let json = serde_json::to_vec(self).map_err(io::Error::other)?;
        replace(&beside(path, UNCONFIRMED), &json, None)
    }
}

/// `gateway.toml.before`.
pub(crate) fn beside(path: &Path, suffix: &str) -> PathBuf {
    path.with_added_extension(suffix)
}

/// Replaces a file whole or not at all, on the medium when this returns; with the rights of another, or
/// for its owner alone.
pub(crate) fn replace(path: &Path, bytes: &[u8], like: Option<&Path>) -> io::Result<()> {
    let new = beside(path, "new");
    let mode = match like {
        Some(like) => fs::metadata(like)?.permissions().mode() & 0o777,
        None => 0o600,
    };
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(mode).open(&new)?;
    // Left over from a write that was cut: with the mode of then.
    file.set_permissions(Permissions::from_mode(mode))?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&new, path)?;
    sync_folder(path)
}

fn sync_folder(path: &Path) -> io::Result<()> {
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    File::open(folder.unwrap_or(Path::new(".")))?.sync_all()
}

fn remove(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Ok(()) => sync_folder(path),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
    }
}

/// Puts a file in the place of the one that holds, which is kept beside it; with a mark first, if it must
/// be confirmed.
pub(crate) fn put(path: &Path, before: &str, text: &str, mark: Option<&Mark>) -> io::Result<()> {
    replace(&beside(path, BEFORE), before.as_bytes(), Some(path))?;
    if let Some(mark) = mark {
        mark.write(path)?;
    }
    replace(path, text.as_bytes(), Some(path))
}

/// Puts the file back that stands beside, if it is the one with this hash.
pub(crate) fn put_back(path: &Path, hash: &str) -> io::Result<()> {
    let before = beside(path, BEFORE);
    let bytes = fs::read(&before)?;
    if config_hash(&bytes) != hash {
        let what = format!("{} is not the configuration before", before.display());
        return Err(io::Error::new(io::ErrorKind::InvalidData, what));
    }
    // A copy: until the mark is gone it is needed once more.
    replace(path, &bytes, Some(&before))
}

/// Nothing is unconfirmed any more.
pub(crate) fn forget(path: &Path) -> io::Result<()> {
    remove(&beside(path, UNCONFIRMED))
}

/// The mark, if there is one.
pub(crate) fn mark(path: &Path) -> io::Result<Option<Mark>> {
    match fs::read(beside(path, UNCONFIRMED)) {
        Ok(bytes) => serde_json::from_slice(&bytes).map(Some).map_err(io::Error::other),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}

/// What a start does before it reads its configuration: a change that nobody has confirmed is taken
/// back, also before its deadline: the start may be its doing. What is left to tell stays in the mark.
///
/// Nothing here keeps a box from starting: what cannot be done is said, and tried again while it runs.
/// What is to be logged is given back, since nothing is read yet that says how.
#[must_use]
pub(crate) fn settle(path: &Path) -> Vec<String> {
    let mark = match mark(path) {
        Ok(Some(mark)) => mark,
        Ok(None) => return Vec::new(),
        Err(error) => {
            let mut told = vec![format!(
                "what is unconfirmed of the configuration cannot be read, and the file holds as it is: \
                 {error}"
            )];
            let damaged = beside(&beside(path, UNCONFIRMED), "damaged");
            if let Err(error) = fs::rename(beside(path, UNCONFIRMED), damaged) {
                told.push(format!("it cannot be set aside either: {error}"));
            }
            return told;
        }
    };
    let file = fs::read(path).map(|bytes| config_hash(&bytes));
    let is = |hash: &str| file.as_ref().is_ok_and(|file| file == hash);
    let (text, done) = match mark.stage {
        Stage::Kept | Stage::Back => return Vec::new(),
        Stage::About if is(&mark.before) => {
            ("a change of the configuration was cut off before it held", forget(path))
        }
        Stage::Trial if is(&mark.before) => {
            let back = mark.over(Stage::Back, &Who::GATEWAY, RESTART);
            ("an unconfirmed configuration was put back", back.write(path))
        }
        Stage::About | Stage::Trial if is(&mark.after) || file.is_err() => {
            let back = mark.over(Stage::Back, &Who::GATEWAY, RESTART);
            let put = put_back(path, &mark.before).and_then(|()| back.write(path));
            ("nobody has confirmed this configuration: the one before is put back", put)
        }
        // Somebody at the box has written another one since: theirs is the last word.
        Stage::About | Stage::Trial => {
            let kept = mark.over(Stage::Kept, &Who::SIGNAL, OVERTAKEN);
            (
                "an unconfirmed configuration was changed by hand: nothing is put back",
                kept.write(path),
            )
        }
    };
    let mut told = vec![format!("{text} ({} after {})", mark.after, mark.before)];
    if let Err(error) = done {
        told.push(format!("that could not be done: {error}"));
    }
    told
}

/// Who made the file hold that a start finds, and why, as far as the mark says.
pub(crate) fn at_start(path: &Path) -> (Who, &'static str) {
    match mark(path) {
        Ok(Some(Mark { stage: Stage::Back, .. })) => (Who::GATEWAY, RESTART),
        _ => (Who::SIGNAL, "start"),
    }
}

/// The gateway started anew before it was confirmed.
pub(crate) const RESTART: &str = "restart";

/// The file was changed by hand meanwhile.
pub(crate) const OVERTAKEN: &str = "overtaken";

#[cfg(test)]
mod tests {
    use super::*;

    struct Box {
        folder: tempfile::TempDir,
        mark: Mark,
    }

    const OLD: &str = "# old\n";
    const NEW: &str = "# new\n";

    impl Box {
        fn new() -> Self {
            let folder = tempfile::tempdir().unwrap();
            let mark = Mark {
                stage: Stage::About,
                before: config_hash(OLD.as_bytes()),
                after: config_hash(NEW.as_bytes()),
                who: Who::console(Some(0)),
                within_s: 120,
                touches: vec![Touch::Broker],
                why: None,
            };
            let here = Self { folder, mark };
            fs::write(here.path(), OLD).unwrap();
            fs::set_permissions(here.path(), Permissions::from_mode(0o640)).unwrap();
            here
        }

        fn path(&self) -> PathBuf {
            self.folder.path().join("gateway.toml")
        }

        fn text(&self) -> String {
            fs::read_to_string(self.path()).unwrap()
        }

        /// How it is after a start: the file, and what is left to tell.
        fn settled(&self) -> (String, Option<(Stage, String)>) {
            let _ = settle(&self.path());
            let left = mark(&self.path()).unwrap();
            (self.text(), left.map(|left| (left.stage, left.why.unwrap_or_default())))
        }
    }

    #[test]
    fn wherever_a_change_is_cut_off_the_start_finds_one_of_the_two_files() {
        // 1. Before the mark.
        let here = Box::new();
        replace(&beside(&here.path(), BEFORE), OLD.as_bytes(), Some(&here.path())).unwrap();
        assert_eq!(here.settled(), (OLD.to_owned(), None));
        // 2. The mark, not the file; with half a file that was being written.
        here.mark.write(&here.path()).unwrap();
        fs::write(beside(&here.path(), "new"), &NEW[..3]).unwrap();
        assert_eq!(here.settled(), (OLD.to_owned(), None));
        // 3. The file, before the reload and after it.
        for stage in [Stage::About, Stage::Trial] {
            let here = Box::new();
            put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
            assert_eq!(here.text(), NEW);
            Mark { stage, ..here.mark.clone() }.write(&here.path()).unwrap();
            let back = Some((Stage::Back, RESTART.to_owned()));
            assert_eq!(here.settled(), (OLD.to_owned(), back.clone()));
            // Cut off again before it was told: told then.
            assert_eq!(here.settled(), (OLD.to_owned(), back));
        }
        // 4. Put back at the deadline, and cut off before that was noted.
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        Mark { stage: Stage::Trial, ..here.mark.clone() }.write(&here.path()).unwrap();
        put_back(&here.path(), &here.mark.before).unwrap();
        assert_eq!(here.settled(), (OLD.to_owned(), Some((Stage::Back, RESTART.to_owned()))));
        // 5. Confirmed, and cut off before that was told.
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        here.mark.over(Stage::Kept, &Who::console(None), "confirmed").write(&here.path()).unwrap();
        assert_eq!(here.settled(), (NEW.to_owned(), Some((Stage::Kept, "confirmed".to_owned()))));
        forget(&here.path()).unwrap();
        assert_eq!(here.settled(), (NEW.to_owned(), None));
    }

    #[test]
    fn what_somebody_wrote_by_hand_since_is_not_overwritten() {
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        fs::write(here.path(), "# mine\n").unwrap();
        assert_eq!(
            here.settled(),
            ("# mine\n".to_owned(), Some((Stage::Kept, OVERTAKEN.to_owned())))
        );
    }

    #[test]
    fn a_file_that_is_gone_is_the_one_before_and_another_beside_is_not_put_back() {
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        fs::remove_file(here.path()).unwrap();
        assert_eq!(here.settled().0, OLD);
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        fs::write(beside(&here.path(), BEFORE), "# what is this?\n").unwrap();
        let (text, left) = here.settled();
        assert_eq!(
            (text.as_str(), left),
            (NEW, Some((Stage::About, String::new()))),
            "tried again"
        );
    }

    #[test]
    fn a_mark_that_is_damaged_is_set_aside_and_files_keep_their_rights() {
        let here = Box::new();
        put(&here.path(), OLD, NEW, Some(&here.mark)).unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!(mode(&here.path()), 0o640);
        assert_eq!(mode(&beside(&here.path(), UNCONFIRMED)), 0o600);
        fs::write(beside(&here.path(), UNCONFIRMED), "{").unwrap();
        assert_eq!(here.settled(), (NEW.to_owned(), None));
        assert!(here.folder.path().join("gateway.toml.unconfirmed.damaged").exists());
    }
}
