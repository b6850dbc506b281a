//! The codes of commands and replies, and what lamps and buzzers are told.

/// Commands and replies. They share numbers.
pub(super) mod code {
    pub(in super::super) const POLL: u8 = 0x60;
    pub(in super::super) const ID: u8 = 0x61;
    pub(in super::super) const CAP: u8 = 0x62;
    pub(in super::super) const LSTAT: u8 = 0x64;
    pub(in super::super) const LED: u8 = 0x69;
    pub(in super::super) const BUZ: u8 = 0x6a;
    pub(in super::super) const KEYSET: u8 = 0x75;
    pub(in super::super) const CHLNG: u8 = 0x76;
    pub(in super::super) const SCRYPT: u8 = 0x77;

    pub(in super::super) const ACK: u8 = 0x40;
    pub(in super::super) const NAK: u8 = 0x41;
    pub(in super::super) const PDID: u8 = 0x45;
    pub(in super::super) const PDCAP: u8 = 0x46;
    pub(in super::super) const LSTATR: u8 = 0x48;
    pub(in super::super) const RAW: u8 = 0x50;
    pub(in super::super) const KEYPAD: u8 = 0x53;
    pub(in super::super) const CCRYPT: u8 = 0x76;
    pub(in super::super) const RMAC_I: u8 = 0x78;
    pub(in super::super) const BUSY: u8 = 0x79;
}

/// A lamp's colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Color {
    /// Dark.
    Off = 0,
    /// Red.
    Red = 1,
    /// Green.
    Green = 2,
    /// Amber.
    Amber = 3,
    /// Blue.
    Blue = 4,
}

/// What to show at a reader.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Indication {
    /// Denied: red flashes and three short tones.
    Denied,
    /// Granted: green for two seconds and one tone.
    Granted,
    /// The lamp's colour from now on, without a tone.
    Rest(Color),
    /// Something is expected, as a PIN after a card, or the door is held open: amber flashes.
    Wait,
}

/// The data of LED: reader, lamp, then for the time being and for good.
pub(super) type Light = [u8; 14];

/// The data of BUZ: reader, tone, on, off (in 100 ms), how often.
pub(super) type Beep = [u8; 5];

/// The two commands of an indication, for the first lamp of the first head.
pub(super) fn show(indication: Indication) -> (Option<Light>, Option<Beep>) {
    // 2: set and start; on and off in 100 ms, colours of on and off, for so many 100 ms.
    let flash = |color: Color, on: u8, off: u8, time: u8| {
        [0, 0, 2, on, off, color as u8, Color::Off as u8, time, 0, 0, 0, 0, 0, 0]
    };
    match indication {
        Indication::Granted => (Some(flash(Color::Green, 20, 0, 20)), Some([0, 2, 2, 0, 1])),
        Indication::Denied => (Some(flash(Color::Red, 2, 2, 12)), Some([0, 2, 1, 1, 3])),
        Indication::Wait => (Some(flash(Color::Amber, 3, 3, 100)), None),
        // 1: end what is for the time being; 1: set for good.
        Indication::Rest(color) => {
            let color = color as u8;
            (Some([0, 0, 1, 0, 0, 0, 0, 0, 0, 1, 1, 0, color, color]), None)
        }
    }
}
