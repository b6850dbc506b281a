//! A tar file of a few members, in the form of POSIX.1-1988 (ustar): written here, since it is one page.

/// Everything in it is a whole number of these.
const BLOCK: usize = 512;

/// For its owner alone: somebody else decides who may read a bundle.
const MODE: u32 = 0o600;

/// The archive of these members, each a name of at most 100 bytes and its content.
pub(super) fn archive<'a>(members: impl Iterator<Item = (&'a str, &'a [u8])>) -> Vec<u8> {
    let mut out = Vec::new();
    for (name, bytes) in members {
        out.extend(header(name, bytes.len()));
        out.extend(bytes);
        out.resize(out.len().next_multiple_of(BLOCK), 0);
    }
    // Two empty blocks are its end.
    out.resize(out.len() + 2 * BLOCK, 0);
    out
}

fn header(name: &str, size: usize) -> [u8; BLOCK] {
    let mut block = [0; BLOCK];
    let mut put =
        |at: usize, text: &str| block[at..at + text.len()].copy_from_slice(text.as_bytes());
    put(0, name);
    put(100, &format!("{MODE:07o}"));
    // Owner, group and time: nobody's and none, so that equal contents are equal bytes.
    for (at, width) in [(108, 7), (116, 7), (136, 11)] {
        put(at, &format!("{:0width$o}", 0));
    }
    put(124, &format!("{size:011o}"));
    // While it is summed up the sum itself is blanks.
    put(148, "        ");
    put(156, "0");
    put(257, "ustar");
    put(263, "00");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let text = format!("{sum:06o}\0 ");
    block[148..156].copy_from_slice(text.as_bytes());
    block
}

#[cfg(test)]
mod tests {
    use std::process::Command;

    use super::*;

    #[test]
    fn tar_itself_lists_and_unpacks_what_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("a.tar");
        let long = vec![b'x'; 1025];
        let members = [("MANIFEST", &b"one\n"[..]), ("empty", b""), ("long.txt", &long)];
        std::fs::write(&path, archive(members.into_iter())).unwrap();
        let mut unpack = Command::new("tar");
        let output = unpack.arg("-C").arg(folder.path()).arg("-xvf").arg(&path).output().unwrap();
        assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
        assert_eq!(String::from_utf8_lossy(&output.stdout), "MANIFEST\nempty\nlong.txt\n");
        for (name, bytes) in members {
            assert_eq!(std::fs::read(folder.path().join(name)).unwrap(), bytes, "{name}");
        }
    }
}
