//! From when to when a certificate holds: its `validity`, and nothing else of it (RFC 5280, 4.1.2.5).
//!
//! Whether it is trusted is decided by rustls when a connection is made; this is for whoever wants to
//! know before that it will end.

use std::path::Path;

use crate::files::certificates;
use crate::{FileRole, TlsError};

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
/// The tag of the version, `[0] EXPLICIT`.
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// From when to when something holds, in seconds since 1970-01-01 UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Validity {
    /// Not before.
    pub begins: i64,
    /// Not after.
    pub ends: i64,
}

impl Validity {
    /// The one that all certificates of a PEM file have in common: a chain ends with the first of them.
    ///
    /// # Errors
    /// The file cannot be read, or has something in it that is no certificate.
    pub fn of_file(role: FileRole, path: &Path) -> Result<Self, TlsError> {
        let mut all = Self { begins: i64::MIN, ends: i64::MAX };
        for certificate in certificates(role, path)? {
            let one = Self::of_der(&certificate).ok_or_else(|| TlsError::Malformed {
                role,
                path: path.to_owned(),
                why: "it has no validity".to_owned(),
            })?;
            all.begins = all.begins.max(one.begins);
            all.ends = all.ends.min(one.ends);
        }
        Ok(all)
    }

    /// That of one certificate in DER; `None`: it is none.
    pub fn of_der(der: &[u8]) -> Option<Self> {
        let (certificate, _) = take(der, SEQUENCE)?;
        let (mut body, _) = take(certificate, SEQUENCE)?;
        if body.first() == Some(&VERSION) {
            body = take(body, VERSION)?.1;
        }
        // Serial number, algorithm, issuer.
        for tag in [INTEGER, SEQUENCE, SEQUENCE] {
            body = take(body, tag)?.1;
        }
        let (validity, _) = take(body, SEQUENCE)?;
        let (begins, rest) = time(validity)?;
        let (ends, _) = time(rest)?;
        Some(Self { begins, ends })
    }
}

/// The content of the element that stands first, and what follows it.
fn take(der: &[u8], tag: u8) -> Option<(&[u8], &[u8])> {
    let (&found, rest) = der.split_first()?;
    if found != tag {
        return None;
    }
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = if first < 0x80 {
        (usize::from(first), rest)
    } else {
        // A certificate of more than 16 MiB is none.
        let bytes = usize::from(first & 0x7f);
        if !(1..=3).contains(&bytes) {
            return None;
        }
        let (digits, rest) = rest.split_at_checked(bytes)?;
        (digits.iter().fold(0, |sum, &digit| sum << 8 | usize::from(digit)), rest)
    };
    rest.split_at_checked(length)
}

/// A time in seconds since 1970, and what follows it.
fn time(der: &[u8]) -> Option<(i64, &[u8])> {
    let &tag = der.first()?;
    let (text, rest) = take(der, tag)?;
    let digits = text.strip_suffix(b"Z")?;
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let two = |at: usize| {
        let pair = digits.get(at..at + 2)?;
        Some(i64::from(pair[0] - b'0') * 10 + i64::from(pair[1] - b'0'))
    };
    let (year, at) = match (tag, digits.len()) {
        // Two digits: 1950 to 2049 (4.1.2.5.1).
        (UTC_TIME, 12) => {
            let year = two(0)?;
            (if year < 50 { 2000 + year } else { 1900 + year }, 2)
        }
        (GENERALIZED_TIME, 14) => (two(0)? * 100 + two(2)?, 4),
        _ => return None,
    };
    let (month, day) = (two(at)?, two(at + 2)?);
    let (hour, minute, second) = (two(at + 4)?, two(at + 6)?, two(at + 8)?);
    if !(1..=12).contains(&month)
        || !(1..=31).contains(&day)
        || hour > 23
        || minute > 59
        || second > 60
    {
        return None;
    }
    Some((days(year, month, day) * 86_400 + hour * 3600 + minute * 60 + second, rest))
}

/// Days since 1970-01-01 of the Gregorian calendar. Years begin in March here, so that the leap day is
/// their last.
fn days(year: i64, month: i64, day: i64) -> i64 {
    let (year, month) = if month > 2 { (year, month - 3) } else { (year - 1, month + 9) };
    let leaps = year.div_euclid(4) - year.div_euclid(100) + year.div_euclid(400);
    year * 365 + leaps + (month * 153 + 2) / 5 + day - 1 - 719_468
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::*;

    #[test]
    fn the_validity_of_a_certificate_is_read() {
        let key = KeyPair::generate().unwrap();
        let of = |begin: i32, end: i32| {
            let mut params = CertificateParams::new(["a".into()]).unwrap();
            params.not_before = date_time_ymd(begin, 2, 28);
            params.not_after = date_time_ymd(end, 12, 31);
            let made = params.self_signed(&key).unwrap();
            (Validity::of_der(made.der()).unwrap(), params)
        };
        // Before 2050 UTCTime, from then on GeneralizedTime.
        for (begin, end) in [(1999, 2026), (2024, 2049), (2028, 2050), (2049, 2400)] {
            let (validity, params) = of(begin, end);
            let told = (params.not_before.unix_timestamp(), params.not_after.unix_timestamp());
            assert_eq!((validity.begins, validity.ends), told);
        }
    }

    #[test]
    fn what_is_no_certificate_has_none() {
        let key = KeyPair::generate().unwrap();
        let made = CertificateParams::new(["a".into()]).unwrap().self_signed(&key).unwrap();
        let der = made.der();
        for cut in 0..der.len() {
            let _ = Validity::of_der(&der[..cut]);
        }
        assert_eq!(Validity::of_der(b""), None);
        assert_eq!(Validity::of_der(&[SEQUENCE, 0x84, 0xff, 0xff, 0xff, 0xff]), None);
        assert_eq!(Validity::of_der(&[SEQUENCE, 0x80]), None);
    }

    #[test]
    fn a_chain_ends_with_the_first_of_its_certificates() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("chain.pem");
        let key = KeyPair::generate().unwrap();
        let one = |year: i32| {
            let mut params = CertificateParams::new(["a".into()]).unwrap();
            params.not_before = date_time_ymd(year - 5, 1, 1);
            params.not_after = date_time_ymd(year, 1, 1);
            params.self_signed(&key).unwrap().pem()
        };
        std::fs::write(&path, one(2031) + &one(2030)).unwrap();
        let all = Validity::of_file(FileRole::Certificate, &path).unwrap();
        assert_eq!(all.begins, date_time_ymd(2026, 1, 1).unix_timestamp());
        assert_eq!(all.ends, date_time_ymd(2030, 1, 1).unix_timestamp());
    }
}
