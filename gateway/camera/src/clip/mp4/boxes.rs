//! Boxes: a length of 4 bytes, four letters, content.

/// Appends a box whose content `fill` writes.
pub(super) fn put(out: &mut Vec<u8>, kind: [u8; 4], fill: impl FnOnce(&mut Vec<u8>)) {
    let start = out.len();
    out.extend([0; 4]);
    out.extend(kind);
    fill(out);
    // Headers are of some kilobytes; data is written apart from them.
    let length = u32::try_from(out.len() - start).expect("a header below 4 GiB");
    out[start..start + 4].copy_from_slice(&length.to_be_bytes());
}

/// Appends a full box: with version and flags.
pub(super) fn put_full(
    out: &mut Vec<u8>,
    kind: [u8; 4],
    version: u8,
    flags: u32,
    fill: impl FnOnce(&mut Vec<u8>),
) {
    put(out, kind, |out| {
        u32(out, u32::from(version) << 24 | flags & 0x00ff_ffff);
        fill(out);
    });
}

pub(super) fn u16(out: &mut Vec<u8>, value: u16) {
    out.extend(value.to_be_bytes());
}

pub(super) fn u32(out: &mut Vec<u8>, value: u32) {
    out.extend(value.to_be_bytes());
}

pub(super) fn u64(out: &mut Vec<u8>, value: u64) {
    out.extend(value.to_be_bytes());
}
