//! Cameras for a daemon that is measured: one large and one small stream that all of them show, by
//! gst-rtsp-server, fed with files that are not coded anew.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context, ensure};
use gatehouse_tests::ports::Port;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::process::{Child, Command};

/// The streams; they end with it.
pub(crate) struct Streams {
    server: Port,
    _ports: Vec<Port>,
    _running: Vec<Child>,
    _folder: tempfile::TempDir,
}

impl Streams {
    /// Starts them. Busy: something moves in the picture all the time.
    pub(crate) async fn start(busy: bool) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let (mut ports, mut running) = (Vec::new(), Vec::new());
        let mut mounts = Vec::new();
        for (mount, size, bits) in [("main", "1920x1080", "2000k"), ("sub", "640x360", "400k")] {
            let file = film(folder.path(), size, bits, busy).await?;
            let port = Port::hold()?;
            let mut feeder = Command::new("ffmpeg");
            feeder.args(["-v", "error", "-nostdin", "-re", "-stream_loop", "-1", "-i"]).arg(file);
            feeder.args(["-an", "-c", "copy", "-f", "rtp"]);
            feeder.arg(format!("rtp://{}?pkt_size=1400", port.address()));
            feeder.stdin(Stdio::null()).stdout(Stdio::null()).kill_on_drop(true);
            running.push(feeder.spawn().context("start ffmpeg")?);
            mounts.push(format!("/{mount}=H264:{}", port.number()));
            ports.push(port);
        }
        let server = Port::hold()?;
        // The distribution's python: another has no gi.
        let mut command = Command::new("/usr/bin/python3");
        command.args(["-c", include_str!("../../../gateway/camera/tests/harness/rtsp_server.py")]);
        command.arg(server.number().to_string()).args(mounts);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).kill_on_drop(true);
        let mut child = command.spawn().context("start /usr/bin/python3")?;
        let mut lines = BufReader::new(child.stdout.take().context("piped")?).lines();
        let line = tokio::time::timeout(Duration::from_secs(30), lines.next_line()).await??;
        ensure!(line.as_deref() == Some("ready"), "the RTSP server said {line:?}: tests/run setup");
        running.push(child);
        Ok(Self { server, _ports: ports, _running: running, _folder: folder })
    }

    /// The daemon's configuration with so many cameras: a ring of the large stream, the small one
    /// watched.
    pub(crate) fn config(&self, cameras: u32) -> String {
        let mut toml = String::new();
        for camera in 0..cameras {
            let _ = write!(
                toml,
                "[[camera]]\nid = \"c-{camera}\"\nstream = \"rtsp://127.0.0.1:{0}/main\"\n\
                 sub-stream = \"rtsp://127.0.0.1:{0}/sub\"\n\
                 [[camera.area]]\nid = \"all\"\nshape = \"0,0 1,0 1,1 0,1\"\ntells = \"never\"\n",
                self.server.number()
            );
        }
        toml
    }
}

/// 20 s of a yard with a sensor's noise, a key frame every 2 s.
async fn film(folder: &Path, size: &str, bits: &str, busy: bool) -> anyhow::Result<PathBuf> {
    let path = folder.join(format!("{size}.ts"));
    let x = if busy { "mod(t*120,W)" } else { "-300" };
    let source = format!(
        "testsrc2=s=64x36:r=15,trim=end_frame=1,loop=-1:1,setpts=N/15/TB,scale={size}:flags=neighbor,\
         eq=contrast=0.3[a];color=c=0x303030:s=90x210:r=15[b];[a][b]overlay=x='{x}':y=H/3,\
         noise=alls=6:allf=t"
    );
    let mut command = Command::new("ffmpeg");
    command.args(["-v", "error", "-nostdin", "-y", "-f", "lavfi", "-i", &source, "-t", "20"]);
    command.args(["-c:v", "libx264", "-preset", "veryfast", "-pix_fmt", "yuv420p", "-bf", "0"]);
    command.args(["-g", "30", "-b:v", bits, "-maxrate", bits, "-bufsize", bits, "-f", "mpegts"]);
    ensure!(command.arg(&path).status().await.context("start ffmpeg")?.success(), "ffmpeg");
    Ok(path)
}
