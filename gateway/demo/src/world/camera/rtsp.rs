//! A camera's RTSP server: one stream of H.264, within the connection (RFC 2326, RFC 6184).

use std::collections::HashMap;
use std::io;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use tokio::io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;

/// One picture, compressed.
#[derive(Clone, Debug)]
pub(super) struct Shot {
    /// Decoding can begin here.
    pub(super) key: bool,
    /// In units of 1/90000 s.
    pub(super) media: u32,
    /// NAL units without start codes.
    pub(super) units: Vec<Vec<u8>>,
}

/// SPS and PPS.
pub(super) type ParameterSets = Option<(Vec<u8>, Vec<u8>)>;

/// What is shown, to whoever asks.
#[derive(Debug)]
pub(super) struct Show {
    pub(super) shots: broadcast::Sender<Arc<Shot>>,
    pub(super) sets: watch::Receiver<ParameterSets>,
}

/// Largest payload of an RTP packet.
const PAYLOAD: usize = 1400;

/// Longest head of a request.
const HEAD: usize = 4096;

/// Serves for ever.
pub(super) async fn serve(listener: TcpListener, show: Show) {
    let mut sessions = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                if let Ok((stream, _)) = accepted {
                    let (shots, sets) = (show.shots.subscribe(), show.sets.clone());
                    sessions.spawn(async move {
                        if let Err(error) = session(stream, shots, sets).await {
                            tracing::debug!(%error, "a viewer of a camera has gone");
                        }
                    });
                }
            }
            Some(_) = sessions.join_next() => {}
        }
    }
}

async fn session(
    stream: TcpStream,
    mut shots: broadcast::Receiver<Arc<Shot>>,
    mut sets: watch::Receiver<ParameterSets>,
) -> io::Result<()> {
    let address = stream.local_addr()?;
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    let mut playing = false;
    let mut sender = Sender::new();
    loop {
        tokio::select! {
            request = request(&mut read) => {
                let Some((method, sequence)) = request? else { return Ok(()) };
                let answer = match method.as_str() {
                    "OPTIONS" => "Public: OPTIONS, DESCRIBE, SETUP, PLAY, TEARDOWN, GET_PARAMETER\r\n\r\n".to_owned(),
                    "DESCRIBE" => {
                        let known = sets.wait_for(Option::is_some).await;
                        let Some((sps, pps)) = known.ok().and_then(|sets| sets.clone()) else {
                            return Ok(());
                        };
                        let sdp = sdp(&sps, &pps);
                        format!(
                            "Content-Base: rtsp://{address}/\r\nContent-Type: application/sdp\r\n\
                             Content-Length: {}\r\n\r\n{sdp}",
                            sdp.len()
                        )
                    }
                    "SETUP" => "Transport: RTP/AVP/TCP;unicast;interleaved=0-1;ssrc=00c0ffee\r\n\
                                Session: 1;timeout=60\r\n\r\n".to_owned(),
                    "PLAY" => {
                        playing = true;
                        "Session: 1\r\nRange: npt=0.000-\r\n\r\n".to_owned()
                    }
                    "TEARDOWN" => return Ok(()),
                    _ => "Session: 1\r\n\r\n".to_owned(),
                };
                let head = format!("RTSP/1.0 200 OK\r\nCSeq: {sequence}\r\n{answer}");
                write.write_all(head.as_bytes()).await?;
            }
            shot = shots.recv() => match shot {
                Ok(shot) if playing => {
                    if let Some(bytes) = sender.packets(&shot) {
                        write.write_all(&bytes).await?;
                    }
                }
                Ok(_) => {}
                // It was too slow: from the next key frame on it sees again.
                Err(broadcast::error::RecvError::Lagged(_)) => sender.follows = false,
                Err(broadcast::error::RecvError::Closed) => return Ok(()),
            },
        }
    }
}

/// The next request's method and number. What comes interleaved from the viewer is passed over.
async fn request(
    read: &mut BufReader<tokio::net::tcp::OwnedReadHalf>,
) -> io::Result<Option<(String, String)>> {
    loop {
        let Some(first) = read.fill_buf().await?.first().copied() else { return Ok(None) };
        if first == b'$' {
            let mut head = [0; 4];
            read.read_exact(&mut head).await?;
            let mut rest = vec![0; usize::from(u16::from_be_bytes([head[2], head[3]]))];
            read.read_exact(&mut rest).await?;
            continue;
        }
        let mut lines = Vec::new();
        let mut length = 0;
        loop {
            let mut line = String::new();
            if read.take_line(&mut line).await? == 0 {
                return Ok(None);
            }
            length += line.len();
            if length > HEAD {
                return Err(io::ErrorKind::InvalidData.into());
            }
            let line = line.trim_end().to_owned();
            if line.is_empty() {
                break;
            }
            lines.push(line);
        }
        let method = lines.first().and_then(|line| line.split(' ').next()).unwrap_or_default();
        let headers: HashMap<String, &str> = { lines.iter() }
            .filter_map(|line| line.split_once(':'))
            .map(|(name, value)| (name.to_ascii_lowercase(), value.trim()))
            .collect();
        let sequence = headers.get("cseq").copied().unwrap_or("0");
        return Ok(Some((method.to_owned(), sequence.to_owned())));
    }
}

trait TakeLine {
    async fn take_line(&mut self, line: &mut String) -> io::Result<usize>;
}

impl TakeLine for BufReader<tokio::net::tcp::OwnedReadHalf> {
    /// One line of bounded length.
    async fn take_line(&mut self, line: &mut String) -> io::Result<usize> {
        (&mut *self).take(HEAD as u64).read_line(line).await
    }
}

/// RFC 8866, RFC 6184 section 8.2.1.
fn sdp(sps: &[u8], pps: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut profile = String::new();
    for byte in sps.get(1..4).unwrap_or_default() {
        let _ = write!(profile, "{byte:02x}");
    }
    format!(
        "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=demo\r\nc=IN IP4 0.0.0.0\r\nt=0 0\r\na=control:*\r\n\
         m=video 0 RTP/AVP 96\r\na=rtpmap:96 H264/90000\r\n\
         a=fmtp:96 packetization-mode=1;profile-level-id={profile};sprop-parameter-sets={},{}\r\n\
         a=control:track1\r\n",
        STANDARD.encode(sps),
        STANDARD.encode(pps)
    )
}

/// Packets of one session.
struct Sender {
    sequence: u16,
    /// It has had every picture since a key frame.
    follows: bool,
}

impl Sender {
    fn new() -> Self {
        Self { sequence: fastrand::u16(..), follows: false }
    }

    /// The interleaved packets of a picture; `None`: nobody could decode it.
    fn packets(&mut self, shot: &Shot) -> Option<Vec<u8>> {
        self.follows |= shot.key;
        if !self.follows {
            return None;
        }
        let mut out = Vec::new();
        for (place, unit) in shot.units.iter().enumerate() {
            let last_unit = place + 1 == shot.units.len();
            let Some((head, body)) = unit.split_first() else { continue };
            if unit.len() <= PAYLOAD {
                self.packet(&mut out, shot.media, last_unit, &[], unit);
                continue;
            }
            // FU-A (type 28), section 5.8.
            let pieces = body.chunks(PAYLOAD - 2);
            let count = pieces.len();
            for (number, piece) in pieces.enumerate() {
                let (first, last) = (number == 0, number + 1 == count);
                let flags = u8::from(first) << 7 | u8::from(last) << 6;
                let start = [head & 0xe0 | 0x1c, flags | head & 0x1f];
                self.packet(&mut out, shot.media, last_unit && last, &start, piece);
            }
        }
        Some(out)
    }

    fn packet(&mut self, out: &mut Vec<u8>, media: u32, marker: bool, start: &[u8], body: &[u8]) {
        let length = u16::try_from(12 + start.len() + body.len()).unwrap_or(u16::MAX);
        out.extend([b'$', 0]);
        out.extend(length.to_be_bytes());
        out.extend([0x80, 0x60 | u8::from(marker) << 7]);
        out.extend(self.sequence.to_be_bytes());
        out.extend(media.to_be_bytes());
        out.extend(0x00c0_ffee_u32.to_be_bytes());
        out.extend(start);
        out.extend(body);
        self.sequence = self.sequence.wrapping_add(1);
    }
}
