//! The files of the page. They hold no secret: whoever is not logged in sees a login.

use std::sync::LazyLock;

use axum::Router;
use gatehouse_web::page::{self, CSS, File, HTML, JSON, SCRIPT};
use serde_json::{Map, Value};

use super::Shared;

/// Words that are the same on every page of ours, by the beginning of their key.
const SHARED_WORDS: [&str; 12] = [
    "age.", "class.", "comma", "danger.", "event.", "flag.", "kind.", "kinds.", "mode.", "phase.",
    "state.", "why.",
];

/// Every file.
static FILES: LazyLock<Vec<File>> = LazyLock::new(|| {
    let words = |language, own: &str| -> &'static str {
        // Once for the life of the process.
        Box::leak(words(language, own).into_boxed_str())
    };
    vec![
        ("/", HTML, include_str!("index.html")),
        page::ICON,
        page::THEME,
        ("/page.css", CSS, include_str!("page.css")),
        ("/views.css", CSS, include_str!("views.css")),
        page::DOM,
        page::WORDS,
        ("/main.js", SCRIPT, include_str!("main.js")),
        ("/state.js", SCRIPT, include_str!("state.js")),
        ("/live.js", SCRIPT, include_str!("live.js")),
        ("/login.js", SCRIPT, include_str!("login.js")),
        ("/now.js", SCRIPT, include_str!("now.js")),
        ("/acts.js", SCRIPT, include_str!("acts.js")),
        ("/cameras.js", SCRIPT, include_str!("cameras.js")),
        ("/events.js", SCRIPT, include_str!("events.js")),
        ("/settings.css", CSS, include_str!("settings.css")),
        ("/review.js", SCRIPT, include_str!("review.js")),
        ("/settings.js", SCRIPT, include_str!("settings.js")),
        ("/draw.css", CSS, include_str!("draw.css")),
        ("/draw.js", SCRIPT, include_str!("draw.js")),
        ("/outline.js", SCRIPT, include_str!("outline.js")),
        ("/stage.js", SCRIPT, include_str!("stage.js")),
        ("/cards.js", SCRIPT, include_str!("cards.js")),
        ("/may.js", SCRIPT, include_str!("may.js")),
        ("/people.js", SCRIPT, include_str!("people.js")),
        ("/words/en.json", JSON, words("en", include_str!("words/en.json"))),
        ("/words/zh.json", JSON, words("zh", include_str!("words/zh.json"))),
    ]
});

/// The page's own words of a language, with those that it shares.
fn words(language: &str, own: &str) -> String {
    // A catalogue that cannot be read is empty, which the tests do not let pass.
    let read = |text: &str| serde_json::from_str::<Map<String, Value>>(text).unwrap_or_default();
    let mut all = read(page::wall_words(language));
    all.retain(|key, _| SHARED_WORDS.iter().any(|begin| key.starts_with(begin)));
    all.extend(read(own));
    Value::Object(all).to_string()
}

pub(super) fn router() -> Router<Shared> {
    page::router(&FILES)
}

#[cfg(test)]
mod tests {
    use super::super::accounts::{Right, Role};
    use super::*;

    #[test]
    fn the_page_keeps_to_what_it_must_and_has_a_word_for_everything() {
        let events = gatehouse_core::codes::all().iter().map(|code| format!("event.{}", code.kind));
        let roles = Role::ALL.map(|role| format!("role.{}", role.as_str()));
        let rights = Right::ALL.map(|right| format!("right.{}", right.as_str()));
        let verdicts = [
            "alarm", "nothing", "blind", "degraded", "apart", "unheard", "bypassed", "armed",
            "watching", "handled",
        ];
        let verdicts = verdicts.map(|word| format!("verdict.{word}"));
        let errors = [
            "login",
            "csrf",
            "role",
            "unknown",
            "busy",
            "ending",
            "disk",
            "unrecorded",
            "short",
            "long",
            "name",
            "taken",
            "full",
            "last",
            "wrong",
            "locked",
            "gone",
            "no_picture",
            "internal",
            "origin",
            "host",
            "thing",
            "code",
            "paired",
            "refused",
            "away",
            "mistakes",
            "step",
            "file_changed",
            "moved",
            "unconfirmed",
            "confirmed",
            "read_only",
            "rolled_back",
            "card",
            "pin",
            "there",
            "by_hand",
        ];
        let errors = errors.map(|word| format!("error.{word}"));
        let refusals = schemars::schema_for!(gatehouse_core::site::Refusal).to_value();
        let refusals = refusals["oneOf"].as_array().unwrap().iter();
        let refusals: Vec<_> =
            refusals.map(|one| format!("refusal.{}", one["const"].as_str().unwrap())).collect();
        assert!(refusals.len() > 8);
        let ways = ["signal", "cli", "web", "district", "gateway"].map(|way| format!("via.{way}"));
        let puts = ["not_confirmed", "undone", "restart", "start"].map(|why| format!("put.{why}"));
        let others = ["touch.broker", "touch.page", "replay.too-many", "replay.too-long"];
        let others = others.map(str::to_owned).into_iter().chain(["replay.unreadable".to_owned()]);
        let shapes = gatehouse_config::ShapeError::ALL.map(|it| format!("shape.{}", it.as_str()));
        let cards = ["valid", "early", "over", "blocked"].map(|state| format!("cards.is_{state}"));
        let days = ["mon", "tues", "wednes", "thurs", "fri", "satur", "sun"];
        let days = days.map(|day| format!("day.{day}day"));
        let refusals: Vec<_> =
            refusals.into_iter().chain(ways).chain(puts).chain(others).chain(days).collect();
        let refusals = refusals.into_iter().chain(shapes).chain(cards);
        let more = events.chain(roles).chain(rights).chain(verdicts).chain(errors).chain(refusals);
        assert_eq!(page::complaints(&FILES, more), [""; 0]);
    }
}
