//! Beginning and end, wherever the pieces are cut.

use proptest::prelude::*;

use super::super::jpeg::{Damaged, Framing};
use super::*;

/// Feeds pieces as the driver does; the picture, and whether it ended.
fn framed(
    stream: &[u8],
    mut sizes: impl Iterator<Item = usize>,
) -> Result<(Vec<u8>, bool), Damaged> {
    let (mut framing, mut out, mut rest) = (Framing::new(), Vec::new(), stream);
    while !rest.is_empty() {
        let (piece, later) = rest.split_at(sizes.next().unwrap_or(1).clamp(1, rest.len()));
        rest = later;
        let mut bytes = [framing.held(), piece].concat();
        let taken = framing.take(&mut bytes)?;
        out.extend_from_slice(&bytes[..taken.len]);
        if taken.ended {
            return Ok((out, true));
        }
    }
    Ok((out, false))
}

#[test]
fn a_picture_is_found_between_garbage_and_padding_however_it_is_cut() {
    let wanted = picture(200);
    for garbage in [&[][..], &[0xff], &[0xff, 0xff], &[0xff, 0xd8, 0x00], &[1, 0xff, 0xd8, 0xd8]] {
        let stream = [garbage, &wanted, &[0; 9], &wanted].concat();
        for size in 1..stream.len() {
            let found = framed(&stream, std::iter::repeat(size)).unwrap();
            assert!(found.1 && found.0 == wanted, "{garbage:x?} in pieces of {size}");
        }
    }
}

#[test]
fn the_end_is_no_byte_of_a_table() {
    let wanted = picture(60);
    let early = wanted.windows(2).position(|pair| pair == [0xff, 0xd9]).unwrap();
    assert!(early + 2 < wanted.len(), "the example has one");
    assert_eq!(framed(&wanted, 7..).unwrap().0, wanted);
}

#[test]
fn headers_that_make_no_sense_are_damaged() {
    for bytes in [
        // Nothing in it; a second beginning; no code; a restart without data.
        &[0xff, 0xd8, 0xff, 0xd9][..],
        &[0xff, 0xd8, 0xff, 0xd8],
        &[0xff, 0xd8, 0xff, 0x00],
        &[0xff, 0xd8, 0xff, 0xd0],
        // A length that does not count itself; a segment that ends in nothing.
        &[0xff, 0xd8, 0xff, 0xe0, 0, 1],
        &[0xff, 0xd8, 0xff, 0xe0, 0, 3, 7, 0xfe],
        // A beginning in the coded data: the frame after the one that was meant.
        &[0xff, 0xd8, 0xff, 0xda, 0, 2, 5, 0xff, 0xd8],
    ] {
        assert_eq!(framed(bytes, 1..), Err(Damaged), "{bytes:x?}");
    }
}

proptest! {
    #[test]
    fn whatever_comes_what_ended_is_a_picture(
        mut stream in prop::collection::vec(
            prop_oneof![any::<u8>(), Just(0xff), Just(0xd8), Just(0xd9), Just(0xda), Just(0)],
            0..300,
        ),
        begins: bool,
        sizes in prop::collection::vec(1usize..40, 1..20),
    ) {
        if begins {
            stream.splice(0..0, [0xff, 0xd8, 0xff, 0xda, 0, 2]);
        }
        if let Ok((bytes, true)) = framed(&stream, sizes.iter().copied().cycle()) {
            prop_assert!(is_a_picture(&bytes), "{:x?}", bytes);
            prop_assert!(stream.windows(bytes.len()).any(|window| window == bytes));
        }
    }
}
