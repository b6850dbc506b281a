//! A simulated ArduCAM Mini 2MP, and what is before it.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use gatehouse_camera::picture::{JPEG_QUALITY, Mask, Picture, Range};
use gatehouse_config::ChipKind;
use gatehouse_drivers::sim::{Plug, SimArduChip, SimI2c, SimOv2640, StillFault};

/// What the driver asks for: 640 × 480.
const SIZE: (usize, usize) = (640, 480);

/// Something dark and upright, as wide and as high.
const THING: (usize, usize) = (90, 200);

/// Its two chips. The sensor is on the I2C of the same board, whatever bus the file names.
pub(super) struct Eye {
    pub(super) chip: SimArduChip,
    pub(super) sensor: Plug<SimOv2640>,
    pub(super) there: Arc<AtomicBool>,
}

impl Eye {
    /// `None`: there is one on this board already, which the configuration forbids.
    pub(super) fn new(bus: &SimI2c) -> Option<Self> {
        let sensor = bus.attach(ChipKind::OV2640_SENSOR, SimOv2640::new()).ok()?;
        let chip = SimArduChip::new(sensor.clone(), &yard(0));
        Some(Self { chip, sensor, there: Arc::default() })
    }

    /// A yard, with something so far from its left edge, in hundredths; 0: with nothing. Below 0: no
    /// frame comes, since the sensor's ribbon is torn.
    pub(super) fn sees(&self, value: i32) {
        let Ok(value) = usize::try_from(value) else {
            return self.chip.fault(StillFault::NeverDone);
        };
        self.chip.fault(StillFault::None);
        self.chip.picture(&yard(value.min(100)));
    }
}

fn yard(percent: usize) -> Vec<u8> {
    let (width, height) = SIZE;
    let left = (width - THING.0) * percent / 100;
    let thing = |x: usize, y: usize| {
        percent > 0 && (left..left + THING.0).contains(&x) && y >= height - THING.1
    };
    let luma = |x: usize, y: usize| match () {
        () if thing(x, y) => 40,
        // A pattern, for a camera that sees nothing but grey is taken for a covered one.
        () if x % 64 < 3 || y % 48 < 3 => 70,
        () => u8::try_from(120 + x * 60 / width).unwrap_or(u8::MAX),
    };
    let pixels = (0..height).flat_map(|y| (0..width).map(move |x| luma(x, y)));
    let grey = vec![128; width * height / 4];
    Picture::new(width, height, Range::Full, [pixels.collect(), grey.clone(), grey])
        .ok()
        .and_then(|picture| Mask::none().burn(picture).jpeg(JPEG_QUALITY).ok())
        .expect("a picture of this size has a JPEG")
}
