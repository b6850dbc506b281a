//! I2C adapters and SPI chip selects: the kernel's, or simulated.
//!
//! A bus has one owner, its thread; the drivers of its chips share a [`Wire`]. It can be closed and
//! opened while they hold it, so a bus that was gone needs no new drivers.
//!
//! A transfer takes as long as the kernel's adapter lets it: 1 s at most with that of a Raspberry
//! Pi, which is what a chip that holds the clock costs each time that it is asked.

use std::cell::RefCell;
use std::fmt;
use std::path::Path;
use std::rc::Rc;

use embedded_hal::i2c::{ErrorKind, I2c, Operation, SevenBitAddress};
use embedded_hal::spi::{self, SpiDevice};
use gatehouse_config::{Device, Line};
use gatehouse_drivers::sim::SimI2c;
use gatehouse_drivers::{Recovery, recover_bus};
use linux_embedded_hal::spidev::{SpiModeFlags, SpidevOptions};
use linux_embedded_hal::{Delay, I2cdev, SpidevDevice};

use super::open_drain::OpenDrain;
use super::sim::chips::{SimBoard, SimSpi};

/// Why a transfer failed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WireError {
    kind: ErrorKind,
    text: String,
}

impl WireError {
    fn new(kind: ErrorKind, text: impl Into<String>) -> Self {
        Self { kind, text: text.into() }
    }
}

impl fmt::Display for WireError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

impl embedded_hal::i2c::Error for WireError {
    fn kind(&self) -> ErrorKind {
        self.kind
    }
}

impl spi::Error for WireError {
    fn kind(&self) -> spi::ErrorKind {
        spi::ErrorKind::Other
    }
}

/// A bus that can be opened and closed while drivers hold it. Clones are the same bus.
#[derive(Clone, Default)]
pub struct Wire(Rc<RefCell<State>>);

#[derive(Default)]
enum State {
    #[default]
    Closed,
    I2c(I2cdev),
    Spi(SpidevDevice),
    SimI2c(SimI2c),
    SimSpi(SimSpi),
}

impl Wire {
    /// Opens the device; a simulated one is where `board` is. SPI is clocked so fast at most.
    ///
    /// # Errors
    ///
    /// The device is not there, or may not be opened, in words for a person.
    pub(crate) fn open(
        &self,
        device: &Device,
        board: Option<&SimBoard>,
        spi_hz: u32,
    ) -> Result<(), String> {
        let state = match (device, board) {
            (Device::I2c(path), _) => State::I2c(I2cdev::new(path).map_err(|e| why(path, &e))?),
            (Device::Spi(path), _) => State::Spi(spidev(path, spi_hz).map_err(|e| why(path, &e))?),
            (Device::Sim, Some(board)) => match board.spi() {
                Some(spi) => State::SimSpi(spi),
                None => State::SimI2c(board.i2c()),
            },
            (Device::Sim, None) => return Err("there is no simulated bus".to_owned()),
        };
        *self.0.borrow_mut() = state;
        Ok(())
    }

    /// Opens the I2C bus of the sensor of a camera on SPI; a simulated one is on the `board` of that
    /// chip.
    ///
    /// # Errors
    ///
    /// As [`Wire::open`].
    pub(crate) fn open_i2c(&self, device: &Device, board: Option<&SimBoard>) -> Result<(), String> {
        let state = match (device, board) {
            (Device::I2c(path), _) => State::I2c(I2cdev::new(path).map_err(|e| why(path, &e))?),
            (Device::Sim, Some(board)) => State::SimI2c(board.i2c()),
            (Device::Spi(_) | Device::Sim, _) => {
                return Err(
                    "the bus of the camera's sensor is not I2C, or simulated alone".to_owned()
                );
            }
        };
        *self.0.borrow_mut() = state;
        Ok(())
    }

    /// Whether it is open.
    pub fn is_open(&self) -> bool {
        !matches!(*self.0.borrow(), State::Closed)
    }

    /// Frees the bus from a chip that holds its data line. `None`: there is no way to its lines.
    ///
    /// # Errors
    ///
    /// A line is still low, or cannot be had, in words for a person.
    pub fn recover(&self, lines: Option<&(Line, Line)>) -> Option<Result<Recovery, String>> {
        if let State::SimI2c(bus) = &*self.0.borrow() {
            let (mut scl, mut sda) = bus.wires();
            return Some(recover_bus(&mut scl, &mut sda, &mut Delay).map_err(text));
        }
        let (scl, sda) = lines?;
        // The adapter must not drive its lines meanwhile: it is idle, as nobody else has the bus.
        Some(recover(scl, sda))
    }
}

fn recover(scl: &Line, sda: &Line) -> Result<Recovery, String> {
    let mut scl = OpenDrain::open(scl).map_err(text)?;
    let mut sda = OpenDrain::open(sda).map_err(text)?;
    recover_bus(&mut scl, &mut sda, &mut Delay).map_err(text)
}

fn text(error: impl fmt::Display) -> String {
    error.to_string()
}

fn why(path: &Path, error: &dyn fmt::Display) -> String {
    format!(
        "{}: {error}\nhint: enable the bus (raspi-config, or dtparam in config.txt), and let the \
         gateway's user open it: it is in the groups i2c and spi",
        path.display()
    )
}

fn spidev(path: &Path, hz: u32) -> Result<SpidevDevice, linux_embedded_hal::SPIError> {
    let mut device = SpidevDevice::open(path)?;
    let mut options = SpidevOptions::new();
    options.bits_per_word(8).max_speed_hz(hz).mode(SpiModeFlags::SPI_MODE_0);
    device.configure(&options)?;
    Ok(device)
}

const CLOSED: &str = "the bus is not open";

impl embedded_hal::i2c::ErrorType for Wire {
    type Error = WireError;
}

impl I2c<SevenBitAddress> for Wire {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), WireError> {
        match &mut *self.0.borrow_mut() {
            State::I2c(bus) => bus.transaction(address, operations).map_err(|error| {
                WireError::new(embedded_hal::i2c::Error::kind(&error), error.to_string())
            }),
            State::SimI2c(bus) => bus
                .transaction(address, operations)
                .map_err(|kind| WireError::new(kind, kind.to_string())),
            State::Spi(_) | State::SimSpi(_) | State::Closed => {
                Err(WireError::new(ErrorKind::Other, CLOSED))
            }
        }
    }
}

impl spi::ErrorType for Wire {
    type Error = WireError;
}

impl SpiDevice for Wire {
    fn transaction(&mut self, operations: &mut [spi::Operation<'_, u8>]) -> Result<(), WireError> {
        match &mut *self.0.borrow_mut() {
            State::Spi(device) => device
                .transaction(operations)
                .map_err(|error| WireError::new(ErrorKind::Other, error.to_string())),
            State::SimSpi(chip) => chip
                .transaction(operations)
                .map_err(|kind| WireError::new(ErrorKind::Other, kind.to_string())),
            State::I2c(_) | State::SimI2c(_) | State::Closed => {
                Err(WireError::new(ErrorKind::Other, CLOSED))
            }
        }
    }
}
