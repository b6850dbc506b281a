//! The files of the page. They hold no secret: whoever is not logged in sees a login.

use axum::Router;
use gatehouse_web::page::{self, CSS, File, HTML, JSON, SCRIPT};

use super::Shared;

/// Every file.
const FILES: &[File] = &[
    ("/", HTML, include_str!("index.html")),
    page::ICON,
    page::THEME,
    ("/frame.css", CSS, include_str!("frame.css")),
    ("/views.css", CSS, include_str!("views.css")),
    ("/stats.css", CSS, include_str!("stats.css")),
    ("/handovers.css", CSS, include_str!("handovers.css")),
    ("/pictures.css", CSS, include_str!("pictures.css")),
    ("/main.js", SCRIPT, include_str!("main.js")),
    page::DOM,
    page::WORDS,
    ("/state.js", SCRIPT, include_str!("state.js")),
    ("/live.js", SCRIPT, include_str!("live.js")),
    ("/login.js", SCRIPT, include_str!("login.js")),
    ("/sound.js", SCRIPT, include_str!("sound.js")),
    ("/keys.js", SCRIPT, include_str!("keys.js")),
    ("/status.js", SCRIPT, include_str!("status.js")),
    ("/incidents.js", SCRIPT, include_str!("incidents.js")),
    ("/acts.js", SCRIPT, include_str!("acts.js")),
    ("/commands.js", SCRIPT, include_str!("commands.js")),
    ("/handovers.js", SCRIPT, include_str!("handovers.js")),
    ("/sites.js", SCRIPT, include_str!("sites.js")),
    ("/pictures.js", SCRIPT, include_str!("pictures.js")),
    ("/history.js", SCRIPT, include_str!("history.js")),
    ("/gateways.js", SCRIPT, include_str!("gateways.js")),
    ("/stats.js", SCRIPT, include_str!("stats.js")),
    ("/plot.js", SCRIPT, include_str!("plot.js")),
    ("/words/en.json", JSON, include_str!("words/en.json")),
    ("/words/zh.json", JSON, include_str!("words/zh.json")),
];

pub(super) fn router() -> Router<Shared> {
    page::router(FILES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_keeps_to_what_it_must_and_has_a_word_for_every_type_of_event() {
        let table = gatehouse_core::codes::all().iter().map(|code| format!("event.{}", code.kind));
        let events = include_str!("../../../../core/src/contract/events.csv");
        let sources = events.lines().filter(|line| !line.starts_with('#'));
        let sources = sources.filter_map(|line| line.split('|').nth(3));
        let sources = sources.flat_map(|kinds| kinds.trim().split('/').map(str::trim));
        let sources = sources.map(|kind| format!("kind.{kind}"));
        let answers = schemars::schema_for!(gatehouse_core::commands::Reason).to_value();
        let answers = answers["oneOf"].as_array().unwrap().iter();
        let answers = answers.map(|one| format!("refusal.{}", one["const"].as_str().unwrap()));
        let offers = super::super::OFFERED.map(|verb| format!("command.{}", verb.as_str()));
        let of_commands = answers.chain(offers).collect::<Vec<_>>();
        assert!(of_commands.len() > 40);
        let more = table.chain(sources).chain(of_commands);
        assert_eq!(page::complaints(FILES, more), [""; 0]);
    }
}
