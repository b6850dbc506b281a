//! The camera's profiles, and which of them are taken: the largest for evidence, a small one to watch.

use std::cmp::Reverse;

use roxmltree::Node;

use super::client::{Client, token_element};
use super::soap::{self, Call};
use super::xml;
use super::{OnvifError, place};
use crate::source::Address;

/// How a profile's pictures are coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Encoding {
    /// Played everywhere.
    H264,
    /// Half the size; not every browser plays it.
    H265,
    /// Single pictures.
    Jpeg,
    /// Nothing that is understood here.
    Other,
}

/// One profile with video.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Profile {
    /// The camera's name for it, in calls.
    pub token: String,
    /// Its name for people.
    pub name: String,
    /// Which lens: recorders and cameras of several lenses have more than one.
    pub source: String,
    /// The configuration of that lens, by which masks are asked for.
    pub configuration: Option<String>,
    /// How its pictures are coded.
    pub encoding: Encoding,
    /// Width in pixels.
    pub width: u32,
    /// Height in pixels.
    pub height: u32,
    /// Pictures a second, at most.
    pub rate: Option<u32>,
    /// It is of the newer media service.
    pub media2: bool,
}

/// What is taken of a camera.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Choice<'p> {
    /// Of which clips are made.
    pub main: &'p Profile,
    /// Which is watched; `None`: nothing is smaller.
    pub sub: Option<&'p Profile>,
}

/// The addresses of what was chosen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Streams {
    /// Of which clips are made.
    pub main: Address,
    /// Which is watched; `None`: the main one is.
    pub sub: Option<Address>,
}

/// 640x360: enough to see somebody in, a ninth of the work of 1080p.
const WATCHED: u32 = 640 * 360;

/// No camera's side is longer; more is nonsense whose product would overflow.
const LONGEST_SIDE: u32 = 16_384;

impl Profile {
    const fn pixels(&self) -> u32 {
        self.width * self.height
    }

    fn read(node: Node<'_, '_>, media2: bool) -> Option<Self> {
        let within = if media2 { xml::at(node, &["Configurations"])? } else { node };
        let of = |new, old| xml::at(within, &[if media2 { new } else { old }]);
        let encoder = of("VideoEncoder", "VideoEncoderConfiguration")?;
        let source = of("VideoSource", "VideoSourceConfiguration");
        let number = |path: &[&'static str]| xml::text_at(encoder, path)?.parse::<u32>().ok();
        let side = |name| number(&["Resolution", name]).filter(|n| (1..=LONGEST_SIDE).contains(n));
        let encoding = match xml::text_at(encoder, &["Encoding"])?.to_ascii_uppercase().as_str() {
            "H264" => Encoding::H264,
            "H265" => Encoding::H265,
            "JPEG" => Encoding::Jpeg,
            _ => Encoding::Other,
        };
        Some(Self {
            token: xml::attribute(node, "token")?,
            name: xml::text_at(node, &["Name"]).unwrap_or_default(),
            source: source.and_then(|s| xml::text_at(s, &["SourceToken"])).unwrap_or_default(),
            configuration: source.and_then(|s| xml::attribute(s, "token")),
            encoding,
            width: side("Width")?,
            height: side("Height")?,
            // The newer service has fractions.
            rate: xml::text_at(encoder, &["RateControl", "FrameRateLimit"])
                .and_then(|text| text.split('.').next()?.parse().ok()),
            media2,
        })
    }
}

/// Chooses among profiles of one camera: only of its first lens, and only what can be decoded. `None`:
/// there is none of H.264 or H.265.
pub fn choose(profiles: &[Profile]) -> Option<Choice<'_>> {
    let codec = |profile: &&Profile| matches!(profile.encoding, Encoding::H264 | Encoding::H265);
    let first = profiles.iter().find(codec)?;
    let of_lens = || profiles.iter().filter(codec).filter(|p| p.source == first.source);
    let plays = |profile: &Profile| profile.encoding == Encoding::H264;
    // Among equals what every browser plays, then the smoother one, then the camera's order.
    let main = of_lens().enumerate().max_by_key(|(place, profile)| {
        (profile.pixels(), plays(profile), profile.rate, Reverse(*place))
    });
    let (_, main) = main?;
    let smaller = of_lens().filter(|profile| profile.pixels() < main.pixels());
    let sub = smaller.min_by_key(|profile| {
        // How far from the wanted size, as a ratio in hundredths: twice and half are as far.
        let (least, most) = (profile.pixels().min(WATCHED), profile.pixels().max(WATCHED));
        (u64::from(most) * 100 / u64::from(least.max(1)), !plays(profile))
    });
    Some(Choice { main, sub })
}

impl Client<'_> {
    /// `GetProfiles` of the newer media service, or else of the older. Wants [`Client::services`].
    ///
    /// # Errors
    /// As of any call; [`OnvifError::Missing`] without media.
    pub async fn profiles(&mut self) -> Result<Vec<Profile>, OnvifError> {
        let (media, media2) = self.media();
        let missing = OnvifError::Missing { what: "media service" };
        if let Some(to) = media2 {
            match self.profiles_of(&to, true).await {
                // Some advertise it and do not have it.
                Err(error) if error.is_explicit() && media.is_some() => {}
                // Or have nothing in it.
                Ok(profiles) if profiles.is_empty() && media.is_some() => {}
                other => return other,
            }
        }
        self.profiles_of(&media.ok_or(missing)?, false).await
    }

    async fn profiles_of(&mut self, to: &Address, new: bool) -> Result<Vec<Profile>, OnvifError> {
        const NAME: &str = "GetProfiles";
        // More than a recorder of 64 channels has.
        const MOST: usize = 256;
        let (action, body) = if new {
            let body = "<tr2:GetProfiles><tr2:Type>All</tr2:Type></tr2:GetProfiles>";
            ("http://www.onvif.org/ver20/media/wsdl/GetProfiles", body)
        } else {
            ("http://www.onvif.org/ver10/media/wsdl/GetProfiles", "<trt:GetProfiles/>")
        };
        let call = Call { name: NAME, action, body, of: None };
        let body = self.call(to, call, self.settings().answer).await?;
        soap::answer(NAME, "GetProfilesResponse", &body, |answer| {
            let profiles = xml::children(answer, "Profiles");
            Ok(profiles.filter_map(|node| Profile::read(node, new)).take(MOST).collect())
        })
    }

    /// `GetStreamUri` by RTSP.
    ///
    /// # Errors
    /// As of any call.
    pub async fn stream_uri(&mut self, profile: &Profile) -> Result<Address, OnvifError> {
        const NAME: &str = "GetStreamUri";
        let body = if profile.media2 {
            let token = token_element("tr2", &profile.token);
            format!("<tr2:GetStreamUri><tr2:Protocol>RTSP</tr2:Protocol>{token}</tr2:GetStreamUri>")
        } else {
            let token = token_element("trt", &profile.token);
            format!(
                "<trt:GetStreamUri><trt:StreamSetup><tt:Stream>RTP-Unicast</tt:Stream><tt:Transport><tt:Protocol>RTSP</tt:Protocol></tt:Transport></trt:StreamSetup>{token}</trt:GetStreamUri>"
            )
        };
        let said = self.uri(profile, NAME, "GetStreamUriResponse", &body).await?;
        let uri = place::rtsp(&said, &self.settings().address);
        uri.ok_or(OnvifError::Missing { what: "RTSP address of a profile" })
    }

    /// `GetSnapshotUri`.
    ///
    /// # Errors
    /// As of any call.
    pub async fn snapshot_uri(&mut self, profile: &Profile) -> Result<Address, OnvifError> {
        const NAME: &str = "GetSnapshotUri";
        let prefix = if profile.media2 { "tr2" } else { "trt" };
        let token = token_element(prefix, &profile.token);
        let body = format!("<{prefix}:{NAME}>{token}</{prefix}:{NAME}>");
        let said = self.uri(profile, NAME, "GetSnapshotUriResponse", &body).await?;
        let uri = place::http(&said, &self.settings().address);
        uri.ok_or(OnvifError::Missing { what: "HTTP address of a profile's snapshots" })
    }

    async fn uri(
        &mut self,
        profile: &Profile,
        name: &'static str,
        expected: &'static str,
        body: &str,
    ) -> Result<String, OnvifError> {
        let (media, media2) = self.media();
        let (to, service) =
            if profile.media2 { (media2, "ver20/media") } else { (media, "ver10/media") };
        let to = to.ok_or(OnvifError::Missing { what: "media service" })?;
        let action = format!("http://www.onvif.org/{service}/wsdl/{name}");
        let call = Call { name, action: &action, body, of: None };
        let body = self.call(&to, call, self.settings().answer).await?;
        soap::answer(name, expected, &body, |answer| {
            let said = xml::find(answer, "Uri").and_then(xml::text);
            said.ok_or(OnvifError::Missing { what: "address of a profile" })
        })
    }

    /// The addresses of the streams that are chosen by [`choose`], from a camera of which nothing is
    /// known yet.
    ///
    /// # Errors
    /// As of any call; [`OnvifError::Missing`] without a usable profile.
    pub async fn streams(&mut self) -> Result<Streams, OnvifError> {
        self.try_clock().await?;
        self.services().await?;
        let profiles = self.profiles().await?;
        let missing = OnvifError::Missing { what: "profile of H.264 or H.265" };
        let Choice { main, sub } = choose(&profiles).ok_or(missing)?;
        let main = self.stream_uri(main).await?;
        let sub = match sub {
            Some(profile) => Some(self.stream_uri(profile).await?),
            None => None,
        };
        // Some give the same address for all their profiles.
        let sub = sub.filter(|sub| *sub != main);
        Ok(Streams { main, sub })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile(token: &str, encoding: Encoding, width: u32, height: u32) -> Profile {
        let (source, media2) = ("lens".to_owned(), false);
        let (token, name, rate) = (token.to_owned(), String::new(), Some(15));
        let configuration = None;
        Profile { token, name, source, configuration, encoding, width, height, rate, media2 }
    }

    fn chosen(profiles: &[Profile]) -> (Option<&str>, Option<&str>) {
        let choice = choose(profiles);
        let main = choice.as_ref().map(|choice| choice.main.token.as_str());
        (main, choice.and_then(|choice| choice.sub).map(|sub| sub.token.as_str()))
    }

    #[test]
    fn the_largest_is_evidence_and_the_one_nearest_to_640x360_is_watched() {
        use Encoding::{H264, H265, Jpeg};
        let profiles = [
            profile("third", H264, 1280, 720),
            profile("sub", H264, 704, 480),
            profile("tiny", H264, 176, 144),
            profile("photo", Jpeg, 4000, 3000),
            profile("main", H265, 2560, 1440),
        ];
        assert_eq!(chosen(&profiles), (Some("main"), Some("sub")));
        assert_eq!(chosen(&profiles[..1]), (Some("third"), None), "nothing is smaller");
        assert_eq!(chosen(&profiles[3..4]), (None, None), "single pictures are no stream");
    }

    #[test]
    fn among_equals_is_what_browsers_play_and_another_lens_is_not_mixed_in() {
        use Encoding::{H264, H265};
        let other = Profile { source: "thermal".into(), ..profile("hot", H264, 3840, 2160) };
        let profiles = [
            profile("a", H265, 1920, 1080),
            profile("b", H264, 1920, 1080),
            profile("c", H265, 640, 360),
            profile("d", H264, 640, 360),
            other,
        ];
        assert_eq!(chosen(&profiles), (Some("b"), Some("d")));
    }
}
