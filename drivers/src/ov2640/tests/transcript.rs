//! The exact bytes on both buses.

use embedded_hal::spi::{ErrorType, Operation, SpiDevice};
use embedded_hal_mock::eh1::delay::{CheckedDelay, Transaction as Wait};
use embedded_hal_mock::eh1::i2c::{Mock as I2cMock, Transaction as I2cTransfer};
use embedded_hal_mock::eh1::spi::{Mock as SpiMock, Transaction as SpiTransfer};

use super::super::registers::{DSP_BASE, DSP_JPEG, SENSOR_BASE, SENSOR_UXGA};
use super::*;
use crate::testing::NACK;

const AT: u8 = 0x30;

fn write(register: u8, value: u8) -> Vec<SpiTransfer<u8>> {
    vec![
        SpiTransfer::transaction_start(),
        SpiTransfer::write_vec(vec![0x80 | register, value]),
        SpiTransfer::transaction_end(),
    ]
}

fn read(register: u8, values: &[u8]) -> Vec<SpiTransfer<u8>> {
    vec![
        SpiTransfer::transaction_start(),
        SpiTransfer::write_vec(vec![register]),
        SpiTransfer::read_vec(values.to_vec()),
        SpiTransfer::transaction_end(),
    ]
}

fn set(register: u8, value: u8) -> I2cTransfer {
    I2cTransfer::write(AT, vec![register, value])
}

fn ask(register: u8, value: u8) -> [I2cTransfer; 2] {
    [I2cTransfer::write(AT, vec![register]), I2cTransfer::read(AT, vec![value])]
}

fn probe_spi() -> Vec<SpiTransfer<u8>> {
    [write(0, 0x55), read(0, &[0x55]), write(0, 0xa6), read(0, &[0xa6]), read(0x40, &[0x40])]
        .concat()
}

fn probe_i2c() -> Vec<I2cTransfer> {
    [&[set(0xff, 1)][..], &ask(0x0a, 0x26), &ask(0x0b, 0x42)].concat()
}

fn configure_spi() -> Vec<SpiTransfer<u8>> {
    [write(0x07, 0x80), write(0x07, 0), probe_spi(), write(0x03, 0x10), write(0x01, 0)].concat()
}

/// For the default: 640 × 480 out of 1600 × 1200.
fn configure_i2c() -> Vec<I2cTransfer> {
    let table = |bank, registers: &[(u8, u8)]| {
        let pairs = registers.iter().map(|(register, value)| set(*register, *value));
        [vec![set(0xff, bank)], pairs.collect::<Vec<_>>()].concat()
    };
    [
        probe_i2c(),
        vec![set(0xff, 1), set(0x12, 0x80)],
        table(1, SENSOR_BASE),
        table(0, DSP_BASE),
        table(0, DSP_JPEG),
        table(1, SENSOR_UXGA),
        table(1, &[(0x04, 0x28)]),
        table(
            0,
            &[(0xe0, 0x04), (0xc0, 0xc8), (0xc1, 0x96), (0x8c, 0), (0x86, 0x3d), (0x50, 0x89)],
        ),
        table(0, &[(0x51, 0x90), (0x52, 0x2c), (0x53, 0), (0x54, 0), (0x55, 0x88), (0x57, 0)])[1..]
            .to_vec(),
        table(0, &[(0x5a, 0xa0), (0x5b, 0x78), (0x5c, 0), (0xd3, 4), (0xe0, 0)])[1..].to_vec(),
        table(0, &[(0x7c, 0), (0x7d, 4), (0x7c, 9), (0x7d, 0x20), (0x7d, 0)]),
    ]
    .concat()
}

fn verify_i2c() -> Vec<I2cTransfer> {
    [&[set(0xff, 0)][..], &ask(0xda, 0x10), &ask(0x5a, 0xa0)].concat()
}

fn start_spi() -> Vec<SpiTransfer<u8>> {
    [write(0x04, 0x31), write(0x04, 0x02)].concat()
}

#[test]
fn a_probe_is_these_bytes() {
    let (mut spi, mut i2c) = (SpiMock::new(&probe_spi()), I2cMock::new(&probe_i2c()));
    let config = StillConfig::default();
    let mut camera = Ov2640::new(spi.clone(), i2c.clone(), NoopDelay::new(), config);
    assert_eq!(camera.probe(), Ok(Identity { revision: 0x42, arduchip: 0x40 }));
    spi.done();
    i2c.done();
}

#[test]
fn a_picture_is_these_bytes() {
    let wanted = picture(40);
    // One byte that is none of the frame, 40, and padding up to 48; the burst takes one more.
    let fifo = [&[0xff][..], &wanted, &[0; 8]].concat();
    let spi = [
        configure_spi(),
        read(0, &[0xa6]),
        start_spi(),
        read(0x41, &[0x01]),
        read(0x41, &[0x09]),
        read(0x42, &[48]),
        read(0x43, &[0]),
        read(0x44, &[0x80]),
        read(0x3c, &fifo[..30]),
        read(0x3c, &fifo[30..49]),
    ];
    let i2c = [configure_i2c(), verify_i2c()].concat();
    let waits = [100; 3].map(Wait::blocking_delay_ms);
    let (mut spi, mut i2c) = (SpiMock::new(&spi.concat()), I2cMock::new(&i2c));
    let mut waited = CheckedDelay::new(&waits);
    let config = StillConfig::default();
    let mut camera = Ov2640::new(spi.clone(), i2c.clone(), waited.clone(), config);
    assert_eq!(camera.start(0).unwrap_err().kind(), ChipErrorKind::NotReady);
    assert_eq!(camera.start(SETTLE_NS), Ok(()));
    assert_eq!(camera.poll(), Ok(None));
    assert_eq!(camera.poll(), Ok(Some(48)));
    let mut buffer = [0; 30];
    assert_eq!(camera.read(&mut buffer), Ok(Piece::More(29)));
    assert_eq!(buffer[..29], wanted[..29]);
    assert_eq!(camera.read(&mut buffer), Ok(Piece::Last(11)));
    assert_eq!(buffer[..11], wanted[29..]);
    assert_eq!(camera.read(&mut buffer), Err(StillError::NotStarted));
    spi.done();
    i2c.done();
    waited.done();
}

/// The scripted bus cannot fail: this one does after so many transactions, once.
struct Failing {
    spi: SpiMock<u8>,
    after: Option<usize>,
}

impl ErrorType for Failing {
    type Error = SpiError;
}

impl SpiDevice for Failing {
    fn transaction(&mut self, operations: &mut [Operation<'_, u8>]) -> Result<(), SpiError> {
        self.after = match self.after {
            Some(0) => {
                self.after = None;
                return Err(SpiError::Other);
            }
            after => after.map(|after| after - 1),
        };
        self.spi.transaction(operations)
    }
}

/// How many transactions there are in a script.
fn count(script: &[SpiTransfer<u8>]) -> usize {
    script.iter().filter(|part| **part == SpiTransfer::transaction_start()).count()
}

/// The first so many transactions of a script.
fn first(script: &[SpiTransfer<u8>], transactions: usize) -> Vec<SpiTransfer<u8>> {
    let mut left = transactions;
    let taken = script.iter().take_while(|part| {
        let begins = **part == SpiTransfer::transaction_start();
        let take = !begins || left > 0;
        left -= usize::from(begins && take);
        take
    });
    taken.cloned().collect()
}

#[test]
fn each_transfer_of_the_configuration_fails_once_and_all_is_written_again() {
    let (spi, i2c) = (configure_spi(), configure_i2c());
    let config = StillConfig::default();
    for failing in 0..count(&spi) {
        // The last two come after the sensor was configured, those before after nothing of it.
        let of_sensor = if failing < count(&spi) - 2 { 0 } else { i2c.len() };
        let script = [first(&spi, failing), spi.clone()].concat();
        let (mut mock, mut bus) =
            (SpiMock::new(&script), I2cMock::new(&[&i2c[..of_sensor], &i2c].concat()));
        let failing_bus = Failing { spi: mock.clone(), after: Some(failing) };
        let mut camera = Ov2640::new(failing_bus, bus.clone(), NoopDelay::new(), config);
        assert_eq!(camera.start(0), Err(StillError::Spi(SpiError::Other)), "{failing}");
        assert_eq!(camera.start(0).unwrap_err().kind(), ChipErrorKind::NotReady, "{failing}");
        mock.done();
        bus.done();
    }
    for failing in 0..i2c.len() {
        let mut script = i2c[..failing].to_vec();
        script.push(i2c[failing].clone().with_error(NACK));
        script.extend(i2c.clone());
        let after_reset = first(&spi, count(&spi) - 2);
        let mut mock = SpiMock::new(&[after_reset, spi.clone()].concat());
        let mut bus = I2cMock::new(&script);
        let mut camera = Ov2640::new(mock.clone(), bus.clone(), NoopDelay::new(), config);
        assert_eq!(camera.start(0).unwrap_err().kind(), ChipErrorKind::Absent, "{failing}");
        assert_eq!(camera.start(0).unwrap_err().kind(), ChipErrorKind::NotReady, "{failing}");
        mock.done();
        bus.done();
    }
}

#[test]
fn each_transfer_of_a_start_fails_once_and_is_retried() {
    let spi = [read(0, &[0xa6]), start_spi()].concat();
    let config = StillConfig::default();
    for failing in 0..count(&spi) {
        let of_sensor = if failing == 0 { Vec::new() } else { verify_i2c() };
        let script = [configure_spi(), first(&spi, failing), spi.clone()].concat();
        let (mut mock, mut bus) = (
            SpiMock::new(&script),
            I2cMock::new(&[configure_i2c(), of_sensor, verify_i2c()].concat()),
        );
        let after = Some(count(&configure_spi()) + failing);
        let failing_bus = Failing { spi: mock.clone(), after };
        let mut camera = Ov2640::new(failing_bus, bus.clone(), NoopDelay::new(), config);
        camera.start(0).unwrap_err();
        assert_eq!(camera.start(SETTLE_NS), Err(StillError::Spi(SpiError::Other)), "{failing}");
        assert_eq!(camera.poll(), Err(StillError::NotStarted));
        assert_eq!(camera.start(SETTLE_NS), Ok(()), "{failing}");
        mock.done();
        bus.done();
    }
}
