//! The container: POSIX ustar, plain files only, nothing of the machine that made it.

/// A header, and what the content of a member is filled up to.
const BLOCK: usize = 512;

/// The most members that are read: more than a bundle ever has.
const MOST: usize = 256;

/// A member: its name and its content.
pub(super) type Member<'a> = (&'a str, &'a [u8]);

/// The bytes of an archive of these members.
pub(super) fn write(members: &[Member<'_>]) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, content) in members {
        out.extend_from_slice(&header(name, content.len()));
        out.extend_from_slice(content);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut header = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| header[at..at + text.len()].copy_from_slice(text);
    put(0, name.as_bytes());
    put(100, b"0000644\0");
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

/// The members of an archive as [`write`] makes it.
///
/// # Errors
/// Where it is another.
pub(super) fn read(bytes: &[u8]) -> Result<Vec<Member<'_>>, String> {
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
    let again = write(&members);
    if again != bytes {
        let place = again.iter().zip(bytes).take_while(|(one, other)| one == other).count();
        return Err(format!("at byte {place} it is not as a bundle is written"));
    }
    Ok(members)
}
