//! What a file says, in words: for whoever has just written it.

use std::fmt::Write as _;

use gatehouse_core::site::Weekly;

use super::{Language, MailTls, Order, Roster, Wants, Way};

/// The whole file, a line for each thing; no secret, and of an address only the host.
pub(crate) fn shown(roster: &Roster) -> String {
    let mut out = String::new();
    for (name, list) in &roster.lists {
        let who = match (list.order, list.members.len()) {
            (_, 0) => "nobody".to_owned(),
            (_, 1) => list.members[0].to_string(),
            (Order::All, _) => format!("{} at once", names(&list.members)),
            (Order::InOrder, _) => {
                format!("{}, the next when all ways of one have failed", names(&list.members))
            }
        };
        let _ = write!(out, "list {name} tells {who}");
        if let Some(repeat) = list.repeat {
            let (minutes, most) = (repeat.every.as_secs() / 60, repeat.most);
            let _ = write!(
                out,
                "; again every {minutes} min until somebody acknowledges, {most} times at most"
            );
        }
        if let Some(otherwise) = &list.otherwise {
            let _ = write!(out, "; when nobody of it can be told, list {otherwise}");
        }
        out.push('\n');
    }
    for (name, member) in &roster.members {
        let ways: Vec<_> = member.ways.iter().map(|way| told(roster, way)).collect();
        let _ = write!(out, "{name} is told by {}", ways.join(", then by "));
        if member.on_duty.is_empty() {
            out.push_str(", always");
        } else {
            let windows: Vec<_> = member.on_duty.iter().copied().map(window).collect();
            let zone = member.zone.iana_name().unwrap_or("its own time");
            let _ = write!(out, ", {} ({zone})", windows.join(" and "));
        }
        let _ = write!(out, "{}", wanted(&member.wants));
        let language = if member.language == Language::Zh { "Chinese" } else { "English" };
        let _ = writeln!(out, ", in {language}");
    }
    for rule in &roster.rules {
        let sites = rule.sites.as_ref().map(|sites| names(sites));
        let sites = sites.map_or_else(|| "every site".to_owned(), |sites| format!("site {sites}"));
        let _ = writeln!(
            out,
            "where a gateway names no list: {sites}{} goes to list {}",
            wanted(&rule.wants),
            rule.list
        );
    }
    if roster.rules.is_empty() {
        out.push_str("where a gateway names no list, nobody is told\n");
    }
    let minutes = roster.not_after.as_secs() / 60;
    let _ = writeln!(out, "what comes in more than {minutes} min late is not told");
    out
}

fn names(of: &[gatehouse_core::id::Id]) -> String {
    of.iter().map(gatehouse_core::id::Id::as_str).collect::<Vec<_>>().join(", ")
}

fn told(roster: &Roster, way: &Way) -> String {
    match way {
        Way::Webhook { url, secret } => {
            let signed = if secret.is_some() { "signed" } else { "unsigned" };
            format!("webhook at {} ({signed})", url.shown())
        }
        Way::Email { to } => {
            let by = roster.smtp.as_ref().map_or_else(String::new, |smtp| {
                let tls = if smtp.tls == MailTls::None { "without TLS" } else { "with TLS" };
                format!(" (by {}:{} {tls})", smtp.host, smtp.port)
            });
            format!("e-mail to {to}{by}")
        }
        Way::Ntfy { url, .. } => format!("ntfy at {}", url.shown()),
        Way::HomeAssistant { url } => format!("Home Assistant at {}", url.shown()),
    }
}

fn window(window: Weekly) -> String {
    let days = Weekly::DAYS.iter().filter(|(_, day)| window.days.contains(*day));
    let days: Vec<_> = days.map(|(name, _)| *name).collect();
    let time = |minute: u16| format!("{:02}:{:02}", minute / 60, minute % 60);
    let days = if days.len() == 7 { "daily".to_owned() } else { days.join(",") };
    format!("{days} {}-{}", time(window.from), time(window.until))
}

fn wanted(wants: &Wants) -> String {
    let mut out = String::new();
    if let Some(classes) = &wants.classes {
        let words: Vec<_> = classes.iter().map(|class| class.as_str()).collect();
        let _ = write!(out, ", only {}", words.join(" and "));
    }
    if let Some(kinds) = &wants.kinds {
        let _ = write!(out, ", only {}", kinds.join(" and "));
    }
    if let Some(most) = wants.severity_at_most {
        let _ = write!(out, ", only of severity {most} and more urgent");
    }
    out
}
