//! One session, from DESCRIBE to its end.

use std::convert::Infallible;
use std::panic::AssertUnwindSafe;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::{FutureExt as _, StreamExt as _};
use gatehouse_core::time::Mono;
use retina::client::{Demuxed, Described, SessionGroup, SessionOptions, SetupOptions, Stream};
use retina::codec::{CodecItem, FrameFormat, ParametersRef};
use retina::rtcp::ReceivedCompoundPacket;
use tokio::net::TcpStream;
use tokio::time::{Instant, Sleep};

use super::RtspSettings;
use super::convert::Converter;
use super::error::{SessionError, Step};
use crate::health::Seen;
use crate::source::watchdog::Watchdog;
use crate::source::{Clock, Sink};

/// How retina begins its error when there is no connection; it has no kind to tell by.
const NO_CONNECTION: &str = "Unable to connect to RTSP server";

pub(super) struct Session<'s> {
    pub(super) settings: &'s RtspSettings,
    pub(super) group: &'s Arc<SessionGroup>,
    pub(super) clock: &'s dyn Clock,
    /// For how long frames came.
    pub(super) given: Option<Duration>,
}

impl Session<'_> {
    /// Lives it, and says how it ended.
    pub(super) async fn live(&mut self, sink: &mut dyn Sink) -> SessionError {
        let ended = async {
            let (demuxed, stream) = self.open(sink).await?;
            self.frames(demuxed, stream, sink).await
        };
        // A camera must not end its source: the parser of SDP has assertions that a hostile
        // description can break (sdp-types 0.1.8). What is left of the session is dropped.
        match AssertUnwindSafe(ended).catch_unwind().await {
            Ok(Err(error)) => error,
            Err(_panic) => SessionError::Protocol { detail: "the client panicked".into() },
        }
    }

    async fn open(&self, sink: &mut dyn Sink) -> Result<(Demuxed, usize), SessionError> {
        let settings = self.settings;
        let mut session = self.describe().await?;
        sink.seen(self.clock.mono(), Seen::Answered);
        let stream = session.streams().iter().position(|stream| {
            stream.media() == "video" && matches!(stream.encoding_name(), "h264" | "h265" | "jpeg")
        });
        let Some(stream) = stream else {
            let offered: Vec<_> = session.streams().iter().map(Stream::encoding_name).collect();
            return Err(SessionError::NoVideo {
                offered: settings.address.scrub(&offered.join(", "), None),
            });
        };
        let options = SetupOptions::default()
            .transport(settings.dialect.transport())
            .frame_format(FrameFormat::MP4);
        self.within(Step::Setup, session.setup(stream, options)).await?;
        let playing = self.within(Step::Play, session.play(settings.dialect.play())).await?;
        let demuxed = playing.demuxed().map_err(|error| self.read(&error))?;
        Ok((demuxed, stream))
    }

    async fn describe(&self) -> Result<retina::client::Session<Described>, SessionError> {
        let settings = self.settings;
        let credentials = settings.credentials.as_ref().map(|c| retina::client::Credentials {
            username: c.user().to_owned(),
            password: c.password().to_owned(),
        });
        let options = SessionOptions::default()
            .creds(credentials)
            .user_agent("Gatehouse".into())
            .session_group(self.group.clone());
        let options = settings.dialect.session(options);
        let url = settings.address.url().clone();
        let described =
            self.within(Step::Describe, retina::client::Session::describe(url, options));
        match described.await {
            // Connecting is part of it: was it that, or the answer?
            Err(hung @ SessionError::Hung { .. }) => {
                Err(self.reachable().await.err().unwrap_or(hung))
            }
            other => other,
        }
    }

    /// Whether the camera takes a connection at all.
    async fn reachable(&self) -> Result<(), SessionError> {
        let (host, port) = self.settings.address.endpoint();
        match tokio::time::timeout(self.settings.answer, TcpStream::connect((host, port))).await {
            Ok(Ok(_)) => Ok(()),
            Ok(Err(error)) => Err(SessionError::Unreachable { detail: error.to_string() }),
            Err(_) => Err(SessionError::Unreachable {
                detail: format!("no connection within {:?}", self.settings.answer),
            }),
        }
    }

    async fn within<T>(
        &self,
        step: Step,
        asked: impl Future<Output = Result<T, retina::Error>>,
    ) -> Result<T, SessionError> {
        let limit = self.settings.answer;
        match tokio::time::timeout(limit, asked).await {
            Ok(answer) => answer.map_err(|error| self.read(&error)),
            Err(_) => Err(SessionError::Hung { step, limit }),
        }
    }

    async fn frames(
        &mut self,
        mut demuxed: Demuxed,
        stream: usize,
        sink: &mut dyn Sink,
    ) -> Result<Infallible, SessionError> {
        let mut converter = Converter::default();
        let mut watchdog = Watchdog::new(self.settings.stall);
        let mut limit = self.settings.begin;
        let mut deadline = std::pin::pin!(tokio::time::sleep(limit));
        // When the first frame came, and when the last that was given.
        let (mut first, mut given) = (None::<Mono>, None::<Mono>);
        loop {
            let item = tokio::select! {
                // The deadline first: under a flood without frames it would never have its turn.
                biased;
                () = deadline.as_mut() => match demuxed.next().now_or_never() {
                    // It was the runtime that was late: what waits is no stall.
                    Some(item) => item,
                    None => return Err(SessionError::Stalled { limit }),
                },
                item = demuxed.next() => item,
            };
            let frame = match item {
                None => return Err(SessionError::Ended),
                Some(Err(error)) => return Err(self.read(&error)),
                Some(Ok(CodecItem::VideoFrame(frame))) => frame,
                // The connection may stand for minutes after that.
                Some(Ok(CodecItem::Rtcp(packet))) if is_farewell(&packet, stream) => {
                    return Err(SessionError::Ended);
                }
                Some(Ok(_)) => continue,
            };
            let now = self.clock.mono();
            if frame.loss() > 0 {
                sink.seen(now, Seen::Gap { packets: frame.loss() });
            }
            let parameters = match demuxed.streams().get(stream).and_then(Stream::parameters) {
                Some(ParametersRef::Video(parameters)) => Some(parameters),
                _ => None,
            };
            let converted = converter.frame(frame, parameters, now)?;
            watchdog.frame(now);
            limit = watchdog.limit();
            put_off(deadline.as_mut(), limit);
            let first = *first.get_or_insert(now);
            let Some(frame) = converted else {
                // At the beginning, or after a change of format.
                if now.since(given.unwrap_or(first)) > self.settings.begin {
                    return Err(SessionError::NoKeyFrame { limit: self.settings.begin });
                }
                continue;
            };
            if given.replace(now).is_none() {
                tracing::info!(
                    camera = self.settings.name,
                    address = %self.settings.address,
                    codec = ?frame.track.codec,
                    width = frame.track.width,
                    height = frame.track.height,
                    skipped = converter.skipped,
                    "pictures come"
                );
            }
            self.given = Some(now.since(first));
            sink.seen(now, Seen::picture(&frame));
            sink.frame(frame);
        }
    }

    /// What a failure of retina's means. Its text is opaque, and may repeat what was sent.
    fn read(&self, error: &retina::Error) -> SessionError {
        let said = error.to_string();
        let detail = self.settings.address.scrub(&said, self.settings.credentials.as_ref());
        match error.status_code() {
            Some(status @ (401 | 403)) => SessionError::Unauthorised { status },
            Some(status) if !(200..300).contains(&status) => {
                SessionError::Refused { status, detail }
            }
            _ if said.starts_with(NO_CONNECTION) => SessionError::Unreachable { detail },
            _ => SessionError::Protocol { detail },
        }
    }
}

/// Whether the camera says that the stream is over: BYE (RFC 3550, 6.6).
fn is_farewell(packet: &ReceivedCompoundPacket, stream: usize) -> bool {
    const BYE: u8 = 203;
    packet.stream_id() == stream && packet.pkts().any(|packet| packet.payload_type() == BYE)
}

fn put_off(deadline: Pin<&mut Sleep>, limit: Duration) {
    deadline.reset(Instant::now() + limit);
}
