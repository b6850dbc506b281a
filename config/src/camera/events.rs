//! Who looks for motion and tampering.

use crate::kind::Word;

/// Who looks for motion and tampering.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Events {
    /// The gateway, in the camera's pictures.
    Own,
    /// The camera.
    Onvif,
    /// Both: what one of them finds counts.
    Both,
}

impl Events {
    /// Whether the gateway looks.
    pub const fn own(self) -> bool {
        matches!(self, Self::Own | Self::Both)
    }

    /// Whether the camera is listened to.
    pub const fn onvif(self) -> bool {
        matches!(self, Self::Onvif | Self::Both)
    }
}

impl Word for Events {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Own, "own", "the gateway, in the camera's pictures"),
        (
            Self::Onvif,
            "onvif",
            "the camera itself: what its `rules` are named for is motion in that area, and all that \
             it finds in each area that names none",
        ),
        (Self::Both, "both", "both of them: what one finds counts, and is over when both say so"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("gateway", "own"), ("camera", "onvif"), ("all", "both")];
}
