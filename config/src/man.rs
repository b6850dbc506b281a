//! The manual page `gateway.toml(5)`: made from the same declaration that reads the file.

use std::fmt::Write as _;

use crate::keys::{FILE, credential};
use crate::spec::{AnyKey, Presence, Table, Times};

/// The manual page in roff, as it is shipped.
pub fn man_page() -> String {
    let mut page = String::from(HEAD);
    for table in FILE.tables {
        describe(table, "", &mut page);
    }
    page.push_str(TAIL);
    page
}

/// The manual page of the list of credentials, `credentials.toml(5)`.
pub fn credentials_man_page() -> String {
    let mut page = String::from(CREDENTIALS_HEAD);
    for table in credential::FILE.tables {
        describe(table, "", &mut page);
    }
    page.push_str(CREDENTIALS_TAIL);
    page
}

const CREDENTIALS_HEAD: &str = r#".\" Made from the declaration of the keys by `cargo run -p gatehouse-config --example generate`.
.TH CREDENTIALS.TOML 5 "" "Gatehouse" "Gatehouse"
.nh
.SH NAME
credentials.toml \- who may pass where and when, at a Gatehouse gateway
.SH SYNOPSIS
.I /etc/gatehouse/credentials.toml
.SH DESCRIPTION
One TOML file in UTF\-8, beside
.BR gateway.toml (5)
or where its key
.B credentials
in
.B [access]
says. It holds keyed hashes: no number of a card, no digits of a PIN, and no name but a label that
stays on the box. Without the site's own key, which never leaves the box, the hashes say nothing.
.PP
.B gatehouse credential
lists, enrols, blocks and removes; comments and order stay as they are. After a change by hand,
.B gatehouse credential reload
loads it into the running gateway. The file is taken whole or refused whole; a running gateway then
keeps the list that it has.
.PP
Only the gateway's user and group may read it (chmod 640); one that everybody can write is refused.
"#;

const CREDENTIALS_TAIL: &str = r#".SH EXAMPLE
.EX
[[credential]]
hash = "e8727ae1bbb2842af8c0fac08a82ce71"
label = "Cleaners"
until = 2026-12-31
weekly = ["mon-fri 06:00-08:00"]
doors = ["lobby"]
.EE
.SH SEE ALSO
.BR gatehouse (8),
.BR gateway.toml (5)
"#;

const HEAD: &str = r#".\" Made from the declaration of the keys by `cargo run -p gatehouse-config --example generate`.
.TH GATEWAY.TOML 5 "" "Gatehouse" "Gatehouse"
.\" Topics and paths are not hyphenated.
.nh
.SH NAME
gateway.toml \- configuration of a Gatehouse gateway
.SH SYNOPSIS
.I /etc/gatehouse/gateway.toml
.SH DESCRIPTION
One TOML file in UTF\-8 tells the gateway what it is, what is wired to it, and where events go.
.PP
The file is taken whole or refused whole.
.B gatehouse check
names every mistake at once, with line, key, what is allowed, and a hint.
A gateway whose file is refused does not start (exit status 78); no default ever takes the place of
a file that cannot be read.
.PP
Keys that are marked
.I required
must be given. All others may be left out.
"#;

const TAIL: &str = r#".SH EXAMPLE
.EX
[gateway]
id = "g-7f3a"
district = "d-12"
site = "s-204"

[[partition]]
id = "office"
modes = ["away"]

[[door]]
id = "lobby"
input = "gpiochip0:17"
held-open-s = 60

[[zone]]
id = "office-door"
kind = "entry-exit"
input = "gpiochip0:22"
partition = "office"

[[zone]]
id = "panic"
kind = "silent-panic"
input = "gpiochip0:23"

[[broker]]
id = "district"
host = "mqtt.district.example"

[broker.tls]
ca = "/etc/gatehouse/district-ca.pem"
.EE
.SH FILES
.TP
.I /etc/gatehouse/gateway.toml
The configuration.
.TP
.I /usr/share/doc/gatehouse/examples/
Site profiles: a lobby, a residential compound, a school, a clinic, a pump station with its
transformer; and a gated community of 24 doors.
.SH SEE ALSO
.BR gatehouse (8),
.BR credentials.toml (5),
.BR systemd.exec (5)
"#;

fn describe(table: &Table, parent: &str, page: &mut String) {
    let header = table.header(parent);
    let times = match table.times {
        Times::Once => "required".to_owned(),
        Times::AtMostOnce => "optional".to_owned(),
        Times::Several { min, max } => format!("{min} to {max} times"),
    };
    // Writing to a String cannot fail.
    let _ = writeln!(page, ".SH TABLE {}\n{} ({times})", roff(&header), roff(table.doc));
    for key in table.keys {
        entry(*key, page);
    }
    for within in table.tables {
        describe(within, &crate::spec::join(parent, table.name), page);
    }
}

fn entry(key: &dyn AnyKey, page: &mut String) {
    let presence = match key.presence() {
        Presence::Required => "required".to_owned(),
        Presence::Optional => "optional".to_owned(),
        Presence::Default(text) => format!("default {}", roff(text)),
    };
    let _ = writeln!(
        page,
        ".TP\n.BR {} \" ({presence_})\"\n{}\n.br\nAllowed: {}.",
        roff(key.name()),
        roff(key.doc()),
        roff(&key.allowed()),
        presence_ = presence.replace('"', "\\(dq"),
    );
    for (word, meaning) in key.words() {
        let _ = writeln!(page, ".br\n{}: {}.", roff(&format!("`\"{word}\"`")), roff(meaning));
    }
}

/// A sentence in roff: backquoted words are bold, nothing else is markup.
fn roff(text: &str) -> String {
    let mut out = String::new();
    let mut bold = false;
    for c in text.chars() {
        match c {
            '`' => {
                bold = !bold;
                out.push_str(if bold { "\\fB" } else { "\\fR" });
            }
            '\\' => out.push_str("\\e"),
            '-' => out.push_str("\\-"),
            '…' => out.push_str("..."),
            '\'' => out.push_str("\\(aq"),
            _ => out.push(c),
        }
    }
    // A line that begins with a dot would be a command.
    if out.starts_with('.') { format!("\\&{out}") } else { out }
}
