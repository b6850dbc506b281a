//! The file as it is written, before it is understood.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

pub(super) type Text = Spanned<String>;

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct File {
    pub(super) language: Option<Text>,
    pub(super) time_zone: Option<Text>,
    pub(super) ca: Option<Text>,
    pub(super) not_after_min: Option<Spanned<i64>>,
    pub(super) smtp: Option<Smtp>,
    #[serde(default)]
    pub(super) member: BTreeMap<Text, Member>,
    #[serde(default)]
    pub(super) list: BTreeMap<Text, List>,
    #[serde(default)]
    pub(super) rule: Vec<Rule>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Smtp {
    pub(super) host: Text,
    pub(super) port: Option<Spanned<i64>>,
    pub(super) tls: Text,
    pub(super) user: Option<Text>,
    pub(super) password_file: Option<Text>,
    pub(super) from: Text,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Member {
    pub(super) language: Option<Text>,
    pub(super) time_zone: Option<Text>,
    #[serde(default)]
    pub(super) on_duty: Vec<Text>,
    pub(super) classes: Option<Vec<Text>>,
    pub(super) kinds: Option<Vec<Text>>,
    pub(super) severity_at_most: Option<Spanned<i64>>,
    pub(super) ways: Spanned<Vec<Spanned<Way>>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Way {
    pub(super) webhook: Option<Text>,
    pub(super) secret_file: Option<Text>,
    pub(super) email: Option<Text>,
    pub(super) ntfy: Option<Text>,
    pub(super) token_file: Option<Text>,
    pub(super) home_assistant: Option<Text>,
    #[serde(default)]
    pub(super) plain: bool,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct List {
    pub(super) members: Spanned<Vec<Text>>,
    pub(super) tell: Option<Text>,
    pub(super) repeat_min: Option<Spanned<i64>>,
    pub(super) at_most: Option<Spanned<i64>>,
    pub(super) otherwise: Option<Text>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub(super) struct Rule {
    pub(super) sites: Option<Vec<Text>>,
    pub(super) classes: Option<Vec<Text>>,
    pub(super) kinds: Option<Vec<Text>>,
    pub(super) severity_at_most: Option<Spanned<i64>>,
    pub(super) list: Text,
}
