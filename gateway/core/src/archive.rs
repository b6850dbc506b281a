//! Several files in one: POSIX.1-1988 ustar, plain files only, nothing of the machine that made it, so that
//! equal contents are equal bytes.

/// A header, and what the content of a member is filled up to.
const BLOCK: usize = 512;

/// The most members that are read: more than anything here ever has.
const MOST: usize = 256;

/// A member: its name, of at most 100 bytes, and its content.
pub type Member<'a> = (&'a str, &'a [u8]);

/// The bytes of an archive of these members, each with these rights (as `0o644`).
pub fn write(members: &[Member<'_>], mode: u32) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        out.extend_from_slice(&header(name, content.len(), mode));
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(name: &str, size: usize, mode: u32) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, format!("{mode:07o}\0").as_bytes());
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    // The sum is made with blanks in its own place.
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    header
}

/// The members of an archive as [`write`] makes it with these rights.
///
/// # Errors
/// Where it is another.
pub fn read(bytes: &[u8], mode: u32) -> Result<Vec<Member<'_>>, String> {
    let mut members = Vec::new();
    let mut at = 0;
    loop {
        let header = bytes.get(at..at + BLOCK);
        let header =
            header.ok_or_else(|| format!("it ends at byte {} in a header", bytes.len()))?;
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let field = |from: usize, to: usize| {
            let text = header[from..to].split(|byte| *byte == 0).next().unwrap_or_default();
            std::str::from_utf8(text).ok()
        };
        let name = field(0, 100);
        let size = field(124, 136).and_then(|size| usize::from_str_radix(size, 8).ok());
        let (Some(name), Some(size)) = (name, size) else {
            return Err(format!("at byte {at} is no header of a tar"));
        };
        let content = at + BLOCK;
        let end = content.checked_add(size).filter(|end| *end <= bytes.len());
        let Some(end) = end else {
            return Err(format!("{name} has {size} bytes by its header, and there are fewer"));
        };
        members.push((name, &bytes[content..end]));
        if members.len() > MOST {
            return Err(format!("it has more than {MOST} members"));
        }
        at = end.next_multiple_of(BLOCK);
    }
    let again = write(&members, mode);
    if again != bytes {
        let place = again.iter().zip(bytes).take_while(|(one, other)| one == other).count();
        return Err(format!("at byte {place} it is not as it would be written"));
    }
    Ok(members)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read_and_nothing_else_is() {
        let long = vec![b'x'; 1025];
        let members: [Member<'_>; 3] =
            [("MANIFEST", b"one\n"), ("empty", b""), ("long.txt", &long)];
        let bytes = write(&members, 0o600);
        assert_eq!(read(&bytes, 0o600).as_deref(), Ok(&members[..]));
        assert!(read(&bytes, 0o644).is_err(), "other rights");
        for at in [0, 100, 124, 148, 512, bytes.len() - 1] {
            let mut other = bytes.clone();
            other[at] ^= 1;
            let same = read(&other, 0o600);
            assert!(at == 512 || same.is_err(), "byte {at}: {same:?}");
        }
        for length in (0..bytes.len()).step_by(100) {
            assert!(read(&bytes[..length], 0o600).is_err(), "{length} bytes");
        }
    }
}
