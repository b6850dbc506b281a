//! What cameras do differently, as settings of each camera. The defaults suit most.

use retina::client::{
    InitialSequenceNumberPolicy, InitialTimestampPolicy, PlayOptions, SessionIdPolicy,
    SessionOptions, TcpTransportOptions, TeardownPolicy, UdpTransportOptions,
    UnassignedChannelDataPolicy, UnknownRtcpSsrcPolicy,
};

/// How RTP comes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Transport {
    /// Inside the RTSP connection: nothing is lost.
    #[default]
    Tcp,
    /// In datagrams of their own. Key frames of large streams lose packets even on a good network:
    /// for small streams of cameras that cannot do better.
    Udp,
}

/// How a session's id may change between two SETUPs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum SessionId {
    /// Not at all.
    #[default]
    Same,
    /// The first one counts.
    First,
}

/// Where sequence numbers begin.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstSequence {
    /// As the camera says, unless it says 0 or 1 (Hikvision DS-2CD2032-I, Tapo C320WS).
    #[default]
    UnlessSuspicious,
    /// As the camera says.
    AsSaid,
    /// With the first packet.
    AsSeen,
}

/// Which time of RTP is the session's beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum FirstTime {
    /// That of the first packet.
    #[default]
    AsSeen,
    /// As the camera says, when it says so.
    AsSaid,
}

/// RTCP of a source that nobody announced (Tapo C320WS).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownRtcp {
    /// Passed over.
    #[default]
    Drop,
    /// Taken as if it were announced.
    Process,
    /// The end of the session.
    Abort,
}

/// Data on a channel that nobody set up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum UnknownChannel {
    /// Passed over, unless the camera is an old live555, which sends an old session's data.
    #[default]
    Auto,
    /// Passed over.
    Ignore,
    /// The end of the session.
    Abort,
}

/// When TEARDOWN is sent.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Teardown {
    /// Once over TCP; over UDP, and to old live555, until it is answered or the session is too old.
    #[default]
    Auto,
    /// Always until it is answered or the session is too old.
    Always,
    /// Never.
    Never,
}

/// All of it, for one camera.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Dialect {
    /// How RTP comes.
    pub transport: Transport,
    /// How a session's id may change.
    pub session_id: SessionId,
    /// Where sequence numbers begin.
    pub first_sequence: FirstSequence,
    /// Which time is the session's beginning.
    pub first_time: FirstTime,
    /// RTCP of an unknown source.
    pub unknown_rtcp: UnknownRtcp,
    /// Data on an unknown channel.
    pub unknown_channel: UnknownChannel,
    /// When TEARDOWN is sent.
    pub teardown: Teardown,
}

impl Dialect {
    pub(super) fn session(self, options: SessionOptions) -> SessionOptions {
        options
            .session_id(match self.session_id {
                SessionId::Same => SessionIdPolicy::RequireMatch,
                SessionId::First => SessionIdPolicy::UseFirst,
            })
            .unassigned_channel_data(match self.unknown_channel {
                UnknownChannel::Auto => UnassignedChannelDataPolicy::Auto,
                UnknownChannel::Ignore => UnassignedChannelDataPolicy::Ignore,
                UnknownChannel::Abort => UnassignedChannelDataPolicy::Error,
            })
            .teardown(match self.teardown {
                Teardown::Auto => TeardownPolicy::Auto,
                Teardown::Always => TeardownPolicy::Always,
                Teardown::Never => TeardownPolicy::Never,
            })
    }

    pub(super) fn transport(self) -> retina::client::Transport {
        match self.transport {
            Transport::Tcp => retina::client::Transport::Tcp(TcpTransportOptions::default()),
            Transport::Udp => retina::client::Transport::Udp(UdpTransportOptions::default()),
        }
    }

    pub(super) fn play(self) -> PlayOptions {
        PlayOptions::default()
            .initial_seq(match self.first_sequence {
                FirstSequence::UnlessSuspicious => {
                    InitialSequenceNumberPolicy::IgnoreSuspiciousValues
                }
                FirstSequence::AsSaid => InitialSequenceNumberPolicy::Respect,
                FirstSequence::AsSeen => InitialSequenceNumberPolicy::Ignore,
            })
            .initial_timestamp(match self.first_time {
                FirstTime::AsSeen => InitialTimestampPolicy::Ignore,
                FirstTime::AsSaid => InitialTimestampPolicy::Permissive,
            })
            .unknown_rtcp_ssrc(match self.unknown_rtcp {
                UnknownRtcp::Drop => UnknownRtcpSsrcPolicy::DropPackets,
                UnknownRtcp::Process => UnknownRtcpSsrcPolicy::ProcessPackets,
                UnknownRtcp::Abort => UnknownRtcpSsrcPolicy::AbortSession,
            })
    }
}
