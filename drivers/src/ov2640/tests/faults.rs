//! Simulated chips that fail.

use proptest::prelude::*;

use super::*;

#[test]
fn pictures_of_all_sizes_and_settings_are_taken() {
    for (size, pixels) in
        [(Size::Qvga, (320, 240)), (Size::Vga, (640, 480)), (Size::Uxga, (1600, 1200))]
    {
        for (mirror, turned) in [
            (Mirror::None, (false, false)),
            (Mirror::Mirrored, (true, false)),
            (Mirror::Flipped, (false, true)),
            (Mirror::Turned, (true, true)),
        ] {
            let config = StillConfig { size, mirror, ..StillConfig::default() };
            let mut door = Door::new(config);
            assert_eq!(door.take_again(), picture(5_000));
            door.sensor.with(|sensor| {
                assert_eq!((sensor.size(), sensor.turned()), (pixels, turned));
                assert_eq!(sensor.brightness(), Some(0x20));
            });
        }
        assert_eq!(size.pixels(), pixels);
    }
}

#[test]
fn other_settings_are_written_before_the_next_picture() {
    let mut door = Door::settled();
    assert_eq!(door.take(), Ok(picture(5_000)));
    let config =
        StillConfig { brightness: Brightness::Darkest, size: Size::Qvga, ..door.camera.config() };
    door.camera.set(config);
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::NotReady);
    door.now_ns += SETTLE_NS;
    assert_eq!(door.take(), Ok(picture(5_000)));
    let seen = door.sensor.with(|sensor| (sensor.size(), sensor.brightness()));
    assert_eq!(seen, ((320, 240), Some(0)));
}

#[test]
fn a_board_without_the_byte_too_many_gives_the_same_picture() {
    // As long as the FIFO, so that the last byte counts.
    let whole = picture(4_096);
    for dummy in [false, true] {
        let mut door = Door::settled();
        door.chip.dummy(dummy);
        door.chip.picture(&whole);
        assert_eq!(door.take(), Ok(whole.clone()), "{dummy}");
        assert_eq!(door.take(), Ok(whole.clone()), "{dummy}");
    }
}

#[test]
fn a_picture_that_is_bad_is_told_as_what_it_is_and_the_next_one_is_good() {
    type Told = fn(&Failed) -> bool;
    let cases: [(StillFault, Told); 11] = [
        (StillFault::Truncated(3_000), |e| matches!(e, StillError::Truncated)),
        (StillFault::Truncated(4_999), |e| matches!(e, StillError::Truncated)),
        (StillFault::Truncated(0), |e| matches!(e, StillError::Length { found: 0 })),
        (StillFault::Truncated(2), |e| matches!(e, StillError::NoPicture)),
        (StillFault::Length(0), |e| matches!(e, StillError::Length { found: 0 })),
        (StillFault::Length(4_900), |e| matches!(e, StillError::Truncated)),
        (StillFault::Length(MAX_LENGTH + 1), |e| matches!(e, StillError::Length { .. })),
        (StillFault::Stuck(0), |e| matches!(e, StillError::Forgotten { found: 0, .. })),
        (StillFault::Stuck(0xff), |e| matches!(e, StillError::Forgotten { found: 0xff, .. })),
        (StillFault::SpiFails, |e| matches!(e, StillError::Spi(_))),
        (StillFault::NeverDone, |e| matches!(e, StillError::NeverDone { polls: 200 })),
    ];
    for (fault, told) in cases {
        let mut door = Door::settled();
        door.chip.fault(fault);
        let error = door.take().unwrap_err();
        assert!(told(&error), "{fault:?}: {error:?}");
        assert!(!format!("{error}").is_empty());
        door.chip.fault(StillFault::None);
        assert_eq!(door.take_again(), picture(5_000), "after {fault:?}");
    }
}

#[test]
fn a_length_that_is_too_long_or_garbage_before_costs_nothing() {
    for fault in
        [StillFault::Length(MAX_LENGTH), StillFault::Garbage(2_049), StillFault::Garbage(1)]
    {
        let mut door = Door::settled();
        door.chip.fault(fault);
        assert_eq!(door.take(), Ok(picture(5_000)), "{fault:?}");
    }
}

#[test]
fn a_line_that_goes_dead_after_the_start_ends_in_an_error() {
    for (level, polls) in [(0x00, 200), (0xff, 1)] {
        let mut door = Door::settled();
        door.camera.start(door.now_ns).unwrap();
        door.chip.fault(StillFault::Stuck(level));
        for _ in 1..polls {
            assert_eq!(door.camera.poll(), Ok(None));
        }
        let told = [door.camera.poll(), door.camera.poll()];
        let length = StillError::Length { found: 0x007f_ffff };
        if level == 0 {
            assert_eq!(told, [Ok(None), Err(StillError::NeverDone { polls })]);
        } else {
            assert_eq!(told, [Err(length), Err(StillError::NotStarted)]);
        }
    }
}

#[test]
fn a_failed_transfer_costs_the_picture_or_a_poll_and_nothing_else() {
    for skipped in 0..12 {
        let mut door = Door::settled();
        door.camera.start(door.now_ns).unwrap();
        door.chip.fail_after(skipped);
        let mut buffer = [0; 1_000];
        let mut out = Vec::new();
        // A failed poll is polled again.
        loop {
            match door.camera.poll() {
                Ok(Some(_)) => break,
                Ok(None) | Err(StillError::Spi(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        let told = loop {
            match door.camera.read(&mut buffer) {
                Ok(Piece::More(len)) => out.extend_from_slice(&buffer[..len]),
                Ok(Piece::Last(len)) => {
                    out.extend_from_slice(&buffer[..len]);
                    break Ok(());
                }
                Err(error) => break Err(error),
            }
        };
        match told {
            Ok(()) => assert_eq!(out, picture(5_000), "{skipped}"),
            Err(error) => {
                assert_eq!(error, StillError::Spi(SpiError::Other));
                assert_eq!(door.camera.read(&mut buffer), Err(StillError::NotStarted));
            }
        }
        door.chip.fail_after(u64::from(u32::MAX));
        assert_eq!(door.take(), Ok(picture(5_000)), "{skipped}");
    }
}

#[test]
fn a_sensor_that_forgot_is_configured_again() {
    let mut door = Door::settled();
    assert_eq!(door.take(), Ok(picture(5_000)));
    door.sensor.brown_out();
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::Reset);
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::NotReady);
    door.now_ns += SETTLE_NS;
    assert_eq!(door.take(), Ok(picture(5_000)));

    // Between the start and the frame: what comes is grey, and the next start finds out why.
    door.camera.start(door.now_ns).unwrap();
    door.sensor.brown_out();
    while door.camera.poll().unwrap().is_none() {}
    assert_eq!(door.camera.picture(&mut [0; 9_000]), Err(StillError::NoPicture));
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::Reset);
    assert_eq!(door.take_again(), picture(5_000));

    door.chip.brown_out();
    assert_eq!(door.take(), Err(StillError::Forgotten { expected: 0xa6, found: 0 }));
    assert_eq!(door.take_again(), picture(5_000));
}

#[test]
fn who_is_not_there_or_is_another_is_told() {
    let mut door = Door::settled();
    door.sensor.unplug();
    assert_eq!(door.camera.probe().unwrap_err().kind(), ChipErrorKind::Absent);
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::Absent);
    door.sensor.replug();
    assert_eq!(door.take_again(), picture(5_000));
    door.sensor.with(|sensor| sensor.revision(0x55));
    let StillError::Sensor(error) = door.camera.probe().unwrap_err() else { panic!() };
    assert_eq!(error.kind(), ChipErrorKind::WrongChip);
    assert!(format!("{error}").contains("0x2655"), "{error}");
    door.sensor.with(|sensor| sensor.revision(0x41));
    assert_eq!(door.camera.probe(), Ok(Identity { revision: 0x41, arduchip: 0x40 }));
    door.chip.fault(StillFault::Stuck(0x55));
    assert_eq!(
        door.camera.probe(),
        Err(StillError::NoAnswer { expected: 0xa6, found: 0x55 }),
        "one mark is not enough"
    );
}

#[test]
fn a_buffer_that_is_too_small_is_told() {
    let mut door = Door::settled();
    door.camera.start(door.now_ns).unwrap();
    while door.camera.poll().unwrap().is_none() {}
    assert_eq!(door.camera.read(&mut []), Err(StillError::BufferTooSmall));
    // The byte too many is FF, and might be the beginning.
    assert_eq!(door.camera.read(&mut [0]), Ok(Piece::More(0)));
    assert_eq!(door.camera.read(&mut [0]), Err(StillError::BufferTooSmall));
    assert_eq!(door.camera.picture(&mut [0; 5_000]), Ok(5_000));

    for len in [0, 2, 4_999] {
        door.camera.start(door.now_ns).unwrap();
        while door.camera.poll().unwrap().is_none() {}
        assert_eq!(door.camera.picture(&mut vec![0; len]), Err(StillError::BufferTooSmall));
        assert_eq!(door.camera.picture(&mut vec![0; len]), Err(StillError::NotStarted));
    }
    assert_eq!(door.take(), Ok(picture(5_000)));
}

#[derive(Clone, Debug)]
enum Act {
    Start,
    Poll,
    Read(usize),
    Picture(usize),
    Wait(u64),
    Fault(StillFault),
    Picturing(Vec<u8>),
    SensorDips,
    ChipDips,
    Unplug,
    Replug,
    SpiFails(u64),
    I2cFails(u64),
}

fn act() -> impl Strategy<Value = Act> {
    let fault = prop_oneof![
        4 => Just(StillFault::None),
        1 => (0usize..6_000).prop_map(StillFault::Garbage),
        1 => (0u32..700_000).prop_map(StillFault::Length),
        1 => Just(StillFault::NeverDone),
        1 => Just(StillFault::SpiFails),
        1 => any::<u8>().prop_map(StillFault::Stuck),
        1 => (0usize..6_000).prop_map(StillFault::Truncated),
    ];
    prop_oneof![
        8 => Just(Act::Start),
        12 => Just(Act::Poll),
        8 => (0usize..5_000).prop_map(Act::Read),
        4 => (0usize..9_000).prop_map(Act::Picture),
        4 => (0..3 * SEC).prop_map(Act::Wait),
        2 => fault.prop_map(Act::Fault),
        1 => prop::collection::vec(any::<u8>(), 0..3_000).prop_map(Act::Picturing),
        1 => (0usize..6_000).prop_map(|len| Act::Picturing(picture(len))),
        1 => Just(Act::SensorDips),
        1 => Just(Act::ChipDips),
        1 => Just(Act::Unplug),
        2 => Just(Act::Replug),
        1 => (0u64..30).prop_map(Act::SpiFails),
        1 => (0u64..300).prop_map(Act::I2cFails),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_fails_no_call_is_endless_and_what_is_returned_is_a_picture(
        acts in prop::collection::vec(act(), 1..120),
        polls in 0u16..5,
    ) {
        let mut door = Door::new(StillConfig { polls, ..StillConfig::default() });
        let mut out = Vec::new();
        for act in acts {
            let before = (door.chip.transfers(), door.bus.transfers());
            // On SPI and on I2C.
            let mut most = (1, 0);
            match act {
                Act::Start => {
                    most = (11, 230);
                    out.clear();
                    door.camera.start(door.now_ns).ok();
                }
                Act::Poll => {
                    most = (4, 0);
                    if let Ok(Some(length)) = door.camera.poll() {
                        prop_assert!((1..=MAX_LENGTH).contains(&length));
                    }
                }
                Act::Read(len) => {
                    let mut buffer = vec![0; len];
                    match door.camera.read(&mut buffer) {
                        Ok(Piece::More(len)) => out.extend_from_slice(&buffer[..len]),
                        Ok(Piece::Last(len)) => {
                            out.extend_from_slice(&buffer[..len]);
                            prop_assert!(is_a_picture(&out), "{:x?}", out);
                            prop_assert!(u32::try_from(out.len()).unwrap() <= MAX_LENGTH + 1);
                        }
                        Err(StillError::BufferTooSmall) => {}
                        Err(_) => out.clear(),
                    }
                }
                Act::Picture(len) => {
                    most.0 = u64::from(MAX_LENGTH) + 1;
                    let begun = !out.is_empty();
                    let mut buffer = vec![0; len];
                    if let Ok(len) = door.camera.picture(&mut buffer) {
                        out.extend_from_slice(&buffer[..len]);
                        prop_assert!(is_a_picture(&out), "{}", begun);
                    }
                }
                Act::Wait(ns) => door.now_ns += ns,
                Act::Fault(fault) => door.chip.fault(fault),
                Act::Picturing(bytes) => door.chip.picture(&bytes),
                Act::SensorDips => door.sensor.brown_out(),
                Act::ChipDips => door.chip.brown_out(),
                Act::Unplug => door.sensor.unplug(),
                Act::Replug => door.sensor.replug(),
                Act::SpiFails(after) => door.chip.fail_after(after),
                Act::I2cFails(after) => door.bus.fail_after(after, I2cError::Bus),
            }
            let spent = (door.chip.transfers() - before.0, door.bus.transfers() - before.1);
            prop_assert!(spent.0 <= most.0 && spent.1 <= most.1, "{:?} of {:?}", spent, most);
        }
        // All is repaired: there is a picture again.
        door.chip.fault(StillFault::None);
        door.chip.picture(&picture(3_000));
        door.chip.fail_after(u64::from(u32::MAX));
        door.bus.fail_no_more();
        door.sensor.replug();
        door.camera.set(StillConfig::default());
        prop_assert_eq!(door.take_again(), picture(3_000));
    }
}
