//! Which files this process may open: landlock.

use landlock::{
    ABI, Access, AccessFs, BitFlags, LandlockStatus, RestrictionStatus, Ruleset, RulesetAttr,
    RulesetCreatedAttr, RulesetError, RulesetStatus, Scope, path_beneath_rules,
};

use super::Held;
use super::places::Places;

/// The newest set of rights that is wanted: moving, truncating, `ioctl` of devices (Linux 6.10). What an older
/// kernel does not know is left away. Named, and not the kernel's newest, so that a new kernel takes nothing
/// that was not tried: the next ones bound sockets with a name, as systemd's and the broker's on this machine.
const RIGHTS: ABI = ABI::V5;

/// Takes from this thread, and from all that it will start, whatever is not in `places`.
pub(super) fn restrict(places: &Places) -> Held {
    match rules(places) {
        Ok(status) => held(&status),
        Err(error) => Held::Not(format!("landlock: {error}")),
    }
}

fn rules(places: &Places) -> Result<RestrictionStatus, RulesetError> {
    let read = AccessFs::ReadFile | AccessFs::ReadDir;
    // Pipes and sockets, but no devices: those are the kernel's to make.
    let write = AccessFs::from_all(RIGHTS)
        & !(AccessFs::Execute | AccessFs::MakeChar | AccessFs::MakeBlock | AccessFs::IoctlDev);
    let drive = read | AccessFs::WriteFile | AccessFs::Truncate | AccessFs::IoctlDev;
    let all: BitFlags<AccessFs> = AccessFs::from_all(RIGHTS);
    Ruleset::default()
        .handle_access(all)?
        // No signal to anybody but itself.
        .scope(Scope::Signal)?
        .create()?
        .add_rules(path_beneath_rules(&places.read, read))?
        .add_rules(path_beneath_rules(&places.write, write))?
        .add_rules(path_beneath_rules(&places.devices, drive))?
        .restrict_self()
}

fn held(status: &RestrictionStatus) -> Held {
    let has = match status.landlock {
        LandlockStatus::NotImplemented => {
            // EPERM looks the same to the crate.
            let why = "this kernel has no landlock, or a filter around the daemon refuses it";
            return Held::Not(why.into());
        }
        LandlockStatus::NotEnabled => {
            return Held::Not("landlock is not switched on in this kernel".into());
        }
        LandlockStatus::Available { effective_abi, .. } => format!("{effective_abi:?}"),
    };
    match status.ruleset {
        RulesetStatus::FullyEnforced => Held::Whole,
        RulesetStatus::PartiallyEnforced => Held::Partly(format!(
            "this kernel has version {} of landlock, all of it is in 6",
            has.trim_start_matches('V')
        )),
        RulesetStatus::NotEnforced => Held::Not("landlock gave nothing".into()),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::io::ErrorKind::PermissionDenied;
    use std::process::Command;

    use super::*;

    /// Without landlock there is nothing to see here; the daemon says so, which is another test's.
    fn here(held: &Held) -> bool {
        !matches!(held, Held::Not(why) if why.contains("this kernel"))
    }

    #[test]
    fn what_is_elsewhere_is_neither_read_nor_written_nor_moved_nor_run() {
        let (own, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (inside, outside) = (own.path().join("a"), other.path().join("b"));
        fs::write(&outside, "secret").unwrap();
        let link = own.path().join("link");
        std::os::unix::fs::symlink(&outside, &link).unwrap();
        let places = Places {
            read: vec!["/etc".into(), "/usr".into(), "/proc".into()],
            write: vec![own.path().to_owned()],
            devices: vec!["/dev".into()],
        };
        // Rules hold for a thread and what it starts: the others of this test run go on as they are.
        let tried = move || {
            let held = restrict(&places);
            if !here(&held) {
                return;
            }
            let denied = |what: &str, tried: std::io::Result<()>| {
                assert_eq!(tried.map_err(|error| error.kind()), Err(PermissionDenied), "{what}");
            };
            denied("read", fs::read(&outside).map(drop));
            denied("read by a link from inside", fs::read(&link).map(drop));
            denied("write", fs::write(&outside, "x"));
            denied("make", fs::write(outside.with_extension("new"), "x"));
            denied("remove", fs::remove_file(&outside));
            denied("list", fs::read_dir(outside.parent().unwrap()).map(drop));
            denied("write what is only read", fs::write("/etc/gatehouse-test", "x"));
            denied("make beside devices", fs::write("/dev/gatehouse-test", "x"));
            denied("run", Command::new("/usr/bin/true").status().map(drop));
            fs::write(&inside, "x").unwrap();
            fs::rename(&inside, inside.with_extension("moved")).unwrap();
            fs::write("/dev/null", "x").unwrap();
            assert!(fs::read("/proc/self/statm").is_ok(), "what the kernel shows of the process");
            std::thread::spawn(move || assert!(fs::read(&outside).is_err(), "its threads, too"))
                .join()
                .unwrap();
        };
        std::thread::spawn(tried).join().unwrap();
        assert_eq!(fs::read_to_string(other.path().join("b")).unwrap(), "secret");
    }
}
