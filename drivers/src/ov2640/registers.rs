//! What is written into the OV2640.
//!
//! The OV2640 datasheet has a table for each bank: 12 for the image processor, 13 for the sensor.
//! It was not at hand; that numbering, names and bits are as esp32-camera (`ov2640_regs.h`, MIT)
//! and other public drivers give them. Both tables call many addresses reserved, and the sensor
//! gives no picture worth looking at without values there. These are OmniVision's reference
//! settings, as numbers, as esp32-camera (`ov2640_settings.h`, Apache-2.0) has them; nobody but
//! OmniVision can explain them, and they have no names here. Where the ArduChip needs another value
//! than an ESP32 (`IMAGE_MODE`, `COM10`, `R_DVP_SP`, the halving in `CTRLI`), it is what the board's
//! vendor uses.

/// Bank select, in both banks.
pub(super) const BANK: u8 = 0xff;
/// `BANK`: table 12.
pub(super) const DSP: u8 = 0x00;
/// `BANK`: table 13.
pub(super) const SENSOR: u8 = 0x01;

// Table 13.
pub(super) const PRODUCT: u8 = 0x0a;
pub(super) const REVISION: u8 = 0x0b;
const COM1: u8 = 0x03;
pub(super) const REG04: u8 = 0x04;
const COM2: u8 = 0x09;
const COM4: u8 = 0x0d;
const CLKRC: u8 = 0x11;
pub(super) const COM7: u8 = 0x12;
const COM8: u8 = 0x13;
const COM9: u8 = 0x14;
const COM10: u8 = 0x15;
const HREFST: u8 = 0x17;
const HREFEND: u8 = 0x18;
const VSTRT: u8 = 0x19;
const VEND: u8 = 0x1a;
const AEW: u8 = 0x24;
const AEB: u8 = 0x25;
const VV: u8 = 0x26;
const REG32: u8 = 0x32;
const ARCOM2: u8 = 0x34;
const BD50: u8 = 0x4f;
const BD60: u8 = 0x50;
const HISTO_LOW: u8 = 0x61;
const HISTO_HIGH: u8 = 0x62;

// Table 12.
const R_BYPASS: u8 = 0x05;
const QS: u8 = 0x44;
pub(super) const CTRLI: u8 = 0x50;
pub(super) const HSIZE: u8 = 0x51;
pub(super) const VSIZE: u8 = 0x52;
pub(super) const XOFFL: u8 = 0x53;
pub(super) const YOFFL: u8 = 0x54;
pub(super) const VHYX: u8 = 0x55;
pub(super) const TEST: u8 = 0x57;
pub(super) const ZMOW: u8 = 0x5a;
pub(super) const ZMOH: u8 = 0x5b;
pub(super) const ZMHH: u8 = 0x5c;
pub(super) const BPADDR: u8 = 0x7c;
pub(super) const BPDATA: u8 = 0x7d;
pub(super) const CTRL2: u8 = 0x86;
const CTRL3: u8 = 0x87;
pub(super) const SIZEL: u8 = 0x8c;
pub(super) const HSIZE8: u8 = 0xc0;
pub(super) const VSIZE8: u8 = 0xc1;
const CTRL1: u8 = 0xc3;
pub(super) const R_DVP_SP: u8 = 0xd3;
pub(super) const IMAGE_MODE: u8 = 0xda;
pub(super) const RESET: u8 = 0xe0;
const MC_BIST: u8 = 0xf9;

/// `PRODUCT` and `REVISION` of the two revisions there are. The datasheet has 41 alone.
pub(super) const PRODUCT_ID: u8 = 0x26;
pub(super) const REVISIONS: [u8; 2] = [0x41, 0x42];

/// `COM7`, bit 7: all registers as after power-on.
pub(super) const SOFT_RESET: u8 = 0x80;
/// `REG04`: bit 5 is as after power-on.
pub(super) const REG04_BASE: u8 = 0x28;
/// `REG04`, bits 7 and 3: mirrored, with the lowest bit of where HREF begins.
pub(super) const MIRRORED: u8 = 0x88;
/// `REG04`, bits 6 and 4: upside down, with the lowest bit of where VREF begins.
pub(super) const FLIPPED: u8 = 0x50;

/// `IMAGE_MODE`, bit 4: the output is JPEG. Bit 1 stays 0: the ArduChip wants VSYNC as the sensor
/// gives it. After power-on the register is 0, and so it tells a reset.
pub(super) const JPEG: u8 = 0x10;
/// `RESET`, bit 2: the output is held while its size changes.
pub(super) const RESET_DVP: u8 = 0x04;
/// `RESET`, bits 4 and 2.
const RESET_JPEG: u8 = 0x14;
/// `QS`, the scale of the quantisation: less is finer. 12 as esp32-camera has it; from memory, a
/// frame of 1600 × 1200 is then 100 to 250 KiB, which the smallest FIFO (384 KiB) holds.
const QUALITY: u8 = 0x0c;
/// `CTRL2`: scaling down (bit 5), effects (4), adjusted and averaged colour (3, 2), matrix (0).
pub(super) const ALL_STAGES: u8 = 0x3d;

/// The bank of the sensor after a soft reset, whatever the size.
pub(super) const SENSOR_BASE: &[(u8, u8)] = &[
    (0x3c, 0x32),
    // Half of the input clock, as the board's vendor has it.
    (CLKRC, 0x01),
    // The pins drive thrice their least current.
    (COM2, 0x02),
    (REG04, REG04_BASE),
    // Filter of the lamps' flicker, automatic gain and exposure.
    (COM8, 0xe5),
    // Gain up to 8.
    (COM9, 0x48),
    // Syncs active high.
    (COM10, 0x00),
    (0x2c, 0x0c),
    (0x33, 0x78),
    (0x3a, 0x33),
    (0x3b, 0xfb),
    (0x3e, 0x00),
    (0x43, 0x11),
    (0x16, 0x10),
    (0x4a, 0x81),
    (0x21, 0x99),
    // The range that automatic exposure aims at, and how far off it may be.
    (AEW, 0x40),
    (AEB, 0x38),
    (VV, 0x82),
    (0x5c, 0x00),
    (0x63, 0x00),
    (HISTO_LOW, 0x70),
    (HISTO_HIGH, 0x80),
    (0x7c, 0x05),
    (0x20, 0x80),
    (0x28, 0x30),
    (0x6c, 0x00),
    (0x6e, 0x00),
    (0x70, 0x02),
    (0x71, 0x94),
    (0x73, 0xc1),
];

/// The bank of the sensor for all 1600 × 1200 pixels.
pub(super) const SENSOR_UXGA: &[(u8, u8)] = &[
    (COM7, 0x00),
    (COM1, 0x0f),
    (REG32, 0x36),
    (HREFST, 0x11),
    (HREFEND, 0x75),
    (VSTRT, 0x01),
    (VEND, 0x97),
    (0x3d, 0x34),
    (BD50, 0xbb),
    (BD60, 0x9c),
    (0x5a, 0x57),
    (0x6d, 0x80),
    (0x39, 0x82),
    (0x23, 0x00),
    (0x07, 0xc0),
    (0x4c, 0x00),
    (0x35, 0x88),
    (0x22, 0x0a),
    (0x37, 0x40),
    (ARCOM2, 0xa0),
    (0x06, 0x02),
    (COM4, 0xb7),
    (0x0e, 0x01),
    (0x42, 0x83),
];

/// The bank of the sensor for 800 × 600, two by two pixels taken together.
pub(super) const SENSOR_SVGA: &[(u8, u8)] = &[
    (COM7, 0x40),
    (COM1, 0x0a),
    (REG32, 0x09),
    (HREFST, 0x11),
    (HREFEND, 0x43),
    (VSTRT, 0x00),
    (VEND, 0x4b),
    (0x3d, 0x38),
    (BD50, 0xca),
    (BD60, 0xa8),
    (0x5a, 0x23),
    (0x6d, 0x00),
    (0x39, 0x92),
    (0x23, 0x00),
    (0x07, 0xc0),
    (0x4c, 0x00),
    (0x35, 0xda),
    (0x22, 0x1a),
    (0x37, 0xc3),
    (ARCOM2, 0xc0),
    (0x06, 0x88),
    (COM4, 0x87),
    (0x0e, 0x41),
    (0x42, 0x03),
];

/// The bank of the image processor: a gamma curve (91), colour matrix, white balance (97).
#[rustfmt::skip]
pub(super) const DSP_BASE: &[(u8, u8)] = &[
    (0x2c, 0xff), (0x2e, 0xdf), (0xe5, 0x7f), (MC_BIST, 0xc0), (0x41, 0x24),
    (RESET, RESET_JPEG),
    (0x76, 0xff), (0x33, 0xa0), (0x42, 0x20), (0x43, 0x18), (0x4c, 0x00),
    // Correction of white pixels.
    (CTRL3, 0x50),
    (0x88, 0x3f), (0xd7, 0x03), (0xd9, 0x10), (0xc8, 0x08), (0xc9, 0x80),
    (BPADDR, 0x00), (BPDATA, 0x00), (BPADDR, 0x03), (BPDATA, 0x48), (BPDATA, 0x48),
    (BPADDR, 0x08), (BPDATA, 0x20), (BPDATA, 0x10), (BPDATA, 0x0e),
    (0x90, 0x00), (0x91, 0x0e), (0x91, 0x1a), (0x91, 0x31), (0x91, 0x5a), (0x91, 0x69),
    (0x91, 0x75), (0x91, 0x7e), (0x91, 0x88), (0x91, 0x8f), (0x91, 0x96), (0x91, 0xa3),
    (0x91, 0xaf), (0x91, 0xc4), (0x91, 0xd7), (0x91, 0xe8), (0x91, 0x20),
    (0x92, 0x00), (0x93, 0x06), (0x93, 0xe3), (0x93, 0x05), (0x93, 0x05), (0x93, 0x00),
    (0x93, 0x04), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00), (0x93, 0x00),
    (0x93, 0x00), (0x93, 0x00),
    (0x96, 0x00), (0x97, 0x08), (0x97, 0x19), (0x97, 0x02), (0x97, 0x0c), (0x97, 0x24),
    (0x97, 0x30), (0x97, 0x28), (0x97, 0x26), (0x97, 0x02), (0x97, 0x98), (0x97, 0x80),
    (0x97, 0x00), (0x97, 0x00),
    (0xa4, 0x00), (0xa8, 0x00), (0xc5, 0x11), (0xc6, 0x51), (0xbf, 0x80), (0xc7, 0x10),
    (0xb6, 0x66), (0xb8, 0xa5), (0xb7, 0x64), (0xb9, 0x7c), (0xb3, 0xaf), (0xb4, 0x97),
    (0xb5, 0xff), (0xb0, 0xc5), (0xb1, 0x94), (0xb2, 0x0f), (0xc4, 0x5c),
    // All corrections on, white balance among them (bit 3).
    (CTRL1, 0xfd),
    (0x7f, 0x00),
    // The processor is in the way of the pixels.
    (R_BYPASS, 0x00),
];

/// The bank of the image processor: JPEG.
pub(super) const DSP_JPEG: &[(u8, u8)] = &[
    (RESET, RESET_JPEG),
    (IMAGE_MODE, JPEG),
    (0xd7, 0x03),
    (0xe1, 0x77),
    (0xe5, 0x1f),
    (0xd9, 0x10),
    (0xdf, 0x80),
    (0x33, 0x80),
    (0x3c, 0x10),
    (0xeb, 0x30),
    (0xdd, 0x7f),
    (QS, QUALITY),
    (RESET, 0x00),
];
