//! Certificates, keys and passwords: whether they are there, hold for longer, and are kept from others.

use std::path::Path;

use gatehouse_config::{Config, PasswordSource};
use gatehouse_core::time::{ClockState, Now};
use gatehouse_link::{ClientCertificate, FileRole, Tls, Validity};

use super::Finding;

/// So long before its end a certificate should be renewed.
const RENEW_DAYS: i64 = 30;

const DAY_S: i64 = 86_400;

/// Where systemd keeps the credentials of the gateway while it runs.
const CREDENTIALS: &str = "/run/credentials/gatehouse.service";

pub(super) fn look(config: &Config, now: &Now) -> Vec<Finding> {
    let mut findings = Vec::new();
    for broker in &config.brokers {
        let of = format!("broker {}", broker.id);
        match &broker.tls {
            Some(tls) => findings.extend(of_broker(&of, tls, now)),
            None if broker.is_local() => {}
            None => findings.push(Finding::advice(
                format!("{of}, encryption"),
                "none: whoever is on the way reads and changes everything",
                "give it tls = true and the authority's file ca",
            )),
        }
        findings.extend(broker.password.as_ref().map(|source| password(&of, source)));
    }
    for camera in &config.cameras {
        let of = format!("camera {}", camera.rules.id);
        findings.extend(camera.password.as_ref().map(|source| password(&of, source)));
    }
    if let Some((certificate, _)) = config.page.as_ref().and_then(|page| page.own.as_ref()) {
        findings.push(holds("page, certificate", FileRole::Certificate, certificate, now));
    }
    findings
}

fn of_broker(of: &str, tls: &gatehouse_config::Tls, now: &Now) -> Vec<Finding> {
    let client = tls.client.as_ref().map(|client| ClientCertificate {
        certificate: client.certificate.clone(),
        key: client.key.clone(),
    });
    let files = Tls { ca: tls.ca.clone(), client, server_name: tls.server_name.clone() };
    if let Err(error) = files.check() {
        let otherwise = "ask whoever runs the broker for these files";
        return vec![Finding::of_message(format!("{of}, files"), &error.to_string(), otherwise)];
    }
    let mut findings =
        vec![holds(&format!("{of}, authority"), FileRole::Authority, &files.ca, now)];
    if let Some(client) = &files.client {
        let of = format!("{of}, own certificate");
        findings.push(holds(&of, FileRole::Certificate, &client.certificate, now));
    }
    if let Some(key) = files.readable_key() {
        let found = format!("{} can be read by everyone on this machine", key.display());
        let advice = format!("chmod 640 {0}; chgrp gatehouse {0}", key.display());
        findings.push(Finding::wrong(format!("{of}, key"), found, advice));
    }
    findings
}

fn holds(of: &str, role: FileRole, path: &Path, now: &Now) -> Finding {
    let validity = match Validity::of_file(role, path) {
        Ok(validity) => validity,
        Err(error) => return Finding::of_message(of, &error.to_string(), "renew it"),
    };
    let now_s = now.utc.0 / 1000;
    let (left, shown) = ((validity.ends - now_s) / DAY_S, path.display());
    let found = format!("{shown} holds for {left} more days");
    if now.clock == ClockState::Never {
        let found = format!("{shown}: whether it holds is not known, the clock was never set");
        return Finding::advice(of, found, "mend the clock first");
    }
    if validity.begins > now_s {
        let found = format!(
            "{shown} does not hold yet, for {} days",
            (validity.begins - now_s) / DAY_S + 1
        );
        return Finding::wrong(
            of,
            found,
            "is this machine's clock right? Else it was made with a wrong one",
        );
    }
    match left {
        _ if validity.ends < now_s => {
            Finding::wrong(of, format!("{shown} has ended, {} days ago", -left), "renew it now")
        }
        ..RENEW_DAYS => {
            Finding::advice(of, found, "renew it; it is read anew, no restart is needed")
        }
        _ => Finding::good(of, found),
    }
}

fn password(of: &str, source: &PasswordSource) -> Finding {
    let of = format!("{of}, password");
    match source {
        PasswordSource::File(path) => match source.read() {
            Ok(_) => Finding::good(of, format!("{} can be read", path.display())),
            Err(error) => {
                Finding::of_message(of, &error.to_string(), "chmod 640 and chgrp gatehouse")
            }
        },
        PasswordSource::Credential(name) => match Path::new(CREDENTIALS).join(name).try_exists() {
            Ok(true) => Finding::good(of, format!("the credential {name} is given to the gateway")),
            Ok(false) if Path::new(CREDENTIALS).exists() => {
                let advice = format!(
                    "systemctl edit gatehouse: [Service] LoadCredential={name}:/path/of/the/file, \
                     then restart it"
                );
                Finding::wrong(of, format!("systemd gives no credential {name}"), advice)
            }
            _ => {
                let found =
                    format!("it is the credential {name}, which is given while the gateway runs");
                Finding::advice(of, found, "run this as root while the gateway runs")
            }
        },
    }
}

#[cfg(test)]
mod tests {
    use gatehouse_core::time::UtcMs;
    use rcgen::{CertificateParams, KeyPair, date_time_ymd};

    use super::super::Verdict;
    use super::*;

    #[test]
    fn a_certificate_that_will_end_is_told_in_time() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("own.pem");
        let mut params = CertificateParams::new(["own".into()]).unwrap();
        params.not_before = date_time_ymd(2026, 1, 1);
        params.not_after = date_time_ymd(2026, 12, 31);
        let key = KeyPair::generate().unwrap();
        std::fs::write(&path, params.self_signed(&key).unwrap().pem()).unwrap();
        let on = |year: i32, month: u8, day: u8, clock: ClockState| {
            let utc = UtcMs(date_time_ymd(year, month, day).unix_timestamp() * 1000);
            let now = Now { utc, clock, ..Now::default() };
            holds("x", FileRole::Certificate, &path, &now).verdict
        };
        let synced = ClockState::Synced;
        assert_eq!(on(2025, 12, 31, synced), Verdict::Wrong);
        assert_eq!(on(2026, 12, 1, synced), Verdict::Good);
        assert_eq!(on(2026, 12, 2, synced), Verdict::Advice);
        assert_eq!(on(2027, 1, 1, synced), Verdict::Wrong);
        assert_eq!(on(2027, 1, 1, ClockState::Never), Verdict::Advice);
    }
}
