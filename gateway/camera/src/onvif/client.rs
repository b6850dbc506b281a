//! The calls.

use std::time::Duration;

use bytes::Bytes;
use gatehouse_core::time::UtcMs;
use http_auth::PasswordClient;
use jiff::civil::DateTime;
use roxmltree::Node;

use super::error::{FaultKind, OnvifError};
use super::events::message::Message;
use super::http::{Answer, Post, post};
use super::soap::{self, Call};
use super::subscription::{Granted, Subscription};
use super::time::{self, CameraClock};
use super::xml::{self, escape};
use super::{OnvifSettings, place};
use crate::source::{Address, Clock};

/// A reading of the camera's clock that is older may be why a token was refused: the camera has set
/// its clock since.
const FRESH: Duration = Duration::from_secs(5);

/// What the camera says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Information {
    /// Its make, by which its quirks are known.
    pub manufacturer: String,
    /// Its model.
    pub model: String,
    /// The version of what runs on it.
    pub firmware: String,
}

/// Where its services are.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Services {
    /// Profiles of H.264 and JPEG.
    pub media: Option<Address>,
    /// The same with H.265, on newer cameras.
    pub media2: Option<Address>,
    /// Events.
    pub events: Option<Address>,
}

/// What a pull brought.
#[derive(Clone, Debug)]
pub struct Pulled {
    /// In the order of the camera.
    pub messages: Vec<Message>,
    /// What is left of the subscription's life, if the camera says so.
    pub left: Option<Duration>,
}

/// How the next call authenticates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Way {
    /// By WS-UsernameToken.
    Token,
    /// By HTTP Digest.
    Digest,
    /// By both: a camera that asks for the one and then for the other.
    Both,
}

/// Speaks with one camera.
pub struct Client<'c> {
    settings: OnvifSettings,
    clock: &'c dyn Clock,
    shown: Option<CameraClock>,
    services: Services,
    way: Way,
    digest: Option<PasswordClient>,
}

impl<'c> Client<'c> {
    /// Nothing is asked yet.
    pub fn new(settings: OnvifSettings, clock: &'c dyn Clock) -> Self {
        let (shown, services, digest) = (None, Services::default(), None);
        Self { settings, clock, shown, services, way: Way::Token, digest }
    }

    /// `GetSystemDateAndTime`, without credentials: the clock that tokens are made by. Where even that
    /// is refused, the date of the refusal is taken.
    ///
    /// # Errors
    /// As of any call. Without it the camera can only be asked with Digest.
    pub async fn read_clock(&mut self) -> Result<CameraClock, OnvifError> {
        const NAME: &str = "GetSystemDateAndTime";
        let (to, limit) = (self.settings.address.clone(), self.settings.answer);
        let call = device(NAME, "<tds:GetSystemDateAndTime/>");
        let answer = self.exchange(&to, &call, limit, false, None).await?;
        let utc = match (Self::good(&call, answer.status, answer.body), answer.date) {
            (Err(error), Some(date)) if error.is_explicit() => date,
            (body, _) => soap::answer(NAME, "GetSystemDateAndTimeResponse", &body?, |answer| {
                let missing = || OnvifError::Protocol { detail: "a clock without date".to_owned() };
                xml::find(answer, "UTCDateTime").and_then(date).ok_or_else(missing)
            })?,
        };
        let shown = CameraClock { utc, at: self.clock.mono() };
        self.shown = Some(shown);
        Ok(shown)
    }

    /// `GetDeviceInformation`.
    ///
    /// # Errors
    /// As of any call.
    pub async fn information(&mut self) -> Result<Information, OnvifError> {
        const NAME: &str = "GetDeviceInformation";
        let body = self.call_device(device(NAME, "<tds:GetDeviceInformation/>")).await?;
        soap::answer(NAME, "GetDeviceInformationResponse", &body, |answer| {
            let of = |name| xml::text_at(answer, &[name]).unwrap_or_default();
            Ok(Information {
                manufacturer: of("Manufacturer"),
                model: of("Model"),
                firmware: of("FirmwareVersion"),
            })
        })
    }

    /// `GetServices`, or `GetCapabilities` of cameras that do not have it.
    ///
    /// # Errors
    /// As of any call.
    pub async fn services(&mut self) -> Result<&Services, OnvifError> {
        self.services = match self.newer_services().await {
            Err(error) if error.is_explicit() => self.capabilities().await?,
            other => other?,
        };
        Ok(&self.services)
    }

    async fn newer_services(&mut self) -> Result<Services, OnvifError> {
        const NAME: &str = "GetServices";
        let body = "<tds:GetServices><tds:IncludeCapability>false</tds:IncludeCapability></tds:GetServices>";
        let body = self.call_device(device(NAME, body)).await?;
        let dialled = &self.settings.address;
        soap::answer(NAME, "GetServicesResponse", &body, |answer| {
            let of = |namespace: &str| {
                let named = |service: &Node<'_, '_>| {
                    xml::text_at(*service, &["Namespace"]).is_some_and(|text| text == namespace)
                };
                let service = xml::children(answer, "Service").find(named)?;
                place::http(&xml::text_at(service, &["XAddr"])?, dialled)
            };
            Ok(Services {
                media: of("http://www.onvif.org/ver10/media/wsdl"),
                media2: of("http://www.onvif.org/ver20/media/wsdl"),
                events: of("http://www.onvif.org/ver10/events/wsdl"),
            })
        })
    }

    async fn capabilities(&mut self) -> Result<Services, OnvifError> {
        const NAME: &str = "GetCapabilities";
        let body = "<tds:GetCapabilities><tds:Category>All</tds:Category></tds:GetCapabilities>";
        let body = self.call_device(device(NAME, body)).await?;
        let dialled = &self.settings.address;
        soap::answer(NAME, "GetCapabilitiesResponse", &body, |answer| {
            let of = |name| {
                place::http(&xml::text_at(answer, &["Capabilities", name, "XAddr"])?, dialled)
            };
            Ok(Services { media: of("Media"), media2: None, events: of("Events") })
        })
    }

    /// `GetEventProperties`: the topics that it has, each as path.
    ///
    /// # Errors
    /// As of any call; [`OnvifError::Missing`] without events.
    pub async fn event_properties(&mut self) -> Result<Vec<String>, OnvifError> {
        const NAME: &str = "GetEventProperties";
        const ACTION: &str =
            "http://www.onvif.org/ver10/events/wsdl/EventPortType/GetEventPropertiesRequest";
        let to = self.events()?;
        let body = "<tev:GetEventProperties/>";
        let call = Call { name: NAME, action: ACTION, body, of: None };
        let body = self.call(&to, call, self.settings.answer).await?;
        soap::answer(NAME, "GetEventPropertiesResponse", &body, |answer| {
            Ok(xml::find(answer, "TopicSet").map(topics).unwrap_or_default())
        })
    }

    /// `CreatePullPointSubscription` of all topics.
    ///
    /// # Errors
    /// As of any call; [`OnvifError::Missing`] without events.
    pub async fn subscribe(&mut self, lives: Duration) -> Result<Subscription, OnvifError> {
        const NAME: &str = "CreatePullPointSubscription";
        const ACTION: &str = "http://www.onvif.org/ver10/events/wsdl/EventPortType/CreatePullPointSubscriptionRequest";
        let to = self.events()?;
        let body = format!(
            "<tev:CreatePullPointSubscription><tev:InitialTerminationTime>{}</tev:InitialTerminationTime></tev:CreatePullPointSubscription>",
            time::seconds(lives)
        );
        let call = Call { name: NAME, action: ACTION, body: &body, of: None };
        let body = self.call(&to, call, self.settings.answer).await?;
        let (dialled, now) = (&self.settings.address, self.clock.mono());
        soap::answer(NAME, "CreatePullPointSubscriptionResponse", &body, |answer| {
            Subscription::read(answer, dialled, lives, now)
        })
    }

    /// `PullMessages`: the camera answers when there are some, or after `wait`.
    ///
    /// # Errors
    /// As of any call.
    pub async fn pull(
        &mut self,
        of: &Subscription,
        wait: Duration,
        most: u32,
    ) -> Result<Pulled, OnvifError> {
        const NAME: &str = "PullMessages";
        const ACTION: &str =
            "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/PullMessagesRequest";
        let body = format!(
            "<tev:PullMessages><tev:Timeout>{}</tev:Timeout><tev:MessageLimit>{most}</tev:MessageLimit></tev:PullMessages>",
            time::seconds(wait)
        );
        let call = Call { name: NAME, action: ACTION, body: &body, of: Some(of) };
        let body = self.call(&of.address, call, wait + self.settings.answer).await?;
        soap::answer(NAME, "PullMessagesResponse", &body, |answer| {
            let messages = xml::children(answer, "NotificationMessage").filter_map(Message::read);
            Ok(Pulled { messages: messages.collect(), left: Granted::said(answer) })
        })
    }

    /// `Renew`.
    ///
    /// # Errors
    /// As of any call.
    pub async fn renew(
        &mut self,
        of: &Subscription,
        lives: Duration,
    ) -> Result<Granted, OnvifError> {
        const NAME: &str = "Renew";
        const ACTION: &str = "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/RenewRequest";
        let span = time::seconds(lives);
        let body =
            format!("<wsnt:Renew><wsnt:TerminationTime>{span}</wsnt:TerminationTime></wsnt:Renew>");
        let call = Call { name: NAME, action: ACTION, body: &body, of: Some(of) };
        let body = self.call(&of.address, call, self.settings.answer).await?;
        let now = self.clock.mono();
        soap::answer(NAME, "RenewResponse", &body, |answer| Ok(Granted::read(answer, lives, now)))
    }

    /// `SetSynchronizationPoint`: the camera sends the state of everything, as `Initialized`.
    ///
    /// # Errors
    /// As of any call.
    pub async fn synchronise(&mut self, of: &Subscription) -> Result<(), OnvifError> {
        const NAME: &str = "SetSynchronizationPoint";
        const ACTION: &str = "http://www.onvif.org/ver10/events/wsdl/PullPointSubscription/SetSynchronizationPointRequest";
        let body = "<tev:SetSynchronizationPoint/>";
        let call = Call { name: NAME, action: ACTION, body, of: Some(of) };
        let body = self.call(&of.address, call, self.settings.answer).await?;
        soap::answer(NAME, "SetSynchronizationPointResponse", &body, |_| Ok(()))
    }

    /// `Unsubscribe`: the camera has few places for subscriptions.
    ///
    /// # Errors
    /// As of any call.
    pub async fn unsubscribe(&mut self, of: &Subscription) -> Result<(), OnvifError> {
        const NAME: &str = "Unsubscribe";
        const ACTION: &str =
            "http://docs.oasis-open.org/wsn/bw-2/SubscriptionManager/UnsubscribeRequest";
        let body = "<wsnt:Unsubscribe/>";
        let call = Call { name: NAME, action: ACTION, body, of: Some(of) };
        let body = self.call(&of.address, call, self.settings.answer).await?;
        soap::answer(NAME, "UnsubscribeResponse", &body, |_| Ok(()))
    }

    fn events(&self) -> Result<Address, OnvifError> {
        self.services.events.clone().ok_or(OnvifError::Missing { what: "events" })
    }

    /// Where its media services are, once [`Client::services`] was asked.
    pub(super) fn media(&self) -> (Option<Address>, Option<Address>) {
        (self.services.media.clone(), self.services.media2.clone())
    }

    pub(super) fn settings(&self) -> &OnvifSettings {
        &self.settings
    }

    async fn call_device(&mut self, call: Call<'_>) -> Result<Bytes, OnvifError> {
        let to = self.settings.address.clone();
        self.call(&to, call, self.settings.answer).await
    }

    /// A call with credentials: the body of a good answer. The ways to authenticate are tried, at most
    /// one new challenge and one new reading of the clock each.
    pub(super) async fn call(
        &mut self,
        to: &Address,
        call: Call<'_>,
        limit: Duration,
    ) -> Result<Bytes, OnvifError> {
        let (mut challenged, mut read) = (false, false);
        loop {
            let digest = (self.way != Way::Token).then(|| self.digest.take()).flatten();
            let answer = self.exchange(to, &call, limit, true, digest).await?;
            let Answer { status, challenge, body, .. } = answer;
            let refused = match Self::good(&call, status, body) {
                Ok(body) => return Ok(body),
                Err(
                    error @ (OnvifError::Fault { kind: FaultKind::NotAuthorised, .. }
                    | OnvifError::Refused { status: 401, .. }),
                ) => error,
                Err(error) => return Err(error),
            };
            let unauthorised = OnvifError::Unauthorised { what: call.name };
            if self.settings.credentials.is_none() {
                return Err(unauthorised);
            }
            if let Some(challenge) = challenge.filter(|_| !challenged) {
                // The first time, or the nonce was too old.
                challenged = true;
                self.digest = Some(challenge);
                self.way = if self.way == Way::Both { Way::Both } else { Way::Digest };
                continue;
            }
            let stale = |shown: CameraClock| self.clock.mono().since(shown.at) > FRESH;
            if !read && self.way != Way::Digest && self.shown.is_none_or(stale) {
                read = true;
                self.read_clock().await?;
                continue;
            }
            if matches!(refused, OnvifError::Fault { .. }) && self.way == Way::Digest {
                self.way = Way::Both;
                continue;
            }
            // Anew from the beginning the next time.
            (self.way, self.digest) = (Way::Token, None);
            return Err(unauthorised);
        }
    }

    async fn exchange(
        &mut self,
        to: &Address,
        call: &Call<'_>,
        limit: Duration,
        authenticates: bool,
        mut digest: Option<PasswordClient>,
    ) -> Result<Answer, OnvifError> {
        let token = (authenticates && self.way != Way::Digest).then(|| {
            let (credentials, shown) = (self.settings.credentials.as_ref()?, self.shown?);
            soap::token(credentials, shown.shows(self.clock.mono()))
        });
        let envelope = soap::envelope(call, token.flatten().as_deref());
        let given = Post { to, action: call.action, envelope, limit };
        let answer = post(&self.settings, digest.as_mut(), given).await;
        if digest.is_some() {
            self.digest = digest;
        }
        answer
    }

    /// Faults come with any status; what is no fault must come with a good one.
    fn good(call: &Call<'_>, status: u16, body: Bytes) -> Result<Bytes, OnvifError> {
        if status == 200 {
            return match soap::refusal(call.name, &body) {
                Some(fault) => Err(fault),
                None => Ok(body),
            };
        }
        let mut refused = OnvifError::Refused { what: call.name, status };
        if let Some(fault) = soap::refusal(call.name, &body) {
            refused = fault;
        }
        if let (401, OnvifError::Fault { kind, .. }) = (status, &mut refused) {
            // Some say it by the status only.
            *kind = FaultKind::NotAuthorised;
        }
        Err(refused)
    }
}

const fn device<'a>(name: &'static str, body: &'a str) -> Call<'a> {
    // The device service is the one whose actions no camera is known to read.
    Call { name, action: "http://www.onvif.org/ver10/device/wsdl", body, of: None }
}

/// A date in parts.
fn date(node: Node<'_, '_>) -> Option<UtcMs> {
    let of = |part, name| -> Option<i64> { xml::text_at(node, &[part, name])?.parse().ok() };
    let small = |part, name| i8::try_from(of(part, name)?).ok();
    let year = i16::try_from(of("Date", "Year")?).ok()?;
    let (month, day) = (small("Date", "Month")?, small("Date", "Day")?);
    let (hour, minute) = (small("Time", "Hour")?, small("Time", "Minute")?);
    // A leap second is the last one again.
    let second = small("Time", "Second")?.min(59);
    time::civil(DateTime::new(year, month, day, hour, minute, second, 0).ok()?)
}

/// The paths in a set of topics: those elements that are marked as topic.
fn topics(set: Node<'_, '_>) -> Vec<String> {
    // More than any camera has, and a bound.
    const MOST: usize = 500;
    const DEEPEST: usize = 10;
    let path = |node: Node<'_, '_>| {
        let up = node.ancestors().take_while(|above| *above != set).take(DEEPEST);
        let mut names: Vec<_> = up.map(|above| above.tag_name().name()).collect();
        names.reverse();
        names.join("/")
    };
    let marked = set.descendants().filter(|node| xml::attribute(*node, "topic").is_some());
    marked.map(path).filter(|path| path.len() <= xml::LONGEST).take(MOST).collect()
}

/// A token as text.
pub(super) fn token_element(prefix: &str, token: &str) -> String {
    format!("<{prefix}:ProfileToken>{}</{prefix}:ProfileToken>", escape(token))
}
