//! Faults at random.

use proptest::prelude::*;

use super::*;

#[derive(Clone, Debug)]
enum Act {
    /// A start and all its polls.
    Expose,
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
        8 => Just(Act::Expose),
        2 => Just(Act::Start),
        4 => Just(Act::Poll),
        8 => (0usize..5_000).prop_map(Act::Read),
        4 => (0usize..9_000).prop_map(Act::Picture),
        4 => (0..6 * SEC).prop_map(Act::Wait),
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
        polls in 3u16..8,
    ) {
        let mut door = Door::new(StillConfig { polls, ..StillConfig::default() });
        let mut out = Vec::new();
        for act in acts {
            let before = (door.chip.transfers(), door.bus.transfers());
            // On SPI and on I2C.
            let mut most = (1, 0);
            match act {
                Act::Expose => {
                    most = (11 + 4 * u64::from(polls), 196);
                    out.clear();
                    if door.camera.start(door.now_ns).is_ok() {
                        let told = (0..=polls).map(|_| door.camera.poll()).find(|told| {
                            !matches!(told, Ok(None) | Err(StillError::Spi(_)))
                        });
                        let ended = match told {
                            Some(Ok(Some(length))) => (1..=MAX_LENGTH).contains(&length),
                            told => matches!(told, Some(Err(_))),
                        };
                        prop_assert!(ended, "a frame or an error within the polls");
                    }
                }
                Act::Start => {
                    most = (11, 196);
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
        // All is repaired: there is a picture again, without anybody telling the driver.
        door.chip.fault(StillFault::None);
        door.chip.picture(&picture(3_000));
        door.chip.fail_after(u64::from(u32::MAX));
        door.bus.fail_no_more();
        door.sensor.replug();
        prop_assert_eq!(door.take_again(), picture(3_000));
    }
}
