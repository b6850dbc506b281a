//! The files of the page. They hold no secret: whoever is not logged in sees a login.

use axum::Router;
use axum::http::header;
use axum::routing::get;

use super::Shared;

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";
const JSON: &str = "application/json";

/// Path, type and content of every file.
const FILES: &[(&str, &str, &str)] = &[
    ("/", HTML, include_str!("index.html")),
    ("/icon.svg", "image/svg+xml", include_str!("icon.svg")),
    ("/theme.css", CSS, include_str!("theme.css")),
    ("/frame.css", CSS, include_str!("frame.css")),
    ("/views.css", CSS, include_str!("views.css")),
    ("/stats.css", CSS, include_str!("stats.css")),
    ("/handovers.css", CSS, include_str!("handovers.css")),
    ("/pictures.css", CSS, include_str!("pictures.css")),
    ("/main.js", SCRIPT, include_str!("main.js")),
    ("/dom.js", SCRIPT, include_str!("dom.js")),
    ("/words.js", SCRIPT, include_str!("words.js")),
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
    FILES.iter().fold(Router::new(), |router, (path, kind, body)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, *kind)], *body) }))
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use serde_json::{Map, Value};

    use super::*;

    fn words(language: &str) -> Map<String, Value> {
        let path = format!("/words/{language}.json");
        let file = FILES.iter().find(|(at, ..)| *at == path).unwrap();
        serde_json::from_str(file.2).unwrap()
    }

    #[test]
    fn the_page_loads_nothing_from_elsewhere_and_every_file_that_it_names() {
        for (path, _, text) in FILES {
            // A name, not an address: what makes an SVG element an SVG element.
            let text = text.replace("http://www.w3.org/2000/svg", "");
            assert!(
                !text.contains("://") && !text.contains("\"//"),
                "{path}: an external resource"
            );
            assert!(!text.contains("style=\"") && !text.contains("onclick"), "{path}: inline");
            let named = ["from \"./", "src=\"/", "href=\"/"];
            for name in named.iter().flat_map(|mark| text.split(mark).skip(1)) {
                let name = format!("/{}", name.split('"').next().unwrap());
                let known = FILES.iter().any(|(at, ..)| *at == name);
                assert!(known, "{path} names {name}");
            }
        }
    }

    #[test]
    fn both_languages_have_the_same_words_and_none_is_empty() {
        let (en, zh) = (words("en"), words("zh"));
        let keys = |words: &Map<String, Value>| words.keys().cloned().collect::<BTreeSet<_>>();
        let (of_en, of_zh) = (keys(&en), keys(&zh));
        assert_eq!(of_en.symmetric_difference(&of_zh).collect::<Vec<_>>(), [""; 0]);
        let places = |text: &Value| {
            let text = text.as_str().unwrap();
            assert!(!text.trim().is_empty());
            let names = text.split('{').skip(1).filter_map(|rest| rest.split('}').next());
            names.map(str::to_owned).collect::<BTreeSet<_>>()
        };
        for (key, text) in &en {
            assert_eq!(places(text), places(&zh[key]), "{key} names other places");
        }
    }

    #[test]
    fn every_word_that_the_page_uses_and_every_type_of_event_is_in_the_catalogue() {
        let en = words("en");
        let html = FILES[0].2;
        let marks = ["data-t=\"", "data-label=\"", "data-hint=\""];
        let of_html = marks.iter().flat_map(|mark| html.split(mark).skip(1));
        let of_html = of_html.filter_map(|rest| rest.split('"').next()).map(str::to_owned);
        let scripts = FILES.iter().filter(|(_, kind, _)| *kind == SCRIPT);
        let of_scripts = scripts.flat_map(|(_, _, text)| {
            text.split(" t(\"").skip(1).chain(text.split("(t(\"").skip(1))
        });
        let of_scripts = of_scripts.filter_map(|rest| rest.split('"').next()).map(str::to_owned);
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
        let all = of_html.chain(of_scripts).chain(table).chain(sources).chain(of_commands);
        for key in all {
            assert!(en.contains_key(&key), "no word for {key}");
        }
    }
}
