//! The page's certificate: the site's own, or one that the gateway makes for itself.
//!
//! Key and certificate stand in one file, `{state-dir}/page/identity.pem`, so that they always fit.
//! Who comes for the first time compares the fingerprint with that of `gatehouse page`.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_config::Page;
use gatehouse_core::id::Id;
use gatehouse_core::time::{Now, UtcMs};
use gatehouse_link::{ServerTls, TlsError};
use rcgen::{CertificateParams, DnType, KeyPair};
use ring::digest::{SHA256, digest};
use tracing::warn;

use super::files;

/// Browsers take no certificate that holds longer than 825 days (since 2019, also of one's own).
const HOLDS_DAYS: i64 = 820;

/// So long before its end a new one is made.
const RENEW_DAYS: i64 = 30;

const DAY_MS: i64 = 86_400_000;

/// 2026-01-01. A box whose clock stands before that does not know the time: its first certificate
/// counts from here, as its clock will.
const EPOCH: UtcMs = UtcMs(1_767_225_600_000);

/// What stands before the key: PEM lets text stand outside its blocks.
const ENDS: &str = "Made by this gateway for its page. Ends (ms since 1970): ";

/// Why there is no certificate.
#[derive(Debug, thiserror::Error)]
pub(super) enum IdentityError {
    #[error("the page's own certificate {}: {source}", path.display())]
    Io { path: PathBuf, source: io::Error },
    #[error("the page's certificate cannot be made: {0}")]
    Make(#[from] rcgen::Error),
    #[error(transparent)]
    Tls(#[from] TlsError),
}

/// The certificate of a page, and its fingerprint; made, or made anew, if it is the gateway's own and
/// it is time.
///
/// # Errors
/// [`IdentityError`]: a certificate of the site's that cannot be used is never replaced.
pub(super) fn identity(
    page: &Page,
    state_dir: &Path,
    gateway: &Id,
    now: &Now,
) -> Result<(ServerTls, String), IdentityError> {
    if let Some((certificate, key)) = &page.own {
        let tls = ServerTls { certificate: certificate.clone(), key: key.clone() };
        let fingerprint = fingerprint(&tls)?;
        return Ok((tls, fingerprint));
    }
    let at = |path: &Path| {
        let path = path.to_owned();
        move |source| IdentityError::Io { path, source }
    };
    let path = files::folder(state_dir).map_err(at(state_dir))?.join("identity.pem");
    let tls = ServerTls { certificate: path.clone(), key: path.clone() };
    let why = match std::fs::read_to_string(&path) {
        Ok(text) => match ends(&text) {
            Some(ends) if now.utc.0.max(EPOCH.0) < ends.0 - RENEW_DAYS * DAY_MS => {
                tls.acceptor().err().map(|error| error.to_string())
            }
            Some(ends) => Some(format!("the one before ends at {ends}")),
            None => Some("the one before is damaged".to_owned()),
        },
        Err(error) if error.kind() == io::ErrorKind::NotFound => Some("there was none".to_owned()),
        Err(error) => return Err(at(&path)(error)),
    };
    if let Some(why) = why {
        let pem = make(page, gateway, now)?;
        files::replace(&path, pem.as_bytes()).map_err(at(&path))?;
        warn!(path = %path.display(), why, "the page has a new certificate: browsers will ask again");
    }
    let fingerprint = fingerprint(&tls)?;
    Ok((tls, fingerprint))
}

fn ends(text: &str) -> Option<UtcMs> {
    text.lines().next()?.strip_prefix(ENDS)?.trim().parse().ok().map(UtcMs)
}

/// Key and certificate of a gateway that vouches for itself.
fn make(page: &Page, gateway: &Id, now: &Now) -> Result<String, rcgen::Error> {
    let mut names = vec!["localhost".to_owned(), "127.0.0.1".to_owned(), gateway.to_string()];
    if let Ok(host) = std::fs::read_to_string("/proc/sys/kernel/hostname") {
        let host = host.trim();
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.');
        if !host.is_empty() && host.chars().all(plain) {
            names.extend([host.to_owned(), format!("{host}.local")]);
        }
    }
    if !page.listen.ip().is_unspecified() {
        names.push(page.listen.ip().to_string());
    }
    names.sort();
    names.dedup();
    let begin = now.utc.0.max(EPOCH.0);
    let at = |ms: i64| {
        let since = Duration::from_millis(u64::try_from(ms).unwrap_or_default());
        rcgen::date_time_ymd(1970, 1, 1) + since
    };
    let mut params = CertificateParams::new(names)?;
    params.distinguished_name.push(DnType::CommonName, format!("Gatehouse {gateway}"));
    // A phone's clock may be a day behind.
    params.not_before = at(begin - DAY_MS);
    let ends = begin + HOLDS_DAYS * DAY_MS;
    params.not_after = at(ends);
    let key = KeyPair::generate()?;
    let certificate = params.self_signed(&key)?;
    Ok(format!("{ENDS}{ends}\n{}{}", certificate.pem(), key.serialize_pem()))
}

/// SHA-256 of the certificate, as browsers show it: `AB:CD:…`.
fn fingerprint(tls: &ServerTls) -> Result<String, TlsError> {
    let hash = digest(&SHA256, &tls.leaf()?);
    let pairs: Vec<_> = hash.as_ref().iter().map(|byte| format!("{byte:02X}")).collect();
    Ok(pairs.join(":"))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    #[test]
    fn a_certificate_is_made_once_kept_and_renewed_before_its_end() {
        let folder = tempfile::tempdir().unwrap();
        let page = Page { listen: "10.0.0.2:8443".parse().unwrap(), own: None };
        let of = |days: i64| {
            let now = Now { utc: UtcMs(EPOCH.0 + days * DAY_MS), ..Now::default() };
            identity(&page, folder.path(), &"g-1".parse().unwrap(), &now).unwrap()
        };
        let (tls, first) = of(1);
        tls.acceptor().unwrap();
        assert_eq!(first.len(), 32 * 3 - 1);
        let facts = std::fs::metadata(&tls.key).unwrap();
        assert_eq!(facts.mode() & 0o777, 0o600);
        assert_eq!(of(400).1, first);
        // A clock that knows nothing does not end it.
        assert_eq!(of(-20_000).1, first);
        assert_eq!(of(1 + HOLDS_DAYS - RENEW_DAYS - 1).1, first);
        let renewed = of(1 + HOLDS_DAYS - RENEW_DAYS).1;
        assert_ne!(renewed, first);
        std::fs::write(&tls.key, "nonsense").unwrap();
        let (tls, again) = of(900);
        tls.acceptor().unwrap();
        assert_ne!(again, renewed);
    }

    #[test]
    fn a_certificate_of_the_site_is_never_replaced() {
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name);
        std::fs::write(path("a.pem"), "nonsense").unwrap();
        let listen = "10.0.0.2:8443".parse().unwrap();
        let page = Page { listen, own: Some((path("a.pem"), path("a.key"))) };
        let told = identity(&page, folder.path(), &"g-1".parse().unwrap(), &Now::default());
        assert!(matches!(told, Err(IdentityError::Tls(_))));
        assert_eq!(std::fs::read(path("a.pem")).unwrap(), b"nonsense");
    }
}
