//! ffmpeg: makes a stream and sends it as RTP to a mount's UDP port.

use std::process::Stdio;

use anyhow::Context as _;
use rustix::process::Signal;
use tokio::process::{Child, Command};

/// What the stream shows and how it is compressed.
#[derive(Clone, Copy, Debug)]
pub struct Picture {
    pub codec: Codec,
    /// `WIDTHxHEIGHT`.
    pub size: &'static str,
    pub per_second: u32,
    /// Pictures from key frame to key frame.
    pub group: u32,
    /// What ffmpeg does to the test picture.
    pub filter: &'static str,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Codec {
    H264,
    /// Its time runs a quarter slow for [`SLOW`] pictures, and right from then on. For a mount that
    /// is `+timed`, at ten pictures a second.
    H264Slow,
    /// With pictures sent in another order than they are shown.
    H264Reordered,
    /// With open groups: they begin with a CRA.
    H265Open,
    Jpeg,
}

/// See [`Codec::H264Slow`].
pub const SLOW: u32 = 450;

impl Picture {
    pub const SMALL: Self =
        Self { codec: Codec::H264, size: "320x240", per_second: 10, group: 10, filter: "null" };
}

pub struct Feeder(Child);

impl Feeder {
    pub fn start(picture: Picture, port: u16) -> anyhow::Result<Self> {
        let Picture { size, per_second, filter, .. } = picture;
        Self::of(&format!("testsrc2=size={size}:rate={per_second},{filter}"), picture, port)
    }

    /// What an ffmpeg source of pictures (`lavfi`) shows.
    pub fn of(source: &str, picture: Picture, port: u16) -> anyhow::Result<Self> {
        let Picture { codec, group, .. } = picture;
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-threads", "1", "-re", "-f", "lavfi", "-i"]);
        command.arg(source);
        let group = group.to_string();
        // RTP counts 1/90000 s: a quarter of a tenth.
        let slow = format!("setts=ts='TS-min(N\\,{SLOW})*2250',dump_extra");
        match codec {
            Codec::H264 | Codec::H264Slow => command.args([
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx264",
                "-preset",
                "ultrafast",
                "-tune",
                "zerolatency",
                "-g",
                &group,
                "-bsf:v",
                if codec == Codec::H264Slow { &slow } else { "dump_extra" },
            ]),
            Codec::H264Reordered => command.args([
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx264",
                "-preset",
                "veryfast",
                "-bf",
                "2",
                "-b_strategy",
                "0",
                "-g",
                &group,
                "-sc_threshold",
                "0",
                "-rc-lookahead",
                "4",
                "-bsf:v",
                "dump_extra",
            ]),
            Codec::H265Open => command.args([
                "-pix_fmt",
                "yuv420p",
                "-c:v",
                "libx265",
                "-preset",
                "ultrafast",
                "-x265-params",
                &format!(
                    "keyint={group}:min-keyint={group}:scenecut=0:open-gop=1:bframes=2:\
                          rc-lookahead=5:repeat-headers=1:log-level=error:pools=1"
                ),
            ]),
            Codec::Jpeg => command.args([
                "-pix_fmt",
                "yuvj420p",
                "-c:v",
                "mjpeg",
                "-huffman",
                "default",
                "-force_duplicated_matrix",
                "1",
                "-q:v",
                "8",
            ]),
        };
        command.args(["-f", "rtp", &format!("rtp://127.0.0.1:{port}?pkt_size=1400")]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Ok(Self(command.spawn().context("start ffmpeg")?))
    }

    /// A file again and again, as it is coded.
    pub fn repeats(file: &std::path::Path, port: u16) -> anyhow::Result<Self> {
        let mut command = Command::new("ffmpeg");
        command.args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i"]).arg(file);
        command.args(["-an", "-c", "copy", "-f", "rtp"]);
        command.arg(format!("rtp://127.0.0.1:{port}?pkt_size=1400"));
        command.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
        Ok(Self(command.spawn().context("start ffmpeg")?))
    }

    pub fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        super::server::send(&self.0, signal)
    }

    pub async fn kill(mut self) -> anyhow::Result<()> {
        self.0.kill().await.context("kill ffmpeg")
    }
}
