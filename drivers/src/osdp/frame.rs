//! Packets: how they are built, and found among the bytes of a bus.
//!
//! `53, address, length (2, low first), control, [security block], id, data, [MAC 4], CRC (2)`.
//! The length counts all of it. Control: sequence in bits 0 and 1, CRC instead of a one-byte
//! checksum in bit 2, security block in bit 3. A reply has bit 7 of the address set.

use core::fmt;

use zeroize::Zeroize;

/// The longest packet that is taken: twice what readers announce.
pub const MAX_PACKET: usize = 512;

const SOM: u8 = 0x53;
/// Readers and transceivers may need one byte to wake up; it is no part of the packet.
const MARK: u8 = 0xff;
const REPLY: u8 = 0x80;
const SEQUENCE: u8 = 0x03;
const CRC: u8 = 0x04;
const SECURITY: u8 = 0x08;
const HEADER: usize = 5;

/// A packet being built, or one that was found. Overwritten when dropped: it may hold a card.
#[derive(Clone)]
pub struct Packet {
    bytes: [u8; MAX_PACKET],
    len: usize,
}

/// A packet taken apart.
pub(super) struct Parts<'p> {
    pub(super) address: u8,
    pub(super) sequence: u8,
    /// The type and the data of the security block.
    pub(super) security: Option<(u8, &'p [u8])>,
    pub(super) id: u8,
    pub(super) data: &'p [u8],
    /// With a security block of 0x15 and above: everything before the MAC, and the MAC.
    pub(super) signed: Option<(&'p [u8], [u8; 4])>,
}

impl Packet {
    /// A command, up to its data; [`finish`](Self::finish) completes it.
    pub(super) fn command(address: u8, sequence: u8, security: Option<&[u8]>) -> Self {
        let mut packet = Self { bytes: [0; MAX_PACKET], len: 0 };
        let control = sequence & SEQUENCE | CRC | if security.is_some() { SECURITY } else { 0 };
        packet.extend(&[SOM, address & !REPLY, 0, 0, control]);
        if let Some(block) = security {
            let len = u8::try_from(block.len() + 1).unwrap_or(u8::MAX);
            packet.extend(&[len]);
            packet.extend(block);
        }
        packet
    }

    /// Appends; what does not fit is left out, which no command of ours comes near to.
    pub(super) fn extend(&mut self, bytes: &[u8]) {
        let end = (self.len + bytes.len()).min(MAX_PACKET);
        let (room, len) = (&mut self.bytes[self.len..end], end - self.len);
        room.copy_from_slice(&bytes[..len]);
        self.len = end;
    }

    /// Sets the length, as it will be with `more` bytes to come.
    pub(super) fn set_length(&mut self, more: usize) {
        let total = u16::try_from(self.len + more).unwrap_or(u16::MAX);
        self.bytes[2..4].copy_from_slice(&total.to_le_bytes());
    }

    /// Sets the length and appends the CRC.
    pub(super) fn finish(&mut self) {
        self.set_length(2);
        let crc = crc16(self.bytes());
        self.extend(&crc.to_le_bytes());
    }

    /// All bytes, from the start mark to the CRC.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes[..self.len]
    }

    /// Takes a reply apart; `None` for the echo of a command, or if the parts do not fit.
    pub(super) fn reply(&self) -> Option<Parts<'_>> {
        let bytes = self.bytes();
        let (address, control) = (*bytes.get(1)?, *bytes.get(4)?);
        if address & REPLY == 0 {
            return None;
        }
        let check = if control & CRC == 0 { 1 } else { 2 };
        let mut end = bytes.len().checked_sub(check)?;
        let mut start = HEADER;
        let mut security = None;
        let mut signed = None;
        if control & SECURITY != 0 {
            let len = usize::from(*bytes.get(start)?);
            let block = bytes.get(start..start + len).filter(|block| block.len() >= 2)?;
            security = Some((block[1], &block[2..]));
            start += len;
            if block[1] >= 0x15 {
                end = end.checked_sub(4)?;
                let mac = bytes.get(end..end + 4)?.try_into().ok()?;
                signed = Some((&bytes[..end], mac));
            }
        }
        let (&id, data) = bytes.get(start..end)?.split_first()?;
        let (address, sequence) = (address & !REPLY, control & SEQUENCE);
        Some(Parts { address, sequence, security, id, data, signed })
    }
}

impl Drop for Packet {
    fn drop(&mut self) {
        self.bytes.zeroize();
    }
}

impl fmt::Debug for Packet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Packet({})", self.len)
    }
}

/// Finds packets among bytes.
///
/// Every byte that can begin a packet is taken for one until its length and its check are wrong, so
/// neither noise nor half a packet nor a hostile length hold up a whole packet that follows.
#[derive(Debug)]
pub struct Deframer {
    heard: Packet,
    /// More came than is kept.
    overflown: bool,
}

impl Default for Deframer {
    fn default() -> Self {
        Self::new()
    }
}

impl Deframer {
    /// Nothing was heard yet.
    pub const fn new() -> Self {
        Self { heard: Packet { bytes: [0; MAX_PACKET], len: 0 }, overflown: false }
    }

    /// Takes a byte, and tells the packet that it completed.
    pub fn push(&mut self, byte: u8) -> Option<Packet> {
        if self.heard.len == MAX_PACKET {
            // No packet is longer: one that began before cannot end any more.
            self.heard.bytes.copy_within(1.., 0);
            self.heard.len -= 1;
            self.overflown = true;
        }
        self.heard.extend(&[byte]);
        let bytes = self.heard.bytes();
        let ends_here = |start: &usize| {
            let packet = &bytes[*start..];
            let Some(&[SOM, _, low, high, control]) = packet.first_chunk() else { return false };
            usize::from(u16::from_le_bytes([low, high])) == packet.len()
                && packet.len() >= HEADER + 2
                && checks(packet, control)
        };
        let start = (0..bytes.len()).find(ends_here)?;
        let mut packet = Packet { bytes: [0; MAX_PACKET], len: 0 };
        packet.extend(&bytes[start..]);
        self.clear();
        Some(packet)
    }

    /// Forgets what was heard, and says whether it was more than a mark: call it before each
    /// command.
    pub fn clear(&mut self) -> bool {
        let noise = self.overflown || self.heard.bytes().iter().any(|byte| *byte != MARK);
        self.heard.bytes.zeroize();
        self.heard.len = 0;
        self.overflown = false;
        noise
    }
}

fn checks(packet: &[u8], control: u8) -> bool {
    if control & CRC != 0 {
        packet.split_last_chunk().is_some_and(|(body, crc)| crc16(body) == u16::from_le_bytes(*crc))
    } else {
        packet.iter().fold(0u8, |sum, byte| sum.wrapping_add(*byte)) == 0
    }
}

/// CRC-16 of the standard: polynomial 0x1021, start 0x1D0F, not reflected.
pub(super) fn crc16(bytes: &[u8]) -> u16 {
    bytes.iter().fold(0x1d0f, |crc, byte| {
        (0..8).fold(crc ^ u16::from(*byte) << 8, |crc, _| {
            if crc & 0x8000 == 0 { crc << 1 } else { crc << 1 ^ 0x1021 }
        })
    })
}
