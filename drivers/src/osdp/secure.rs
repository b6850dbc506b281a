//! The secure channel: AES-128 keys made of the challenge, MACs that chain command and reply.

use core::fmt;

use aes::Aes128;
use aes::cipher::{BlockCipherDecrypt, BlockCipherEncrypt, KeyInit};
use zeroize::Zeroize;

/// A reader's own key (SCBK). Overwritten when dropped; `Debug` does not show it.
#[derive(Clone, PartialEq, Eq)]
pub struct Key([u8; 16]);

/// The key that every reader has when it is new (SCBK-D): everybody knows it.
pub(super) static DEFAULT: Key = Key(*b"0123456789:;<=>?");

impl Key {
    /// A key of 16 random bytes; the known default is no key.
    pub fn new(bytes: [u8; 16]) -> Option<Self> {
        let key = Self(bytes);
        (key != DEFAULT).then_some(key)
    }

    pub(super) const fn bytes(&self) -> &[u8; 16] {
        &self.0
    }
}

impl Drop for Key {
    fn drop(&mut self) {
        self.0.zeroize();
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Key(secret)")
    }
}

/// Between challenge and confirmation.
pub(super) struct Handshake {
    challenge: [u8; 8],
    cipher: Aes128,
    mac1: Aes128,
    mac2: Aes128,
}

impl Handshake {
    /// The session's keys are made of the challenge alone: it must not be predictable.
    pub(super) fn new(key: &Key, challenge: [u8; 8]) -> Self {
        let base = Aes128::new(key.bytes().into());
        let derive = |first: u8, second: u8| {
            let mut block = [0; 16];
            block[..2].copy_from_slice(&[first, second]);
            block[2..8].copy_from_slice(&challenge[..6]);
            let mut block = block.into();
            base.encrypt_block(&mut block);
            Aes128::new(&block)
        };
        let (cipher, mac1, mac2) = (derive(0x01, 0x82), derive(0x01, 0x01), derive(0x01, 0x02));
        Self { challenge, cipher, mac1, mac2 }
    }

    pub(super) const fn challenge(&self) -> &[u8; 8] {
        &self.challenge
    }

    /// Checks the reader's answer, and gives ours.
    pub(super) fn answer(&self, random: [u8; 8], cryptogram: &[u8; 16]) -> Option<[u8; 16]> {
        let both = |first: [u8; 8], second: [u8; 8]| {
            let mut block = [0; 16];
            block[..8].copy_from_slice(&first);
            block[8..].copy_from_slice(&second);
            encrypt(&self.cipher, block)
        };
        same(&both(self.challenge, random), cryptogram).then(|| both(random, self.challenge))
    }

    /// Checks the reader's first MAC.
    pub(super) fn confirm(self, answer: [u8; 16], first_mac: &[u8; 16]) -> Option<Session> {
        let expected = encrypt(&self.mac2, encrypt(&self.mac1, answer));
        same(&expected, first_mac).then(|| Session {
            cipher: self.cipher,
            mac1: self.mac1,
            mac2: self.mac2,
            command_mac: [0; 16],
            reply_mac: expected,
        })
    }
}

/// A secure session.
pub(super) struct Session {
    cipher: Aes128,
    mac1: Aes128,
    mac2: Aes128,
    /// The MAC of the last command.
    command_mac: [u8; 16],
    /// The MAC of the last reply.
    reply_mac: [u8; 16],
}

impl Session {
    /// The bytes that data has after padding: 0x80, then zeros up to a whole block.
    pub(super) const fn padded(len: usize) -> usize {
        (len / 16 + 1) * 16
    }

    /// Encrypts a command's data, padded by the caller to a whole block.
    pub(super) fn encrypt(&self, data: &mut [u8]) {
        let mut last = self.reply_mac.map(|byte| !byte);
        for block in data.as_chunks_mut::<16>().0 {
            *block = encrypt(&self.cipher, xor(last, *block));
            last = *block;
        }
    }

    /// Decrypts a reply's data in place, and says how much of it there is without the padding.
    pub(super) fn decrypt(&self, data: &mut [u8]) -> Option<usize> {
        let (blocks, []) = data.as_chunks_mut::<16>() else { return None };
        let mut last = self.command_mac.map(|byte| !byte);
        for block in blocks {
            let encrypted = *block;
            let mut plain = encrypted.into();
            self.cipher.decrypt_block(&mut plain);
            *block = xor(last, plain.into());
            last = encrypted;
        }
        let end = data.iter().rposition(|byte| *byte != 0)?;
        (data[end] == 0x80).then_some(end)
    }

    /// The MAC of a command, which the next reply's MAC continues.
    pub(super) fn sign(&mut self, command: &[u8]) -> [u8; 4] {
        self.command_mac = self.mac(self.reply_mac, command);
        first4(self.command_mac)
    }

    /// Checks the MAC of the reply to the last command.
    pub(super) fn verify(&mut self, reply: &[u8], mac: [u8; 4]) -> bool {
        let expected = self.mac(self.command_mac, reply);
        let good = same(&first4(expected), &mac);
        if good {
            self.reply_mac = expected;
        }
        good
    }

    fn mac(&self, start: [u8; 16], message: &[u8]) -> [u8; 16] {
        let (blocks, rest) = message.as_chunks::<16>();
        let mut last = [0; 16];
        let (first, last) = if rest.is_empty() {
            let Some((last, first)) = blocks.split_last() else { return start };
            (first, *last)
        } else {
            last[..rest.len()].copy_from_slice(rest);
            last[rest.len()] = 0x80;
            (blocks, last)
        };
        let chain =
            first.iter().fold(start, |chain, block| encrypt(&self.mac1, xor(chain, *block)));
        encrypt(&self.mac2, xor(chain, last))
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        // The ciphers overwrite their own keys.
        self.command_mac.zeroize();
        self.reply_mac.zeroize();
    }
}

fn encrypt(cipher: &Aes128, block: [u8; 16]) -> [u8; 16] {
    let mut block = block.into();
    cipher.encrypt_block(&mut block);
    block.into()
}

fn xor(mut a: [u8; 16], b: [u8; 16]) -> [u8; 16] {
    a.iter_mut().zip(b).for_each(|(a, b)| *a ^= b);
    a
}

const fn first4(mac: [u8; 16]) -> [u8; 4] {
    [mac[0], mac[1], mac[2], mac[3]]
}

/// Compares without telling by its time where the difference is.
fn same(a: &[u8], b: &[u8]) -> bool {
    a.len() == b.len() && a.iter().zip(b).fold(0, |diff, (a, b)| diff | (a ^ b)) == 0
}
