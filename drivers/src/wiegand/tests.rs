use std::format;
use std::vec::Vec;

use embedded_hal::digital::PinState::{High, Low};
use proptest::prelude::*;

use super::*;
use crate::edge::Edge;

const US: u64 = 1_000;
const MS: u64 = 1_000_000;

fn edge(level: embedded_hal::digital::PinState, at_ns: u64) -> Edge {
    Edge { level, at_ns, line_seqno: None, lost_before: 0 }
}

/// The edges of a frame whose bits begin `interval` apart, each 50 µs low.
fn edges(bits: &Bits, from_ns: u64, interval: u64) -> Vec<(Wire, Edge)> {
    let one = |n: u8| bits.value() >> (bits.len() - 1 - n) & 1 == 1;
    (0..bits.len())
        .flat_map(|n| {
            let at_ns = from_ns + u64::from(n) * interval;
            let wire = if one(n) { Wire::D1 } else { Wire::D0 };
            [(wire, edge(Low, at_ns)), (wire, edge(High, at_ns + 50 * US))]
        })
        .collect()
}

fn play(edges: &[(Wire, Edge)]) -> Vec<Burst> {
    let mut receiver = Receiver::new(Low);
    let mut bursts: Vec<_> =
        edges.iter().filter_map(|&(wire, edge)| receiver.edge(wire, edge)).collect();
    bursts.extend(receiver.expire(u64::MAX));
    bursts
}

fn a_card() -> impl Strategy<Value = Card> {
    (prop::sample::select(&Format::ALL[..]), any::<u32>(), any::<u64>()).prop_map(
        |(format, facility, number)| {
            let (facility_bits, number_bits) = match format {
                Format::Csn => (0, 32),
                Format::H10301 => (8, 16),
                Format::H10302 => (0, 35),
                Format::H10304 => (16, 19),
                Format::H10306 => (16, 16),
            };
            let number = number & ((1 << number_bits) - 1);
            Card::new(format, facility & ((1 << facility_bits) - 1), number).unwrap()
        },
    )
}

#[test]
fn cards_with_known_bits_are_read_as_printed_on_them() {
    // Seven ones in bits 2-13, so the first parity is 1; seven in 14-25, so the last is 0.
    let bits = Bits::new(1 << 25 | 123 << 17 | 4567 << 1, 26);
    let card = Format::H10301.decode(&bits).unwrap();
    assert_eq!((card.facility(), card.number()), (123, 4567));
    assert_eq!(card.encode(), bits);
    // No facility, number 1: an even first half, an odd second one.
    let bits = Card::new(Format::H10302, 0, 1).unwrap().encode();
    assert_eq!(bits.value(), 0b10);
    // The lowest bit of the facility is the 17th of 37, the highest of the number the 18th.
    let bits = Card::new(Format::H10304, 1, 0).unwrap().encode();
    assert_eq!(bits.value(), 1 << 36 | 1 << 20 | 1);
}

#[test]
fn silence_ends_a_frame_and_the_next_card_is_its_own() {
    let first = Card::new(Format::H10301, 1, 2).unwrap().encode();
    let second = Card::new(Format::H10302, 0, 34_000_000_000).unwrap().encode();
    let mut all = edges(&first, 5 * MS, MS);
    let then = all.last().unwrap().1.at_ns + 30 * MS;
    all.extend(edges(&second, then, 2 * MS));
    let frame = |bits: &Bits, at_ns| Burst::Frame(Frame { bits: bits.clone(), at_ns });
    assert_eq!(play(&all), [frame(&first, 5 * MS), frame(&second, then)]);
}

#[test]
fn a_frame_with_a_lost_edge_is_told_as_garbled_with_its_cause() {
    let bits = Card::new(Format::H10301, 9, 9).unwrap().encode();
    let mut all = edges(&bits, 0, MS);
    all[20].1.lost_before = 2;
    let why = Defect::EdgesLost;
    assert_eq!(play(&all), [Burst::Garbled { at_ns: 0, pulses: 26, why }]);
    // Also when the first edge after the loss ends a pulse.
    let mut all = edges(&bits, 0, MS);
    all[21].1.lost_before = 1;
    assert_eq!(play(&all), [Burst::Garbled { at_ns: 0, pulses: 27, why }]);
}

#[test]
fn intervals_outside_the_limits_and_endless_frames_are_told() {
    let bits = Card::new(Format::H10301, 9, 9).unwrap().encode();
    let garbled = |all: &[(Wire, Edge)]| match &play(all)[..] {
        [Burst::Garbled { why, .. }] => *why,
        other => panic!("{other:?}"),
    };
    assert_eq!(garbled(&edges(&bits, 0, 99 * US)), Defect::TooFast);
    assert_eq!(garbled(&edges(&bits, 0, 21 * MS)), Defect::TooSlow);
    assert_eq!(garbled(&edges(&bits, 0, 29 * MS)), Defect::TooSlow);
    for interval in [200 * US, MS, 20 * MS] {
        assert!(matches!(&play(&edges(&bits, 0, interval))[..], [Burst::Frame(_)]), "{interval}");
    }
    let mut endless = edges(&Bits::new(u128::MAX, 128), 0, MS);
    assert!(matches!(&play(&endless)[..], [Burst::Frame(_)]));
    endless.push((Wire::D0, edge(Low, 128 * MS)));
    assert_eq!(garbled(&endless), Defect::TooLong);
}

#[test]
fn behind_an_optocoupler_the_pulses_are_high() {
    let bits = Card::new(Format::H10306, 1, 1).unwrap().encode();
    let mut receiver = Receiver::new(High);
    for (wire, mut edge) in edges(&bits, 0, MS) {
        edge.level = !edge.level;
        assert_eq!(receiver.edge(wire, edge), None);
    }
    let deadline = receiver.deadline().unwrap();
    assert_eq!(receiver.expire(deadline - 1), None);
    assert_eq!(receiver.expire(deadline), Some(Burst::Frame(Frame { bits, at_ns: 0 })));
}

#[test]
fn the_shared_middle_bit_of_37_is_under_both_parities() {
    let bits = Card::new(Format::H10304, 0xffff, 0x7_ffff).unwrap().encode();
    let broken = Bits::new(bits.value() ^ 1 << 18, 37);
    let parity = Parity::Both;
    assert_eq!(Format::H10304.decode(&broken), Err(CardError::Parity { bits: 37, parity }));
}

#[test]
fn neither_cards_nor_keys_are_shown_by_debug() {
    let card = Card::new(Format::H10301, 123, 45678).unwrap();
    let frame = Burst::Frame(Frame { bits: card.encode(), at_ns: 0 });
    let mut entry = PinEntry::new();
    entry.key(Key::Digit(7), 0);
    let text = format!("{card:?} {frame:?} {:?} {entry:?}", Key::Digit(7));
    assert!(!text.contains("123") && !text.contains("45678") && !text.contains('7'), "{text}");
}

fn complete(entry: &mut PinEntry, keys: &[Key]) -> Vec<Entry> {
    keys.iter().enumerate().flat_map(|(n, key)| entry.key(*key, n as u64)).flatten().collect()
}

#[test]
fn digits_up_to_the_hash_are_a_pin_and_the_star_begins_anew() {
    use Key::{Digit, Hash, Star};
    let mut entry = PinEntry::new();
    let entries = complete(&mut entry, &[Hash, Digit(9), Star, Digit(1), Digit(0), Hash, Hash]);
    let [Entry::Complete { pin, at_ns: 5 }] = &entries[..] else { panic!("{entries:?}") };
    assert_eq!(pin.digits(), [1, 0]);
    let mut long = [Digit(1); MAX_PIN + 2];
    long[MAX_PIN + 1] = Hash;
    let entries = complete(&mut entry, &long);
    assert_eq!(entries, [Entry::Abandoned { keys: 13, at_ns: 13 }]);
}

#[test]
fn an_entry_that_was_left_is_not_completed_by_the_next_person() {
    let mut entry = PinEntry::new();
    assert_eq!(entry.key(Key::Digit(4), 0), [None, None]);
    let late = 10_000 * MS;
    assert_eq!(entry.deadline(), Some(late));
    let left = Some(Entry::Abandoned { keys: 1, at_ns: 0 });
    assert_eq!(entry.key(Key::Digit(5), late), [left, None]);
    let [None, Some(Entry::Complete { pin, .. })] = entry.key(Key::Hash, late + 1) else {
        panic!("no entry")
    };
    assert_eq!(pin.digits(), [5]);
}

#[test]
fn a_key_whose_inverse_is_wrong_is_refused() {
    assert_eq!(Key::decode(&Bits::new(0b1111_0001, 8)), Err(KeyError::Inverse));
    assert_eq!(Key::decode(&Bits::new(0b1110_0001, 8)), Ok(Key::Digit(1)));
    assert_eq!(Key::decode(&Bits::new(0b1100, 4)), Err(KeyError::Code));
    assert_eq!(Key::decode(&Bits::new(0, 5)), Err(KeyError::Length));
}

proptest! {
    #[test]
    fn what_is_encoded_is_decoded(card in a_card(), interval in 200u64..20_000) {
        let bits = card.encode();
        prop_assert_eq!(bits.len(), card.format().bits());
        prop_assert_eq!(card.format().decode(&bits), Ok(card.clone()));
        prop_assert_eq!(Format::check(&bits), Ok(()));
        let played = play(&edges(&bits, 7, interval * US));
        prop_assert_eq!(played, [Burst::Frame(Frame { bits: bits.clone(), at_ns: 7 })]);
        let mut buffer = [0; 16];
        let bytes = bits.write_bytes(&mut buffer).to_vec();
        prop_assert_eq!(Bits::from_bytes(&bytes, u16::from(bits.len())), Some(bits));
    }

    #[test]
    fn every_single_wrong_bit_is_found(card in a_card(), wrong in 0u8..37) {
        let bits = card.encode();
        let wrong = wrong % bits.len();
        let broken = Bits::new(bits.value() ^ 1 << wrong, bits.len());
        let found = matches!(Format::check(&broken), Err(CardError::Parity { .. }));
        prop_assert!(found);
        prop_assert!(card.format().decode(&broken).is_err());
    }

    #[test]
    fn every_single_lost_bit_is_found(card in a_card(), lost in 0usize..37) {
        let bits = card.encode();
        let mut all = edges(&bits, 0, MS);
        let lost = lost % usize::from(bits.len());
        all.drain(2 * lost..2 * lost + 2);
        let bursts = play(&all);
        let [Burst::Frame(frame)] = &bursts[..] else { panic!("{bursts:?}") };
        let found = matches!(Format::check(&frame.bits), Err(CardError::Length { .. }));
        prop_assert!(found);
    }

    #[test]
    fn keys_of_4_and_8_bits_are_decoded(code in 0u8..12) {
        let key = match code { 10 => Key::Star, 11 => Key::Hash, digit => Key::Digit(digit) };
        prop_assert_eq!(Key::decode(&key.encode4()), Ok(key));
        prop_assert_eq!(Key::decode(&key.encode8()), Ok(key));
        for wrong in 0..8 {
            let broken = Bits::new(key.encode8().value() ^ 1 << wrong, 8);
            prop_assert_eq!(Key::decode(&broken), Err(KeyError::Inverse));
        }
    }

    #[test]
    fn no_edges_panic_or_are_forgotten(
        edges in prop::collection::vec(
            (any::<bool>(), any::<bool>(), any::<u64>(), 0u32..3), 0..400),
    ) {
        let (mut receiver, mut pulses, mut told) = (Receiver::new(Low), 0u32, 0u32);
        let count = |burst: Option<Burst>| match burst {
            Some(Burst::Frame(frame)) => u32::from(frame.bits.len()),
            Some(Burst::Garbled { pulses, .. }) => pulses,
            None => 0,
        };
        for (one, high, at_ns, lost_before) in edges {
            let wire = if one { Wire::D1 } else { Wire::D0 };
            let level = high.into();
            pulses += u32::from(!high || lost_before > 0);
            told += count(receiver.edge(wire, Edge { level, at_ns, line_seqno: None, lost_before }));
        }
        told += count(receiver.expire(u64::MAX));
        prop_assert_eq!(pulses, told);
    }
}
