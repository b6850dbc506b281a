//! Where a gateway of a configuration reads and writes.

use std::path::{Path, PathBuf};

use gatehouse_config::{CameraSource, Config, Device, PasswordSource, Sim};

use crate::secret::passwords;

/// What libraries read of the system: names and addresses, certificates, time zones, `libnss_*`; and what the
/// kernel shows. As a whole, since what is in them is replaced by renaming, and the files of `/proc` are made
/// anew at each look: a rule for one of them would end with it. What is secret there is kept by its own rights.
const SYSTEM: [&str; 7] = ["/etc", "/usr", "/lib", "/lib64", "/proc", "/sys", "/run"];

/// Every device, see the sandbox's own page.
const DEVICES: &str = "/dev";

/// Folders, as the kernel knows them: without links.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Places {
    /// From there it reads.
    pub(super) read: Vec<PathBuf>,
    /// There it does everything but execute.
    pub(super) write: Vec<PathBuf>,
    /// There it opens what is there, and makes nothing.
    pub(super) devices: Vec<PathBuf>,
}

/// What is done with a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Use {
    Read,
    /// Read, and replaced by a newer one beside it.
    Keep,
    Drive,
}

/// A file that a configuration names, and where.
struct Named {
    key: String,
    path: PathBuf,
    of: Use,
}

impl Places {
    /// Makes the folders that the daemon writes to, since only what is there can be opened to it.
    pub(super) fn of(config: &Config, path: &Path) -> Self {
        let mut places = Self::default();
        places.read.extend(SYSTEM.iter().filter_map(|place| real(Path::new(place))));
        places.devices.extend(real(Path::new(DEVICES)));
        let folders = [Some(config.state_dir.as_path()), config.socket.parent()];
        for folder in folders.into_iter().flatten() {
            // What comes of it is told by whoever needs it.
            let _ = std::fs::create_dir_all(folder);
            places.write.extend(real(folder));
        }
        // The file itself may be a link to elsewhere; it is replaced where it stands.
        places.write.extend(real(folder_of(path)));
        places.read.extend(homes(path));
        for variable in ["CREDENTIALS_DIRECTORY", "TZDIR"] {
            let named = std::env::var_os(variable).map(PathBuf::from);
            places.read.extend(named.and_then(|folder| real(&folder)));
        }
        for named in named(config) {
            match named.of {
                Use::Read => places.read.extend(homes(&named.path)),
                Use::Keep => places.write.extend(homes(&named.path)),
                Use::Drive if places.drives(&named.path) => {}
                Use::Drive => places.devices.extend(homes(&named.path)),
            }
        }
        for list in [&mut places.read, &mut places.write, &mut places.devices] {
            list.sort();
            list.dedup();
        }
        places
    }

    fn reads(&self, path: &Path) -> bool {
        let all = [&self.read, &self.write, &self.devices];
        all.into_iter().flatten().any(|place| whole(path).starts_with(place))
    }

    fn keeps(&self, path: &Path) -> bool {
        self.write.iter().any(|place| whole(path).starts_with(place))
    }

    fn drives(&self, path: &Path) -> bool {
        let all = [&self.write, &self.devices];
        all.into_iter().flatten().any(|place| whole(path).starts_with(place))
    }

    /// What of another configuration lies elsewhere, each as `key names path`.
    pub(super) fn outside(&self, config: &Config) -> Vec<String> {
        let is_outside = |named: &Named| match named.of {
            Use::Read => !self.reads(&named.path),
            Use::Keep => !self.keeps(&named.path),
            Use::Drive => !self.drives(&named.path),
        };
        let tell = |named: Named| format!("{} names {}", named.key, named.path.display());
        named(config).into_iter().filter(is_outside).map(tell).collect()
    }
}

/// A path without links; `None`: nothing is there, or it cannot be reached.
fn real(path: &Path) -> Option<PathBuf> {
    std::fs::canonicalize(path).ok()
}

/// The same of a file that may not be there yet: its folder counts.
fn whole(path: &Path) -> PathBuf {
    real(path).unwrap_or_else(|| {
        let folder = real(folder_of(path)).unwrap_or_else(|| folder_of(path).to_owned());
        folder.join(path.file_name().unwrap_or_default())
    })
}

fn folder_of(path: &Path) -> &Path {
    path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."))
}

/// The folders in which a file may be replaced by a newer one: where it is named, and where the link that stands
/// there leads. Of a file that lies in `/` only the file, or everything would be open.
fn homes(path: &Path) -> Vec<PathBuf> {
    let target = real(path);
    let folders = [real(folder_of(path)), target.as_deref().map(folder_of).map(Path::to_owned)];
    let mut homes: Vec<_> = folders.into_iter().flatten().collect();
    if homes.iter().any(|home| home == Path::new("/")) {
        homes.retain(|home| home != Path::new("/"));
        homes.extend(target);
    }
    homes
}

/// The files of its own that a configuration names, each with its key: no device, and no script of a simulation.
pub(crate) fn files_of(config: &Config) -> Vec<(String, PathBuf)> {
    let script = match &config.sim {
        Some(Sim::Script(path)) => Some(path),
        _ => None,
    };
    let own = |named: &Named| named.of != Use::Drive && Some(&named.path) != script;
    named(config).into_iter().filter(own).map(|named| (named.key, named.path)).collect()
}

/// Every file and device that a configuration names, but what holds from the next start only.
fn named(config: &Config) -> Vec<Named> {
    let mut all = Vec::new();
    let mut add = |key: String, path: &Path, of: Use| {
        all.push(Named { key, path: path.to_owned(), of });
    };
    // systemd's own folder is there or is not, whatever its files are called.
    for (what, of, source) in passwords(config) {
        if let PasswordSource::File(path) = source {
            add(format!("{}-file of {of}", what.replace(' ', "-")), path, Use::Read);
        }
    }
    add("[access] credentials".into(), &config.access.credentials, Use::Keep);
    for broker in &config.brokers {
        let of = format!("broker {}", broker.id);
        let Some(tls) = &broker.tls else { continue };
        add(format!("ca of {of}"), &tls.ca, Use::Read);
        if let Some(client) = &tls.client {
            add(format!("certificate of {of}"), &client.certificate, Use::Read);
            add(format!("key of {of}"), &client.key, Use::Read);
        }
    }
    for camera in &config.cameras {
        let of = format!("camera {}", camera.rules.id);
        if let CameraSource::Device { path, .. } = &camera.source {
            add(format!("device of {of}"), path, Use::Drive);
        }
    }
    for bus in &config.buses {
        if let Device::I2c(path) | Device::Spi(path) = &bus.device {
            add(format!("device of bus {}", bus.id), path, Use::Drive);
        }
    }
    for bus in &config.rs485 {
        let of = format!("rs485 {}", bus.id);
        add(format!("device of {of}"), &bus.device, Use::Drive);
        if let Some(path) = &bus.key_file {
            add(format!("key-file of {of}"), path, Use::Read);
        }
    }
    if let Some(store) = &config.evidence.store {
        add("ca of [evidence.store]".into(), &store.ca, Use::Read);
    }
    if let Some((certificate, key)) = config.page.as_ref().and_then(|page| page.own.as_ref()) {
        add("certificate of [page]".into(), certificate, Use::Read);
        add("key of [page]".into(), key, Use::Read);
    }
    if let Some(Sim::Script(path)) = &config.sim {
        add("script of [sim]".into(), path, Use::Read);
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A configuration in this folder, with this authority for its broker.
    fn config(folder: &Path, ca: &Path) -> Config {
        let text = format!(
            "[gateway]\nid = \"g\"\ndistrict = \"d\"\nsite = \"s\"\nstate-dir = \"{0}/state\"\n\
             socket = \"{0}/run/control.sock\"\n[[door]]\nid = \"a\"\ninput = \"gpiochip0:1\"\n\
             [[rs485]]\nid = \"r\"\ndevice = \"/dev/ttyUSB9\"\n[[broker]]\nid = \"b\"\nhost = \"h\"\n\
             [broker.tls]\nca = \"{1}\"\n",
            folder.display(),
            ca.display()
        );
        let path = folder.join("gateway.toml");
        std::fs::write(&path, &text).unwrap();
        Config::load(&path).map_err(|errors| errors.render(false)).unwrap()
    }

    #[test]
    fn what_is_named_may_be_read_and_its_successor_too_and_nothing_beside_it() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let ca = other.path().join("pki/ca.pem");
        std::fs::create_dir_all(ca.parent().unwrap()).unwrap();
        std::fs::write(other.path().join("real.pem"), "").unwrap();
        let config = config(folder.path(), &ca);
        let places = Places::of(&config, &folder.path().join("gateway.toml"));
        let real = |path: &Path| std::fs::canonicalize(path).unwrap();
        assert!(folder.path().join("run").is_dir(), "it is made, or it cannot be opened");
        assert_eq!(
            places.write,
            [folder.path().to_owned(), folder.path().join("run"), folder.path().join("state")]
                .map(|place| real(&place))
        );
        assert!(places.reads(&ca), "a file that is not there yet");
        assert!(places.read.contains(&real(ca.parent().unwrap())), "a newer one takes its place");
        assert!(!places.reads(&other.path().join("real.pem")), "not what lies above");
        assert!(places.drives(Path::new("/dev/ttyUSB9")) && !places.drives(&ca));
        assert_eq!(places.outside(&config), [""; 0]);
    }

    #[test]
    fn a_link_opens_where_it_leads_and_a_file_in_the_root_only_itself() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let (link, target) = (folder.path().join("ca.pem"), other.path().join("ca.pem"));
        std::fs::write(&target, "").unwrap();
        std::os::unix::fs::symlink(&target, &link).unwrap();
        let real = |path: &Path| std::fs::canonicalize(path).unwrap();
        assert_eq!(homes(&link), [real(folder.path()), real(other.path())]);
        let mut root = std::fs::read_dir("/").unwrap().flatten();
        if let Some(file) = root.find(|entry| entry.file_type().is_ok_and(|kind| kind.is_file())) {
            assert_eq!(homes(&file.path()), [file.path()]);
        }
    }

    #[test]
    fn what_a_new_configuration_names_elsewhere_is_told_with_its_key() {
        let (folder, other) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let before = config(folder.path(), &folder.path().join("ca.pem"));
        let places = Places::of(&before, &folder.path().join("gateway.toml"));
        let ca = other.path().join("ca.pem");
        let told = places.outside(&config(folder.path(), &ca));
        assert_eq!(told, [format!("ca of broker b names {}", ca.display())]);
        let etc = config(folder.path(), Path::new("/etc/gatehouse/other/ca.pem"));
        assert_eq!(places.outside(&etc), [""; 0], "below /etc a reload may name anything");
        let mut cards = before;
        cards.access.credentials = "/etc/other/credentials.toml".into();
        let told = ["[access] credentials names /etc/other/credentials.toml"];
        assert_eq!(places.outside(&cards), told, "where it reads it may not write");
    }
}
