//! What a store answers: its errors in kinds that somebody can act on, and the few documents that are read.

use gatehouse_core::time::UtcMs;

/// Why a request was not carried out.
#[derive(Debug)]
pub(crate) enum S3Error {
    /// No connection, or one that ended or hung.
    Unreachable(String),
    /// TLS: the store's certificate, or the file of authorities.
    Untrusted(String),
    /// The secret key cannot be read.
    Secret(String),
    /// The store says no.
    Answered(Refusal),
    /// It answered what no store answers: something else is at that address.
    Garbled(String),
    /// It took an object, and has another.
    Differs(String),
    /// What was to be sent gave way to something more important.
    GaveWay,
    /// What was to be sent cannot be read.
    Source(std::io::Error),
}

/// A store's word for why not.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Refusal {
    /// Of HTTP.
    pub(crate) status: u16,
    /// As `NoSuchBucket`; empty where the answer has no body.
    pub(crate) code: String,
    /// In words, cut to a line.
    pub(crate) message: String,
    /// By how much its clock is ahead of ours, in milliseconds, if it says what time it is.
    pub(crate) ahead_ms: Option<i64>,
}

/// What is wrong with a store, as an event says it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// `unreachable`
    Unreachable,
    /// `untrusted`
    Untrusted,
    /// `secret`
    Secret,
    /// `denied`
    Denied,
    /// `no-bucket`
    NoBucket,
    /// `clock`
    Clock,
    /// `full`
    Full,
    /// `busy`
    Busy,
    /// `refused`
    Refused,
}

/// More than this apart is refused (S3's `RequestTimeTooSkewed`).
const SKEW_MS: i64 = 15 * 60 * 1000;

/// Characters of a reason that are kept.
const REASON: usize = 120;

impl Fault {
    /// The word in events.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Unreachable => "unreachable",
            Self::Untrusted => "untrusted",
            Self::Secret => "secret",
            Self::Denied => "denied",
            Self::NoBucket => "no-bucket",
            Self::Clock => "clock",
            Self::Full => "full",
            Self::Busy => "busy",
            Self::Refused => "refused",
        }
    }

    /// Whether only a person can mend it: asking often is of no use.
    pub(crate) const fn is_refusal(self) -> bool {
        !matches!(self, Self::Unreachable | Self::Busy)
    }

    /// What to do about it.
    const fn advice(self) -> &'static str {
        match self {
            Self::Unreachable => "look at the line, at `endpoint`, and whether the store runs",
            Self::Untrusted => {
                "name the authority that signed the store's certificate as `ca`, and see that the \
                 name in `endpoint` is the certificate's"
            }
            Self::Secret => "put the secret key alone into that file, readable by the gateway only",
            Self::Denied => {
                "look at `access-key`, at the secret key in its file, and whether this key may write \
                 to the bucket below the prefix"
            }
            Self::NoBucket => "look at `bucket` and `path-style`, or make the bucket",
            Self::Clock => "see that this box and the store have the right time",
            Self::Full => "make room in the store, or raise its quota",
            Self::Busy => "it is asked again by itself; the store has too much to do",
            Self::Refused => "look at `endpoint`, `region` and `path-style`",
        }
    }
}

impl S3Error {
    /// What is wrong with the store; `None`: nothing is.
    pub(crate) fn fault(&self) -> Option<Fault> {
        Some(match self {
            Self::Unreachable(_) => Fault::Unreachable,
            Self::Untrusted(_) => Fault::Untrusted,
            Self::Secret(_) => Fault::Secret,
            Self::Answered(refusal) => refusal.fault(),
            Self::Garbled(_) | Self::Differs(_) => Fault::Refused,
            Self::GaveWay | Self::Source(_) => return None,
        })
    }

    /// Whether the store means this object alone: others may be taken all the same.
    pub(crate) fn is_of_one(&self) -> bool {
        match self {
            // What it answers to one call it may not answer to others.
            Self::Source(_) | Self::Differs(_) | Self::Garbled(_) => true,
            Self::Answered(refusal) => refusal.is_of_one(),
            _ => false,
        }
    }

    /// Whether this is the store's word.
    pub(crate) fn is(&self, code: &str) -> bool {
        matches!(self, Self::Answered(refusal) if refusal.code == code)
    }

    /// Whether this is its status.
    pub(crate) fn has_status(&self, status: u16) -> bool {
        matches!(self, Self::Answered(refusal) if refusal.status == status)
    }

    /// The same for an event: without addresses, paths, and what others say in their words.
    pub(crate) fn cause(&self) -> String {
        let what = match self {
            Self::Unreachable(_) => "the store does not answer".to_owned(),
            Self::Untrusted(_) => "the store's certificate is not trusted".to_owned(),
            Self::Secret(_) => "the secret key cannot be read".to_owned(),
            Self::Garbled(_) => "what answers is no store".to_owned(),
            Self::Differs(_) => "the store has something else than it took".to_owned(),
            Self::GaveWay | Self::Source(_) => return self.advice(),
            Self::Answered(refusal) => {
                format!("the store answers {} {}", refusal.status, refusal.code).trim().to_owned()
            }
        };
        match self.fault() {
            Some(fault) => format!("{what}; {}", fault.advice()),
            None => what,
        }
    }

    /// A line for a log and for `gatehouse status`: what is wrong, and what to do. No secret is in it,
    /// since none is in an answer that is read.
    pub(crate) fn advice(&self) -> String {
        let what = match self {
            Self::Unreachable(why) | Self::Untrusted(why) | Self::Secret(why) => why.clone(),
            Self::Garbled(why) => format!("what answers is no store: {why}"),
            Self::Differs(why) => format!("the store has something else: {why}"),
            Self::GaveWay => "it gave way to alarms".to_owned(),
            Self::Source(error) => format!("it cannot be read: {error}"),
            Self::Answered(refusal) => refusal.to_string(),
        };
        match self.fault() {
            Some(fault) => format!("{what}; {}", fault.advice()),
            None => what,
        }
    }
}

impl std::fmt::Display for Refusal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "the store answers {}", self.status)?;
        if !self.code.is_empty() {
            write!(f, " {}", self.code)?;
        }
        if !self.message.is_empty() {
            write!(f, " ({})", self.message)?;
        }
        if let Some(ms) = self.ahead_ms.filter(|_| self.fault() == Fault::Clock) {
            let way = if ms > 0 { "ahead of" } else { "behind" };
            write!(f, ", its clock is {} s {way} this box's", ms.abs() / 1000)?;
        }
        Ok(())
    }
}

impl Refusal {
    /// Reads an error's document; whatever it is, the status stands.
    pub(super) fn read(status: u16, body: &[u8], ahead_ms: Option<i64>) -> Self {
        let text = std::str::from_utf8(body).unwrap_or_default();
        let document = roxmltree::Document::parse(text).ok();
        let field = |name: &str| {
            let document = document.as_ref()?;
            let root = document.root_element();
            let root = root.has_tag_name("Error").then_some(root)?;
            let found = root.children().find(|node| node.tag_name().name() == name)?;
            Some(line(found.text().unwrap_or_default()))
        };
        let code = field("Code").unwrap_or_default();
        let message = field("Message").unwrap_or_default();
        Self { status, code, message, ahead_ms }
    }

    fn fault(&self) -> Fault {
        let apart = self.ahead_ms.is_some_and(|ms| ms.abs() > SKEW_MS);
        match (self.status, &*self.code) {
            (_, "RequestTimeTooSkewed" | "RequestExpired") => Fault::Clock,
            // Some say no more than that access is denied.
            (400 | 401 | 403, _) if apart => Fault::Clock,
            (_, "NoSuchBucket") => Fault::NoBucket,
            (507, _)
            | (
                _,
                "QuotaExceeded"
                | "XMinioStorageFull"
                | "InsufficientStorage"
                | "XMinioAdminBucketQuotaExceeded",
            ) => Fault::Full,
            (
                _,
                "AccessDenied"
                | "InvalidAccessKeyId"
                | "SignatureDoesNotMatch"
                | "InvalidToken"
                | "ExpiredToken"
                | "AccountProblem"
                | "AllAccessDisabled",
            )
            | (401 | 403, _) => Fault::Denied,
            (408 | 429 | 500..=599, _)
            | (_, "SlowDown" | "RequestTimeout" | "OperationAborted") => Fault::Busy,
            _ => Fault::Refused,
        }
    }

    fn is_of_one(&self) -> bool {
        let of_all = [
            "AuthorizationHeaderMalformed",
            "PermanentRedirect",
            "TemporaryRedirect",
            "InvalidBucketName",
            "MethodNotAllowed",
            "NotImplemented",
        ];
        self.fault() == Fault::Refused
            && (400..500).contains(&self.status)
            && !of_all.contains(&&*self.code)
    }
}

/// A part that a store has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    /// From 1.
    pub(crate) number: u32,
    /// Its bytes.
    pub(crate) bytes: u64,
    /// The store's name for its content.
    pub(crate) etag: String,
}

/// One page of the parts of an upload, and behind which part the next begins.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Page {
    pub(super) parts: Vec<Listed>,
    pub(super) next: Option<u32>,
}

/// The text of `name` in a document whose name begins so: that of an upload's begin is
/// `InitiateMultipartUploadResult`, and not with everybody.
pub(super) fn text_of(body: &[u8], root: &str, name: &str) -> Option<String> {
    let document = roxmltree::Document::parse(std::str::from_utf8(body).ok()?).ok()?;
    let top = document.root_element();
    let top = top.tag_name().name().starts_with(root).then_some(top)?;
    let found = top.children().find(|node| node.tag_name().name() == name)?;
    Some(found.text()?.to_owned()).filter(|text| !text.is_empty())
}

/// An answer to `ListParts`; `None`: it is none.
pub(super) fn parts(body: &[u8]) -> Option<Page> {
    let document = roxmltree::Document::parse(std::str::from_utf8(body).ok()?).ok()?;
    let root = document.root_element();
    let root = (root.tag_name().name() == "ListPartsResult").then_some(root)?;
    let of = |node: roxmltree::Node<'_, '_>, name: &str| {
        let found = node.children().find(|child| child.tag_name().name() == name)?;
        found.text().map(str::to_owned)
    };
    let mut page = Page::default();
    for part in root.children().filter(|node| node.tag_name().name() == "Part") {
        page.parts.push(Listed {
            number: of(part, "PartNumber")?.parse().ok()?,
            bytes: of(part, "Size")?.parse().ok()?,
            etag: of(part, "ETag")?,
        });
    }
    if of(root, "IsTruncated").as_deref() == Some("true") {
        page.next = of(root, "NextPartNumberMarker").and_then(|text| text.parse().ok());
    }
    Some(page)
}

/// One line of visible characters, and not too many.
pub(super) fn line(text: &str) -> String {
    let plain: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let plain = plain.split_whitespace().collect::<Vec<_>>().join(" ");
    plain.chars().take(REASON).collect()
}

/// The time in a `Date` header (RFC 9110, section 5.6.7).
pub(super) fn http_date(text: &str) -> Option<UtcMs> {
    let parsed = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    Some(UtcMs(parsed.as_millisecond()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refusal(status: u16, code: &str) -> Refusal {
        let body = format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>{code}</Code><Message>Not \
             so.\n</Message><Resource>/b</Resource></Error>"
        );
        Refusal::read(status, body.as_bytes(), None)
    }

    #[test]
    fn each_refusal_is_a_fault_that_somebody_can_act_on() {
        for (status, code, fault, of_one) in [
            (403, "AccessDenied", Fault::Denied, false),
            (403, "SignatureDoesNotMatch", Fault::Denied, false),
            (403, "InvalidAccessKeyId", Fault::Denied, false),
            (403, "RequestTimeTooSkewed", Fault::Clock, false),
            (404, "NoSuchBucket", Fault::NoBucket, false),
            (507, "", Fault::Full, false),
            (403, "QuotaExceeded", Fault::Full, false),
            (503, "SlowDown", Fault::Busy, false),
            (500, "InternalError", Fault::Busy, false),
            (301, "PermanentRedirect", Fault::Refused, false),
            (400, "AuthorizationHeaderMalformed", Fault::Refused, false),
            (400, "EntityTooLarge", Fault::Refused, true),
            (400, "XAmzContentSHA256Mismatch", Fault::Refused, true),
            (404, "NoSuchUpload", Fault::Refused, true),
        ] {
            let error = S3Error::Answered(refusal(status, code));
            assert_eq!(
                (error.fault(), error.is_of_one()),
                (Some(fault), of_one),
                "{status} {code}"
            );
            assert!(error.advice().contains(fault.advice()), "{}", error.advice());
        }
        let said = S3Error::Answered(refusal(403, "AccessDenied")).advice();
        assert!(
            said.starts_with("the store answers 403 AccessDenied (Not so.); look at"),
            "{said}"
        );
    }

    #[test]
    fn a_store_that_says_only_no_while_its_clock_is_far_away_is_a_matter_of_clocks() {
        let mut refused = refusal(400, "AccessDenied");
        refused.ahead_ms = Some(-3_600_000);
        let error = S3Error::Answered(refused.clone());
        assert_eq!(error.fault(), Some(Fault::Clock));
        assert!(error.advice().contains("3600 s behind"), "{}", error.advice());
        refused.ahead_ms = Some(2_000);
        assert_eq!(S3Error::Answered(refused).fault(), Some(Fault::Denied));
    }

    #[test]
    fn what_is_no_document_is_no_more_than_its_status() {
        for body in
            ["", "<html>no</html>", "<Error><Code>", "\u{1b}[31m", "<!DOCTYPE a []><Error/>"]
        {
            let refusal = Refusal::read(502, body.as_bytes(), None);
            assert_eq!((refusal.code.as_str(), refusal.status), ("", 502), "{body}");
        }
        assert_eq!(Refusal::read(400, &[0xff], None).code, "");
    }

    #[test]
    fn parts_are_read_with_or_without_a_namespace_and_page_by_page() {
        let body = "<ListPartsResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">\
                    <IsTruncated>true</IsTruncated><NextPartNumberMarker>2</NextPartNumberMarker>\
                    <Part><PartNumber>2</PartNumber><Size>7</Size><ETag>&quot;ab&quot;</ETag></Part>\
                    </ListPartsResult>";
        let page = parts(body.as_bytes()).unwrap();
        let listed = Listed { number: 2, bytes: 7, etag: "\"ab\"".to_owned() };
        assert_eq!(page, Page { parts: vec![listed], next: Some(2) });
        let body = body.replace("true", "false").replace(" xmlns=", " xmlns:x=");
        assert_eq!(parts(body.as_bytes()).unwrap().next, None);
        for wrong in ["<A/>", "<ListPartsResult><Part/></ListPartsResult>", "no"] {
            assert_eq!(parts(wrong.as_bytes()), None, "{wrong}");
        }
        let made = "<InitiateMultipartUploadResult><UploadId>x</UploadId>\
                    </InitiateMultipartUploadResult>";
        let id = |text: &str| text_of(text.as_bytes(), "InitiateMultipartUploadResult", "UploadId");
        assert_eq!(id(made).as_deref(), Some("x"));
        assert_eq!(
            id("<InitiateMultipartUploadResult><UploadId/></InitiateMultipartUploadResult>"),
            None
        );
    }

    #[test]
    fn the_time_of_an_answer_is_read() {
        assert_eq!(http_date("Fri, 24 May 2013 00:00:00 GMT"), Some(UtcMs(1_369_353_600_000)));
        assert_eq!(http_date("yesterday"), None);
    }
}
