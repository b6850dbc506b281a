//! Cameras: where they are, what they look at, and what nobody may see.

mod events;
mod rule;
mod shape;
mod size;
mod url;

use std::path::PathBuf;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{CameraConfig, Tells};

pub use self::events::Events;
pub use self::rule::CameraRule;
pub(crate) use self::rule::RuleKind;
pub(crate) use self::shape::ShapeKind;
pub use self::shape::{Shape, ShapeError};
pub use self::size::PictureSize;
pub(crate) use self::size::SizeKind;
pub(crate) use self::url::UrlKind;
pub use self::url::{CameraUrl, Scheme};
use crate::kind::Word;
use crate::secret::PasswordSource;
use crate::store::Store;

/// One camera: where it is, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// What its pictures come from.
    pub source: CameraSource,
    /// Where its ONVIF is.
    pub onvif: Option<CameraUrl>,
    /// Who looks for motion and tampering.
    pub events: Events,
    /// How the streams come.
    pub transport: Transport,
    /// The name to log in with.
    pub username: Option<String>,
    /// Where the password is.
    pub password: Option<PasswordSource>,
    /// What is painted over before anything leaves the camera's task.
    pub masks: Vec<Shape>,
    /// It must not record without a mask.
    pub mask_required: bool,
    /// How it is watched.
    pub watch: Watch,
    /// Areas in which motion is looked for, in the order of the rules' areas.
    pub areas: Vec<CameraArea>,
    /// A clip begins so long before what it is of.
    pub pre: Duration,
    /// A clip ends so long after it.
    pub post: Duration,
    /// Its loss must last so long to count.
    pub hold_off: Duration,
    /// Its place in [`Config::camera_switches`](crate::Config::camera_switches).
    pub switch: Option<usize>,
    /// Everything else, with its id.
    pub rules: CameraConfig,
}

impl Camera {
    /// Whether it takes pictures and clips: not one that must have a mask and has none.
    pub const fn records(&self) -> bool {
        !self.masks.is_empty() || !self.mask_required
    }
}

/// What a camera's pictures come from: one of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum CameraSource {
    /// RTSP streams.
    Rtsp {
        /// The one of which clips are made.
        main: CameraUrl,
        /// A smaller one that is watched; `None`: the main one is.
        sub: Option<CameraUrl>,
    },
    /// RTSP streams that the camera names itself by ONVIF.
    Onvif,
    /// Single pictures by HTTP.
    Snapshots {
        /// Where one is, anew for each request.
        url: CameraUrl,
        /// From one to the next.
        every: Duration,
    },
    /// A camera of the box itself, by Video4Linux.
    Device {
        /// Its file.
        path: PathBuf,
        /// The size that is wanted; `None`: what suits.
        size: Option<PictureSize>,
        /// From one picture to the next.
        every: Duration,
    },
    /// A camera on SPI, of `[[chip]]`.
    Chip {
        /// Its place in [`Config::chips`](crate::Config::chips).
        chip: usize,
        /// From one picture to the next.
        every: Duration,
    },
}

/// An area of a camera's picture; when it tells stands in the rules.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CameraArea {
    /// Its id, among those of its camera.
    pub id: Id,
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// Where it is.
    pub shape: Shape,
    /// 1 to 10: how small a change of brightness is enough.
    pub sensitivity: u8,
    /// What is smaller is nothing, in thousandths of the picture.
    pub least_permille: u16,
    /// Motion here counts in no area: a tree, a flag.
    pub ignores: bool,
    /// The camera's own rules that are this area; none: all of them.
    pub rules: Vec<CameraRule>,
}

/// How a stream comes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    /// Within the RTSP connection.
    Tcp,
    /// In packets of its own.
    Udp,
}

impl Word for Transport {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Tcp, "tcp", "within the connection: nothing is lost"),
        (
            Self::Udp,
            "udp",
            "in packets of their own, some of which may be lost: only for small streams",
        ),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("interleaved", "tcp"), ("rtp", "udp"), ("unicast", "udp")];
}

/// How much of a stream is looked at.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Watch {
    /// Key frames, and all frames while something moves.
    Key,
    /// All frames.
    All,
    /// None: only whether pictures come.
    Off,
}

impl Word for Watch {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (
            Self::Key,
            "key-frames",
            "one or two pictures a second or fewer, as often as the camera sends key frames; all \
             of them while something moves",
        ),
        (
            Self::All,
            "all-frames",
            "every picture: motion is seen sooner, for some ten times the work",
        ),
        (Self::Off, "off", "only whether pictures come; neither motion nor tampering"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("key", "key-frames"), ("all", "all-frames"), ("none", "off"), ("no", "off")];
}

impl Word for Tells {
    const WORDS: &'static [(Self, &'static str, &'static str)] = &[
        (Self::Armed, "armed", "while the camera's partition is armed in any mode"),
        (Self::Always, "always", "at any time"),
        (Self::Never, "never", "never by itself"),
    ];
    const ALIASES: &'static [(&'static str, &'static str)] =
        &[("set", "armed"), ("on", "always"), ("off", "never")];
}

/// How pictures and clips are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Evidence {
    /// So long, at most.
    pub keep: Duration,
    /// So many bytes, at most.
    pub max_bytes: u64,
    /// So many bytes of the disk are left to the journal and everything else.
    pub reserve_bytes: u64,
    /// Whom it is sealed for.
    pub recipients: Vec<Recipient>,
    /// Where the key is that it is sealed for as well, and that the box opens it with.
    pub key: Option<PasswordSource>,
    /// The district's store that it is sent to, too.
    pub store: Option<Store>,
}
