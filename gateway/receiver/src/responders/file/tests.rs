//! What the file says, and what is said about a wrong one.

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use super::check::roster;
use super::*;

const GOOD: &str = r#"
language = "zh"
time-zone = "Asia/Shanghai"

[smtp]
host = "mail.district.example"
tls = "start"
user = "gatehouse"
password-file = "smtp.pw"
from = "alarms@district.example"

[member.patrol-1]
on-duty = ["mon-fri 22:00-06:00"]
severity-at-most = 2
ways = [
  { webhook = "https://hooks.example:8443/a?b=c", secret-file = "hook.key" },
  { email = "patrol-1@district.example" },
]

[member.manager]
language = "en"
time-zone = "UTC"
classes = ["panic"]
ways = [
  { ntfy = "https://ntfy.sh/topic", token-file = "/run/ntfy" },
  { home-assistant = "http://127.0.0.1:8123/api/webhook/x" },
]

[list.patrol]
members = ["patrol-1"]
tell = "in-order"
repeat-min = 5
otherwise = "managers"

[list.managers]
members = ["manager"]

[[rule]]
sites = ["s-1"]
list = "patrol"
"#;

fn parsed(text: &str) -> Result<Roster, String> {
    roster(text, Path::new("/etc/gatehouse"))
}

#[test]
fn a_good_file_is_what_it_says() {
    let roster = parsed(GOOD).unwrap();
    let id = |text: &str| -> Id { text.parse().unwrap() };
    let patrol = &roster.lists[&id("patrol")];
    assert_eq!(patrol.order, Order::InOrder);
    assert_eq!(patrol.repeat, Some(Repeat { every: Duration::from_secs(300), most: 3 }));
    let member = &roster.members[&id("patrol-1")];
    assert_eq!((member.language, member.zone.iana_name()), (Language::Zh, Some("Asia/Shanghai")));
    let [Way::Webhook { url, secret }, Way::Email { to }] = &member.ways[..] else {
        panic!("{:?}", member.ways)
    };
    assert_eq!((url.host.as_str(), url.port, url.path.as_str()), ("hooks.example", 8443, "/a?b=c"));
    assert_eq!(secret.as_deref(), Some(Path::new("/etc/gatehouse/hook.key")));
    assert_eq!(to, "patrol-1@district.example");
    let files: Vec<_> = roster.files.iter().map(|file| file.to_str().unwrap()).collect();
    assert_eq!(files, ["/etc/gatehouse/smtp.pw", "/run/ntfy", "/etc/gatehouse/hook.key"]);
    assert_eq!(format!("{url:?}"), "https://hooks.example:8443", "no path in any log");
    let words = shown(&roster);
    for wanted in [
        "list patrol tells patrol-1; again every 5 min until somebody acknowledges, 3 times at \
         most; when nobody of it can be told, list managers\n",
        "patrol-1 is told by webhook at https://hooks.example:8443 (signed), then by e-mail to \
         patrol-1@district.example (by mail.district.example:587 with TLS), mon,tue,wed,thu,fri \
         22:00-06:00 (Asia/Shanghai), only of severity 2 and more urgent, in Chinese\n",
        "where a gateway names no list: site s-1 goes to list patrol\n",
        "what comes in more than 60 min late is not told\n",
    ] {
        assert!(words.contains(wanted), "{words}");
    }
}

/// What is written instead of what, and what is said about it.
const MISTAKES: &[(&str, &str, &str)] = &[
    ("\"zh\"", "\"cn\"", "line 2, column 12: language \"cn\"; allowed are en and zh"),
    (
        "\"Asia/Shanghai\"",
        "\"UTC+8\"",
        "line 3, column 13: time-zone \"UTC+8\"; allowed is a name of the IANA database, as \
         \"Asia/Shanghai\", or a POSIX rule, as \"CET-1CEST,M3.5.0,M10.5.0/3\"",
    ),
    ("\"start\"", "\"ssl\"", "line 7, column 7: tls \"ssl\"; allowed are start, implicit and none"),
    (
        "\"start\"",
        "\"none\"",
        "line 7, column 7: tls \"none\" with \"mail.district.example\": messages would be read on \
         the way; allowed only for 127.0.0.1, [::1] and localhost; hint: tls = \"start\"",
    ),
    (
        "password-file = \"smtp.pw\"\n",
        "",
        "line 8, column 8: user and password-file belong together; name both or neither",
    ),
    (
        "\"alarms@district.example\"",
        "\"alarms\"",
        "line 10, column 8: from \"alarms\" is no mail address; allowed is one, as \
         patrol@district.example",
    ),
    (
        "mon-fri 22:00-06:00",
        "mo-fr 22-6",
        "line 13, column 12: on-duty \"mo-fr 22-6\"; allowed are days and hours, as \"mon-fri \
         06:00-18:00\", \"sat,sun 08:00-12:00\" or \"daily 22:00-06:00\"",
    ),
    ("most = 2", "most = 9", "line 14, column 20: severity-at-most = 9; allowed is 1 to 5"),
    (
        "https://hooks.example:8443/a?b=c",
        "hooks.example/s3cret",
        "line 16, column 15: webhook is no address; allowed is https://host[:port]/path",
    ),
    (
        "https://hooks.example:8443/a?b=c",
        "http://hooks.example/s3cret",
        "line 16, column 15: webhook http://hooks.example: messages would be read on the way; \
         write https://, or plain = true if that network is your own",
    ),
    (
        "{ email = \"patrol-1@district.example\" }",
        "{ email = \"a@b.c\", ntfy = \"https://n/t\" }",
        "line 17, column 3: a way is one of webhook, email, ntfy and home-assistant; hint: each in \
         braces of its own",
    ),
    (
        "[\"panic\"]",
        "[\"fire\"]",
        "line 23, column 12: class \"fire\"; allowed are panic, alarm, tamper",
    ),
    (
        "classes = [\"panic\"]",
        "kinds = [\"door.opened\"]",
        "line 23, column 10: kind \"door.opened\" is no type of event that calls anybody; hint: \
         `gatehouse contract` lists them, as zone.alarm, panic.help, alarm.escalated",
    ),
    (
        "members = [\"patrol-1\"]",
        "members = [\"patrol\"]",
        "line 30, column 12: no [member.patrol]; there is manager, patrol-1",
    ),
    ("\"in-order\"", "\"one\"", "line 31, column 8: tell \"one\"; allowed are all and in-order"),
    ("= 5", "= 0", "line 32, column 14: repeat-min = 0; allowed is 1 to 240"),
    (
        "otherwise = \"managers\"",
        "otherwise = \"boss\"",
        "line 33, column 13: no [list.boss]; there is managers, patrol",
    ),
    (
        "members = [\"manager\"]",
        "members = []\notherwise = \"patrol\"",
        "line 35, column 7: list managers: its `otherwise` leads back, or through more than 8 lists",
    ),
    (
        "list = \"patrol\"",
        "list = \"all\"",
        "line 40, column 8: no [list.all]; there is managers, patrol",
    ),
    (
        "sites = [\"s-1\"]",
        "sites = [\"S 1\"]",
        "line 39, column 10: site \"S 1\": an id is made of",
    ),
];

#[test]
fn every_mistake_is_said_with_its_place_and_what_is_allowed() {
    for (right, wrong, wanted) in MISTAKES {
        let text = GOOD.replacen(right, wrong, 1);
        assert_ne!(text, GOOD, "{right}");
        let error = parsed(&text).expect_err(wrong);
        assert!(error.contains(wanted), "{wrong}: {error}\nwanted {wanted}");
        assert!(!error.contains("s3cret"), "{error}");
    }
    let all = GOOD.replace("\"zh\"", "\"cn\"").replace("most = 2", "most = 9");
    assert_eq!(parsed(&all).unwrap_err().matches("\n  line ").count(), 2, "all at once");
    let unknown = parsed(&GOOD.replace("tell =", "order =")).unwrap_err();
    assert!(unknown.contains("unknown field `order`") && unknown.contains("31"), "{unknown}");
    assert!(parsed("").unwrap_err().contains("no list: nobody would ever be told"));
    let mail = GOOD.replace("[smtp]", "[not-smtp]");
    assert!(parsed(&mail).unwrap_err().contains("not-smtp"));
}

#[test]
fn a_file_that_cannot_be_read_or_that_anybody_may_change_is_refused() {
    let folder = tempfile::TempDir::new().unwrap();
    let path = folder.path().join("responders.toml");
    let said = || Roster::read(&path).unwrap_err();
    assert!(said().to_string().contains("nobody would be told, so it must be there"));
    assert!(said().is_unreadable());
    fs::write(&path, GOOD).unwrap();
    let missing = said();
    assert!(missing.is_unreadable(), "{missing}");
    assert!(missing.to_string().contains("smtp.pw: No such file"), "{missing}");
    for file in ["smtp.pw", "hook.key", "ntfy"] {
        let file = folder.path().join(file);
        fs::write(&file, "s3cret\n").unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }
    fs::write(&path, GOOD.replace("/run/ntfy", "ntfy")).unwrap();
    Roster::read(&path).unwrap();
    let secret = folder.path().join("hook.key");
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o606)).unwrap();
    assert!(said().to_string().contains("hook.key may be changed by everybody (mode 606)"));
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o666)).unwrap();
    assert!(said().to_string().contains("may be changed by everybody (mode 666); chmod 600 it"));
}

#[test]
fn the_example_that_is_shipped_is_good() {
    let shipped = include_str!("../../../../../deploy/control-room/responders.toml");
    let roster = parsed(shipped).unwrap_or_else(|error| panic!("{error}"));
    assert!(roster.lists.len() >= 2 && !roster.rules.is_empty() && roster.smtp.is_some());
}
