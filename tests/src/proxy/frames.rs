//! Where one MQTT packet ends and the next begins, in a stream of bytes.

use std::sync::atomic::{AtomicU64, Ordering};

use super::{Fault, Way};

/// The place in a stream of packets.
#[derive(Debug, Default)]
pub(super) struct Frames {
    place: Place,
}

#[derive(Clone, Copy, Debug, Default)]
enum Place {
    /// The next byte is a packet's first.
    #[default]
    First,
    /// Within the length; so many bytes of it were read, giving this length so far.
    Length { kind: u8, bytes: u32, length: u64 },
    /// So many bytes of the body are still to come.
    Body { kind: u8, left: u64 },
}

impl Frames {
    /// How many of `bytes` pass under `fault`, and whether the connection is then cut.
    pub(super) fn admit(
        &mut self,
        bytes: &[u8],
        fault: Fault,
        way: Way,
        budget: &AtomicU64,
    ) -> (usize, bool) {
        let counted = match fault {
            Fault::CutAfterPackets(cut_way, kind, _) if cut_way == way => Some(kind),
            _ => None,
        };
        for (index, byte) in bytes.iter().enumerate() {
            let ended = self.step(*byte);
            if ended.is_some() && ended == counted && spend(budget, 1) == 0 {
                return (index + 1, true);
            }
        }
        match fault {
            Fault::CutAfterBytes(cut_way, _) if cut_way == way => {
                let before = budget.load(Ordering::SeqCst);
                let left = spend(budget, bytes.len() as u64);
                let pass = bytes.len().min(usize::try_from(before).unwrap_or(usize::MAX));
                (pass, left == 0)
            }
            _ => (bytes.len(), false),
        }
    }

    /// Takes one byte; returns the type of the packet that ends with it.
    fn step(&mut self, byte: u8) -> Option<u8> {
        let (kind, left) = match self.place {
            Place::First => {
                self.place = Place::Length { kind: byte >> 4, bytes: 0, length: 0 };
                return None;
            }
            Place::Length { kind, bytes, length } => {
                let length = length | u64::from(byte & 0x7f) << (7 * bytes);
                if byte & 0x80 != 0 && bytes < 3 {
                    self.place = Place::Length { kind, bytes: bytes + 1, length };
                    return None;
                }
                (kind, length)
            }
            Place::Body { kind, left } => (kind, left - 1),
        };
        if left > 0 {
            self.place = Place::Body { kind, left };
            return None;
        }
        self.place = Place::First;
        Some(kind)
    }
}

/// Takes from the budget; returns what is left.
fn spend(budget: &AtomicU64, amount: u64) -> u64 {
    let take = |left: u64| Some(left.saturating_sub(amount));
    let before = budget.fetch_update(Ordering::SeqCst, Ordering::SeqCst, take);
    before.unwrap_or_default().saturating_sub(amount)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mqtt::{Publish, kind, packet};

    #[test]
    fn a_stream_is_cut_behind_the_second_publish_however_it_is_sliced() {
        let publish = |len| {
            Publish { topic: "t".into(), payload: vec![0x30; len], ..Publish::default() }.render(4)
        };
        let head = [packet(kind::PINGREQ, 0, &[]), publish(5), publish(400)].concat();
        let stream = [head.clone(), publish(9)].concat();
        let fault = Fault::CutAfterPackets(Way::Up, kind::PUBLISH, 2);
        for slice in [1, 2, 3, 7, 1000] {
            let mut frames = Frames::default();
            let budget = AtomicU64::new(2);
            let mut passed = 0;
            for part in stream.chunks(slice) {
                let (pass, cut) = frames.admit(part, fault, Way::Up, &budget);
                passed += pass;
                if cut {
                    break;
                }
            }
            assert_eq!(passed, head.len(), "in slices of {slice}");
        }
    }

    #[test]
    fn a_budget_of_bytes_is_kept_to_the_byte() {
        let budget = AtomicU64::new(10);
        let fault = Fault::CutAfterBytes(Way::Down, 10);
        let mut frames = Frames::default();
        assert_eq!(frames.admit(&[0; 7], fault, Way::Down, &budget), (7, false));
        assert_eq!(frames.admit(&[0; 99], fault, Way::Up, &budget), (99, false));
        assert_eq!(frames.admit(&[0; 7], fault, Way::Down, &budget), (3, true));
    }
}
