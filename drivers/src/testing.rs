//! What the tests of all drivers on I2C share.

use core::fmt::Debug;
use std::vec::Vec;

use embedded_hal::i2c::{ErrorKind, NoAcknowledgeSource};
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};

/// What a missing chip answers.
pub(crate) const NACK: ErrorKind = ErrorKind::NoAcknowledge(NoAcknowledgeSource::Address);

/// Lets each operation of `transcript` fail once: the call that met it must fail, and the next one
/// must do all that is in `retried` on the bus, which is told the number of the operation, and
/// succeed.
///
/// `prepared` is what `make` does on the bus before.
pub(crate) fn each_operation_fails_once_and_is_retried<D, T: Debug, E: Debug>(
    prepared: &[Transaction],
    transcript: &[Transaction],
    retried: impl Fn(usize) -> Vec<Transaction>,
    make: impl Fn(Mock) -> D,
    call: impl Fn(&mut D) -> Result<T, E>,
) {
    for failing in 0..transcript.len() {
        let mut expected: Vec<_> = prepared.to_vec();
        expected.extend_from_slice(&transcript[..failing]);
        expected.push(transcript[failing].clone().with_error(NACK));
        expected.extend(retried(failing));
        let mut bus = Mock::new(&expected);
        let mut driver = make(bus.clone());
        let failed = call(&mut driver);
        assert!(failed.is_err(), "operation {failing} failed, and the call said {failed:?}");
        let again = call(&mut driver);
        assert!(again.is_ok(), "after operation {failing} had failed, the retry said {again:?}");
        drop(driver);
        bus.done();
    }
}
