//! Frames of whole JPEGs, for sources that have nothing else.
//!
//! The little of JPEG that must be known is here: whether it is one, and how large (ITU-T T.81).

use std::sync::Arc;

use bytes::Bytes;
use gatehouse_core::time::Mono;

use crate::frame::{Codec, Frame, Track};

/// Makes frames of the pictures of one session. Each can be decoded by itself.
#[derive(Debug, Default)]
pub struct Jpegs {
    tracks: Tracks,
    began: Option<Mono>,
}

impl Jpegs {
    /// The frame of a picture that has come at this time, which is the only one that it has. `None`:
    /// it is no JPEG, or not a whole one.
    pub fn frame(&mut self, data: Bytes, received: Mono) -> Option<Frame> {
        let track = self.tracks.track(&data)?;
        let began = *self.began.get_or_insert(received);
        // In 1/90000 s since the session began.
        let media = i64::try_from(received.since(began).as_nanos() * 9 / 100_000);
        let media = media.unwrap_or(i64::MAX);
        Some(Frame { track, received, media, key: true, data })
    }

    /// The session has ended, and its time with it.
    pub fn end(&mut self) {
        *self = Self::default();
    }
}

/// The track of the last picture, for as long as the size stays.
#[derive(Debug, Default)]
struct Tracks(Option<Arc<Track>>);

impl Tracks {
    /// `None`: no JPEG.
    fn track(&mut self, data: &[u8]) -> Option<Arc<Track>> {
        let (width, height) = size(data)?;
        let same =
            |track: &&Arc<Track>| (track.width, track.height) == (width.into(), height.into());
        if let Some(track) = self.0.as_ref().filter(same) {
            return Some(track.clone());
        }
        let track = Arc::new(Track {
            codec: Codec::Jpeg,
            width: width.into(),
            height: height.into(),
            parameter_sets: Vec::new(),
            sample_entry: sample_entry(width, height),
        });
        self.0 = Some(track.clone());
        Some(track)
    }
}

/// Width and height in pixels, of a picture that begins and ends as one must.
fn size(data: &[u8]) -> Option<(u16, u16)> {
    // Some cameras pad the end; none puts so much after it.
    const PADDING: usize = 64;
    let mut rest = data.strip_prefix(&[0xff, 0xd8])?;
    let tail = &data[data.len().saturating_sub(PADDING)..];
    tail.windows(2).rposition(|pair| pair == [0xff, 0xd9])?;
    loop {
        let (&[0xff, marker], after) = rest.split_first_chunk::<2>()? else { return None };
        match marker {
            // Filling.
            0xff => {
                rest = &rest[1..];
                continue;
            }
            // Start of frame, of any kind; DHT, JPG and DAC lie between.
            0xc0..=0xcf if !matches!(marker, 0xc4 | 0xc8 | 0xcc) => {
                let (head, _) = after.split_first_chunk::<7>()?;
                let [_, _, _, h1, h0, w1, w0] = *head;
                let (width, height) = (u16::from_be_bytes([w1, w0]), u16::from_be_bytes([h1, h0]));
                return (width > 0 && height > 0).then_some((width, height));
            }
            // The scan, or the end, before a frame.
            0xda | 0xd9 => return None,
            _ => {}
        }
        let (length, _) = after.split_first_chunk::<2>()?;
        let length = usize::from(u16::from_be_bytes(*length));
        rest = after.get(length.max(2)..)?;
    }
}

/// `mp4v` with an `esds` that says JPEG (ISO/IEC 14496-12 8.5.2 and 12.1.3, 14496-1 7.2.6).
fn sample_entry(width: u16, height: u16) -> Bytes {
    let mut out = Vec::with_capacity(128);
    let mut put = |bytes: &[u8]| out.extend_from_slice(bytes);
    // 86 of the entry itself, 39 of esds.
    put(&[0, 0, 0, 125]);
    put(b"mp4v");
    put(&[0, 0, 0, 0, 0, 0, 0, 1]);
    put(&[0; 16]);
    put(&width.to_be_bytes());
    put(&height.to_be_bytes());
    // 72 dpi both ways, one frame per sample, no name, 24 bits, no colour table.
    put(&[0, 0x48, 0, 0, 0, 0x48, 0, 0, 0, 0, 0, 0, 0, 1]);
    put(&[0; 32]);
    put(&[0, 0x18, 0xff, 0xff]);
    put(&[0, 0, 0, 39]);
    put(b"esds");
    put(&[0, 0, 0, 0]);
    // ES_Descriptor of 25 bytes: id 1, no flags.
    put(&[0x03, 25, 0, 1, 0]);
    // DecoderConfigDescriptor of 17: JPEG (0x6c), visual stream, buffer and rates unknown.
    put(&[0x04, 17, 0x6c, 0x11, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]);
    // DecoderSpecificInfo, empty; SLConfigDescriptor: predefined for MP4.
    put(&[0x05, 2, 0, 0, 0x06, 1, 2]);
    out.into()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const HEAD: [u8; 19] =
        [0xff, 0xd8, 0xff, 0xe0, 0, 4, 1, 2, 0xff, 0xff, 0xc0, 0, 11, 8, 0, 240, 1, 64, 1];

    #[test]
    fn a_pictures_size_is_found_and_what_is_cut_off_is_none() {
        let whole = [&HEAD[..], &[0, 0, 0xff, 0xd9]].concat();
        assert_eq!(size(&whole), Some((320, 240)));
        assert_eq!(size(&HEAD), None, "it has no end");
        assert_eq!(size(b"<html>"), None);
        assert_eq!(size(&[0xff, 0xd8, 0xff, 0xd9]), None);
    }

    #[test]
    fn one_size_is_one_track_and_its_boxes_are_as_long_as_they_say() {
        let whole = [&HEAD[..], &[0, 0, 0xff, 0xd9]].concat();
        let mut tracks = Tracks::default();
        let first = tracks.track(&whole).unwrap();
        assert!(Arc::ptr_eq(&first, &tracks.track(&whole).unwrap()));
        let entry = &first.sample_entry;
        assert_eq!(entry.len(), 125);
        let esds = entry.windows(4).position(|window| window == b"esds").unwrap();
        assert_eq!(entry.len() - (esds - 4), 39);
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(mut data in prop::collection::vec(any::<u8>(), 0..200)) {
            data.splice(0..0, [0xff, 0xd8]);
            data.extend([0xff, 0xd9]);
            size(&data);
        }
    }
}
