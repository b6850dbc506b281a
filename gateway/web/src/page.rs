//! Files of a page: served as they are, nothing is built, and nothing is loaded from elsewhere.
//!
//! [`complaints`] is for the tests of whoever serves them: what a page must keep to.

use std::collections::BTreeSet;

use axum::Router;
use axum::http::header;
use axum::routing::get;
use serde_json::{Map, Value};

/// Kinds of files.
pub const HTML: &str = "text/html; charset=utf-8";
/// Style sheets.
pub const CSS: &str = "text/css; charset=utf-8";
/// Modules.
pub const SCRIPT: &str = "text/javascript; charset=utf-8";
/// Catalogues of words.
pub const JSON: &str = "application/json";
/// Drawings.
pub const SVG: &str = "image/svg+xml";

/// A file's path, its type and its content.
pub type File = (&'static str, &'static str, &'static str);

/// Colours and letters, light and dark.
pub const THEME: File = ("/theme.css", CSS, include_str!("page/theme.css"));

/// Small tools for elements.
pub const DOM: File = ("/dom.js", SCRIPT, include_str!("page/dom.js"));

/// Words in the language that is wanted, and times.
pub const WORDS: File = ("/words.js", SCRIPT, include_str!("page/words.js"));

/// The gate of our pages.
pub const ICON: File = ("/icon.svg", SVG, include_str!("page/icon.svg"));

/// The wall's words in a language: the names of events, states and things are the same on every page of
/// ours, and stand once, beside the wall that has all of them.
pub fn wall_words(language: &str) -> &'static str {
    match language {
        "zh" => include_str!("../../receiver/src/wall/page/words/zh.json"),
        _ => include_str!("../../receiver/src/wall/page/words/en.json"),
    }
}

/// Serves these files to anybody: they hold no secret.
pub fn router<S: Clone + Send + Sync + 'static>(files: &'static [File]) -> Router<S> {
    files.iter().fold(Router::new(), |router, (path, kind, body)| {
        router.route(path, get(move || async move { ([(header::CONTENT_TYPE, *kind)], *body) }))
    })
}

/// The words of a language, `/words/{language}.json`; none: there is no such file, or it is no object.
pub fn words(files: &[File], language: &str) -> Option<Map<String, Value>> {
    let path = format!("/words/{language}.json");
    let (.., text) = files.iter().find(|(at, ..)| *at == path)?;
    serde_json::from_str(text).ok()
}

/// What of a page is not as it must be: it loads nothing from elsewhere, only files that are there,
/// and has nothing inline that the policy forbids; both languages have the same words with the same
/// places, and every word that the page and `more` use.
pub fn complaints(files: &[File], more: impl IntoIterator<Item = String>) -> Vec<String> {
    let mut wrong = Vec::new();
    for (path, _, text) in files {
        // A name, not an address: what makes an SVG element an SVG element.
        let text = text.replace("http://www.w3.org/2000/svg", "");
        if text.contains("://") || text.contains("\"//") {
            wrong.push(format!("{path}: an external resource"));
        }
        if text.contains("style=\"") || text.contains("onclick") {
            wrong.push(format!("{path}: something inline"));
        }
        let named = ["from \"./", "src=\"/", "href=\"/"];
        for name in named.iter().flat_map(|mark| text.split(mark).skip(1)) {
            let name = format!("/{}", name.split('"').next().unwrap_or_default());
            if !files.iter().any(|(at, ..)| *at == name) {
                wrong.push(format!("{path} names {name}, which is not served"));
            }
        }
    }
    let (Some(en), Some(zh)) = (words(files, "en"), words(files, "zh")) else {
        wrong.push("a catalogue of words cannot be read".to_owned());
        return wrong;
    };
    let keys = |words: &Map<String, Value>| words.keys().cloned().collect::<BTreeSet<_>>();
    let apart = keys(&en).symmetric_difference(&keys(&zh)).cloned().collect::<Vec<_>>();
    wrong.extend(apart.iter().map(|key| format!("{key} is in one language only")));
    for (key, text) in en.iter().filter(|(key, _)| zh.contains_key(*key)) {
        match (places(text), places(&zh[key])) {
            (Some(of_en), Some(of_zh)) if of_en == of_zh => {}
            (Some(_), Some(_)) => wrong.push(format!("{key} has other places in Chinese")),
            _ => wrong.push(format!("{key} is empty")),
        }
    }
    for key in used(files).into_iter().chain(more) {
        if !en.contains_key(&key) {
            wrong.push(format!("no word for {key}"));
        }
    }
    wrong
}

/// The names in braces of a text; none: it says nothing.
fn places(text: &Value) -> Option<BTreeSet<&str>> {
    let text = text.as_str().filter(|text| !text.trim().is_empty())?;
    Some(text.split('{').skip(1).filter_map(|rest| rest.split('}').next()).collect())
}

/// The words that pages and scripts name in full.
fn used(files: &[File]) -> BTreeSet<String> {
    let of =
        |kind: &'static str| files.iter().filter(move |file| file.1 == kind).map(|file| file.2);
    let marks = ["data-t=\"", "data-label=\"", "data-hint=\""];
    let html = of(HTML).flat_map(|text| marks.iter().flat_map(|mark| text.split(mark).skip(1)));
    let scripts =
        of(SCRIPT).flat_map(|text| text.split(" t(\"").skip(1).chain(text.split("(t(\"").skip(1)));
    let all = html.chain(scripts).filter_map(|rest| rest.split('"').next());
    all.map(str::to_owned).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_page_must_keep_to_is_told() {
        let html = "<p data-t=\"title\"><a href=\"/gone.css\" style=\"x\" data-t=\"absent\">";
        let files = [
            ("/", HTML, html),
            ("/a.js", SCRIPT, "fetch(\"https://evil.example\"); say(t(\"more\"))"),
            ("/words/en.json", JSON, "{\"title\": \"{n} doors\", \"more\": \"\", \"en\": \"x\"}"),
            ("/words/zh.json", JSON, "{\"title\": \"门\", \"more\": \"更多\"}"),
        ];
        let told = complaints(&files, ["event.door.opened".to_owned()]);
        let wanted = [
            "/: something inline",
            "/ names /gone.css, which is not served",
            "/a.js: an external resource",
            "en is in one language only",
            "more is empty",
            "title has other places in Chinese",
            "no word for absent",
            "no word for event.door.opened",
        ];
        assert_eq!(told, wanted);
    }
}
