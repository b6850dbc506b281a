//! One e-mail on a connection of its own.

use std::fs;

use lettre::message::{Mailbox, header};
use lettre::transport::smtp::authentication::Credentials;
use lettre::transport::smtp::client::{
    Certificate, CertificateStore, Tls as MailSecurity, TlsParameters,
};
use lettre::{AsyncSmtpTransport, AsyncTransport, Message as Mail, Tokio1Executor};

use super::WITHIN;
use crate::password;
use crate::responders::file::{MailTls, Roster, Smtp};
use crate::responders::words::Message;

pub(super) async fn send(roster: &Roster, to: &str, message: &Message) -> Result<(), String> {
    let Some(smtp) = &roster.smtp else { return Err("the file has no [smtp]".to_owned()) };
    let mailbox = |text: &str| {
        text.parse().map(|address| Mailbox::new(None, address)).map_err(|_| "no address".to_owned())
    };
    // The same for each attempt, so that who gets it twice can know; a domain that nobody has.
    let id = format!("<{}@gatehouse.invalid>", message.key);
    let mail = Mail::builder()
        .from(mailbox(&smtp.from)?)
        .to(mailbox(to)?)
        .subject(&message.title)
        .message_id(Some(id))
        .header(header::ContentType::TEXT_PLAIN)
        .header(AutoSubmitted)
        .header(Importance(message.severity <= 2))
        .body(message.text.clone())
        .map_err(|error| error.to_string())?;
    let transport = transport(roster, smtp)?;
    match transport.send(mail).await {
        Ok(_) => Ok(()),
        Err(error) => Err(said(&error)),
    }
}

fn transport(roster: &Roster, smtp: &Smtp) -> Result<AsyncSmtpTransport<Tokio1Executor>, String> {
    let host = smtp.host.trim_start_matches('[').trim_end_matches(']');
    let tls = match smtp.tls {
        MailTls::None => MailSecurity::None,
        MailTls::Start => MailSecurity::Required(trust(roster, host)?),
        MailTls::Implicit => MailSecurity::Wrapper(trust(roster, host)?),
    };
    let mut builder = AsyncSmtpTransport::<Tokio1Executor>::builder_dangerous(host)
        .port(smtp.port)
        .tls(tls)
        .timeout(Some(WITHIN));
    if let Some((user, file)) = &smtp.login {
        let password = password::read(file).map_err(|error| error.to_string())?;
        builder = builder.credentials(Credentials::new(user.clone(), password));
    }
    Ok(builder.build())
}

/// Only the authorities of the file are trusted; they are read anew each time.
fn trust(roster: &Roster, host: &str) -> Result<TlsParameters, String> {
    let path = &roster.ca;
    let pem = fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let roots = Certificate::from_pem(&pem)
        .map_err(|error| format!("{} is no list of authorities: {error}", path.display()))?;
    TlsParameters::builder(host.to_owned())
        .certificate_store(CertificateStore::None)
        .add_root_certificate(roots)
        .build()
        .map_err(|error| error.to_string())
}

fn said(error: &lettre::transport::smtp::Error) -> String {
    let mut text = error.to_string();
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        let cause_text = cause.to_string();
        if !text.contains(&cause_text) {
            text.push_str(": ");
            text.push_str(&cause_text);
        }
        source = cause.source();
    }
    text
}

/// RFC 3834: no out-of-office answers.
#[derive(Clone)]
struct AutoSubmitted;

impl header::Header for AutoSubmitted {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Auto-Submitted")
    }

    fn parse(_: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self)
    }

    fn display(&self) -> header::HeaderValue {
        header::HeaderValue::new(Self::name(), "auto-generated".to_owned())
    }
}

/// RFC 2156: what telephones ring for.
#[derive(Clone)]
struct Importance(bool);

impl header::Header for Importance {
    fn name() -> header::HeaderName {
        header::HeaderName::new_from_ascii_str("Importance")
    }

    fn parse(text: &str) -> Result<Self, Box<dyn std::error::Error + Send + Sync>> {
        Ok(Self(text == "high"))
    }

    fn display(&self) -> header::HeaderValue {
        let word = if self.0 { "high" } else { "normal" };
        header::HeaderValue::new(Self::name(), word.to_owned())
    }
}
