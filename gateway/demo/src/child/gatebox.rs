//! The box: the real daemon of the gateway, in a process of its own, wired to the building.
//!
//! Its power cut is SIGKILL: whatever it had not put on its flash is gone. (What SIGKILL cannot
//! show is a kernel that loses its page cache; the tests with a simulated kernel do that.) Its
//! folder is its flash: it outlives the process, and the next start finds it.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};
use std::process::{ExitCode, ExitStatus, Stdio};

use gatehouse_config::{Config, Credentials};
use tokio::process::Child;

use crate::world::{DOORS, HELD_OPEN_S, community};

/// District, site and gateway of the demo.
pub(crate) const DISTRICT: &str = "demo";
pub(crate) const SITE: &str = "plum-court";
pub(crate) const GATEWAY: &str = "demo-box";

/// The heartbeat that the control room asks for. Fast, so that doors become unknown soon after the
/// broker is cut.
pub(crate) const HEARTBEAT_S: u32 = 2;

/// The folder and files of one box.
#[derive(Clone, Debug)]
pub(crate) struct Flash {
    dir: PathBuf,
}

impl Flash {
    /// The box's place below the demo's folder.
    pub(crate) fn below(dir: &Path) -> Self {
        Self { dir: dir.to_owned() }
    }

    /// Where the box keeps what must survive a power cut.
    pub(crate) fn state_dir(&self) -> PathBuf {
        self.dir.join("box")
    }

    /// Where the daemon has its journal.
    pub(crate) fn journal(&self) -> PathBuf {
        self.state_dir().join("journal")
    }

    /// Where the daemon has what cameras have seen.
    pub(crate) fn clips(&self) -> PathBuf {
        self.state_dir().join("evidence").join("clips")
    }

    /// The building's plug.
    pub(crate) fn wiring(&self) -> PathBuf {
        self.dir.join("wires.sock")
    }

    /// What the box says, all its starts together.
    pub(crate) fn log(&self) -> PathBuf {
        self.dir.join("box.log")
    }

    /// Where the daemon hears wishes, as those of `gatehouse arm`.
    pub(crate) fn control(&self) -> PathBuf {
        self.dir.join("control.sock")
    }

    fn config(&self) -> PathBuf {
        self.dir.join("gateway.toml")
    }

    /// Writes the box's configuration; `cameras`: their tables.
    ///
    /// # Errors
    /// When the folder cannot be written.
    pub(crate) fn install(&self, broker_port: u16, cameras: &str) -> io::Result<()> {
        std::fs::create_dir_all(self.state_dir())?;
        std::fs::write(self.config(), self.toml(broker_port) + cameras)
    }

    fn toml(&self, broker_port: u16) -> String {
        use std::fmt::Write as _;

        let path = |path: PathBuf| serde_json::Value::from(path.to_string_lossy()).to_string();
        let mut toml = format!(
            "# Written by gatehouse-demo at its start.\n\
             [gateway]\n\
             id = \"{GATEWAY}\"\n\
             district = \"{DISTRICT}\"\n\
             site = \"{SITE}\"\n\
             state-dir = {}\n\
             socket = {}\n\
             \n\
             [[broker]]\n\
             id = \"embedded\"\n\
             host = \"127.0.0.1\"\n\
             port = {broker_port}\n\
             \n\
             [uplink]\n\
             heartbeat-s = 5\n\
             # The viewer wants to see the backlog arrive; a district spreads it over minutes.\n\
             replay-rate = 500\n\
             replay-jitter-s = 0\n\
             # What a broker took while nobody listened is sent again after this.\n\
             host-timeout-s = 10\n\
             \n\
             [sim]\n\
             socket = {}\n",
            path(self.state_dir()),
            path(self.control()),
            path(self.wiring()),
        );
        for (line, door) in DOORS.iter().enumerate() {
            // Contacts of the simulated building do not bounce, and a filter's wait would hide in
            // the time from edge to broker what the gateway itself takes.
            let _ = write!(
                toml,
                "\n[[door]]\nid = \"{}\"\nname = \"{}\"\ninput = \"sim:{line}\"\n\
                 contact = \"normally-closed\"\nbias = \"pull-up\"\ndebounce-ms = 0\n\
                 held-open-s = {HELD_OPEN_S}\n",
                door.id, door.name_en
            );
        }
        toml.push_str(&community::toml());
        toml
    }
}

/// The child: the daemon, as `gatehouse run` runs it.
pub(crate) fn run(file: &Path) -> ExitCode {
    let loaded = Config::load(file).and_then(|config| Ok((Credentials::load(&config)?, config)));
    let (credentials, config) = match loaded {
        Ok(loaded) => loaded,
        Err(mistakes) => {
            let _ = writeln!(io::stderr(), "{mistakes}");
            return ExitCode::from(78);
        }
    };
    match gatehouse::run::run(config, credentials, file.to_owned()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            tracing::error!(%error, "the box ends");
            ExitCode::from(70)
        }
    }
}

/// The running box.
#[derive(Debug)]
pub(crate) struct GateBox {
    child: Child,
}

impl GateBox {
    /// Switches the box on.
    ///
    /// # Errors
    /// When its log cannot be written or its process cannot be started.
    pub(crate) fn start(flash: &Flash) -> io::Result<Self> {
        let log = append(&flash.log())?;
        let arguments = ["box".into(), "--config".into(), flash.config().into_os_string()];
        let child = super::start(&arguments, log.try_clone()?.into(), Stdio::from(log))?;
        Ok(Self { child })
    }

    /// Waits for an end that nobody asked for. Safe to drop half way.
    pub(crate) async fn ended(&mut self) -> io::Result<ExitStatus> {
        self.child.wait().await
    }

    /// The power cut.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub(crate) async fn cut(mut self) -> io::Result<()> {
        super::cut(&mut self.child).await
    }

    /// Stops it in order.
    ///
    /// # Errors
    /// When the process cannot be waited for.
    pub(crate) async fn stop(mut self) -> io::Result<ExitStatus> {
        super::stop(&mut self.child).await
    }
}

fn append(path: &Path) -> io::Result<File> {
    OpenOptions::new().create(true).append(true).open(path)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::world::camera;

    #[test]
    fn the_configuration_of_the_box_is_one_that_the_daemon_accepts_without_a_warning() {
        let dir = tempfile::tempdir().unwrap();
        let flash = Flash::below(dir.path());
        flash.install(1883, &camera::toml(&[8554, 8555])).unwrap();
        let config = Config::load(flash.config()).unwrap();
        assert_eq!(config.doors.len(), DOORS.len());
        assert_eq!(config.zones.len(), community::SENSORS.len());
        assert_eq!(config.partitions.len(), community::PARTITIONS.len());
        assert_eq!(config.cameras.len(), camera::CAMERAS.len());
        assert_eq!(config.address.to_string(), "gatehouse/v1/demo/plum-court/demo-box");
        assert!(config.warnings().is_empty(), "{}", config.warnings());
    }
}
