//! What is said to a reader next, and how it is wrapped.

use zeroize::Zeroize;

use super::super::frame::Packet;
use super::super::secure::{DEFAULT, Handshake, Key, Session};
use super::wire::code;
use super::{Peripheral, Phase, STATUS_NS, Security};

impl Peripheral {
    pub(super) fn build(
        &mut self,
        now_ns: u64,
        challenge: impl FnOnce() -> [u8; 8],
    ) -> (u8, Packet) {
        match self.phase {
            Phase::Away | Phase::Identify => {
                self.phase = Phase::Identify;
                self.sequence = 0;
                self.seal(code::ID, &[0])
            }
            Phase::Capabilities => self.seal(code::CAP, &[0]),
            Phase::Challenge => {
                let handshake = Handshake::new(self.key(), challenge());
                let packet = self.handshake_packet(0x11, code::CHLNG, handshake.challenge());
                self.handshake = Some(handshake);
                (code::CHLNG, packet)
            }
            Phase::Confirm => {
                (code::SCRYPT, self.handshake_packet(0x13, code::SCRYPT, &self.answer))
            }
            Phase::Install => {
                // Type 1 (SCBK), 16 bytes.
                let mut data = [0; 18];
                data[..2].copy_from_slice(&[1, 16]);
                if let Security::Install(key) = &self.security {
                    data[2..].copy_from_slice(key.bytes());
                }
                let sealed = self.seal(code::KEYSET, &data);
                data.zeroize();
                sealed
            }
            Phase::Drain => self.seal(code::POLL, &[]),
            Phase::Up => {
                if let Some(light) = self.light.take() {
                    self.seal(code::LED, &light)
                } else if let Some(beep) = self.beep.take() {
                    self.seal(code::BUZ, &beep)
                } else if now_ns >= self.status_due_ns {
                    self.status_due_ns = now_ns.saturating_add(STATUS_NS);
                    self.seal(code::LSTAT, &[])
                } else {
                    self.seal(code::POLL, &[])
                }
            }
        }
    }

    fn key(&self) -> &Key {
        match &self.security {
            Security::Required(key) => key,
            Security::Install(key) if !self.default_key => key,
            Security::Install(_) | Security::Clear => &DEFAULT,
        }
    }

    fn handshake_packet(&self, block: u8, command: u8, data: &[u8]) -> Packet {
        let own_key = u8::from(!self.default_key);
        let mut packet = Packet::command(self.address, self.sequence, Some(&[block, own_key]));
        packet.extend(&[command]);
        packet.extend(data);
        packet.finish();
        packet
    }

    fn seal(&mut self, command: u8, data: &[u8]) -> (u8, Packet) {
        let Some(session) = &mut self.session else {
            let mut packet = Packet::command(self.address, self.sequence, None);
            packet.extend(&[command]);
            packet.extend(data);
            packet.finish();
            return (command, packet);
        };
        let block = if data.is_empty() { 0x15 } else { 0x17 };
        let mut packet = Packet::command(self.address, self.sequence, Some(&[block]));
        packet.extend(&[command]);
        if !data.is_empty() {
            // The longest, KEYSET, has 18.
            let mut buffer = [0; 64];
            buffer[..data.len()].copy_from_slice(data);
            buffer[data.len()] = 0x80;
            let padded = &mut buffer[..Session::padded(data.len())];
            session.encrypt(padded);
            packet.extend(padded);
        }
        packet.set_length(4 + 2);
        let mac = session.sign(packet.bytes());
        packet.extend(&mac);
        packet.finish();
        (command, packet)
    }
}
