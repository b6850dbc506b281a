//! Simulated chips that fail.

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
    for (fault, told) in [
        (StillFault::Truncated(3_000), StillError::Truncated),
        (StillFault::Truncated(4_999), StillError::Truncated),
        (StillFault::Truncated(0), StillError::Length { found: 0 }),
        (StillFault::Truncated(2), StillError::NoPicture),
        (StillFault::Length(0), StillError::Length { found: 0 }),
        (StillFault::Length(4_900), StillError::Truncated),
        (StillFault::Length(MAX_LENGTH + 1), StillError::Length { found: MAX_LENGTH + 1 }),
        (StillFault::Stuck(0), StillError::Forgotten { expected: 0xa6, found: 0 }),
        (StillFault::Stuck(0xff), StillError::Forgotten { expected: 0xa6, found: 0xff }),
        (StillFault::SpiFails, StillError::Spi(SpiError::Other)),
        (StillFault::NeverDone, StillError::NeverDone { polls: 200 }),
    ] {
        let mut door = Door::settled();
        door.chip.fault(fault);
        let error = door.take().unwrap_err();
        assert_eq!(error, told, "{fault:?}");
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
fn a_camera_that_gave_no_frame_is_configured_again() {
    let mut door = Door::settled();
    door.chip.fault(StillFault::NeverDone);
    assert_eq!(door.take(), Err(StillError::NeverDone { polls: 200 }));
    door.chip.fault(StillFault::None);
    let before = door.bus.transfers();
    assert_eq!(door.take().unwrap_err().kind(), ChipErrorKind::NotReady);
    assert_eq!(door.bus.transfers() - before, 196, "all registers, not only those that tell");
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
