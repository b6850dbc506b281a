//! What can be chosen of a picture.

use super::registers::{
    ALL_STAGES, CTRL2, CTRLI, FLIPPED, HSIZE, HSIZE8, MIRRORED, R_DVP_SP, REG04_BASE, RESET,
    RESET_DVP, SENSOR_SVGA, SENSOR_UXGA, SIZEL, TEST, VHYX, VSIZE, VSIZE8, XOFFL, YOFFL, ZMHH,
    ZMOH, ZMOW,
};

/// What the pictures are to be like, and how long to wait for one.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct StillConfig {
    /// Pixels.
    pub size: Size,
    /// Lighter or darker than what automatic exposure makes of it.
    pub brightness: Brightness,
    /// For cameras that hang upside down or look into a mirror.
    pub mirror: Mirror,
    /// After so many polls without a frame there will be none. The caller's pace decides how long
    /// that is. From memory, a frame comes within 0.3 s at any size; make it at least a second.
    pub polls: u16,
}

impl Default for StillConfig {
    /// 640 × 480, as it is, and 200 polls: a second at 5 ms.
    fn default() -> Self {
        Self { size: Size::Vga, brightness: Brightness::Normal, mirror: Mirror::None, polls: 200 }
    }
}

/// Width and height.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Size {
    /// 320 × 240.
    Qvga,
    /// 640 × 480.
    Vga,
    /// 1600 × 1200, all that the sensor has.
    Uxga,
}

/// Added to all pixels after exposure.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Brightness {
    /// Two steps down.
    Darkest,
    /// A step down.
    Darker,
    /// As exposed.
    Normal,
    /// A step up.
    Brighter,
    /// Two steps up.
    Brightest,
}

/// How the picture is turned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mirror {
    /// As the sensor sees it.
    None,
    /// Left is right.
    Mirrored,
    /// Up is down.
    Flipped,
    /// Both: turned by 180°.
    Turned,
}

/// How a [`Size`] comes about: the sensor's pixels, halved or not, then scaled down.
struct Window {
    /// What the sensor gives.
    from: (u16, u16),
    halved: bool,
    to: (u16, u16),
    /// `R_DVP_SP`, the divider of the output clock: smaller pictures come slower. As the vendor of
    /// the board has it.
    clock: u8,
}

impl Size {
    /// Width and height.
    pub const fn pixels(self) -> (u16, u16) {
        self.window().to
    }

    const fn window(self) -> Window {
        match self {
            Self::Qvga => Window { from: (800, 600), halved: true, to: (320, 240), clock: 4 },
            Self::Vga => Window { from: (1600, 1200), halved: true, to: (640, 480), clock: 4 },
            Self::Uxga => Window { from: (1600, 1200), halved: false, to: (1600, 1200), clock: 2 },
        }
    }

    /// For the bank of the sensor.
    pub(super) const fn sensor(self) -> &'static [(u8, u8)] {
        match self {
            Self::Qvga => SENSOR_SVGA,
            Self::Vga | Self::Uxga => SENSOR_UXGA,
        }
    }

    /// For the bank of the image processor, table 12 of the datasheet.
    pub(super) const fn dsp(self) -> [(u8, u8); 17] {
        let Window { from, halved, to, clock } = self.window();
        let [used, output] = [
            [(from.0 / 4).to_le_bytes(), (from.1 / 4).to_le_bytes()],
            [(to.0 / 4).to_le_bytes(), (to.1 / 4).to_le_bytes()],
        ];
        [
            (RESET, RESET_DVP),
            // The input, by 8; what remains is in SIZEL and is 0.
            (HSIZE8, (from.0 / 8).to_le_bytes()[0]),
            (VSIZE8, (from.1 / 8).to_le_bytes()[0]),
            (SIZEL, 0),
            (CTRL2, ALL_STAGES),
            // Bit 7: see the reserved ones. Bits 5 to 3 and 2 to 0: halved so many times.
            (CTRLI, if halved { 0x89 } else { 0 }),
            // What of it is used, by 4: all, from the corner on. VHYX has the ninth bits.
            (HSIZE, used[0][0]),
            (VSIZE, used[1][0]),
            (XOFFL, 0),
            (YOFFL, 0),
            (VHYX, (used[1][1] & 1) << 7 | (used[0][1] & 1) << 3),
            (TEST, 0),
            // The output, by 4. ZMHH has the upper bits.
            (ZMOW, output[0][0]),
            (ZMOH, output[1][0]),
            (ZMHH, (output[1][1] & 1) << 2 | output[0][1] & 3),
            (R_DVP_SP, clock),
            (RESET, 0),
        ]
    }
}

impl Brightness {
    /// Indirect register 9 of the effects (by `BPADDR`): steps of 16.
    pub(super) const fn offset(self) -> u8 {
        match self {
            Self::Darkest => 0x00,
            Self::Darker => 0x10,
            Self::Normal => 0x20,
            Self::Brighter => 0x30,
            Self::Brightest => 0x40,
        }
    }
}

impl Mirror {
    pub(super) const fn reg04(self) -> u8 {
        REG04_BASE
            | match self {
                Self::None => 0,
                Self::Mirrored => MIRRORED,
                Self::Flipped => FLIPPED,
                Self::Turned => MIRRORED | FLIPPED,
            }
    }
}
