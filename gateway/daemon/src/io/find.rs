//! Finds a GPIO chip by its name or label, and says what to do when that fails.
//!
//! Numbers move: `gpiochip0` of today may be `gpiochip2` after the next boot, or after an expander
//! was plugged in again. A label stays. A chip that was open once is found again by its label,
//! also if the configuration names it by number, so that another chip that took its number in the
//! meantime is never read in its place.

use std::fmt::Write as _;
use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use gpiocdev::chip::{Chip, Info};

/// Where the kernel shows its devices.
const DEV: &str = "/dev";

/// `EPERM`: not the file's mode but the sandbox of the service forbids it.
const EPERM: i32 = 1;
/// `EACCES`: the file's mode forbids it.
const EACCES: i32 = 13;

/// Why a chip or its lines could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Two chips carry the label: configuration.
    #[error("{paths} all carry the label {label:?}\nhint: name one of them as gpiochipN")]
    Ambiguous {
        /// The label.
        label: String,
        /// Their devices.
        paths: String,
    },
    /// The kernel or the chip failed.
    #[error("{path} could not be used: {source}")]
    Chip {
        /// The device.
        path: PathBuf,
        /// The kernel's answer.
        source: gpiocdev::Error,
    },
    /// The kernel or the chip failed while the lines were taken.
    #[error("{path}: the lines could not be watched: {source}")]
    Io {
        /// The device.
        path: PathBuf,
        /// The kernel's answer.
        source: io::Error,
    },
    /// Another program holds the line, or a driver of the kernel does.
    #[error(
        "line {line} of {path} is in use by {consumer:?}\nhint: stop that program, or take its \
         driver out of the device tree; `gpioinfo` shows who holds which line"
    )]
    LineTaken {
        /// The device.
        path: PathBuf,
        /// The line.
        line: u32,
        /// Who holds it.
        consumer: String,
    },
    /// The chip has fewer lines: configuration.
    #[error("{path} ({label}) has the lines 0 to {last}, there is no line {line}")]
    NoSuchLine {
        /// The device.
        path: PathBuf,
        /// Its label.
        label: String,
        /// The line asked for.
        line: u32,
        /// The last there is.
        last: u32,
    },
    /// The service has no right to the device: installation.
    #[error("{0}")]
    NotAllowed(Denied),
    /// Unplugged, not yet found by the kernel, or misspelt.
    #[error("there is no GPIO chip {wanted:?}; {present}\nhint: `gpiodetect` lists the chips")]
    NotFound {
        /// Its name or label, as configured.
        wanted: String,
        /// Those there are.
        present: String,
    },
}

impl OpenError {
    /// Whether the device may not be opened: exit code 77 at a check.
    pub const fn is_permission(&self) -> bool {
        matches!(self, Self::NotAllowed(_))
    }
}

/// A device that may not be opened, with all that a person needs to allow it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Denied {
    path: PathBuf,
    errno: i32,
    /// The group of the device; `None` if that could not be found out.
    group: Option<String>,
    mode: u32,
    user: String,
}

impl Denied {
    fn of(path: &Path, errno: i32) -> Self {
        let meta = fs::metadata(path).ok();
        let uid = rustix::process::geteuid().as_raw();
        Self {
            path: path.to_owned(),
            errno,
            group: meta.as_ref().map(|meta| name_of("/etc/group", meta.gid())),
            mode: meta.map_or(0, |meta| meta.mode() & 0o777),
            user: name_of("/etc/passwd", uid),
        }
    }
}

impl std::fmt::Display for Denied {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { path, errno, group, mode, user } = self;
        let reason = io::Error::from_raw_os_error(*errno);
        write!(f, "{} may not be opened by the user {user:?}: {reason}", path.display())?;
        if *errno == EPERM {
            return write!(
                f,
                "\nhint: the service's sandbox forbids it: its unit needs \
                 `DeviceAllow=char-gpiochip rw`"
            );
        }
        match group.as_deref() {
            Some(group) if group != "root" && mode & 0o060 == 0o060 => write!(
                f,
                "\nhint: the device belongs to the group {group:?}: run \
                 `usermod -aG {group} {user}` and restart the service"
            ),
            _ => write!(
                f,
                "\nhint: the device should belong to the group \"gpio\" with mode 0660, it has \
                 {} and {mode:04o}: add the udev rule `SUBSYSTEM==\"gpio\", \
                 KERNEL==\"gpiochip*\", GROUP=\"gpio\", MODE=\"0660\"`, run `udevadm trigger` and \
                 `usermod -aG gpio {user}`, and restart the service",
                group.as_deref().unwrap_or("no known group"),
            ),
        }
    }
}

/// The name that a number has in `/etc/passwd` or `/etc/group`, or the number.
fn name_of(table: &str, id: u32) -> String {
    let table = fs::read_to_string(table).unwrap_or_default();
    let found = table.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)?.parse() == Ok(id)).then(|| name.to_owned())
    });
    found.unwrap_or_else(|| id.to_string())
}

/// One device, and what it says of itself.
#[derive(Debug)]
struct Candidate {
    path: PathBuf,
    told: Result<Info, i32>,
}

impl Candidate {
    fn is_named(&self, wanted: &str) -> bool {
        self.path.file_name().is_some_and(|name| name == wanted)
    }
}

/// Opens the chip with this name (`gpiochip0`) or label; or, if it was open before, with the label
/// that it had then.
pub(super) fn open_chip(wanted: &str, known: Option<&str>) -> Result<(Chip, Info), OpenError> {
    let mut candidates = Vec::new();
    let mut chips = Vec::new();
    for path in devices(Path::new(DEV)) {
        match Chip::from_path(&path).and_then(|chip| Ok((chip.info()?, chip))) {
            Ok((info, chip)) => {
                candidates.push(Candidate { path, told: Ok(info.clone()) });
                chips.push(Some((chip, info)));
            }
            Err(error) => {
                let errno = if let gpiocdev::Error::Os(errno) = &error { errno.0 } else { 0 };
                candidates.push(Candidate { path, told: Err(errno) });
                chips.push(None);
            }
        }
    }
    let index = choose(&candidates, wanted, known)?;
    // `choose` takes only a candidate that told its info.
    chips.swap_remove(index).ok_or_else(|| not_found(&candidates, wanted))
}

/// The chips among the devices, each once: boards keep old numbers as links.
fn devices(dev: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(dev) else { return Vec::new() };
    let mut paths: Vec<_> = entries
        .filter_map(|entry| entry.ok()?.file_name().into_string().ok())
        .filter(|name| name.starts_with("gpiochip"))
        .filter_map(|name| fs::canonicalize(dev.join(name)).ok())
        .collect();
    paths.sort_by_key(|path| (path.as_os_str().len(), path.clone()));
    paths.dedup();
    paths
}

fn choose(candidates: &[Candidate], wanted: &str, known: Option<&str>) -> Result<usize, OpenError> {
    let carries = |label: &str| -> Vec<usize> {
        let told = |candidate: &Candidate| candidate.told.as_ref().is_ok_and(|i| i.label == label);
        (0..candidates.len()).filter(|&index| told(&candidates[index])).collect()
    };
    let named = candidates.iter().position(|candidate| candidate.is_named(wanted));
    // A chip without a label can only be known by its number.
    let known = known.filter(|label| !label.is_empty());
    let mut matching = carries(known.unwrap_or(wanted));
    if let Some(named) = named {
        match &candidates[named].told {
            Ok(info) if known.is_none_or(|label| label == info.label) => return Ok(named),
            Err(errno @ (EPERM | EACCES)) => {
                return Err(OpenError::NotAllowed(Denied::of(&candidates[named].path, *errno)));
            }
            // Another chip has the number now, or it does not answer.
            _ => {}
        }
    }
    match matching.as_slice() {
        [_] => Ok(matching.remove(0)),
        [] => {
            // The label of a chip that may not be opened cannot be read: it may be this one.
            let denied = candidates.iter().find_map(|candidate| match candidate.told {
                Err(errno @ (EPERM | EACCES)) => Some(Denied::of(&candidate.path, errno)),
                _ => None,
            });
            Err(denied.map_or_else(|| not_found(candidates, wanted), OpenError::NotAllowed))
        }
        several => {
            let path = |&index: &usize| candidates[index].path.display().to_string();
            let paths = several.iter().map(path).collect::<Vec<_>>().join(" and ");
            Err(OpenError::Ambiguous { label: known.unwrap_or(wanted).to_owned(), paths })
        }
    }
}

fn not_found(candidates: &[Candidate], wanted: &str) -> OpenError {
    let mut present = String::new();
    for candidate in candidates {
        let _ = write!(present, "{} ", candidate.path.display());
        let _ = match &candidate.told {
            Ok(info) => write!(present, "({}, {} lines), ", info.label, info.num_lines),
            Err(errno) => write!(present, "({}), ", io::Error::from_raw_os_error(*errno)),
        };
    }
    let present = match present.trim_end_matches([',', ' ']) {
        "" => "this machine shows none".to_owned(),
        list => format!("there are {list}"),
    };
    OpenError::NotFound { wanted: wanted.to_owned(), present }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn chip(path: &str, label: &str) -> Candidate {
        let info = Info { name: path.replace("/dev/", ""), label: label.into(), num_lines: 8 };
        Candidate { path: path.into(), told: Ok(info) }
    }

    fn denied(path: &str, errno: i32) -> Candidate {
        Candidate { path: path.into(), told: Err(errno) }
    }

    #[test]
    fn a_chip_is_found_by_its_name_or_its_label() {
        let chips = [chip("/dev/gpiochip0", "soc"), chip("/dev/gpiochip1", "doors")];
        assert_eq!(choose(&chips, "gpiochip1", None).unwrap(), 1);
        assert_eq!(choose(&chips, "doors", None).unwrap(), 1);
        assert_eq!(choose(&chips, "gpiochip0", None).unwrap(), 0);
    }

    #[test]
    fn a_chip_that_was_open_is_found_again_under_another_number() {
        let moved = [chip("/dev/gpiochip0", "soc"), chip("/dev/gpiochip2", "doors")];
        assert_eq!(choose(&moved, "gpiochip1", Some("doors")).unwrap(), 1);
        // Another chip took the number: it is not read in its place.
        assert_eq!(choose(&moved, "gpiochip0", Some("doors")).unwrap(), 1);
        let taken = [chip("/dev/gpiochip1", "soc")];
        let error = choose(&taken, "gpiochip1", Some("doors")).unwrap_err();
        assert!(matches!(error, OpenError::NotFound { .. }), "{error}");
        // Without a label the number is all there is.
        let mute = [chip("/dev/gpiochip1", "")];
        assert_eq!(choose(&mute, "gpiochip1", Some("")).unwrap(), 0);
    }

    #[test]
    fn a_label_that_two_chips_carry_is_refused_with_both_paths() {
        let twins = [chip("/dev/gpiochip0", "doors"), chip("/dev/gpiochip1", "doors")];
        let error = choose(&twins, "doors", None).unwrap_err().to_string();
        assert_eq!(
            error,
            "/dev/gpiochip0 and /dev/gpiochip1 all carry the label \"doors\"\n\
             hint: name one of them as gpiochipN"
        );
        assert_eq!(choose(&twins, "gpiochip1", Some("doors")).unwrap(), 1, "the number decides");
    }

    #[test]
    fn a_chip_that_is_not_there_is_answered_with_those_that_are() {
        let chips = [chip("/dev/gpiochip0", "soc"), denied("/dev/gpiochip1", 19)];
        assert_eq!(
            choose(&chips, "doors", None).unwrap_err().to_string(),
            "there is no GPIO chip \"doors\"; there are /dev/gpiochip0 (soc, 8 lines), \
             /dev/gpiochip1 (No such device (os error 19))\nhint: `gpiodetect` lists the chips"
        );
        assert_eq!(
            choose(&[], "gpiochip0", None).unwrap_err().to_string(),
            "there is no GPIO chip \"gpiochip0\"; this machine shows none\n\
             hint: `gpiodetect` lists the chips"
        );
    }

    #[test]
    fn a_chip_that_may_not_be_opened_is_a_matter_of_permission_by_name_and_by_label() {
        let chips = [chip("/dev/gpiochip0", "soc"), denied("/dev/gpiochip1", EACCES)];
        for wanted in ["gpiochip1", "doors"] {
            let error = choose(&chips, wanted, None).unwrap_err();
            assert!(error.is_permission(), "{error}");
            assert!(error.to_string().starts_with("/dev/gpiochip1 may not be opened"), "{error}");
        }
        assert_eq!(choose(&chips, "soc", None).unwrap(), 0, "the other one is not in the way");
    }

    #[test]
    fn the_message_names_the_device_the_group_and_what_to_do() {
        let base = Denied {
            path: "/dev/gpiochip0".into(),
            errno: EACCES,
            group: Some("gpio".into()),
            mode: 0o660,
            user: "gatehouse".into(),
        };
        assert_eq!(
            base.to_string(),
            "/dev/gpiochip0 may not be opened by the user \"gatehouse\": Permission denied (os \
             error 13)\nhint: the device belongs to the group \"gpio\": run `usermod -aG gpio \
             gatehouse` and restart the service"
        );
        let root = Denied { group: Some("root".into()), mode: 0o600, ..base.clone() };
        assert_eq!(
            root.to_string(),
            "/dev/gpiochip0 may not be opened by the user \"gatehouse\": Permission denied (os \
             error 13)\nhint: the device should belong to the group \"gpio\" with mode 0660, it \
             has root and 0600: add the udev rule `SUBSYSTEM==\"gpio\", KERNEL==\"gpiochip*\", \
             GROUP=\"gpio\", MODE=\"0660\"`, run `udevadm trigger` and `usermod -aG gpio \
             gatehouse`, and restart the service"
        );
        let sandbox = Denied { errno: EPERM, ..base };
        assert_eq!(
            sandbox.to_string(),
            "/dev/gpiochip0 may not be opened by the user \"gatehouse\": Operation not permitted \
             (os error 1)\nhint: the service's sandbox forbids it: its unit needs \
             `DeviceAllow=char-gpiochip rw`"
        );
    }

    #[test]
    fn numbers_have_the_names_of_the_tables() {
        assert_eq!(name_of("/etc/group", 0), "root");
        assert_eq!(name_of("/etc/passwd", 0), "root");
        assert_eq!(name_of("/nowhere", 7), "7");
    }

    #[test]
    fn devices_are_listed_by_number_and_links_count_once() {
        let dev = tempfile::tempdir().unwrap();
        for name in ["gpiochip10", "gpiochip9", "gpiomem", "null"] {
            fs::write(dev.path().join(name), "").unwrap();
        }
        std::os::unix::fs::symlink("gpiochip9", dev.path().join("gpiochip0")).unwrap();
        let paths = devices(dev.path());
        let names: Vec<_> = paths.iter().filter_map(|path| path.file_name()?.to_str()).collect();
        assert_eq!(names, ["gpiochip9", "gpiochip10"]);
        assert_eq!(devices(Path::new("/nowhere")), Vec::<PathBuf>::new());
    }
}
