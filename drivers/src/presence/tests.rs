//! The chip byte by byte, and the rule on random rooms.

use std::vec;
use std::vec::Vec;

use embedded_hal::i2c::ErrorKind;
use embedded_hal_mock::eh1::i2c::{Mock, Transaction};
use proptest::prelude::*;

use super::*;
use crate::ChipErrorKind;
use crate::sim::{Fault, Plug, SimAmg8833, SimI2c};
use crate::testing::each_operation_fails_once_and_is_retried;

const AT: u8 = 0x69;

fn configure() -> Vec<Transaction> {
    [[0x00, 0x00], [0x01, 0x3f], [0x02, 0x01], [0x03, 0x00]]
        .map(|bytes| Transaction::write(AT, bytes.to_vec()))
        .to_vec()
}

fn frame(quarters: u16) -> Vec<Transaction> {
    let pixels = [quarters.to_le_bytes(); 64].concat();
    vec![
        Transaction::write_read(AT, vec![0x02], vec![0x01]),
        Transaction::write_read(AT, vec![0x80], pixels),
    ]
}

fn sensor<B: I2c>(bus: B) -> PresenceSensor<B> {
    PresenceSensor::new(bus, AT, PresenceConfig::default()).unwrap()
}

#[test]
fn each_operation_is_retried() {
    let all = configure();
    each_operation_fails_once_and_is_retried(
        &[],
        &all,
        |_| configure(),
        sensor,
        |sensor| sensor.poll(0),
    );
    let prepared = |bus| {
        let mut sensor = sensor(bus);
        sensor.poll(0).unwrap();
        sensor
    };
    let retried = |_| frame(80);
    each_operation_fails_once_and_is_retried(&all, &frame(80), retried, prepared, |sensor| {
        assert_eq!(sensor.poll(STABLE_NS)?, Presence::Unknown);
        Ok::<_, ChipError<ErrorKind>>(())
    });
    let room = [Transaction::write_read(AT, vec![0x0e], vec![0x90, 0x01])];
    each_operation_fails_once_and_is_retried(
        &[],
        &room,
        |_| room.to_vec(),
        sensor,
        |sensor| {
            assert_eq!(sensor.room()?, CentiCelsius(2_500));
            Ok::<_, ChipError<ErrorKind>>(())
        },
    );
}

#[test]
fn frames_that_cannot_be_are_not_believed() {
    for (quarters, kind) in [
        (0x0000, ChipErrorKind::NotReady),
        (0x1050, ChipErrorKind::Garbled),
        (0x0800, ChipErrorKind::Garbled),
        (0x07ff, ChipErrorKind::Garbled),
    ] {
        let mut bus = Mock::new(&[configure(), frame(quarters)].concat());
        let mut sensor = sensor(bus.clone());
        sensor.poll(0).unwrap();
        assert_eq!(sensor.poll(STABLE_NS).unwrap_err().kind(), kind, "{quarters:#x}");
        bus.done();
    }
}

#[test]
fn the_edges_of_both_codes_are_right() {
    assert_eq!((pixel(0x0064), pixel(0x0fff), pixel(0x0f88)), (Some(100), Some(-1), Some(-120)));
    assert_eq!(
        (pixel(0x0f87), pixel(500), pixel(501), pixel(0xffff)),
        (None, Some(500), None, None)
    );
    assert_eq!(thermistor(0x07ff), Some(CentiCelsius(12_793)));
    assert_eq!(thermistor(0x0804), Some(CentiCelsius(-25)), "sign and magnitude, not complement");
    assert_eq!((thermistor(0x0800), thermistor(0x1000)), (Some(CentiCelsius(0)), None));
}

#[test]
fn no_picture_is_shown_by_debug() {
    let mut sensor = sensor(SimI2c::new());
    sensor.last = Some((0, Frame([77; PIXELS]), 0));
    assert!(!std::format!("{:?}", sensor.last).contains("77"));
}

struct Room {
    plug: Plug<SimAmg8833>,
    sensor: PresenceSensor<SimI2c>,
    now_ns: u64,
}

impl Room {
    fn new() -> Self {
        let bus = SimI2c::new();
        let plug = bus.attach(AT, SimAmg8833::new()).unwrap();
        let mut room = Self { plug, sensor: sensor(bus), now_ns: 0 };
        room.sensor.poll(0).unwrap();
        room.now_ns = STABLE_NS;
        room
    }

    fn seconds(&mut self, seconds: u32) -> Presence {
        for _ in 0..seconds {
            self.sensor.poll(self.now_ns).unwrap();
            self.now_ns += SECOND_NS;
        }
        self.sensor.presence()
    }
}

#[test]
fn who_walks_in_is_present_and_who_leaves_is_absent() {
    let mut room = Room::new();
    assert_eq!(room.seconds(16), Presence::Unknown);
    assert_eq!(room.seconds(5), Presence::Absent);
    room.plug.with(|chip| chip.warm(0, 3, 16));
    assert_eq!(room.seconds(1), Presence::Absent, "one frame is not enough");
    for step in 1..7 {
        room.plug.with(|chip| chip.warm(step, 3, 16));
        assert_eq!(room.seconds(1), Presence::Present);
    }
    room.plug.with(SimAmg8833::empty);
    assert_eq!(room.seconds(4), Presence::Present);
    assert_eq!(room.seconds(1), Presence::Absent);
}

#[test]
fn a_room_that_warms_up_is_empty_and_a_radiator_becomes_background() {
    let mut room = Room::new();
    room.seconds(21);
    for minute in 0..60 {
        room.plug.with(|chip| chip.room(80 + minute));
        assert_eq!(room.seconds(60), Presence::Absent, "minute {minute}");
    }
    room.plug.with(|chip| chip.warm(2, 2, 20));
    assert_eq!(room.seconds(15 * 60), Presence::Present, "15 minutes of sitting still");
    assert_eq!(room.seconds(45 * 60), Presence::Absent);
}

#[test]
fn a_step_of_all_pixels_is_the_room_if_small_and_somebody_close_if_large() {
    let mut room = Room::new();
    room.seconds(21);
    room.plug.with(|chip| chip.room(80 + 8));
    assert_eq!(room.seconds(60), Presence::Absent, "a door was opened, the sun came out");
    let mut room = Room::new();
    room.seconds(21);
    room.plug.with(|chip| chip.room(80 + 14));
    assert_eq!(room.seconds(2), Presence::Present);
}

#[test]
fn a_sensor_that_froze_was_reset_or_is_gone_tells_no_presence() {
    let mut room = Room::new();
    assert_eq!(room.seconds(21), Presence::Absent);
    assert_eq!(room.sensor.room().unwrap(), CentiCelsius(2_000));
    room.plug.with(|chip| chip.freeze(true));
    room.seconds(u32::from(FROZEN_FRAMES));
    // One frame was of the moment before it froze.
    room.sensor.poll(room.now_ns).ok();
    room.now_ns += SECOND_NS;
    let frozen = room.sensor.poll(room.now_ns).unwrap_err();
    assert_eq!(
        (frozen.kind(), room.sensor.presence()),
        (ChipErrorKind::NotReady, Presence::Unknown)
    );
    room.plug.with(|chip| chip.freeze(false));
    room.now_ns += SECOND_NS;
    assert_eq!(room.seconds(22), Presence::Absent);

    room.plug.brown_out();
    let reset = room.sensor.poll(room.now_ns).unwrap_err();
    assert_eq!((reset.kind(), room.sensor.presence()), (ChipErrorKind::Reset, Presence::Unknown));
    room.sensor.poll(room.now_ns).unwrap();
    room.now_ns += STABLE_NS;
    assert_eq!(room.seconds(21), Presence::Absent);

    room.plug.unplug();
    let gone = room.sensor.poll(room.now_ns).unwrap_err();
    assert_eq!((gone.kind(), room.sensor.presence()), (ChipErrorKind::Absent, Presence::Absent));
    room.sensor.lost();
    assert_eq!(room.sensor.presence(), Presence::Unknown);
    room.plug.replug();
    room.plug.fault(Fault::Garbage);
    for _ in 0..100 {
        room.now_ns += STABLE_NS;
        let told = room.sensor.poll(room.now_ns);
        assert!(matches!(told, Err(_) | Ok(Presence::Unknown)), "{told:?}");
    }
}

#[test]
fn a_call_that_comes_too_early_takes_no_frame() {
    let mut bus = Mock::new(&[configure(), frame(80), frame(80)].concat());
    let mut sensor = sensor(bus.clone());
    for now_ns in [0, STABLE_NS - 1, STABLE_NS, STABLE_NS + SECOND_NS - 1, STABLE_NS + SECOND_NS] {
        sensor.poll(now_ns).unwrap();
    }
    bus.done();
}

proptest! {
    #[test]
    fn no_frames_overflow(
        frames in prop::collection::vec(prop::array::uniform32(any::<i16>()), 1..60),
        warmer_quarters: u8,
        pixels: u8,
    ) {
        let config = PresenceConfig { warmer_quarters, pixels, frames: 0, empty_frames: 0 };
        let mut model = Model::new(config);
        for half in frames {
            let mut frame = Frame::default();
            frame.0[..32].copy_from_slice(&half);
            frame.0[32..].copy_from_slice(&half);
            model.feed(&frame);
        }
    }

    #[test]
    fn noise_is_nobody_and_a_warm_spot_anywhere_is_somebody(
        room in 0i16..120,
        noise in prop::collection::vec(-1i16..=1, 64 * 40),
        (column, row, above) in (0usize..7, 0usize..7, 9i16..80),
    ) {
        let mut model = Model::new(PresenceConfig::default());
        for (count, noise) in noise.chunks(64).enumerate() {
            let mut frame = Frame::default();
            for (index, (pixel, noise)) in frame.0.iter_mut().zip(noise).enumerate() {
                let near = (index % 8).wrapping_sub(column) < 2 && (index / 8).wrapping_sub(row) < 2;
                *pixel = room + noise + if near && count >= 30 { above } else { 0 };
            }
            let presence = model.feed(&frame);
            let expected = match count {
                0..20 => Presence::Unknown,
                20..31 => Presence::Absent,
                _ => Presence::Present,
            };
            prop_assert_eq!(presence, expected, "frame {}", count);
        }
    }
}
