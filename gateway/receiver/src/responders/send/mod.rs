//! Telling one member by one way. Every attempt ends within [`WITHIN`], whatever the far end does.

mod http;
mod mail;

use std::time::Duration;

use gatehouse_link::Tls;
use tokio::time::timeout;

use super::file::{Roster, Way};
use super::words::Message;
use crate::password;

/// The longest attempt: the slowest good server answers within a few seconds, and the next way
/// must not wait for a bad one.
pub(crate) const WITHIN: Duration = Duration::from_secs(15);

/// Characters of a reason that are kept: a line on the wall.
const REASON: usize = 200;

/// Tells somebody. The error says what failed in a line without addresses and secrets.
pub(crate) async fn tell(roster: &Roster, way: &Way, message: &Message) -> Result<(), String> {
    let told = async {
        match way {
            Way::Email { to } => mail::send(roster, to, message).await,
            Way::Webhook { .. } | Way::Ntfy { .. } | Way::HomeAssistant { .. } => {
                post(roster, way, message).await
            }
        }
    };
    let told = match timeout(WITHIN, told).await {
        Ok(told) => told,
        Err(_) => Err(format!("no answer within {} s", WITHIN.as_secs())),
    };
    told.map_err(|why| plain(&why))
}

async fn post(roster: &Roster, way: &Way, message: &Message) -> Result<(), String> {
    let json = || message.json.to_string().into_bytes();
    let text = |value: &str| value.to_owned();
    let mut headers = vec![("idempotency-key", message.key.clone())];
    let (url, body) = match way {
        Way::Webhook { url, secret } => {
            let body = json();
            headers.push(("content-type", text("application/json")));
            if let Some(secret) = secret {
                let secret = password::read(secret).map_err(|error| error.to_string())?;
                headers.push(("x-gatehouse-signature", http::signature(&secret, &body)));
            }
            (url, body)
        }
        Way::HomeAssistant { url } => {
            headers.push(("content-type", text("application/json")));
            (url, json())
        }
        Way::Ntfy { url, token } => {
            headers.push(("content-type", text("text/plain; charset=utf-8")));
            // Headers are ASCII: other titles are said as MIME does, which ntfy reads.
            headers.push(("x-title", http::encoded_word(&message.title)));
            headers.push(("x-priority", priority(message.severity).to_string()));
            headers.push(("x-tags", text("rotating_light")));
            if let Some(token) = token {
                let token = password::read(token).map_err(|error| error.to_string())?;
                headers.push(("authorization", format!("Bearer {token}")));
            }
            (url, message.text.clone().into_bytes())
        }
        Way::Email { .. } => return Err("e-mail is not posted".to_owned()),
    };
    let tls = url.tls.then(|| Tls { ca: roster.ca.clone(), client: None, server_name: None });
    http::post(url, tls.as_ref(), &headers, body).await
}

/// ntfy's 5 is the most urgent, ours 1.
const fn priority(severity: u8) -> u8 {
    match severity {
        0 | 1 => 5,
        2 | 3 => 4,
        _ => 3,
    }
}

/// One line of visible characters, and not too many of them.
fn plain(text: &str) -> String {
    let line: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let line = line.split_whitespace().collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(REASON) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}
