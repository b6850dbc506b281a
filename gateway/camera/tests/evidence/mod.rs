//! What lies in a folder of evidence, and whether somebody could see there what a mask hides.

use std::collections::{BTreeMap, HashSet};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, bail, ensure};
use gatehouse_camera::frame::{Codec, Frame};

/// What is painted is black, and off by the encoder's noise.
const BLACK: u8 = 16;
const NOISE: u8 = 10;

/// In full range it may also have been stretched by a player.
const NOISE_FULL: u8 = 20;

/// Darker than the marker, and brighter than all else that the camera shows.
const BRIGHT: u8 = 130;

/// Bytes that are looked for; a slice has thousands of them. Two encoders may write the same few.
const RUN: usize = 16;

/// How a JPEG begins.
pub(crate) const JPEG: [u8; 2] = [0xff, 0xd8];

/// A place in a picture, in parts of it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Region {
    pub(crate) left: f64,
    pub(crate) top: f64,
    pub(crate) right: f64,
    pub(crate) bottom: f64,
}

/// The files that were ever seen, with each content that they had.
#[derive(Default)]
pub(crate) struct Seen(BTreeMap<(PathBuf, usize), Vec<u8>>);

impl Seen {
    /// Looks into the folder now. A file grows only, so that its length tells its contents apart.
    pub(crate) fn look(&mut self, folder: &Path) -> anyhow::Result<()> {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            // It may get its final name in this moment.
            let Ok(bytes) = std::fs::read(&path) else { continue };
            self.0.entry((path, bytes.len())).or_insert(bytes);
        }
        Ok(())
    }

    pub(crate) fn contents(&self) -> impl Iterator<Item = (&Path, &[u8])> {
        self.0.iter().map(|((path, _), bytes)| (path.as_path(), bytes.as_slice()))
    }

    /// Contents of files that were not whole yet, and in which there was a picture.
    pub(crate) fn partial(&self) -> usize {
        let partial = |path: &Path| path.extension().is_some_and(|end| end == "partial");
        self.contents().filter(|(path, bytes)| partial(path) && holds_pictures(bytes)).count()
    }
}

/// Whether a clip has a fragment, so that something of it plays.
pub(crate) fn holds_pictures(bytes: &[u8]) -> bool {
    bytes.windows(4).any(|window| window == b"mdat") || bytes.starts_with(&JPEG)
}

/// Runs of bytes of what a camera has sent.
pub(crate) struct Source(HashSet<[u8; RUN]>);

impl Source {
    pub(crate) fn of(frames: &[Frame]) -> Self {
        let mut runs = HashSet::new();
        for frame in frames {
            // The heads of JPEGs are the same everywhere.
            let skip = if frame.track.codec == Codec::Jpeg { 1024 } else { 0 };
            let chunks = frame.data.get(skip..).unwrap_or_default().as_chunks::<RUN>().0;
            runs.extend(chunks.iter().filter(|run| says_something(run)));
        }
        Self(runs)
    }

    pub(crate) fn runs(&self) -> usize {
        self.0.len()
    }

    /// Where something of it stands in other bytes.
    pub(crate) fn find(&self, bytes: &[u8]) -> Option<usize> {
        let known =
            |window: &[u8]| window.try_into().is_ok_and(|run| self.0.contains::<[u8; RUN]>(run));
        bytes.windows(RUN).position(known)
    }
}

/// Runs of one value are in every file.
fn says_something(run: &[u8; RUN]) -> bool {
    run.iter().collect::<HashSet<_>>().len() > RUN / 2
}

/// Decodes all pictures of a file with ffmpeg. None may show anything in the region, or anything as
/// bright as the marker anywhere.
pub(crate) fn hidden(path: &Path, region: Region) -> anyhow::Result<usize> {
    let (width, height, full) = size(path)?;
    let output = Command::new("ffmpeg")
        .args(["-v", "error", "-nostdin", "-threads", "1", "-i"])
        .arg(path)
        .args(["-fps_mode", "passthrough", "-enc_time_base", "-1"])
        .args(["-vf", "extractplanes=y", "-f", "rawvideo", "-"])
        .output()
        .context("run ffmpeg")?;
    ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let pictures = output.stdout.chunks_exact(width * height);
    let count = pictures.len();
    ensure!(count > 0, "{} shows nothing", path.display());
    for (n, luma) in pictures.enumerate() {
        if let Some(why) = shown(luma, (width, height), region, full) {
            bail!("{}, picture {n}: {why}", path.display());
        }
    }
    Ok(count)
}

/// What can be seen of what the mask hides.
pub(crate) fn shown(
    luma: &[u8],
    (width, height): (usize, usize),
    region: Region,
    full: bool,
) -> Option<String> {
    // A pixel and what the encoder smooths over at the border.
    const BORDER: usize = 4;
    let at = |part: f64, of: usize| {
        let whole = u32::try_from(of).map_or(0.0, f64::from);
        (0..of)
            .rfind(|&n| u32::try_from(n).is_ok_and(|n| f64::from(n) <= part * whole))
            .unwrap_or(0)
    };
    let columns = at(region.left, width) + BORDER..at(region.right, width).saturating_sub(BORDER);
    let rows = at(region.top, height) + BORDER..at(region.bottom, height).saturating_sub(BORDER);
    assert!(columns.len() > 8 && rows.len() > 8, "a region to look at");
    let noise = if full { NOISE_FULL } else { NOISE };
    for row in rows {
        for column in columns.clone() {
            let level = luma[row * width + column];
            if level.abs_diff(BLACK) > noise {
                return Some(format!("{level} at {column},{row}, where it is hidden"));
            }
        }
    }
    let brightest = luma.iter().max().copied().unwrap_or(0);
    (brightest > BRIGHT).then(|| format!("{brightest} somewhere: only the marker is so bright"))
}

/// Width and height, and whether it is of full range.
fn size(path: &Path) -> anyhow::Result<(usize, usize, bool)> {
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-select_streams", "v:0", "-show_entries"])
        .args(["stream=width,height,color_range", "-of", "csv=p=0"])
        .arg(path)
        .output()
        .context("run ffprobe")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let mut fields = text.trim().split(',');
    let mut number = || fields.next().and_then(|field| field.parse().ok()).context(text.clone());
    let (width, height) = (number()?, number()?);
    Ok((width, height, text.contains("pc")))
}
