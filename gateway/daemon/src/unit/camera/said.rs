//! What a camera's state is to the rules, and to a person.

use gatehouse_camera::health::{Cause, Shortfall, State};
use gatehouse_core::site::CameraLink;

/// The rules' word for a state, and why in a person's; `absent`: what it means that it is not there.
pub(super) fn said(state: State, absent: &str) -> (CameraLink, Option<String>) {
    let cause = |cause: Cause| match cause {
        Cause::Ended => "it closed the connection".to_owned(),
        Cause::Hung => "it takes connections and answers nothing".to_owned(),
        Cause::NoKeyFrame => "no key frame came".to_owned(),
        Cause::NoVideo => "it has no video of a known codec".to_owned(),
        Cause::Protocol => "what it sends is not understood".to_owned(),
        Cause::Refused(status) => {
            format!("it refuses with {status}: is the path right?")
        }
        Cause::Stalled => "no picture comes".to_owned(),
        Cause::Busy => "another program uses it".to_owned(),
        Cause::Forbidden => {
            "the gateway may not open it: is its user in the group video?".to_owned()
        }
        Cause::NoCapture => "it is no camera: it captures no pictures".to_owned(),
        Cause::NoSize => "it has only pictures that are too large for this box".to_owned(),
    };
    match state {
        State::Up => (CameraLink::Up, None),
        State::Degraded(shortfall) => {
            let why = match shortfall {
                Shortfall::Resolution { width, height } => {
                    format!("its pictures have {width}x{height}")
                }
                Shortfall::Unstable => "it is lost again and again".to_owned(),
                Shortfall::Undecodable => "its pictures cannot be decoded".to_owned(),
                Shortfall::FewPictures { per_100_s } => format!("{per_100_s} pictures in 100 s"),
                Shortfall::ClockDrift => "its clock runs fast or slow, or jumps".to_owned(),
            };
            (CameraLink::Degraded, Some(why))
        }
        State::Silent(why) => (CameraLink::Silent, Some(cause(why))),
        State::Unauthorised => {
            (CameraLink::Unauthorised, Some("it refuses user or password".to_owned()))
        }
        State::Unreachable => (CameraLink::Unreachable, Some(absent.to_owned())),
    }
}
