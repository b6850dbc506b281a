use std::io::{Read as _, Write as _};

use proptest::prelude::*;

use super::*;

fn sealed(content: &[u8], recipients: &[Recipient]) -> Vec<u8> {
    let (bytes, sealed) = seal(content, recipients).unwrap();
    assert_eq!(sealed.bytes, bytes.len() as u64);
    assert_eq!(ring::digest::digest(&ring::digest::SHA256, &bytes).as_ref(), sealed.sha256);
    bytes
}

/// What could be opened, why not more, and whether it was cut off.
fn opened(bytes: &[u8], identity: &Identity) -> (Vec<u8>, Option<String>, bool) {
    let mut opened = match Opened::new(bytes, identity) {
        Ok(opened) => opened,
        Err(error) => return (Vec::new(), Some(error.to_string()), false),
    };
    let mut content = Vec::new();
    let error = opened.read_to_end(&mut content).err().map(|error| error.to_string());
    (content, error, opened.cut_off())
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|n| u8::try_from(n * 31 % 251).unwrap()).collect()
}

#[test]
fn what_is_sealed_is_opened_by_each_of_its_recipients_and_nobody_else() {
    let (first, second, other) = (generate().unwrap(), generate().unwrap(), generate().unwrap());
    let recipients = [recipient(&first), recipient(&second)];
    // Nothing, a part of a chunk, whole ones, and one byte more.
    for length in [0, 1, CHUNK - 1, CHUNK, CHUNK + 1, 2 * CHUNK, 2 * CHUNK + 77] {
        let content = content(length);
        let bytes = sealed(&content, &recipients);
        for identity in [&first, &second] {
            assert_eq!(opened(&bytes, identity), (content.clone(), None, false), "{length}");
        }
        let (nothing, error, _) = opened(&bytes, &other);
        assert!(nothing.is_empty());
        assert_eq!(error.unwrap(), "it is sealed for others, not for this key");
        let window = &content[length / 2..][..32.min(length - length / 2)];
        assert!(window.len() < 32 || !bytes.windows(32).any(|part| part == window));
    }
}

#[test]
fn any_part_is_opened_and_the_length_is_known_without_a_key() {
    let identity = generate().unwrap();
    for length in [1, CHUNK - 1, CHUNK, CHUNK + 1, 3 * CHUNK + 500] {
        let content = content(length);
        let bytes = sealed(&content, &[recipient(&identity)]);
        let told = content_length(&mut &bytes[..], bytes.len() as u64).unwrap();
        assert_eq!(told, length as u64);
        for at in (0..length).step_by(CHUNK / 3 + 1).chain([length - 1]) {
            let from = std::io::Cursor::new(&bytes);
            let mut opened = Opened::from_byte(from, &identity, at as u64).unwrap();
            let mut part = Vec::new();
            opened.read_to_end(&mut part).unwrap();
            assert!(part == content[at..], "{length} from {at}");
        }
    }
}

#[test]
fn what_a_power_cut_leaves_is_opened_up_to_its_last_whole_chunk_and_says_that_it_is_cut_off() {
    let identity = generate().unwrap();
    let content = content(3 * CHUNK + 500);
    let bytes = sealed(&content, &[recipient(&identity)]);
    let begins = header::content_begins(&mut &bytes[..]).unwrap();
    for cut in (0..=bytes.len()).step_by(4099).chain([bytes.len() - 1]) {
        let whole = whole_chunks(&mut &bytes[..cut], cut as u64).unwrap();
        if whole == 0 {
            assert!(cut < usize::try_from(begins).unwrap() + CHUNK + TAG);
            continue;
        }
        let left = &bytes[..usize::try_from(whole).unwrap()];
        let (found, error, cut_off) = opened(left, &identity);
        assert_eq!((error, cut_off), (None, true));
        assert!(content.starts_with(&found) && found.len() % CHUNK == 0);
        assert!(cut - found.len() < CHUNK + 1000, "a chunk at most is lost: {cut}");
    }
}

#[test]
fn a_recipient_that_anybody_could_open_is_refused() {
    // The point 1 is of small order: whatever the secret, what is agreed on is nothing.
    let mut point = [0; 32];
    point[0] = 1;
    let error = Sealer::new(Vec::new(), &[Recipient::new(point)]).err().unwrap();
    assert_eq!(error.to_string(), SealError::Recipient.to_string());
}

#[test]
fn a_recipient_is_that_of_its_identity_as_age_keygen_has_it() {
    // Made by age-keygen 1.1.1 for this test.
    let identity: Identity =
        "AGE-SECRET-KEY-1DSLE2T57UUAJLCUY854Y8RQYWKUDDVZ6D55K4KUA46XCT3N5NLLQNH54TT"
            .parse()
            .unwrap();
    let text = recipient(&identity).to_string();
    assert_eq!(text, "age1d962h07h4huc2hnvh2sranlnc6htqmdsqcaf069syk8wp0j4s52qgakyux");
}

#[test]
fn chunks_that_change_places_or_are_taken_from_another_file_are_damage() {
    let identity = generate().unwrap();
    let one = sealed(&content(3 * CHUNK), &[recipient(&identity)]);
    let begins = usize::try_from(header::content_begins(&mut &one[..]).unwrap()).unwrap();
    let chunk = CHUNK + TAG;
    let mut swapped = one.clone();
    swapped[begins..begins + 2 * chunk].rotate_left(chunk);
    assert!(opened(&swapped, &identity).1.unwrap().contains("damaged behind byte 0"));
    let other = sealed(&content(3 * CHUNK), &[recipient(&identity)]);
    let mut mixed = one;
    let from = usize::try_from(header::content_begins(&mut &other[..]).unwrap()).unwrap();
    mixed[begins + chunk..begins + 2 * chunk]
        .copy_from_slice(&other[from + chunk..from + 2 * chunk]);
    let error = opened(&mixed, &identity).1.unwrap();
    assert_eq!(error, format!("it is damaged behind byte {CHUNK} of its content"));
    // More behind the end.
    let longer = [&other[..], b"x"].concat();
    assert!(opened(&longer, &identity).1.is_some());
}

#[test]
fn after_a_write_that_failed_nothing_more_is_sealed() {
    struct Full(usize);
    impl std::io::Write for Full {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            if self.0 < bytes.len() {
                return Err(std::io::ErrorKind::StorageFull.into());
            }
            self.0 -= bytes.len();
            Ok(bytes.len())
        }
        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }
    let own = [recipient(&generate().unwrap())];
    let mut sealer = Sealer::new(Full(1000), &own).unwrap();
    let error = sealer.write_all(&content(CHUNK + 1)).unwrap_err();
    assert_eq!(error.kind(), std::io::ErrorKind::StorageFull);
    assert_eq!(sealer.finish().err().unwrap().to_string(), "an earlier write failed");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn no_changed_byte_is_taken_for_what_was_sealed(at in any::<prop::sample::Index>(), by in 1u8..) {
        let identity = generate().unwrap();
        let content = content(700);
        let mut bytes = sealed(&content, &[recipient(&identity)]);
        let at = at.index(bytes.len());
        bytes[at] ^= by;
        let (found, error, _) = opened(&bytes, &identity);
        prop_assert!(error.is_some(), "byte {at}");
        prop_assert!(found.is_empty());
    }

    #[test]
    fn no_bytes_make_it_panic(bytes in prop::collection::vec(any::<u8>(), 0..400), head in any::<bool>()) {
        let mut all = if head { b"age-encryption.org/v1\n-> X25519 ".to_vec() } else { Vec::new() };
        all.extend(bytes);
        opened(&all, &generate().unwrap());
        let _ = whole_chunks(&mut &all[..], all.len() as u64);
    }
}
