//! An I2C bus with simulated chips on it.

use std::boxed::Box;
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::vec::Vec;

use embedded_hal::i2c::{ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation};

/// A chip, as its bus sees it.
pub trait SimChip: Send {
    /// Its 7-bit address.
    fn address(&self) -> u8;

    /// What the master writes between a start and the next start or stop.
    ///
    /// # Errors
    ///
    /// The chip does not acknowledge.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind>;

    /// What the master reads.
    ///
    /// # Errors
    ///
    /// The chip does not acknowledge.
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind>;
}

#[derive(Default)]
struct Wires {
    chips: Vec<Box<dyn SimChip>>,
    faults: VecDeque<Option<ErrorKind>>,
    transfers: u64,
}

/// A bus. Clones are the same bus, so that a test can disturb what a driver holds.
#[derive(Clone, Default)]
pub struct SimI2c(Arc<Mutex<Wires>>);

impl SimI2c {
    /// A bus with nothing on it: each address is not acknowledged.
    pub fn new() -> Self {
        Self::default()
    }

    /// Connects a chip.
    pub fn connect(&self, chip: impl SimChip + 'static) {
        self.with(|wires| wires.chips.push(Box::new(chip)));
    }

    /// Disconnects what has this address. Whether there was something.
    pub fn disconnect(&self, address: u8) -> bool {
        self.with(|wires| {
            let before = wires.chips.len();
            wires.chips.retain(|chip| chip.address() != address);
            wires.chips.len() < before
        })
    }

    /// After `good` more transfers, one fails.
    pub fn fail_after(&self, good: usize, error: ErrorKind) {
        self.with(|wires| {
            wires.faults.extend(core::iter::repeat_n(None, good));
            wires.faults.push_back(Some(error));
        });
    }

    /// How many transfers there were, failed ones included.
    pub fn transfers(&self) -> u64 {
        self.with(|wires| wires.transfers)
    }

    fn with<T>(&self, act: impl FnOnce(&mut Wires) -> T) -> T {
        act(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl ErrorType for SimI2c {
    type Error = ErrorKind;
}

impl I2c for SimI2c {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), ErrorKind> {
        self.with(|wires| {
            wires.transfers += 1;
            if let Some(error) = wires.faults.pop_front().flatten() {
                return Err(error);
            }
            let chip = wires.chips.iter_mut().find(|chip| chip.address() == address);
            let absent = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
            let chip = chip.ok_or(absent)?;
            operations.iter_mut().try_for_each(|operation| match operation {
                Operation::Write(bytes) => chip.write(bytes),
                Operation::Read(bytes) => chip.read(bytes),
            })
        })
    }
}
