//! A small RTSP server that lies: a right conversation, then broken by seed, one way for each
//! connection.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use fastrand::Rng;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Notify;
use tokio::task::JoinSet;

/// What is broken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Lie {
    /// Nothing: 20 pictures and a farewell.
    None,
    /// Bytes of the description.
    Description,
    /// Bytes of all answers' heads.
    Heads,
    /// Bytes of RTP packets; the frame around them is right.
    Packets,
    /// Whatever comes after PLAY is noise.
    Noise,
    /// Pictures without end: the marker never comes.
    Endless,
    /// Only the clock: ten pictures a second, whose time runs a quarter fast up to picture
    /// [`FAST`], and right from then on.
    Clock,
}

/// See [`Lie::Clock`].
pub const FAST: u32 = 450;

/// 320x240, baseline, of a test picture by x264.
const SPS: [u8; 22] = [
    0x67, 0x42, 0xc0, 0x0b, 0xda, 0x05, 0x07, 0xec, 0x04, 0x40, 0x00, 0x00, 0x03, 0x00, 0x40, 0x00,
    0x00, 0x05, 0x03, 0xc5, 0x0a, 0xa8,
];
const PPS: [u8; 4] = [0x68, 0xce, 0x0f, 0xc8];

/// `SPS,PPS` in base64.
const SPROP: &str = "Z0LAC9oFB+wEQAAAAwBAAAAFA8UKqA==,aM4PyA==";

/// Serves until it is dropped.
pub struct Hostile {
    address: SocketAddr,
    served: Arc<(AtomicU64, Notify)>,
    _tasks: JoinSet<()>,
}

impl Hostile {
    /// Connection `n` is broken by seed `first_seed + n`.
    pub async fn start(lie: Lie, first_seed: u64) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let address = listener.local_addr()?;
        let served = Arc::new((AtomicU64::new(0), Notify::new()));
        let counted = served.clone();
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let seed = first_seed + counted.0.load(Ordering::Relaxed);
                // How it ends is the client's business; a broken pipe is expected.
                let _ = Conversation { stream, lie, rng: Rng::with_seed(seed) }.serve().await;
                counted.0.fetch_add(1, Ordering::Relaxed);
                counted.1.notify_one();
            }
        });
        Ok(Self { address, served, _tasks: tasks })
    }

    pub fn address(&self) -> gatehouse_camera::source::Address {
        gatehouse_camera::source::Address::rtsp(&format!("rtsp://{}/cam", self.address)).unwrap()
    }

    /// Connections that have ended.
    pub fn served(&self) -> u64 {
        self.served.0.load(Ordering::Relaxed)
    }

    /// Returns when so many connections have ended.
    pub async fn until_served(&self, connections: u64) {
        while self.served() < connections {
            self.served.1.notified().await;
        }
    }
}

struct Conversation {
    stream: TcpStream,
    lie: Lie,
    rng: Rng,
}

impl Conversation {
    async fn serve(mut self) -> std::io::Result<()> {
        let local = self.stream.local_addr()?;
        let mut buffer = Vec::new();
        loop {
            let Some(request) = read_request(&mut self.stream, &mut buffer).await? else {
                return Ok(());
            };
            let cseq = number(&request).to_owned();
            let method = request.split(' ').next().unwrap_or_default();
            let (head, body) = match method {
                "DESCRIBE" => (
                    format!(
                        "Content-Type: application/sdp\r\nContent-Base: rtsp://{local}/cam/\r\n"
                    ),
                    format!(
                        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=cam\r\nt=0 0\r\na=control:*\r\n\
                         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
                         a=fmtp:96 packetization-mode=1;profile-level-id=42c00b;\
                         sprop-parameter-sets={SPROP}\r\na=control:stream=0\r\n"
                    ),
                ),
                "SETUP" => (
                    "Session: 7;timeout=60\r\n\
                     Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00000007\r\n"
                        .to_owned(),
                    String::new(),
                ),
                "PLAY" => ("Session: 7\r\nRange: npt=0-\r\n".to_owned(), String::new()),
                _ => ("Session: 7\r\n".to_owned(), String::new()),
            };
            let mut body = body.into_bytes();
            if self.lie == Lie::Description {
                self.mutate(&mut body);
            }
            let mut out = format!(
                "RTSP/1.0 200 OK\r\nCSeq: {cseq}\r\n{head}Content-Length: {}\r\n\r\n",
                body.len()
            )
            .into_bytes();
            if self.lie == Lie::Heads {
                self.mutate(&mut out);
            }
            out.extend(body);
            self.stream.write_all(&out).await?;
            match method {
                "PLAY" => return self.play(buffer).await,
                "TEARDOWN" => return Ok(()),
                _ => {}
            }
        }
    }

    async fn play(&mut self, mut asked: Vec<u8>) -> std::io::Result<()> {
        match self.lie {
            Lie::Noise => {
                let noise: Vec<u8> = (0..4000).map(|_| self.rng.u8(..)).collect();
                return self.stream.write_all(&noise).await;
            }
            Lie::Endless => {
                // Fragments of one unit; none is the last.
                // The first alone begins it, also when the numbers come round on a fast machine.
                let mut start = 0x80;
                for sequence in (0..=u16::MAX).cycle() {
                    let mut payload = vec![0x7c, start | 5];
                    payload.resize(1300, 0xaa);
                    self.packet(sequence, 0, false, &payload, Lie::Endless).await?;
                    start = 0;
                }
            }
            _ => {}
        }
        let mut sequence = 0;
        let mut pace = tokio::time::interval(std::time::Duration::from_millis(100));
        let pictures = if self.lie == Lie::Clock { 10 * FAST } else { 20 };
        for picture in 0..pictures {
            let mut time = picture * 9000;
            if self.lie == Lie::Clock {
                self.answer_until(pace.tick(), &mut asked).await?;
                time += picture.min(FAST) * 9000 / 4;
            }
            let slice = if picture % 10 == 0 { 0x65 } else { 0x41 };
            let mut data = vec![slice, 0x88];
            data.extend((0..self.rng.usize(10..400)).map(|_| 0x55));
            let units = [&SPS[..], &PPS[..], &data];
            let first = if picture % 10 == 0 { 0 } else { 2 };
            for (n, unit) in units.iter().enumerate().skip(first) {
                self.packet(sequence, time, n == 2, unit, Lie::Packets).await?;
                sequence = sequence.wrapping_add(1);
            }
        }
        Ok(())
    }

    /// Who plays for long is asked whether it is still there.
    async fn answer_until(
        &mut self,
        moment: impl Future<Output = tokio::time::Instant>,
        asked: &mut Vec<u8>,
    ) -> std::io::Result<()> {
        let mut moment = std::pin::pin!(moment);
        loop {
            let request = tokio::select! {
                _ = moment.as_mut() => return Ok(()),
                request = read_request(&mut self.stream, asked) => request?,
            };
            let Some(request) = request else {
                return Err(std::io::ErrorKind::UnexpectedEof.into());
            };
            let answer =
                format!("RTSP/1.0 200 OK\r\nCSeq: {}\r\nSession: 7\r\n\r\n", number(&request));
            self.stream.write_all(answer.as_bytes()).await?;
        }
    }

    async fn packet(
        &mut self,
        sequence: u16,
        time: u32,
        marker: bool,
        payload: &[u8],
        breaks: Lie,
    ) -> std::io::Result<()> {
        let mut packet = vec![0x80, if marker { 0xe0 } else { 0x60 }];
        packet.extend(sequence.to_be_bytes());
        packet.extend(time.to_be_bytes());
        packet.extend([0, 0, 0, 7]);
        packet.extend(payload);
        if self.lie == breaks && breaks == Lie::Packets && self.rng.u8(..4) == 0 {
            self.mutate(&mut packet);
        }
        let length = u16::try_from(packet.len()).unwrap_or(u16::MAX);
        let mut out = vec![b'$', 0];
        out.extend(length.to_be_bytes());
        out.extend(packet);
        self.stream.write_all(&out).await
    }

    /// Flips, cuts, doubles, inserts: one to eight times.
    fn mutate(&mut self, bytes: &mut Vec<u8>) {
        for _ in 0..self.rng.usize(1..=8) {
            if bytes.is_empty() {
                return;
            }
            let at = self.rng.usize(..bytes.len());
            match self.rng.u8(..6) {
                0 => bytes[at] ^= 1 << self.rng.u8(..8),
                1 => bytes[at] = self.rng.u8(..),
                2 => bytes.truncate(at),
                3 => drop(bytes.remove(at)),
                4 => bytes.insert(at, *self.rng.choice(b"\r\n:;=-,0 9\xff\0".iter()).unwrap()),
                _ => {
                    let end = (at + self.rng.usize(1..64)).min(bytes.len());
                    let piece = bytes[at..end].to_vec();
                    bytes.splice(at..at, piece);
                }
            }
        }
        bytes.truncate(60_000);
    }
}

/// The number of a request, which its answer repeats.
fn number(request: &str) -> &str {
    request.lines().find_map(|line| line.strip_prefix("CSeq: ")).unwrap_or("1")
}

async fn read_request(
    stream: &mut TcpStream,
    buffer: &mut Vec<u8>,
) -> std::io::Result<Option<String>> {
    loop {
        if let Some(end) = buffer.windows(4).position(|window| window == b"\r\n\r\n") {
            let head: Vec<u8> = buffer.drain(..end + 4).collect();
            return Ok(Some(String::from_utf8_lossy(&head).into_owned()));
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    }
}
