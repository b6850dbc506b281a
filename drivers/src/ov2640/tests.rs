//! The camera byte by byte, and on simulated chips that fail.

use std::format;
use std::vec;
use std::vec::Vec;

use embedded_hal::i2c::ErrorKind as I2cError;
use embedded_hal::spi::ErrorKind as SpiError;
use embedded_hal_mock::eh1::delay::NoopDelay;

use super::*;
use crate::ChipErrorKind;
use crate::sim::{Plug, SimArduChip, SimI2c, SimOv2640, StillFault};

mod faults;
mod framing;
mod random;
mod transcript;

const SEC: u64 = 1_000_000_000;

/// A picture by its markers: a quantisation table with FF D9 in it, coded data with a stuffed FF, a
/// restart marker and fill bytes; so long altogether.
fn picture(len: usize) -> Vec<u8> {
    let mut bytes = vec![0xff, 0xd8, 0xff, 0xe0, 0, 4, 0x4a, 0x46];
    bytes.extend([0xff, 0xdb, 0, 7, 0x10, 0xff, 0xd9, 0xff, 0xd8]);
    bytes.extend([0xff, 0xff, 0xda, 0, 3, 1, 0x12, 0xff, 0, 0xff, 0xd3]);
    let coded = (0..len.saturating_sub(bytes.len() + 2)).map(|at| u8::try_from(at % 251).unwrap());
    bytes.extend(coded);
    bytes.extend([0xff, 0xd9]);
    bytes
}

fn is_a_picture(bytes: &[u8]) -> bool {
    bytes.starts_with(&[0xff, 0xd8]) && bytes.ends_with(&[0xff, 0xd9])
}

struct Door {
    chip: SimArduChip,
    sensor: Plug<SimOv2640>,
    bus: SimI2c,
    camera: Ov2640<SimArduChip, SimI2c, NoopDelay>,
    now_ns: u64,
}

impl Door {
    fn new(config: StillConfig) -> Self {
        let bus = SimI2c::new();
        let sensor = bus.attach(0x30, SimOv2640::new()).unwrap();
        let chip = SimArduChip::new(sensor.clone(), &picture(5_000));
        let camera = Ov2640::new(chip.clone(), bus.clone(), NoopDelay::new(), config);
        Self { chip, sensor, bus, camera, now_ns: 0 }
    }

    /// Both chips are configured, and the sensor has settled.
    fn settled() -> Self {
        let mut door = Self::new(StillConfig::default());
        assert_eq!(door.camera.start(0).unwrap_err().kind(), ChipErrorKind::NotReady);
        door.now_ns = SETTLE_NS;
        door
    }

    /// From the start to the end.
    fn take(&mut self) -> Result<Vec<u8>, StillError<SpiError, I2cError>> {
        self.camera.start(self.now_ns)?;
        let mut polls = 0;
        while self.camera.poll()?.is_none() {
            polls += 1;
            assert!(polls < 1_000, "it is polled for ever");
        }
        let mut buffer = vec![0; 20_000];
        let len = self.camera.picture(&mut buffer)?;
        buffer.truncate(len);
        Ok(buffer)
    }

    /// After a failure: configured anew, or just started again.
    fn take_again(&mut self) -> Vec<u8> {
        for _ in 0..3 {
            if let Ok(bytes) = self.take() {
                return bytes;
            }
            self.now_ns += SETTLE_NS;
        }
        self.take().unwrap()
    }
}
