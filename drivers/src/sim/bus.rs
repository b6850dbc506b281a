//! A simulated I2C bus.

use core::fmt;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use embedded_hal::i2c::{
    ErrorKind, ErrorType, I2c, NoAcknowledgeSource, Operation, SevenBitAddress,
};

/// A chip on the bus, at the level of its registers.
pub trait SimChip: Send {
    /// The supply comes back: all registers are as after a power-on reset. The wires stay.
    fn power_on(&mut self) {}

    /// The bytes of a write, after the address.
    ///
    /// # Errors
    ///
    /// The chip does not acknowledge a byte.
    fn write(&mut self, bytes: &[u8]) -> Result<(), ErrorKind>;

    /// Fills the bytes of a read.
    ///
    /// # Errors
    ///
    /// The chip does not acknowledge its address (it is busy).
    fn read(&mut self, bytes: &mut [u8]) -> Result<(), ErrorKind>;
}

/// Nobody acknowledges the address.
pub(super) const NO_CHIP: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);
/// The chip does not acknowledge a byte.
pub(super) const REFUSED: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Data);
/// A line is held low.
pub(super) const STUCK: ErrorKind = ErrorKind::Bus;

/// What is wrong with a chip.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    #[default]
    None,
    /// It is not there, or has no supply.
    Unplugged,
    /// It acknowledges its address, and no byte that is written.
    RefusesData,
    /// What is read are random bytes.
    Garbage,
}

struct Slot {
    chip: Arc<Mutex<dyn SimChip>>,
    fault: Fault,
}

#[derive(Default)]
pub(super) struct Wires {
    slots: BTreeMap<u8, Slot>,
    /// How many clocks a chip still holds SDA low; `u32::MAX` for ever.
    pub(super) held_clocks: u32,
    pub(super) scl_held: bool,
    pub(super) scl_low: bool,
    pub(super) sda_low: bool,
    noise: u32,
    transfers: u64,
    failures: BTreeMap<u64, ErrorKind>,
}

/// A simulated I2C bus. Clones are the same bus.
#[derive(Clone, Default)]
pub struct SimI2c {
    wires: Arc<Mutex<Wires>>,
}

impl fmt::Debug for SimI2c {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let wires = self.lock();
        f.debug_struct("SimI2c").field("transfers", &wires.transfers).finish_non_exhaustive()
    }
}

/// Two chips at one address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AddressTaken(pub u8);

impl fmt::Display for AddressTaken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "another chip is at address {:#04x} already", self.0)
    }
}

impl core::error::Error for AddressTaken {}

impl SimI2c {
    /// A bus without chips.
    pub fn new() -> Self {
        Self::default()
    }

    /// Puts a chip on the bus, with its supply on.
    ///
    /// # Errors
    ///
    /// The address is taken.
    pub fn attach<T: SimChip + 'static>(
        &self,
        address: u8,
        mut chip: T,
    ) -> Result<Plug<T>, AddressTaken> {
        let mut wires = self.lock();
        if wires.slots.contains_key(&address) {
            return Err(AddressTaken(address));
        }
        chip.power_on();
        let chip = Arc::new(Mutex::new(chip));
        wires.slots.insert(address, Slot { chip: chip.clone(), fault: Fault::None });
        Ok(Plug { bus: self.clone(), address, chip })
    }

    /// Takes a chip off the bus for good, and tells whether there was one. [`Plug::unplug`] is for
    /// one that comes back.
    pub fn detach(&self, address: u8) -> bool {
        self.lock().slots.remove(&address).is_some()
    }

    /// A chip holds SDA low and lets go after so many clocks (more than 9: for ever).
    pub fn hold_sda(&self, clocks: u32) {
        self.lock().held_clocks = if clocks > 9 { u32::MAX } else { clocks };
    }

    /// A chip holds SCL low, or lets go.
    pub fn hold_scl(&self, held: bool) {
        self.lock().scl_held = held;
    }

    /// How many transfers were begun.
    pub fn transfers(&self) -> u64 {
        self.lock().transfers
    }

    /// The transfer after `skipped` more ones fails, once. Several calls are several failures.
    pub fn fail_after(&self, skipped: u64, error: ErrorKind) {
        let mut wires = self.lock();
        let transfer = wires.transfers.saturating_add(skipped);
        wires.failures.insert(transfer, error);
    }

    /// Takes back what [`fail_after`](Self::fail_after) has asked for and not got.
    pub fn fail_no_more(&self) {
        self.lock().failures.clear();
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, Wires> {
        // A test that panicked while it held the bus has failed already.
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Wires {
    fn slot(&mut self, address: u8) -> Result<(Arc<Mutex<dyn SimChip>>, Fault), ErrorKind> {
        let transfer = self.transfers;
        self.transfers = transfer.saturating_add(1);
        if self.scl_held || self.held_clocks > 0 {
            return Err(STUCK);
        }
        if let Some(error) = self.failures.remove(&transfer) {
            return Err(error);
        }
        let slot = self.slots.get(&address).ok_or(NO_CHIP)?;
        Ok((slot.chip.clone(), slot.fault))
    }

    /// Numerical Recipes' generator: the same garbage in each run.
    fn garbage(&mut self) -> u8 {
        self.noise = self.noise.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        self.noise.to_be_bytes()[0]
    }
}

impl ErrorType for SimI2c {
    type Error = ErrorKind;
}

impl I2c<SevenBitAddress> for SimI2c {
    fn transaction(
        &mut self,
        address: u8,
        operations: &mut [Operation<'_>],
    ) -> Result<(), ErrorKind> {
        let mut wires = self.lock();
        let (chip, fault) = wires.slot(address)?;
        let mut chip = chip.lock().unwrap_or_else(PoisonError::into_inner);
        for operation in operations {
            match (fault, operation) {
                (Fault::Unplugged, _) => return Err(NO_CHIP),
                (Fault::RefusesData, Operation::Write(_)) => return Err(REFUSED),
                (Fault::Garbage, Operation::Read(bytes)) => bytes.fill_with(|| wires.garbage()),
                (_, Operation::Write(bytes)) => chip.write(bytes)?,
                (_, Operation::Read(bytes)) => chip.read(bytes)?,
            }
        }
        Ok(())
    }
}

/// The hand on a simulated chip.
pub struct Plug<T: ?Sized> {
    bus: SimI2c,
    address: u8,
    chip: Arc<Mutex<T>>,
}

impl<T> Clone for Plug<T> {
    fn clone(&self) -> Self {
        Self { bus: self.bus.clone(), address: self.address, chip: self.chip.clone() }
    }
}

impl<T> fmt::Debug for Plug<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Plug").field("address", &self.address).finish_non_exhaustive()
    }
}

impl<T: SimChip> Plug<T> {
    /// Looks at the chip or turns its wires.
    pub fn with<R>(&self, hand: impl FnOnce(&mut T) -> R) -> R {
        hand(&mut self.chip.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// Pulls the chip out: nobody answers at its address.
    pub fn unplug(&self) {
        self.fault(Fault::Unplugged);
    }

    /// Puts the chip back in. Its registers are as after a power-on reset.
    pub fn replug(&self) {
        self.brown_out();
        self.fault(Fault::None);
    }

    /// The supply dips: the registers are as after a power-on reset, without anybody being told.
    pub fn brown_out(&self) {
        self.with(SimChip::power_on);
    }

    /// Breaks or repairs the chip; its registers stay.
    pub fn fault(&self, fault: Fault) {
        if let Some(slot) = self.bus.lock().slots.get_mut(&self.address) {
            slot.fault = fault;
        }
    }
}
