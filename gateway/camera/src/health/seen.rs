//! What is seen of a camera.

use crate::frame::Frame;

/// One thing seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Seen {
    /// It answered a request.
    Answered,
    /// A picture came.
    Picture {
        /// The camera's time, in units of 1/90000 s since the session began.
        media: i64,
        /// Width in pixels.
        width: u32,
        /// Height in pixels.
        height: u32,
    },
    /// Packets were lost before a picture: over UDP, or a camera that cannot keep up.
    Gap {
        /// Packets.
        packets: u16,
    },
    /// A picture that came could not be decoded.
    Undecodable,
    /// The session ended, or did not come about.
    Lost(Loss),
}

impl Seen {
    /// A picture came.
    pub fn picture(frame: &Frame) -> Self {
        let track = &frame.track;
        Self::Picture { media: frame.media, width: track.width, height: track.height }
    }
}

/// How a session was lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Loss {
    /// Nothing answers at its address.
    Unreachable,
    /// It refuses the credentials.
    Unauthorised,
    /// It is there and gives no pictures.
    Silent(Cause),
}

/// Why a camera that can be reached gives no pictures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cause {
    /// It closed the session.
    Ended,
    /// It takes a connection and answers no request.
    Hung,
    /// Its pictures cannot be decoded from anywhere.
    NoKeyFrame,
    /// It has no video of a known codec.
    NoVideo,
    /// What it sends is not understood.
    Protocol,
    /// It refuses the request: the RTSP or HTTP status.
    Refused(u16),
    /// The session stands, and no picture comes.
    Stalled,
    /// Another program has the device.
    Busy,
    /// The gateway may not open the device.
    Forbidden,
    /// The device is no camera.
    NoCapture,
    /// The device has no pictures of a size that can be used.
    NoSize,
}
