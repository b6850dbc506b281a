//! What a camera's frames come from: one of the sources of `gatehouse-camera`, whichever it is.

use std::time::Duration;

use gatehouse_camera::source::rtsp::{self, Dialect, RtspSettings, Transport};
use gatehouse_camera::source::snapshot::{self, SnapshotSettings};
use gatehouse_camera::source::v4l2::{self, DeviceSettings};
use gatehouse_camera::source::{Address, Clock, Credentials, Sink};
use gatehouse_config::{CameraSource, CameraUrl};

use super::chip;
use super::plan::Plan;
use crate::lenses::{Lens, Lenses};

/// One source of frames, ready to run.
pub(super) enum Intake {
    /// A stream over RTSP.
    Rtsp(RtspSettings),
    /// Single pictures over HTTP.
    Snapshots(SnapshotSettings),
    /// A camera of the box.
    Device(DeviceSettings),
    /// A camera on SPI, of which its bus takes the pictures.
    Chip(Lens),
}

/// All of a camera.
pub(super) struct Intakes {
    /// Of which pictures are made.
    pub(super) main: Intake,
    /// A smaller one, which is watched; `None`: the main one is.
    pub(super) sub: Option<Intake>,
}

impl Intake {
    /// Gives to the sink, for ever. May be dropped at any time.
    pub(super) async fn run(self, clock: &dyn Clock, sink: &mut dyn Sink) -> ! {
        match self {
            Self::Rtsp(settings) => rtsp::run(settings, clock, sink).await,
            Self::Snapshots(settings) => snapshot::run(settings, clock, sink).await,
            Self::Device(settings) => v4l2::run(settings, clock, sink).await,
            Self::Chip(lens) => chip::run(lens, sink).await,
        }
    }
}

impl Plan {
    /// What its frames come from.
    ///
    /// # Errors
    /// When an address is none after all, or its streams are not known yet: our bug.
    pub(super) fn intakes(
        &self,
        login: Option<&Credentials>,
        lenses: &Lenses,
    ) -> Result<Intakes, String> {
        match &self.camera.source {
            CameraSource::Rtsp { main, sub } => {
                let main = Intake::Rtsp(self.stream(main, login)?);
                let sub = sub.as_ref().map(|url| self.stream(url, login).map(Intake::Rtsp));
                Ok(Intakes { main, sub: sub.transpose()? })
            }
            CameraSource::Onvif => Err("its streams are not known: our bug".to_owned()),
            CameraSource::Snapshots { url, every } => {
                let address = Address::http(&url.to_string()).map_err(|error| error.to_string())?;
                let settings = SnapshotSettings {
                    credentials: login.cloned(),
                    every: *every,
                    ..SnapshotSettings::new(self.id().as_str(), address)
                };
                Ok(Intakes { main: Intake::Snapshots(settings), sub: None })
            }
            CameraSource::Device { path, size, every } => {
                let usual = DeviceSettings::new(self.id().as_str(), path.clone());
                let settings = DeviceSettings {
                    every: *every,
                    size: size.map(|size| (size.width, size.height)),
                    stall: usual.stall.max(*every * 3),
                    ..usual
                };
                Ok(Intakes { main: Intake::Device(settings), sub: None })
            }
            CameraSource::Chip { .. } => {
                let chip = self.chip.as_ref().ok_or("its chip is not known: our bug")?;
                Ok(Intakes { main: Intake::Chip(lenses.of(chip)), sub: None })
            }
        }
    }

    /// From one picture to the next, of a camera that is asked for each.
    pub(super) const fn pace(&self) -> Option<Duration> {
        match &self.camera.source {
            CameraSource::Rtsp { .. } | CameraSource::Onvif => None,
            CameraSource::Snapshots { every, .. }
            | CameraSource::Device { every, .. }
            | CameraSource::Chip { every, .. } => Some(*every),
        }
    }

    /// What it means, for a person, that it is not there.
    pub(super) const fn absent(&self) -> &'static str {
        match &self.camera.source {
            CameraSource::Rtsp { .. } | CameraSource::Onvif | CameraSource::Snapshots { .. } => {
                "nobody answers"
            }
            CameraSource::Device { .. } => "it is not plugged in",
            CameraSource::Chip { .. } => "its chip is lost",
        }
    }

    /// How a stream of it is taken.
    fn stream(&self, url: &CameraUrl, login: Option<&Credentials>) -> Result<RtspSettings, String> {
        let address = Address::rtsp(&url.to_string()).map_err(|error| error.to_string())?;
        let transport = match self.camera.transport {
            gatehouse_config::Transport::Tcp => Transport::Tcp,
            gatehouse_config::Transport::Udp => Transport::Udp,
        };
        let dialect = Dialect { transport, ..Dialect::default() };
        let credentials = login.cloned();
        Ok(RtspSettings { credentials, dialect, ..RtspSettings::new(self.id().as_str(), address) })
    }
}
