//! The masks that a camera itself paints into its streams (ONVIF Media 2 Service Specification, 5.10), told
//! as what it says and no more.
//!
//! # Limits
//!
//! - It is the camera's word, at the moment it was asked: whoever may configure the camera can switch its
//!   masks off, and nobody would see that here. So nothing is allowed because of them; the gateway paints
//!   its own.
//! - How much they cover is a sum: where two overlap it counts twice.

use std::fmt;

use roxmltree::Node;

use super::OnvifError;
use super::client::Client;
use super::profiles::choose;
use super::soap::{self, Call};
use super::xml;
use crate::source::Address;

/// More masks than any camera has.
const MOST: usize = 64;

/// As for our own: more corners are nonsense.
const MOST_POINTS: usize = 64;

/// What a camera says of its own masks, of the picture that is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct OwnMasks {
    /// Masks that are on and hide a part of the picture behind a colour.
    pub hiding: usize,
    /// Masks that are on and make it coarse or blurred, or what the camera has a word of its own for: it may
    /// still be guessed.
    pub blurring: usize,
    /// Masks that are there and off.
    pub off: usize,
    /// Masks of which it does not say where they are.
    pub nowhere: usize,
    /// How much of the picture those that are on cover, in thousandths.
    pub permille: u16,
    /// How many it can have; `None`: it does not say.
    pub most: Option<u32>,
    /// Only upright rectangles.
    pub rectangles: bool,
}

impl fmt::Display for OwnMasks {
    /// For a person: `it masks 2 places itself, 12 % of its picture; 1 mask is off`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { hiding, blurring, off, nowhere, permille, .. } = *self;
        if hiding + blurring == 0 {
            f.write_str("it masks nothing itself")?;
        } else {
            let count = hiding + blurring;
            let places = if count == 1 { "place" } else { "places" };
            write!(f, "it masks {count} {places} itself, ")?;
            match (permille + 5) / 10 {
                0 => f.write_str("less than 1 % of its picture")?,
                percent => write!(f, "{percent} % of its picture")?,
            }
        }
        if blurring > 0 {
            write!(f, "; {blurring} of them only blurred or coarse")?;
        }
        if off > 0 {
            write!(f, "; off: {off}")?;
        }
        if nowhere > 0 {
            write!(f, "; it does not say where: {nowhere}")?;
        }
        Ok(())
    }
}

/// How many of which kind a camera can have.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Options {
    most: Option<u32>,
    rectangles: bool,
}

impl Client<'_> {
    /// What the camera says of its masks over the picture that is chosen by [`choose`]; a camera of which
    /// nothing is known yet. `None`: it does not announce masks.
    ///
    /// # Errors
    /// As of any call; [`OnvifError::Missing`] without a usable profile.
    pub async fn own_masks(&mut self) -> Result<Option<OwnMasks>, OnvifError> {
        self.try_clock().await?;
        self.services().await?;
        let (_, Some(to)) = self.media() else { return Ok(None) };
        if !self.announces_masks(&to).await? {
            return Ok(None);
        }
        let profiles = self.profiles().await?;
        let missing = OnvifError::Missing { what: "profile of H.264 or H.265" };
        let of = choose(&profiles).ok_or(missing)?.main.configuration.clone();
        let mut masks = self.masks(&to, of.as_deref()).await?;
        // What it could have matters less than what it has.
        let options = match &of {
            Some(of) => self.mask_options(&to, of).await.unwrap_or_default(),
            None => Options::default(),
        };
        (masks.most, masks.rectangles) = (options.most, options.rectangles);
        Ok(Some(masks))
    }

    /// `GetServiceCapabilities` of the newer media service: its attribute `Mask`.
    async fn announces_masks(&mut self, to: &Address) -> Result<bool, OnvifError> {
        const NAME: &str = "GetServiceCapabilities";
        let body = match self.call_media2(to, NAME, "<tr2:GetServiceCapabilities/>").await {
            Err(error) if error.is_explicit() => return Ok(false),
            other => other?,
        };
        soap::answer(NAME, "GetServiceCapabilitiesResponse", &body, |answer| {
            let announced = xml::at(answer, &["Capabilities"]);
            let announced = announced.and_then(|node| xml::attribute(node, "Mask"));
            Ok(announced.is_some_and(|said| is_true(&said)))
        })
    }

    /// `GetMasks`, of one configuration of a video source; `None`: of all.
    async fn masks(&mut self, to: &Address, of: Option<&str>) -> Result<OwnMasks, OnvifError> {
        const NAME: &str = "GetMasks";
        let asked = of.map(configuration).unwrap_or_default();
        let body = format!("<tr2:GetMasks>{asked}</tr2:GetMasks>");
        let body = self.call_media2(to, NAME, &body).await?;
        soap::answer(NAME, "GetMasksResponse", &body, |answer| Ok(OwnMasks::read(answer, of)))
    }

    /// `GetMaskOptions`.
    async fn mask_options(&mut self, to: &Address, of: &str) -> Result<Options, OnvifError> {
        const NAME: &str = "GetMaskOptions";
        let body = format!("<tr2:GetMaskOptions>{}</tr2:GetMaskOptions>", configuration(of));
        let body = self.call_media2(to, NAME, &body).await?;
        soap::answer(NAME, "GetMaskOptionsResponse", &body, |answer| {
            let options = xml::at(answer, &["Options"]);
            let most = options.and_then(|node| xml::text_at(node, &["MaxMasks"])?.parse().ok());
            let only = options.and_then(|node| xml::attribute(node, "RectangleOnly"));
            Ok(Options { most, rectangles: only.is_some_and(|said| is_true(&said)) })
        })
    }

    async fn call_media2(
        &mut self,
        to: &Address,
        name: &'static str,
        body: &str,
    ) -> Result<bytes::Bytes, OnvifError> {
        let action = format!("http://www.onvif.org/ver20/media/wsdl/{name}");
        let call = Call { name, action: &action, body, of: None };
        self.call(to, call, self.settings().answer).await
    }
}

impl OwnMasks {
    /// The masks in an answer that are of a configuration: some give all, whatever was asked.
    fn read(answer: Node<'_, '_>, of: Option<&str>) -> Self {
        let mut all = Self::default();
        let mut covered = 0.0;
        for mask in xml::children(answer, "Masks").take(MOST) {
            let whose = xml::text_at(mask, &["ConfigurationToken"]);
            if let (Some(of), Some(whose)) = (of, whose)
                && of != whose
            {
                continue;
            }
            // What does not say that it is on is not counted as that.
            if !xml::text_at(mask, &["Enabled"]).is_some_and(|said| is_true(&said)) {
                all.off += 1;
                continue;
            }
            let Some(area) = xml::at(mask, &["Polygon"]).and_then(area) else {
                all.nowhere += 1;
                continue;
            };
            covered += area;
            match xml::text_at(mask, &["Type"]).as_deref() {
                Some("Color") => all.hiding += 1,
                _ => all.blurring += 1,
            }
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "between 0 and 1000"
        )]
        let permille = (covered.min(1.0) * 1000.0).round() as u16;
        Self { permille, ..all }
    }
}

/// The part of the picture in a polygon, whose corners go from -1 to 1 in both directions (ONVIF's
/// normalised coordinates); `None`: it is none.
fn area(polygon: Node<'_, '_>) -> Option<f64> {
    let number = |node: Node<'_, '_>, name| xml::attribute(node, name)?.parse::<f64>().ok();
    let mut points = Vec::new();
    for point in xml::children(polygon, "Point") {
        let (x, y) = (number(point, "x")?, number(point, "y")?);
        if points.len() == MOST_POINTS || !(-1.0..=1.0).contains(&x) || !(-1.0..=1.0).contains(&y) {
            return None;
        }
        points.push((x, y));
    }
    let next = points.iter().cycle().skip(1);
    let twice: f64 = points.iter().zip(next).map(|((ax, ay), (bx, by))| ax * by - bx * ay).sum();
    // The whole picture is 2 by 2.
    let part = twice.abs() / 2.0 / 4.0;
    (points.len() >= 3 && part > 0.0).then_some(part)
}

/// `xs:boolean`.
fn is_true(said: &str) -> bool {
    matches!(said, "true" | "1")
}

fn configuration(token: &str) -> String {
    format!("<tr2:ConfigurationToken>{}</tr2:ConfigurationToken>", xml::escape(token))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const ANSWER: &str = include_str!("../../tests/captures/onvif/masks.xml");

    fn read(answer: &[u8], of: Option<&str>) -> Result<OwnMasks, OnvifError> {
        soap::answer("GetMasks", "GetMasksResponse", answer, |answer| {
            Ok(OwnMasks::read(answer, of))
        })
    }

    #[test]
    fn what_is_on_and_where_is_told_apart_from_what_is_not() {
        let one = read(ANSWER.as_bytes(), Some("VideoSourceConfig_1")).unwrap();
        let (most, rectangles) = (None, false);
        // A quarter of the picture, and a triangle of 1/32.
        let (hiding, blurring, permille) = (1, 1, 281);
        let (off, nowhere) = (1, 1);
        assert_eq!(one, OwnMasks { hiding, blurring, off, nowhere, permille, most, rectangles });
        let all = read(ANSWER.as_bytes(), None).unwrap();
        assert_eq!((all.hiding, all.permille), (2, 1000), "another lens is covered whole");
        let none = read(ANSWER.as_bytes(), Some("VideoSourceConfig_9")).unwrap();
        assert_eq!(none, OwnMasks::default());
    }

    #[test]
    fn a_polygon_that_is_none_hides_nothing() {
        let of = |points: &str| {
            let text = ANSWER.split("<tt:Point").next().unwrap().to_owned()
                + points
                + "</tr2:Polygon><tr2:Type>Color</tr2:Type><tr2:Enabled>1</tr2:Enabled></tr2:Masks>\
                   </tr2:GetMasksResponse></s:Body></s:Envelope>";
            read(text.as_bytes(), None).unwrap()
        };
        let point = |x: &str, y: &str| format!("<tt:Point x=\"{x}\" y=\"{y}\"/>");
        let half = [point("-1", "-1"), point("1", "-1"), point("1", "1")].concat();
        assert_eq!((of(&half).hiding, of(&half).permille), (1, 500));
        for wrong in [
            String::new(),
            [point("-1", "-1"), point("1", "1")].concat(),
            [point("0", "0"), point("0.1", "0.1"), point("0.2", "0.2")].concat(),
            half.replace("\"1\"", "\"1.01\""),
            half.replace("\"1\"", "\"NaN\""),
            half.replace("\"1\"", "\"left\""),
            half.repeat(30),
        ] {
            assert_eq!((of(&wrong).hiding, of(&wrong).nowhere), (0, 1), "{wrong}");
        }
    }

    #[test]
    fn it_is_said_to_people_without_more_trust_than_it_is_worth() {
        let none = OwnMasks::default();
        let two = OwnMasks { hiding: 1, blurring: 1, permille: 281, ..none };
        for (masks, said) in [
            (none, "it masks nothing itself"),
            (OwnMasks { off: 2, ..none }, "it masks nothing itself; off: 2"),
            (
                OwnMasks { hiding: 1, permille: 4, ..none },
                "it masks 1 place itself, less than 1 % of its picture",
            ),
            (
                OwnMasks { nowhere: 1, ..two },
                "it masks 2 places itself, 28 % of its picture; 1 of them only blurred or coarse; \
                 it does not say where: 1",
            ),
        ] {
            assert_eq!(masks.to_string(), said);
        }
    }

    proptest! {
        #[test]
        fn no_answer_makes_it_panic_or_cover_more_than_everything(
            at in 0usize..4000,
            with in any::<[u8; 4]>(),
        ) {
            let mut answer = ANSWER.as_bytes().to_vec();
            let at = at % answer.len();
            answer.splice(at..(at + 4).min(ANSWER.len()), with);
            if let Ok(masks) = read(&answer, None) {
                prop_assert!(masks.permille <= 1000);
            }
        }
    }
}
