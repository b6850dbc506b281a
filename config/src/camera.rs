//! Cameras: where they are, what they look at, and what nobody may see.

use std::fmt;
use std::time::Duration;

use gatehouse_core::id::Id;
use gatehouse_core::sealed::Recipient;
use gatehouse_core::site::{CameraConfig, Tells};
use serde_json::{Value, json};
use toml::de::DeValue;

use crate::kind::{Kind, Word, Wrong, text};
use crate::onvif::{CameraRule, Events, OnvifUrl};
use crate::secret::PasswordSource;

/// The most corners of a shape.
const MAX_CORNERS: usize = 64;

/// Twice the smallest area: two pixels of 1080p. Less is a slip of the hand.
const LEAST_AREA: i64 = 200;

/// Parts of a side of the picture, in which corners are given.
const WHOLE: u16 = 10_000;

/// One camera: where it is, and what the rules are told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Camera {
    /// Its name for people, in any script. It stays on the box.
    pub name: Option<String>,
    /// The stream of which clips are made; `None`: the camera names its streams itself by ONVIF.
    pub main: Option<StreamUrl>,
    /// A smaller stream that is watched; `None`: the main one is.
    pub sub: Option<StreamUrl>,
    /// Where its ONVIF is.
    pub onvif: Option<OnvifUrl>,
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

/// Where a stream is; shows itself as in the file, which has neither user nor password.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct StreamUrl {
    /// Host name or IP address.
    pub host: String,
    /// The port.
    pub port: u16,
    /// Path and query, from the first `/`.
    pub path: String,
}

/// RFC 2326, section 3.2.
const RTSP_PORT: u16 = 554;

impl fmt::Display for StreamUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let host = &self.host;
        if host.contains(':') { write!(f, "rtsp://[{host}]") } else { write!(f, "rtsp://{host}") }?;
        if self.port != RTSP_PORT {
            write!(f, ":{}", self.port)?;
        }
        f.write_str(&self.path)
    }
}

impl StreamUrl {
    /// Without what stands behind a `?`: some makes put passwords there.
    pub fn shown(&self) -> String {
        let text = self.to_string();
        text.split_once('?').map_or(text.clone(), |(before, _)| before.to_owned())
    }

    fn parse(given: &str) -> Result<Self, Wrong> {
        let Some(rest) = given.strip_prefix("rtsp://") else {
            return Err(match given.split_once("://") {
                Some(("rtsps", _)) => Wrong::hint("streams over TLS are not supported"),
                Some(("http" | "https", _)) => {
                    Wrong::hint("the camera's page is not its stream; look for its RTSP address")
                }
                // It may hold a password.
                _ if given.contains(['@', '?']) => Wrong::default(),
                _ => Wrong::hint(format!("write \"rtsp://{given}\"")),
            });
        };
        let (host, port, path) = place(rest, RTSP_PORT)?;
        Ok(Self { host, port, path })
    }
}

/// Host, port and path, without user and password.
pub(crate) fn place(rest: &str, standard: u16) -> Result<(String, u16, String), Wrong> {
    let (place, path) = rest.find('/').map_or((rest, "/"), |at| rest.split_at(at));
    if place.contains('@') {
        return Err(Wrong {
            hint: Some("put the user into `username`, the password into a file".into()),
            confidential: true,
        });
    }
    let (host, port) = match place.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
        Some((host, port)) => (host, port.strip_prefix(':')),
        None => place.split_once(':').map_or((place, None), |(host, port)| (host, Some(port))),
    };
    let port = port.map_or(Ok(standard), str::parse);
    let good = |c: char| c.is_ascii_graphic();
    let host_good = !host.is_empty()
        && host.len() <= 253
        && host.bytes().all(|b| b.is_ascii_alphanumeric() || b".-:_".contains(&b));
    match port {
        Ok(port) if port > 0 && host_good && path.len() <= 512 && path.chars().all(good) => {
            Ok((host.to_owned(), port, path.to_owned()))
        }
        _ => Err(Wrong::default()),
    }
}

/// [`StreamUrl`] as a value of a key.
pub(crate) struct StreamKind;

impl Kind for StreamKind {
    type Out = StreamUrl;

    fn allowed(&self) -> String {
        "an address as \"rtsp://10.0.0.7/stream1\", without user and password".into()
    }

    fn schema(&self) -> Value {
        json!({ "type": "string", "pattern": "^rtsp://[^@]+$" })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<StreamUrl, Wrong> {
        StreamUrl::parse(text(name, value)?)
    }

    // A wrong one may hold a password.
    fn confidential(&self) -> bool {
        true
    }
}

/// A polygon in a picture, whatever the picture's size. Shows itself as in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Shape(Vec<(u16, u16)>);

impl Shape {
    /// Its corners: parts of the picture's width from the left and of its height from the top, each
    /// 0 to 1.
    pub fn corners(&self) -> impl Iterator<Item = (f32, f32)> {
        let part = |n: u16| f32::from(n) / f32::from(WHOLE);
        self.0.iter().map(move |(x, y)| (part(*x), part(*y)))
    }

    fn parse(given: &str) -> Option<Self> {
        let corner = |text: &str| {
            let (x, y) = text.split_once(',')?;
            Some((part(x)?, part(y)?))
        };
        let corners: Vec<_> = given.split_ascii_whitespace().map(corner).collect::<Option<_>>()?;
        let shape = Self(corners);
        let good = (3..=MAX_CORNERS).contains(&shape.0.len())
            && shape.twice_area().abs() >= LEAST_AREA
            && !shape.crosses_itself();
        good.then_some(shape)
    }

    /// Whether two of its sides meet elsewhere than in a corner that they share: inside and outside
    /// were not clear.
    fn crosses_itself(&self) -> bool {
        let next = self.0.iter().cycle().skip(1);
        let sides: Vec<_> = self.0.iter().copied().zip(next.copied()).collect();
        let neighbours = |a: usize, b: usize| b == a + 1 || (a == 0 && b + 1 == sides.len());
        let pairs = (0..sides.len()).flat_map(|a| (a + 1..sides.len()).map(move |b| (a, b)));
        { pairs }.filter(|(a, b)| !neighbours(*a, *b)).any(|(a, b)| meet(sides[a], sides[b]))
    }

    /// By the shoelace formula; signed.
    fn twice_area(&self) -> i64 {
        let next = self.0.iter().cycle().skip(1);
        let term = |((x, y), (u, v)): (&(u16, u16), &(u16, u16))| {
            i64::from(*x) * i64::from(*v) - i64::from(*u) * i64::from(*y)
        };
        self.0.iter().zip(next).map(term).sum()
    }
}

type Corner = (u16, u16);

/// On which side of a line a corner is; 0: on it.
fn side((a, b): (Corner, Corner), c: Corner) -> i64 {
    let [ax, ay, bx, by, cx, cy] = [a.0, a.1, b.0, b.1, c.0, c.1].map(i64::from);
    ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax)).signum()
}

fn meet(one: (Corner, Corner), other: (Corner, Corner)) -> bool {
    let apart = |line, (a, b): (Corner, Corner)| side(line, a) * side(line, b);
    let (this, that) = (apart(one, other), apart(other, one));
    if this == 0 && that == 0 {
        // On one line, or at a corner: they meet where their boxes do.
        let span = |a: u16, b: u16| (a.min(b), a.max(b));
        let both = |(a, b): (u16, u16), (c, d): (u16, u16)| a <= d && c <= b;
        return both(span(one.0.0, one.1.0), span(other.0.0, other.1.0))
            && both(span(one.0.1, one.1.1), span(other.0.1, other.1.1));
    }
    this <= 0 && that <= 0
}

/// `0.25` in parts of [`WHOLE`].
fn part(text: &str) -> Option<u16> {
    let digits = |text: &str| text.bytes().all(|b| b.is_ascii_digit());
    let (whole, behind) = text.split_once('.').unwrap_or((text, "0"));
    if behind.is_empty() || behind.len() > 4 || !digits(whole) || !digits(behind) {
        return None;
    }
    let behind: u16 = format!("{behind:0<4}").parse().ok()?;
    let all = whole.parse::<u16>().ok().filter(|n| *n <= 1)? * WHOLE + behind;
    (all <= WHOLE).then_some(all)
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (place, (x, y)) in self.corners().enumerate() {
            let space = if place == 0 { "" } else { " " };
            write!(f, "{space}{x},{y}")?;
        }
        Ok(())
    }
}

/// [`Shape`] as a value of a key.
pub(crate) struct ShapeKind;

impl Kind for ShapeKind {
    type Out = Shape;

    fn allowed(&self) -> String {
        "the outline of a shape, 3 to 64 corners as \"0.1,0.2 0.4,0.2 0.4,0.6\": parts of the width and of the height, 0 to 1"
            .into()
    }

    fn schema(&self) -> Value {
        let corner = r"[01](\.\d{1,4})?,[01](\.\d{1,4})?";
        json!({ "type": "string", "pattern": format!("^{corner}( {corner}){{2,63}}$") })
    }

    fn read(&self, name: &str, value: &DeValue<'_>) -> Result<Shape, Wrong> {
        let given = text(name, value)?;
        Shape::parse(given).ok_or_else(|| {
            let numbers = given.split(|c: char| c == ',' || c.is_whitespace());
            let large = numbers.filter_map(|n| n.parse::<f64>().ok()).any(|n| n > 1.0);
            if large {
                Wrong::hint("divide by the picture's width and height: every number is 0 to 1")
            } else {
                Wrong::default()
            }
        })
    }
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stream_is_read_with_its_port_and_shown_without_its_query() {
        let url = StreamUrl::parse("rtsp://cam.local:8554/h264?user=a&pw=b").unwrap();
        assert_eq!((url.host.as_str(), url.port), ("cam.local", 8554));
        assert_eq!(url.shown(), "rtsp://cam.local:8554/h264");
        let url = StreamUrl::parse("rtsp://[fd00::7]/1").unwrap();
        assert_eq!(
            (url.host.as_str(), url.to_string().as_str()),
            ("fd00::7", "rtsp://[fd00::7]/1")
        );
        for wrong in
            ["rtsp://a:b@10.0.0.7/", "http://10.0.0.7", "rtsp://", "rtsp://h:0/", "rtsp://h/ä"]
        {
            assert!(StreamUrl::parse(wrong).is_err(), "{wrong}");
        }
        assert!(StreamUrl::parse("rtsp://a:b@10.0.0.7/").unwrap_err().confidential);
    }

    #[test]
    fn a_shape_is_a_polygon_within_the_picture() {
        let shape = Shape::parse("0,0 1,0 0.5,0.3333").unwrap();
        assert_eq!(shape.to_string(), "0,0 1,0 0.5,0.3333");
        for wrong in [
            "0,0 1,1 1,0 0,1",
            "0,0 1,0 0.5,0 0.5,1",
            "",
            "0,0 1,1",
            "0,0 0.5,0.5 1,1",
            "0,0 1.1,0 1,1",
            "0,0 1,0 1,x",
            "-1,0 1,0 1,1",
        ] {
            assert!(Shape::parse(wrong).is_none(), "{wrong}");
        }
    }
}
