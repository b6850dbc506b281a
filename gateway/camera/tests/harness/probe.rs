//! What ffprobe and ffmpeg say of a file.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};

/// A file as a player sees it.
#[derive(Clone, Debug, PartialEq)]
pub struct Probed {
    pub codec: String,
    pub width: u32,
    pub height: u32,
    /// Pictures that were decoded.
    pub frames: u64,
    /// Seconds.
    pub duration: f64,
}

/// Decodes all of a file; anything that the decoder complains of is an error.
pub fn probe(path: &Path) -> anyhow::Result<Probed> {
    let decoded = Command::new("ffmpeg")
        .args(["-v", "warning", "-nostdin", "-threads", "1", "-xerror", "-i"])
        .arg(path)
        // By the file's own time: rounded to the usual rate, two pictures may fall together.
        .args(["-map", "0", "-fps_mode", "passthrough", "-enc_time_base", "-1", "-f", "null", "-"])
        .output()
        .context("run ffmpeg")?;
    let said = String::from_utf8_lossy(&decoded.stderr);
    ensure!(decoded.status.success() && said.trim().is_empty(), "{}: {said}", path.display());
    let entries = "stream=codec_name,width,height,nb_read_frames:format=duration";
    let output = Command::new("ffprobe")
        .args(["-v", "error", "-count_frames", "-show_entries", entries])
        .args(["-of", "default=noprint_wrappers=1"])
        .arg(path)
        .output()
        .context("run ffprobe")?;
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let said = String::from_utf8_lossy(&output.stderr);
    ensure!(said.trim().is_empty(), "ffprobe of {}: {said}", path.display());
    let value = |key: &str| {
        let line = text.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.with_context(|| format!("{key} in {text}"))
    };
    Ok(Probed {
        codec: value("codec_name")?.to_owned(),
        width: value("width")?.parse()?,
        height: value("height")?.parse()?,
        frames: value("nb_read_frames")?.parse()?,
        duration: value("duration")?.parse()?,
    })
}
