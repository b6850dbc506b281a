//! A GPIO line as an open drain whose level can be read: what frees an I2C bus.

use embedded_hal::digital::{ErrorKind, ErrorType, InputPin, OutputPin};
use gatehouse_config::{Chip, Line};
use gpiocdev::Request;
use gpiocdev::line::{Drive, Value};

use super::find::{OpenError, open_chip};

/// Why the line cannot be driven.
#[derive(Debug, thiserror::Error)]
pub enum OpenDrainError {
    /// A line of the simulated wiring, which no bus hangs on: configuration.
    #[error("{0} is no line of the kernel")]
    NotReal(Line),
    /// No such chip, or it may not be opened.
    #[error(transparent)]
    Find(#[from] OpenError),
    /// The line is in use, most often by the bus's own adapter, or there is none.
    #[error("the line {line} cannot be driven: {source}")]
    Line {
        /// Which.
        line: Line,
        /// What the kernel says.
        source: gpiocdev::Error,
    },
}

impl embedded_hal::digital::Error for OpenDrainError {
    fn kind(&self) -> ErrorKind {
        ErrorKind::Other
    }
}

/// The line, held until this is dropped.
#[derive(Debug)]
pub struct OpenDrain {
    line: Line,
    request: Request,
}

impl OpenDrain {
    /// Takes the line and lets it go high.
    ///
    /// # Errors
    ///
    /// See [`OpenDrainError`].
    pub fn open(line: &Line) -> Result<Self, OpenDrainError> {
        let Chip::Gpio(name) = &line.chip else {
            return Err(OpenDrainError::NotReal(line.clone()));
        };
        let (chip, _) = open_chip(name, None)?;
        let mut request = Request::builder();
        request
            .on_chip(chip.path())
            .with_consumer("gatehouse")
            .with_line(line.offset)
            .with_drive(Drive::OpenDrain)
            .as_output(Value::Active);
        let request = request
            .request()
            .map_err(|source| OpenDrainError::Line { line: line.clone(), source })?;
        Ok(Self { line: line.clone(), request })
    }

    fn error(&self, source: gpiocdev::Error) -> OpenDrainError {
        OpenDrainError::Line { line: self.line.clone(), source }
    }
}

impl ErrorType for OpenDrain {
    type Error = OpenDrainError;
}

impl OutputPin for OpenDrain {
    fn set_low(&mut self) -> Result<(), OpenDrainError> {
        let set = self.request.set_value(self.line.offset, Value::Inactive);
        set.map(drop).map_err(|source| self.error(source))
    }

    fn set_high(&mut self) -> Result<(), OpenDrainError> {
        let set = self.request.set_value(self.line.offset, Value::Active);
        set.map(drop).map_err(|source| self.error(source))
    }
}

impl InputPin for OpenDrain {
    fn is_high(&mut self) -> Result<bool, OpenDrainError> {
        let value = self.request.value(self.line.offset);
        value.map(|value| value == Value::Active).map_err(|source| self.error(source))
    }

    fn is_low(&mut self) -> Result<bool, OpenDrainError> {
        self.is_high().map(|high| !high)
    }
}
