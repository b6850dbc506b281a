//! `/metrics` of a box, as a scraper meets it.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;

use anyhow::{Context as _, bail, ensure};
use gatehouse_tests::ports::Port;
use gatehouse_tests::wait::{SOON, until};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::scene::{DOORS, Scene};

/// Status line, headers and body of an answer to `GET /metrics` with this host.
async fn get(address: SocketAddr, host: &str) -> anyhow::Result<(String, String)> {
    let mut stream = TcpStream::connect(address).await?;
    let request = format!("GET /metrics HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n");
    stream.write_all(request.as_bytes()).await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    let (head, body) = answer.split_once("\r\n\r\n").context("a head")?;
    Ok((head.to_ascii_lowercase(), body.to_owned()))
}

/// The units that Prometheus' own conventions name, as far as we have them, and what counts.
const ENDS: [&str; 9] =
    ["_seconds", "_bytes", "_ratio", "_celsius", "_volts", "_amperes", "_total", "_info", "_files"];

/// What has no unit: counts of things at this moment, and yes or no.
const PLAIN: [&str; 12] = [
    "gatehouse_clock_synchronised",
    "gatehouse_units_degraded",
    "gatehouse_sandbox_bounded",
    "gatehouse_backlog_events",
    "gatehouse_events_set_aside",
    "gatehouse_broker_connected",
    "gatehouse_control_room_online",
    "gatehouse_path_active",
    "gatehouse_path_up",
    "gatehouse_things",
    "gatehouse_cameras",
    "gatehouse_store_works",
];

/// The labels of a sample: `{a="b",c="d"}` or nothing, by the grammar of the text format.
fn labels(text: &str) -> anyhow::Result<BTreeSet<String>> {
    let mut names = BTreeSet::new();
    let mut rest = text.strip_prefix('{').and_then(|text| text.strip_suffix('}')).unwrap_or(text);
    while !rest.is_empty() {
        let (name, after) = rest.split_once("=\"").context("a label has a value")?;
        let word = |c: char| c.is_ascii_lowercase() || c == '_';
        ensure!(!name.is_empty() && name.chars().all(word), "label {name:?}");
        ensure!(names.insert(name.to_owned()), "label {name} twice");
        let mut escaped = false;
        let end = after.find(|c| {
            let ends = c == '"' && !escaped;
            escaped = c == '\\' && !escaped;
            ends
        });
        let end = end.context("a value ends")?;
        rest = &after[end + 1..];
        rest = rest.strip_prefix(',').unwrap_or(rest);
    }
    Ok(names)
}

/// Every sample by its name with labels; what is not of the form is an error.
fn read(text: &str) -> anyhow::Result<BTreeMap<String, f64>> {
    let (mut samples, mut families) = (BTreeMap::new(), BTreeSet::new());
    let (mut family, mut kind, mut empty) = (String::new(), String::new(), false);
    ensure!(text.ends_with('\n'), "the last line ends");
    for line in text.lines() {
        if let Some(rest) = line.strip_prefix("# HELP ") {
            ensure!(!empty, "{family} has no sample");
            let (name, help) = rest.split_once(' ').context("a help")?;
            ensure!(help.ends_with('.') && families.insert(name.to_owned()), "{line}");
            ensure!(name.starts_with("gatehouse_"), "{name}");
            (family, empty) = (name.to_owned(), true);
        } else if let Some(rest) = line.strip_prefix("# TYPE ") {
            let (name, of) = rest.split_once(' ').context("a type")?;
            ensure!(name == family && ["counter", "gauge"].contains(&of), "{line}");
            ensure!(name.ends_with("_total") == (of == "counter"), "{line}");
            let with_unit = ENDS.iter().any(|end| name.ends_with(end));
            ensure!(with_unit != PLAIN.contains(&name), "{name} has no unit, or one too many");
            of.clone_into(&mut kind);
        } else {
            let (name, value) = line.rsplit_once(' ').context("a value")?;
            let bare = name.find('{').map_or(name, |at| &name[..at]);
            ensure!(bare == family, "{line} below {family}");
            labels(&name[bare.len()..]).with_context(|| line.to_owned())?;
            let value: f64 = value.parse().with_context(|| line.to_owned())?;
            ensure!(value.is_finite() && (kind == "gauge" || value >= 0.0), "{line}");
            ensure!(samples.insert(name.to_owned(), value).is_none(), "{name} twice");
            empty = false;
        }
    }
    Ok(samples)
}

#[tokio::test]
async fn a_scraper_reads_how_the_box_does_and_nothing_about_its_people() -> anyhow::Result<()> {
    let mut scene = Scene::start().await?;
    let port = Port::hold()?;
    let address = port.address();
    ensure!(TcpStream::connect(address).await.is_err(), "without [metrics] nothing listens");
    let mut options = scene.gateway.options().clone();
    options.extra = format!(
        "[metrics]\nlisten = \"{address}\"\n[[zone]]\nid = \"attic\"\nname = \"Flat of somebody\"\n\
         kind = \"24h\"\ninput = \"not-there:3\"\n"
    );
    scene.gateway.configure(options.clone())?;
    let (code, told, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 0, "{told}{complaint}");
    scene.store(12).await?;
    let head = scene.settled().await?.last().context("events")?.seq;

    let host = address.to_string();
    let scrape = async || {
        let (head, body) = get(address, &host).await?;
        ensure!(head.starts_with("http/1.1 200"), "{head}");
        ensure!(head.contains("content-type: text/plain; version=0.0.4; charset=utf-8"), "{head}");
        anyhow::Ok((read(&body).with_context(|| body.clone())?, body))
    };
    until("metrics to be served", SOON, async || Ok(TcpStream::connect(address).await.ok()))
        .await?;
    let (samples, body) = until("the control room's receipt in the figures", SOON, async || {
        let (samples, body) = scrape().await?;
        let received = samples["gatehouse_events_received_total"];
        #[expect(clippy::cast_precision_loss, reason = "a few hundred events")]
        let all = received >= head.0 as f64;
        Ok(all.then_some((samples, body)))
    })
    .await?;
    for (name, value) in [
        ("gatehouse_build_info{version=\"0.1.0\"}", 1.0),
        ("gatehouse_starts_total", 1.0),
        ("gatehouse_broker_connected", 1.0),
        ("gatehouse_path_active{path=\"b-0\"}", 1.0),
        ("gatehouse_backlog_events{lane=\"alarm\"}", 0.0),
        ("gatehouse_things{kind=\"door\",condition=\"works\"}", f64::from(DOORS)),
        ("gatehouse_things{kind=\"zone\",condition=\"unknown\"}", 1.0),
        ("gatehouse_things{kind=\"reader\",condition=\"works\"}", 0.0),
        ("gatehouse_sandbox_bounded{part=\"calls\"}", 1.0),
    ] {
        ensure!(samples.get(name) == Some(&value), "{name}\n{body}");
    }
    for name in [
        "gatehouse_disk_free_bytes",
        "gatehouse_resident_memory_bytes",
        "gatehouse_journal_written_bytes_total",
        "gatehouse_events_recorded_total",
        "gatehouse_path_availability_ratio{path=\"b-0\"}",
    ] {
        ensure!(samples.get(name).is_some_and(|value| *value > 0.0), "{name}\n{body}");
    }
    for told in ["somebody", "attic", "door-0", "g-1", "s-1", "d-1"] {
        ensure!(!body.contains(told), "{told} is in the figures\n{body}");
    }

    let (head, _) = get(address, "evil.example").await?;
    ensure!(head.starts_with("http/1.1 403"), "another name leads here: {head}");
    // The table goes, and with it the port.
    options.extra = String::new();
    scene.gateway.configure(options)?;
    let (code, told, complaint) = scene.gateway.says(&["reload"]).await?;
    ensure!(code == 0, "{told}{complaint}");
    until("the port to be shut", SOON, async || {
        Ok(TcpStream::connect(address).await.is_err().then_some(()))
    })
    .await
}

#[test]
fn the_reader_of_this_test_takes_no_other_form() -> anyhow::Result<()> {
    let family = "# HELP gatehouse_a_total Words.\n# TYPE gatehouse_a_total counter\n";
    read(&format!("{family}gatehouse_a_total{{x=\"a\\\"b,c\"}} 1\n"))?;
    for (wrong, why) in [
        ("gatehouse_b_total 1\n", "another family"),
        ("gatehouse_a_total -1\n", "a counter below zero"),
        ("gatehouse_a_total one\n", "no number"),
        ("gatehouse_a_total{x=\"a} 1\n", "a value without an end"),
        ("gatehouse_a_total 1\ngatehouse_a_total 1\n", "twice"),
        ("gatehouse_a_total 1", "a line without an end"),
        ("# HELP gatehouse_c_total Words.\n", "a family without a sample"),
    ] {
        if read(&format!("{family}{wrong}")).is_ok() {
            bail!("{why} is taken");
        }
    }
    Ok(())
}
