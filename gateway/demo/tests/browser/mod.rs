//! Looks at the page with a real browser, headless.

#![expect(clippy::unwrap_used, reason = "what fails here fails the test that uses it")]

use std::process::{Command, Stdio};

use super::run::Http;

/// The page as the browser has built it.
pub(crate) struct Page {
    dom: String,
}

/// Opens the page at this moment's snapshot, lets its scripts run, and reads what they made.
pub(crate) fn look(http: &Http, query: &str) -> Page {
    let profile = tempfile::tempdir().unwrap();
    let output = Command::new("chromium")
        // A browser that was only asked to draw one page shall not talk to anybody else.
        .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
        .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
        .arg(format!("--user-data-dir={}", profile.path().display()))
        // Of the page's own clock, which stands still while it waits for the demo.
        .args(["--virtual-time-budget=2000", "--dump-dom"])
        .arg(format!("http://{}/?still&{query}", http.host()))
        .stderr(Stdio::null())
        .output()
        .expect("this test needs chromium: apt install chromium");
    let dom = String::from_utf8(output.stdout).unwrap();
    assert!(dom.contains("</html>"), "no page: {dom}");
    Page { dom }
}

impl Page {
    /// An attribute of the element with this id.
    pub(crate) fn attribute(&self, id: &str, name: &str) -> &str {
        let found = self.dom.split('<').find_map(|tag| {
            let tag = tag.split('>').next()?;
            tag.contains(&format!(" id=\"{id}\"")).then_some(tag)
        });
        let tag = found.unwrap_or_else(|| panic!("no element {id}: {}", self.dom));
        let value = tag.split_once(&format!(" {name}=\"")).map(|(_, rest)| rest);
        value.and_then(|rest| rest.split('"').next()).unwrap_or_default()
    }

    /// Whether this stands in its text: between two tags.
    pub(crate) fn says(&self, text: &str) -> bool {
        self.dom
            .split('<')
            .filter_map(|tag| tag.split_once('>'))
            .any(|(_, said)| said.contains(text))
    }
}
