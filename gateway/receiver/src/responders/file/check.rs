//! From what is written to what is meant, or every mistake with its line and column.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use gatehouse_core::contract::catalogue;
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::site::Weekly;
use jiff::tz::{TimeZone, TimeZoneDatabase};
use toml::Spanned;

use super::raw::{self, Text};
use super::{
    AUTHORITIES, Language, List, MOST, MOST_OTHERWISE, MailTls, Member, Order, Repeat, Roster,
    Rule, Smtp, Url, Wants, Way,
};

/// A bound on one URL or address, in bytes: what is longer is none.
const LONGEST: usize = 1024;

struct Check<'t> {
    folder: &'t Path,
    mistakes: Vec<(usize, String)>,
    files: Vec<PathBuf>,
}

/// Understands a file whose relative paths are of this folder. The error lists every mistake, each
/// on a line of its own.
pub(super) fn roster(text: &str, folder: &Path) -> Result<Roster, String> {
    let raw: raw::File = toml::from_str(text).map_err(|error| format!("\n{error}"))?;
    let mut check = Check { folder, mistakes: Vec::new(), files: Vec::new() };
    let roster = check.roster(raw);
    if check.mistakes.is_empty() {
        return Ok(Roster { files: check.files, ..roster });
    }
    check.mistakes.sort();
    let mut all = String::new();
    for (at, what) in &check.mistakes {
        let before = text.get(..*at).unwrap_or(text);
        let line = 1 + before.matches('\n').count();
        let column = 1 + before.rsplit('\n').next().unwrap_or(before).chars().count();
        let _ = write!(all, "\n  line {line}, column {column}: {what}");
    }
    Err(all)
}

impl Check<'_> {
    fn wrong(&mut self, at: &Range<usize>, what: String) {
        self.mistakes.push((at.start, what));
    }

    fn roster(&mut self, raw: raw::File) -> Roster {
        let count = raw.list.len() + raw.member.len() + raw.rule.len();
        if count > MOST {
            self.wrong(&(0..0), format!("{count} lists, members and rules; allowed are {MOST}"));
        }
        let language = raw.language.and_then(|text| self.language(&text)).unwrap_or_default();
        let zone = raw.time_zone.and_then(|text| self.zone(&text)).unwrap_or(TimeZone::UTC);
        let ca = raw.ca.map_or_else(|| AUTHORITIES.into(), |text| self.folder.join(text.as_ref()));
        let not_after = raw.not_after_min.map_or(60, |n| self.number("not-after-min", &n, 1, 1440));
        let smtp = raw.smtp.map(|smtp| self.smtp(smtp));
        let mut members = BTreeMap::new();
        for (name, member) in raw.member {
            let member = self.member(member, language, &zone, smtp.is_some());
            if let Some(id) = self.id("member", &name) {
                members.insert(id, member);
            }
        }
        let lists = self.lists(raw.list, &members);
        let rules = raw.rule.into_iter().filter_map(|rule| self.rule(rule, &lists)).collect();
        if lists.is_empty() {
            let what = "no list: nobody would ever be told; hint: [list.patrol] with members = […]";
            self.wrong(&(0..0), what.to_owned());
        }
        let not_after = Duration::from_secs(u64::from(not_after) * 60);
        Roster { lists, members, rules, smtp, ca, not_after, files: Vec::new() }
    }

    fn id(&mut self, what: &str, text: &Text) -> Option<Id> {
        match text.as_ref().parse() {
            Ok(id) => Some(id),
            Err(error) => {
                self.wrong(&text.span(), format!("{what} {:?}: {error}", text.as_ref()));
                None
            }
        }
    }

    fn number(&mut self, key: &str, given: &Spanned<i64>, least: u32, most: u32) -> u32 {
        let value = *given.as_ref();
        let good = u32::try_from(value).ok().filter(|value| (least..=most).contains(value));
        good.unwrap_or_else(|| {
            self.wrong(&given.span(), format!("{key} = {value}; allowed is {least} to {most}"));
            least
        })
    }

    fn language(&mut self, text: &Text) -> Option<Language> {
        match text.as_ref().as_str() {
            "en" => Some(Language::En),
            "zh" => Some(Language::Zh),
            other => {
                self.wrong(&text.span(), format!("language {other:?}; allowed are en and zh"));
                None
            }
        }
    }

    fn zone(&mut self, text: &Text) -> Option<TimeZone> {
        let given = text.as_ref().as_str();
        let known = TimeZoneDatabase::bundled().get(given).ok().filter(|zone| !zone.is_unknown());
        // POSIX counts hours to the west: nobody means it who writes `UTC+8`.
        let turned = given.starts_with("UTC+") || given.starts_with("GMT+");
        let zone = known.or_else(|| TimeZone::posix(given).ok().filter(|_| !turned));
        if zone.is_none() {
            let what = "allowed is a name of the IANA database, as \"Asia/Shanghai\", or a POSIX \
                        rule, as \"CET-1CEST,M3.5.0,M10.5.0/3\"";
            self.wrong(&text.span(), format!("time-zone {given:?}; {what}"));
        }
        zone
    }

    /// A file with a secret.
    fn file(&mut self, text: &Text) -> PathBuf {
        let path = self.folder.join(text.as_ref());
        self.files.push(path.clone());
        path
    }

    fn address(&mut self, key: &str, text: &Text) -> String {
        let given = text.as_ref().as_str();
        if given.len() > LONGEST || given.parse::<lettre::Address>().is_err() {
            let what = "is no mail address; allowed is one, as patrol@district.example";
            self.wrong(&text.span(), format!("{key} {given:?} {what}"));
        }
        given.to_owned()
    }

    fn smtp(&mut self, raw: raw::Smtp) -> Smtp {
        let tls = match raw.tls.as_ref().as_str() {
            "start" => MailTls::Start,
            "implicit" => MailTls::Implicit,
            "none" => MailTls::None,
            other => {
                let what = format!("tls {other:?}; allowed are start, implicit and none");
                self.wrong(&raw.tls.span(), what);
                MailTls::Start
            }
        };
        let host = raw.host.as_ref().clone();
        if host.is_empty() || host.contains(|c: char| c.is_whitespace() || "/@".contains(c)) {
            let what = "is no host; allowed is a name or an address, as mail.district.example";
            self.wrong(&raw.host.span(), format!("host {host:?} {what}"));
        }
        if tls == MailTls::None && !is_here(&host) {
            let what = format!(
                "tls \"none\" with {host:?}: messages would be read on the way; allowed only for \
                 127.0.0.1, [::1] and localhost; hint: tls = \"start\""
            );
            self.wrong(&raw.tls.span(), what);
        }
        let usual = match tls {
            MailTls::Start => 587,
            MailTls::Implicit => 465,
            MailTls::None => 25,
        };
        let port = raw.port.map_or(usual, |port| self.number("port", &port, 1, 65_535));
        let login = match (raw.user, raw.password_file) {
            (Some(user), Some(file)) => Some((user.into_inner(), self.file(&file))),
            (None, None) => None,
            (Some(one), None) | (None, Some(one)) => {
                let what = "user and password-file belong together; name both or neither";
                self.wrong(&one.span(), what.to_owned());
                None
            }
        };
        let from = self.address("from", &raw.from);
        let port = u16::try_from(port).expect("a port was looked at");
        Smtp { host, port, tls, login, from }
    }

    fn member(
        &mut self,
        raw: raw::Member,
        language: Language,
        zone: &TimeZone,
        mail: bool,
    ) -> Member {
        let language = raw.language.and_then(|text| self.language(&text)).unwrap_or(language);
        let zone = raw.time_zone.and_then(|text| self.zone(&text)).unwrap_or_else(|| zone.clone());
        let mut on_duty = Vec::new();
        for window in &raw.on_duty {
            if let Some(window) = Weekly::parse(window.as_ref()) {
                on_duty.push(window);
            } else {
                let what = "allowed are days and hours, as \"mon-fri 06:00-18:00\", \"sat,sun \
                                08:00-12:00\" or \"daily 22:00-06:00\"";
                self.wrong(&window.span(), format!("on-duty {:?}; {what}", window.as_ref()));
            }
        }
        if raw.ways.as_ref().is_empty() {
            let what = "no way: it could never be told; hint: ways = [{ email = \"…\" }]";
            self.wrong(&raw.ways.span(), what.to_owned());
        }
        let wants = self.wants(raw.classes, raw.kinds, raw.severity_at_most);
        let ways = raw.ways.into_inner().into_iter();
        let ways = ways.filter_map(|way| self.way(way, mail)).collect();
        Member { ways, on_duty, zone, language, wants }
    }

    fn way(&mut self, raw: Spanned<raw::Way>, mail: bool) -> Option<Way> {
        let at = raw.span();
        let raw::Way { webhook, secret_file, email, ntfy, token_file, home_assistant, plain } =
            raw.into_inner();
        if let Some(file) = secret_file.as_ref().filter(|_| webhook.is_none()) {
            self.wrong(&file.span(), "secret-file is for a webhook".to_owned());
        }
        if let Some(file) = token_file.as_ref().filter(|_| ntfy.is_none()) {
            self.wrong(&file.span(), "token-file is for ntfy".to_owned());
        }
        match (webhook, email, ntfy, home_assistant) {
            (Some(url), None, None, None) => {
                let secret = secret_file.map(|file| self.file(&file));
                self.url("webhook", &url, plain).map(|url| Way::Webhook { url, secret })
            }
            (None, Some(to), None, None) => {
                if !mail {
                    let what = "e-mail needs a mail server; hint: [smtp] with host, tls and from";
                    self.wrong(&to.span(), what.to_owned());
                }
                Some(Way::Email { to: self.address("email", &to) })
            }
            (None, None, Some(url), None) => {
                let token = token_file.map(|file| self.file(&file));
                self.url("ntfy", &url, plain).map(|url| Way::Ntfy { url, token })
            }
            (None, None, None, Some(url)) => {
                self.url("home-assistant", &url, plain).map(|url| Way::HomeAssistant { url })
            }
            _ => {
                let what = "a way is one of webhook, email, ntfy and home-assistant; hint: each in \
                            braces of its own";
                self.wrong(&at, what.to_owned());
                None
            }
        }
    }

    /// The path is not repeated in an error: it may be a secret.
    fn url(&mut self, key: &str, text: &Text, plain: bool) -> Option<Url> {
        let Some(url) = url(text.as_ref()) else {
            let what = "is no address; allowed is https://host[:port]/path";
            self.wrong(&text.span(), format!("{key} {what}"));
            return None;
        };
        if !url.tls && !plain && !is_here(&url.host) {
            let what = format!(
                "{key} {}: messages would be read on the way; write https://, or plain = true if \
                 that network is your own",
                url.shown()
            );
            self.wrong(&text.span(), what);
        }
        Some(url)
    }

    fn wants(
        &mut self,
        classes: Option<Vec<Text>>,
        kinds: Option<Vec<Text>>,
        severity: Option<Spanned<i64>>,
    ) -> Wants {
        let classes = classes.map(|all| {
            let of = |text: &Text| {
                let class = Class::from_word(text.as_ref());
                let class = class.filter(|class| CLASSES.contains(class));
                if class.is_none() {
                    let what =
                        format!("class {:?}; allowed are panic, alarm, tamper", text.as_ref());
                    self.wrong(&text.span(), what);
                }
                class
            };
            all.iter().filter_map(of).collect()
        });
        let kinds = kinds.map(|all| {
            for text in &all {
                let known = catalogue::of_name(text.as_ref());
                let calls = |known: &&catalogue::EventType| {
                    known.classes.iter().any(|class| CLASSES.contains(class))
                };
                if known.as_ref().is_none_or(|known| !calls(known)) {
                    let what = "is no type of event that calls anybody; hint: `gatehouse contract` \
                                lists them, as zone.alarm, panic.help, alarm.escalated";
                    self.wrong(&text.span(), format!("kind {:?} {what}", text.as_ref()));
                }
            }
            all.into_iter().map(Text::into_inner).collect()
        });
        let severity = severity.map(|n| self.number("severity-at-most", &n, 1, 5));
        let severity_at_most = severity.and_then(|n| u8::try_from(n).ok());
        Wants { classes, kinds, severity_at_most }
    }

    fn lists(
        &mut self,
        raw: BTreeMap<Text, raw::List>,
        members: &BTreeMap<Id, Member>,
    ) -> BTreeMap<Id, List> {
        let names: BTreeSet<String> = raw.keys().map(|name| name.as_ref().clone()).collect();
        let mut lists = BTreeMap::new();
        let mut places = Vec::new();
        for (name, raw) in raw {
            if raw.members.as_ref().is_empty() && raw.otherwise.is_none() {
                let what = "nobody is on it; name a member, or otherwise = \"another list\"";
                self.wrong(&raw.members.span(), format!("list {:?}: {what}", name.as_ref()));
            }
            let mut of = Vec::new();
            for member in raw.members.as_ref() {
                let id = member.as_ref().parse::<Id>().ok();
                match id.filter(|id| members.contains_key(id)) {
                    Some(id) if of.contains(&id) => {
                        self.wrong(&member.span(), format!("{id} stands there twice"));
                    }
                    Some(id) => of.push(id),
                    None => {
                        let known = listed(members.keys().map(Id::as_str));
                        let what = format!("no [member.{}]; there is {known}", member.as_ref());
                        self.wrong(&member.span(), what);
                    }
                }
            }
            let order = match raw.tell.as_ref().map(|text| text.as_ref().as_str()) {
                None | Some("all") => Order::All,
                Some("in-order") => Order::InOrder,
                Some(other) => {
                    let what = format!("tell {other:?}; allowed are all and in-order");
                    let span = raw.tell.as_ref().map(Text::span).unwrap_or_default();
                    self.wrong(&span, what);
                    Order::All
                }
            };
            let repeat = match (raw.repeat_min, raw.at_most) {
                (Some(every), most) => {
                    let every = self.number("repeat-min", &every, 1, 240);
                    let most = most.map_or(3, |most| self.number("at-most", &most, 1, 100));
                    Some(Repeat { every: Duration::from_secs(u64::from(every) * 60), most })
                }
                (None, Some(most)) => {
                    let what = "at-most says how often it is told again; repeat-min must say when";
                    self.wrong(&most.span(), what.to_owned());
                    None
                }
                (None, None) => None,
            };
            let otherwise = raw.otherwise.and_then(|text| {
                if !names.contains(text.as_ref()) {
                    let known = listed(names.iter().map(String::as_str));
                    let what = format!("no [list.{}]; there is {known}", text.as_ref());
                    self.wrong(&text.span(), what);
                }
                text.as_ref().parse().ok()
            });
            let span = name.span();
            if let Some(id) = self.id("list", &name) {
                places.push((id.clone(), span));
                lists.insert(id, List { members: of, order, repeat, otherwise });
            }
        }
        for (id, span) in places {
            let mut seen = vec![&id];
            let mut at = &id;
            while let Some(next) = lists.get(at).and_then(|list: &List| list.otherwise.as_ref()) {
                if seen.contains(&next) || seen.len() > MOST_OTHERWISE {
                    let what = "its `otherwise` leads back, or through more than 8 lists";
                    self.wrong(&span, format!("list {id}: {what}"));
                    break;
                }
                seen.push(next);
                at = next;
            }
        }
        lists
    }

    fn rule(&mut self, raw: raw::Rule, lists: &BTreeMap<Id, List>) -> Option<Rule> {
        let wants = self.wants(raw.classes, raw.kinds, raw.severity_at_most);
        let sites = raw
            .sites
            .map(|all| all.iter().filter_map(|site| self.id("site", site)).collect::<Vec<_>>());
        let list = raw.list.as_ref().parse::<Id>().ok().filter(|id| lists.contains_key(id));
        if list.is_none() {
            let known = listed(lists.keys().map(Id::as_str));
            let what = format!("no [list.{}]; there is {known}", raw.list.as_ref());
            self.wrong(&raw.list.span(), what);
        }
        Some(Rule { sites, wants, list: list? })
    }
}

/// The classes of events that call.
const CLASSES: [Class; 3] = [Class::Panic, Class::Alarm, Class::Tamper];

fn listed<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let names: Vec<_> = names.take(12).collect();
    if names.is_empty() { "none".to_owned() } else { names.join(", ") }
}

/// Whether a host is this machine.
fn is_here(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    host == "localhost" || bare.parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

fn url(text: &str) -> Option<Url> {
    if text.len() > LONGEST || text.contains(|c: char| c.is_whitespace() || c.is_control()) {
        return None;
    }
    let uri: hyper::Uri = text.parse().ok()?;
    let tls = match uri.scheme_str()? {
        "https" => true,
        "http" => false,
        _ => return None,
    };
    let authority = uri.authority()?;
    if authority.as_str().contains('@') || authority.host().is_empty() {
        return None;
    }
    let host = authority.host().trim_start_matches('[').trim_end_matches(']').to_owned();
    let port = authority.port_u16().unwrap_or(if tls { 443 } else { 80 });
    let path = uri.path_and_query().map_or("/", |path| path.as_str()).to_owned();
    Some(Url { tls, host, port, authority: authority.as_str().to_owned(), path })
}
