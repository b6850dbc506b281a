//! One reader, as the control panel sees it: what to send it, and what its replies mean.

mod event;
mod send;
mod wire;

use core::fmt;
use core::time::Duration;

pub use self::event::{Down, Event, Identity, Loss, Reading, Shown, Status};
use self::wire::{Beep, Light, code};
pub use self::wire::{Color, Indication};
use super::frame::{MAX_PACKET, Packet, Parts};
use super::secure::{Handshake, Key, Session};

/// How often a reader is asked for news: nobody waits at a door for longer than that to be noticed.
pub const POLL: Duration = Duration::from_millis(50);

/// A reader answers within this, from the end of the command (standard).
pub const RESPONSE: Duration = Duration::from_millis(200);

/// A command is sent so often before its reader counts as away: about 0.7 s without an answer.
pub const TRIES: u32 = 3;

/// The longest wait before a reader that is away is looked for again. Its door has no reader
/// meanwhile, and one look costs the others on the bus 200 ms.
pub const RETRY_CAP: Duration = Duration::from_secs(5);

const POLL_NS: u64 = 50_000_000;
const RETRY_FIRST_NS: u64 = 250_000_000;
const RETRY_CAP_NS: u64 = 5_000_000_000;
/// A pause before the same bytes again, so that what is left of a late reply passes.
const AGAIN_NS: u64 = 20_000_000;
/// A busy reader is asked again after this,
const BUSY_WAIT_NS: u64 = 100_000_000;
/// and counts as away after this: the standard's own limit for a silent reader.
const BUSY_LIMIT_NS: u64 = 8_000_000_000;
/// Tamper and power are told by themselves; they are asked for so often in case that was lost.
const STATUS_NS: u64 = 10_000_000_000;
/// After so long without a failure the next one is the first again.
const STEADY_NS: u64 = 30_000_000_000;
/// The next step of an introduction follows at once.
const NOW: u64 = 0;

/// How a reader is to be spoken to.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Security {
    /// In the secure channel with this key, or not at all.
    Required(Key),
    /// As [`Required`](Self::Required), but a reader that is still new gets the key, under the
    /// key that everybody knows: whoever listens meanwhile has it. Only while somebody stands by,
    /// with the bus in sight, and not for longer.
    Install(Key),
    /// In the clear: whoever reaches the wires can play back a card. For trying out a reader.
    Clear,
}

/// The packet was no reply to the last command: an echo, another reader, or too late. Wait on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stray;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Away,
    Identify,
    Capabilities,
    Challenge,
    Confirm,
    Install,
    /// Introduced, but it may still have something to tell from before.
    Drain,
    Up,
}

struct Pending {
    command: u8,
    packet: Packet,
    tries: u32,
    sent_ns: u64,
    busy_since: Option<u64>,
}

/// One reader.
///
/// When [`due`](Self::due) has come and the bus is free, send what [`request`](Self::request)
/// gives, and call [`reply`](Self::reply) with each packet that comes until it is not [`Stray`], or
/// [`timeout`](Self::timeout) after [`RESPONSE`].
pub struct Peripheral {
    address: u8,
    security: Security,
    phase: Phase,
    sequence: u8,
    pending: Option<Pending>,
    handshake: Option<Handshake>,
    answer: [u8; 16],
    session: Option<Session>,
    /// In the handshake: the reader is spoken to with the key of new readers.
    default_key: bool,
    due_ns: u64,
    failures: u32,
    up_since: u64,
    /// Why it is away, as told.
    told: Option<Down>,
    identity: Identity,
    status: Option<Status>,
    status_due_ns: u64,
    /// When the last poll was sent that the reader answered with "nothing new".
    empty_ns: Option<u64>,
    light: Option<Light>,
    beep: Option<Beep>,
}

impl Peripheral {
    /// A reader at an address of 0 to 126. Nothing is known of it.
    pub const fn new(address: u8, security: Security) -> Self {
        Self {
            address,
            security,
            phase: Phase::Away,
            sequence: 0,
            pending: None,
            handshake: None,
            answer: [0; 16],
            session: None,
            default_key: false,
            due_ns: NOW,
            failures: 0,
            up_since: 0,
            told: None,
            identity: Identity::UNKNOWN,
            status: None,
            status_due_ns: NOW,
            empty_ns: None,
            light: None,
            beep: None,
        }
    }

    /// Its address.
    pub const fn address(&self) -> u8 {
        self.address
    }

    /// Whether cards can be read now: introduced, in the secure channel if there is a key, and with
    /// nothing left to tell from before.
    pub fn is_up(&self) -> bool {
        self.phase == Phase::Up
    }

    /// When it has something to be sent. While a reply is awaited this does not matter.
    pub const fn due(&self) -> u64 {
        self.due_ns
    }

    /// Shows something at the reader. What was to be shown before and is not yet is void: the
    /// latest counts. A reader that is away shows nothing, also later.
    pub fn indicate(&mut self, indication: Indication) {
        if !self.is_up() {
            return;
        }
        (self.light, self.beep) = wire::show(indication);
        if self.pending.is_none() {
            self.due_ns = NOW;
        }
    }

    /// What to send now; `None` before [`due`](Self::due). `challenge` must be unpredictable.
    pub fn request(&mut self, now_ns: u64, challenge: impl FnOnce() -> [u8; 8]) -> Option<&Packet> {
        if now_ns < self.due_ns {
            return None;
        }
        if self.pending.is_none() {
            let (command, packet) = self.build(now_ns, challenge);
            self.pending =
                Some(Pending { command, packet, tries: 0, sent_ns: now_ns, busy_since: None });
        }
        let pending = self.pending.as_mut()?;
        pending.tries += 1;
        pending.sent_ns = now_ns;
        Some(&pending.packet)
    }

    /// Takes what came after a [`request`](Self::request).
    ///
    /// # Errors
    ///
    /// [`Stray`]: go on waiting for the reply.
    pub fn reply(&mut self, packet: &Packet, now_ns: u64) -> Result<Option<Event>, Stray> {
        let parts = packet.reply().filter(|parts| parts.address == self.address).ok_or(Stray)?;
        let pending = self.pending.as_mut().ok_or(Stray)?;
        let clear_nak = parts.security.is_none() && parts.id == code::NAK;
        if parts.security.is_none() && parts.id == code::BUSY && parts.data.is_empty() {
            return Ok(self.busy(now_ns));
        }
        // A reader that restarted does not know our sequence.
        if parts.sequence != self.sequence && !clear_nak {
            return Err(Stray);
        }
        let (command, sent_ns) = (pending.command, pending.sent_ns);
        let mut buffer = [0; MAX_PACKET];
        let opened = self.open(&parts, clear_nak, &mut buffer);
        let event = match opened {
            Ok(data) => {
                self.sequence = self.sequence % 3 + 1;
                self.pending = None;
                self.due_ns = NOW;
                self.take(command, &parts, data, Times { sent_ns, now_ns })
            }
            Err(loss) => Some(self.lose(loss, now_ns)),
        };
        zeroize::Zeroize::zeroize(&mut buffer);
        Ok(event)
    }

    /// The data of a reply, if it may be believed.
    fn open<'b>(
        &mut self,
        parts: &Parts<'_>,
        clear_nak: bool,
        buffer: &'b mut [u8; MAX_PACKET],
    ) -> Result<&'b [u8], Loss> {
        let plain = &mut buffer[..parts.data.len()];
        plain.copy_from_slice(parts.data);
        let Some(session) = &mut self.session else { return Ok(plain) };
        // A reader that took a new key may forget the session with which it came.
        let installed = self.phase == Phase::Install && parts.id == code::ACK;
        match (parts.security, parts.signed) {
            (Some((kind @ (0x16 | 0x18), _)), Some((signed, mac))) => {
                if !session.verify(signed, mac) {
                    return Err(Loss::Forged);
                }
                // 0x16 is signed but not encrypted: it must not bring data.
                match (kind, plain.is_empty()) {
                    (_, true) => Ok(plain),
                    (0x18, false) => {
                        let len = session.decrypt(plain).ok_or(Loss::Forged)?;
                        Ok(&plain[..len])
                    }
                    _ => Err(Loss::InTheClear),
                }
            }
            (None, _) if clear_nak => {
                Err(Loss::Dropped { code: plain.first().copied().unwrap_or(0) })
            }
            (None, _) if installed => Ok(plain),
            _ => Err(Loss::InTheClear),
        }
    }

    fn take(&mut self, command: u8, parts: &Parts<'_>, data: &[u8], times: Times) -> Option<Event> {
        let now_ns = times.now_ns;
        if parts.id == code::NAK && !matches!(self.phase, Phase::Drain | Phase::Up) {
            let code = data.first().copied().unwrap_or(0);
            let why = if self.phase == Phase::Confirm {
                Down::WrongKey
            } else {
                Down::Refused { command, code }
            };
            return self.fail(why, now_ns);
        }
        match (self.phase, parts.id) {
            (Phase::Identify, code::PDID) => {
                self.identity = Identity::parse(data).unwrap_or(Identity::UNKNOWN);
                self.phase = Phase::Capabilities;
                None
            }
            (Phase::Capabilities, code::PDCAP) => {
                // Function 9, communication security; bit 0 of its level: AES-128.
                let secure =
                    data.as_chunks::<3>().0.iter().any(|cap| cap[0] == 9 && cap[1] & 1 == 1);
                match self.security {
                    Security::Clear => {
                        self.phase = Phase::Drain;
                        None
                    }
                    _ if secure => {
                        self.phase = Phase::Challenge;
                        None
                    }
                    _ => self.fail(Down::NotSecure, now_ns),
                }
            }
            (Phase::Challenge, code::CCRYPT) => self.challenged(parts, data, now_ns),
            (Phase::Confirm, code::RMAC_I) => self.confirmed(parts, data, now_ns),
            (Phase::Install, code::ACK) => {
                if let Security::Install(key) = &self.security {
                    self.security = Security::Required(key.clone());
                }
                self.restart(NOW);
                Some(Event::KeyInstalled)
            }
            (Phase::Drain | Phase::Up, reply) => self.heard(command, reply, data, times),
            (_, reply) => self.fail(Down::Unexpected { command, reply }, now_ns),
        }
    }

    fn challenged(&mut self, parts: &Parts<'_>, data: &[u8], now_ns: u64) -> Option<Event> {
        let fields = data.as_chunks::<8>();
        // Its name, its random number, its cryptogram in two halves.
        let (Some((0x12, _)), Some(handshake), ([_, random, first, second], [])) =
            (parts.security, &self.handshake, fields)
        else {
            let (command, reply) = (code::CHLNG, parts.id);
            return self.fail(Down::Unexpected { command, reply }, now_ns);
        };
        let mut cryptogram = [0; 16];
        cryptogram[..8].copy_from_slice(first);
        cryptogram[8..].copy_from_slice(second);
        let answer = handshake.answer(*random, &cryptogram);
        let Some(answer) = answer else { return self.fail(Down::WrongKey, now_ns) };
        self.answer = answer;
        self.phase = Phase::Confirm;
        None
    }

    fn confirmed(&mut self, parts: &Parts<'_>, data: &[u8], now_ns: u64) -> Option<Event> {
        let handshake = self.handshake.take();
        let mac = <&[u8; 16]>::try_from(data).ok();
        let accepted = matches!(parts.security, Some((0x14, [1, ..])));
        let session = match (handshake, mac) {
            (Some(handshake), Some(mac)) if accepted => handshake.confirm(self.answer, mac),
            _ => None,
        };
        let Some(session) = session else { return self.fail(Down::WrongKey, now_ns) };
        self.session = Some(session);
        self.phase = if self.default_key { Phase::Install } else { Phase::Drain };
        None
    }

    fn heard(&mut self, command: u8, reply: u8, data: &[u8], times: Times) -> Option<Event> {
        let Times { sent_ns, now_ns } = times;
        if self.is_up() && now_ns.saturating_sub(self.up_since) > STEADY_NS {
            self.failures = 0;
        }
        let polled = command == code::POLL;
        let more = self.light.is_some() || self.beep.is_some() || (polled && reply != code::ACK);
        self.due_ns = if more { NOW } else { sent_ns.saturating_add(POLL_NS) };
        let shown = Shown { after_ns: self.empty_ns, until_ns: now_ns };
        match (reply, data) {
            (code::ACK, _) => {
                if polled {
                    self.empty_ns = Some(sent_ns);
                }
                (self.phase == Phase::Drain).then(|| self.up(now_ns))
            }
            (code::NAK, _) => {
                let code = data.first().copied().unwrap_or(0);
                match command {
                    code::POLL => self.fail(Down::Refused { command, code }, now_ns),
                    code::LSTAT => {
                        // It does not know the question; no use in asking every ten seconds.
                        self.status_due_ns = u64::MAX;
                        Some(Event::Refused { command, code })
                    }
                    _ => Some(Event::Refused { command, code }),
                }
            }
            // It is asked for as soon as the reader is there.
            (code::LSTATR, _) if self.phase == Phase::Drain => None,
            (code::LSTATR, [tamper, power]) => {
                let status = Status { tamper: *tamper != 0, power_lost: *power != 0 };
                let news = self.status.replace(status) != Some(status);
                news.then_some(Event::Status(status))
            }
            (code::RAW, [reader, format, low, high, bytes @ ..]) => {
                let bits = u16::from_le_bytes([*low, *high]);
                let reading = Reading::new(*reader, bits, bytes);
                let reading = reading.filter(|_| usize::from(bits).div_ceil(8) == bytes.len());
                Some(match reading {
                    // Format 1 promises the parities of a Wiegand card.
                    Some(reading) => Event::Card { reading, wiegand: *format == 1, shown },
                    None => Event::Unknown { reply },
                })
            }
            (code::KEYPAD, [reader, count, keys @ ..]) => {
                let bits = u16::from(*count) * 8;
                let reading = Reading::new(*reader, bits, keys);
                let reading = reading.filter(|_| usize::from(*count) == keys.len());
                Some(
                    reading
                        .map_or(Event::Unknown { reply }, |reading| Event::Keys { reading, shown }),
                )
            }
            _ => Some(Event::Unknown { reply }),
        }
    }

    /// No reply came. `noise`: something did, but no packet.
    pub fn timeout(&mut self, now_ns: u64, noise: bool) -> Option<Event> {
        let pending = self.pending.as_ref()?;
        // Whoever does not even say its name is tried once: the others on the bus wait for it.
        if pending.tries < TRIES && self.phase != Phase::Identify {
            self.due_ns = now_ns.saturating_add(AGAIN_NS);
            return None;
        }
        self.fail(if noise { Down::Garbled } else { Down::NoAnswer }, now_ns)
    }

    /// The port is gone: told at once, and once. When it is back, the reader is due.
    pub fn bus_down(&mut self, now_ns: u64) -> Option<Event> {
        if self.told == Some(Down::BusGone) {
            return None;
        }
        self.fail(Down::BusGone, now_ns)
    }

    fn busy(&mut self, now_ns: u64) -> Option<Event> {
        let pending = self.pending.as_mut()?;
        let since = *pending.busy_since.get_or_insert(now_ns);
        if now_ns.saturating_sub(since) > BUSY_LIMIT_NS {
            return self.fail(Down::Busy, now_ns);
        }
        pending.tries = 0;
        self.due_ns = now_ns.saturating_add(BUSY_WAIT_NS);
        None
    }

    fn up(&mut self, now_ns: u64) -> Event {
        self.phase = Phase::Up;
        self.up_since = now_ns;
        self.told = None;
        self.status = None;
        self.status_due_ns = NOW;
        self.due_ns = NOW;
        Event::Up { identity: self.identity, secure: self.session.is_some() }
    }

    fn fail(&mut self, why: Down, now_ns: u64) -> Option<Event> {
        // A new reader has the default key, and one that was installed has its own.
        if matches!(self.security, Security::Install(_)) {
            self.default_key = !self.default_key;
        }
        let wait = self.wait_ns();
        self.restart(now_ns.saturating_add(wait));
        (self.told.replace(why) != Some(why)).then_some(Event::Down(why))
    }

    fn lose(&mut self, why: Loss, now_ns: u64) -> Event {
        // At once the first time; then as patiently as with a reader that is away, or whoever
        // forges packets could keep us busy.
        let wait = self.wait_ns();
        let due_ns = if self.failures <= 1 { NOW } else { now_ns.saturating_add(wait) };
        self.restart(due_ns);
        Event::SecureLost(why)
    }

    fn wait_ns(&mut self) -> u64 {
        let doubled = RETRY_FIRST_NS << self.failures.min(5);
        self.failures = self.failures.saturating_add(1);
        doubled.min(RETRY_CAP_NS)
    }

    fn restart(&mut self, due_ns: u64) {
        self.phase = Phase::Away;
        self.pending = None;
        self.handshake = None;
        self.session = None;
        self.status = None;
        self.empty_ns = None;
        self.light = None;
        self.beep = None;
        self.due_ns = due_ns;
        if !matches!(self.security, Security::Install(_)) {
            self.default_key = false;
        }
    }
}

/// When a command was sent and its reply came.
#[derive(Clone, Copy)]
struct Times {
    sent_ns: u64,
    now_ns: u64,
}

impl fmt::Debug for Peripheral {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Peripheral")
            .field("address", &self.address)
            .field("phase", &self.phase)
            .field("secure", &self.session.is_some())
            .finish_non_exhaustive()
    }
}
