//! The head of a file: what the track is.

use super::TIMESCALE;
use super::boxes::{put, put_full, u16, u32};
use crate::frame::Track;

/// The only track.
pub(super) const TRACK: u32 = 1;

/// The identity of a transformation, in the fixed-point form of 8.2.2.
const UNITY: [u32; 9] = [0x1_0000, 0, 0, 0, 0x1_0000, 0, 0, 0, 0x4000_0000];

/// `ftyp` and `moov` of a file of this track.
pub fn init(track: &Track) -> Vec<u8> {
    let mut out = Vec::with_capacity(1024);
    put(&mut out, *b"ftyp", |b| {
        b.extend(b"iso5");
        u32(b, 512);
        // iso5: default-base-is-moof; isom and mp41 for players that know no newer.
        b.extend(b"iso5isomiso6mp41");
    });
    put(&mut out, *b"moov", |b| {
        put_full(b, *b"mvhd", 0, 0, |b| {
            // Made and changed at: not known here, and private enough to leave out. Duration 0: of
            // the fragments.
            for value in [0, 0, TIMESCALE, 0, 0x1_0000] {
                u32(b, value);
            }
            u16(b, 0x0100);
            b.extend([0; 10]);
            b.extend(UNITY.iter().flat_map(|value| value.to_be_bytes()));
            b.extend([0; 24]);
            u32(b, TRACK + 1);
        });
        put(b, *b"trak", |b| trak(b, track));
        put(b, *b"mvex", |b| {
            put_full(b, *b"trex", 0, 0, |b| {
                for value in [TRACK, 1, 0, 0, 0] {
                    u32(b, value);
                }
            });
        });
    });
    out
}

fn trak(b: &mut Vec<u8>, track: &Track) {
    // Enabled, in the movie, in the preview.
    put_full(b, *b"tkhd", 0, 7, |b| {
        for value in [0, 0, TRACK, 0, 0] {
            u32(b, value);
        }
        b.extend([0; 16]);
        b.extend(UNITY.iter().flat_map(|value| value.to_be_bytes()));
        // 16.16; the sizes of these codecs fit into 16 bits.
        u32(b, track.width << 16);
        u32(b, track.height << 16);
    });
    put(b, *b"mdia", |b| {
        put_full(b, *b"mdhd", 0, 0, |b| {
            for value in [0, 0, TIMESCALE, 0] {
                u32(b, value);
            }
            // No language ("und").
            u16(b, 0x55c4);
            u16(b, 0);
        });
        put_full(b, *b"hdlr", 0, 0, |b| {
            u32(b, 0);
            b.extend(b"vide");
            b.extend([0; 12]);
            b.extend(b"camera\0");
        });
        put(b, *b"minf", |b| {
            put_full(b, *b"vmhd", 0, 1, |b| b.extend([0; 8]));
            put(b, *b"dinf", |b| {
                put_full(b, *b"dref", 0, 0, |b| {
                    u32(b, 1);
                    // In this file.
                    put_full(b, *b"url ", 0, 1, |_| {});
                });
            });
            put(b, *b"stbl", |b| {
                put_full(b, *b"stsd", 0, 0, |b| {
                    u32(b, 1);
                    b.extend(&track.sample_entry);
                });
                // All samples are in fragments.
                put_full(b, *b"stts", 0, 0, |b| u32(b, 0));
                put_full(b, *b"stsc", 0, 0, |b| u32(b, 0));
                put_full(b, *b"stsz", 0, 0, |b| {
                    u32(b, 0);
                    u32(b, 0);
                });
                put_full(b, *b"stco", 0, 0, |b| u32(b, 0));
            });
        });
    });
}
