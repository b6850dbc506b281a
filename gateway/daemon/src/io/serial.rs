//! A serial port as an RS-485 bus.
//!
//! Raw, 8N1, without flow control, held alone ([`TIOCEXCL`]): two programs on one bus would take
//! each other's replies. The direction of a two-wire bus is switched by the adapter itself (most
//! USB adapters) or by the kernel with RTS (`TIOCSRS485`); never by this program, which would be
//! milliseconds late.
//!
//! [`TIOCEXCL`]: https://man7.org/linux/man-pages/man2/TIOCEXCL.2const.html

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serial2::rs4xx::Rs485Config;
use serial2::{CharSize, FlowControl, Parity, SerialPort, Settings, StopBits};

/// The speeds of the OSDP standard, in bits per second.
pub const BAUD_RATES: [u32; 6] = [9_600, 19_200, 38_400, 57_600, 115_200, 230_400];

/// Who switches a two-wire bus between sending and receiving.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Direction {
    /// The adapter, or there is nothing to switch.
    #[default]
    Adapter,
    /// The kernel, with RTS: a UART of the board with a transceiver.
    Rts,
}

/// Which port, and how.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SerialConfig {
    /// The device, best one of `/dev/serial/by-path`: numbers change when adapters are swapped.
    pub path: PathBuf,
    /// One of [`BAUD_RATES`].
    pub baud: u32,
    /// Who switches the direction.
    pub direction: Direction,
}

/// Why a port cannot be opened.
#[derive(Debug, thiserror::Error)]
pub enum SerialError {
    /// Not a speed of the standard: configuration.
    #[error("{baud} bits per second is no speed of OSDP; it has {BAUD_RATES:?}")]
    Baud {
        /// What was asked for.
        baud: u32,
    },
    /// Unplugged, not allowed, or held by another program.
    #[error("{}: {source}{}", path.display(), hint(source))]
    Open {
        /// The device.
        path: PathBuf,
        /// What the kernel says.
        source: io::Error,
    },
    /// The port cannot do what the bus needs: the wrong port, or the wrong `direction`.
    #[error("{}: cannot set {what}: {source}", path.display())]
    Set {
        /// The device.
        path: PathBuf,
        /// Which setting.
        what: &'static str,
        /// What the kernel says.
        source: io::Error,
    },
}

fn hint(error: &io::Error) -> &'static str {
    match error.raw_os_error() {
        Some(libc_errno::BUSY) => "; another program holds it: stop it",
        Some(libc_errno::DENIED) => "; the daemon's user must be in the group of the device",
        Some(libc_errno::NOT_THERE) => "; is the adapter plugged in? See /dev/serial/by-path",
        _ => "",
    }
}

/// The kernel's numbers, the same on all Linux machines that this is built for.
mod libc_errno {
    use rustix::io::Errno;

    pub(super) const BUSY: i32 = Errno::BUSY.raw_os_error();
    pub(super) const DENIED: i32 = Errno::ACCESS.raw_os_error();
    pub(super) const NOT_THERE: i32 = Errno::NOENT.raw_os_error();
}

/// An open port.
#[derive(Debug)]
pub struct Serial {
    port: SerialPort,
    /// How long one byte takes, start and stop bit included.
    byte: Duration,
}

impl Serial {
    /// Opens and sets the port.
    ///
    /// # Errors
    ///
    /// What a person has to change.
    pub fn open(config: &SerialConfig) -> Result<Self, SerialError> {
        let SerialConfig { path, baud, direction } = config;
        if !BAUD_RATES.contains(baud) {
            return Err(SerialError::Baud { baud: *baud });
        }
        let path = || path.clone();
        let port = SerialPort::open(&config.path, |mut settings: Settings| {
            settings.set_raw();
            settings.set_baud_rate(*baud)?;
            settings.set_char_size(CharSize::Bits8);
            settings.set_parity(Parity::None);
            settings.set_stop_bits(StopBits::One);
            settings.set_flow_control(FlowControl::None);
            Ok(settings)
        })
        .map_err(|source| SerialError::Open { path: path(), source })?;
        rustix::termios::ioctl_tiocexcl(&port).map_err(|errno| SerialError::Set {
            path: path(),
            what: "exclusive use",
            source: errno.into(),
        })?;
        if *direction == Direction::Rts {
            port.set_rs4xx_mode(Rs485Config::new()).map_err(|source| SerialError::Set {
                path: path(),
                what: "RS-485 with RTS",
                source,
            })?;
        }
        let byte = Duration::from_nanos(10 * 1_000_000_000 / u64::from(*baud));
        Ok(Self { port, byte })
    }

    /// How long so many bytes take on the wire.
    pub fn time_of(&self, bytes: usize) -> Duration {
        self.byte * u32::try_from(bytes).unwrap_or(u32::MAX)
    }

    /// Sends all of it, as far as the kernel's buffer; the wire needs
    /// [`time_of`](Self::time_of) longer.
    ///
    /// # Errors
    ///
    /// The port is gone.
    pub fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.port.set_write_timeout(Duration::from_secs(1))?;
        self.port.write_all(bytes)
    }

    /// Takes what has come, and waits for it up to `wait`: 0 if nothing has.
    ///
    /// # Errors
    ///
    /// The port is gone.
    pub fn receive(&mut self, buffer: &mut [u8], wait: Duration) -> io::Result<usize> {
        // Below a millisecond the kernel would not wait at all, and we would spin.
        self.port.set_read_timeout(wait.max(Duration::from_millis(1)))?;
        match self.port.read(buffer) {
            Ok(0) => Err(io::Error::new(io::ErrorKind::UnexpectedEof, "the port was hung up")),
            Ok(count) => Ok(count),
            Err(error) => match error.kind() {
                io::ErrorKind::TimedOut
                | io::ErrorKind::WouldBlock
                | io::ErrorKind::Interrupted => Ok(0),
                _ => Err(error),
            },
        }
    }
}

/// Whether a port can be opened as configured, for `gatehouse check`.
///
/// # Errors
///
/// As [`Serial::open`].
pub fn probe(config: &SerialConfig) -> Result<(), SerialError> {
    Serial::open(config).map(drop)
}

/// The port's name without its folder, for the unit's name.
pub fn name(path: &Path) -> String {
    path.file_name().map_or_else(|| "serial".to_owned(), |name| name.to_string_lossy().into_owned())
}
