//! Responders are told: by a real web server and a real mail server, from either database.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use common::far::{Hooks, Mail, Mood, Set};
use common::http::Page;
use common::postgres::Home;
use common::{
    Broker, Gateway, Journal, PATIENCE, Program, config, district, program, until, within,
};
use gatehouse_core::event::Class;
use gatehouse_core::topic::{self, Address};
use gatehouse_receiver::metrics::{Metrics, MetricsConfig};
use gatehouse_receiver::{Clock, Handle, Link, Receiver, SystemClock};
use ring::hmac;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::Packet;
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde_json::Value;
use tempfile::TempDir;
use tokio::sync::mpsc;
use tokio::task::JoinSet;

on_both!(
    a_call_is_told_signed_in_the_members_words_and_seen_everywhere,
    what_fails_is_tried_by_the_next_way_and_recorded_with_its_reason,
    a_receiver_that_is_killed_before_it_has_told_tells_after_its_restart,
    an_acknowledgement_ends_the_repeats,
    five_hundred_sites_are_one_message,
);

fn secret(folder: &Path, name: &str, text: &str) {
    let file = folder.join(name);
    fs::write(&file, format!("{text}\n")).unwrap();
    fs::set_permissions(file, fs::Permissions::from_mode(0o600)).unwrap();
}

fn roster(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("responders.toml");
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path
}

fn smtp(mail: &Mail) -> String {
    let port = mail.port;
    format!(
        "[smtp]\nhost = \"127.0.0.1\"\nport = {port}\ntls = \"none\"\nfrom = \"gh@d.example\"\n"
    )
}

/// A receiver that tells, subscribed, with this clock.
async fn teller(broker: &Broker, home: &Home, file: PathBuf, clock: Arc<dyn Clock>) -> Handle {
    named(broker, home, "room", file, clock).await
}

async fn named(
    broker: &Broker,
    home: &Home,
    host: &str,
    file: PathBuf,
    clock: Arc<dyn Clock>,
) -> Handle {
    let mut config = config(&broker.url(), home.database());
    host.clone_into(&mut config.host);
    config.responders = Some(file);
    let handle = Receiver::start_with(config, clock).await.unwrap();
    until(&handle, "subscribed", |snapshot| snapshot.link == Link::Up).await;
    handle
}

fn now() -> i64 {
    SystemClock.now().utc.0
}

/// Who listens for what the control room says of telling.
async fn listener(broker: &Broker) -> (mpsc::Receiver<Value>, JoinSet<()>) {
    let address = broker.address();
    let options = MqttOptions::new("listener", address.ip().to_string(), address.port());
    let (client, mut eventloop) = AsyncClient::new(options, 10);
    client.subscribe(topic::district_told(&district()), QoS::AtLeastOnce).await.unwrap();
    let (said, heard) = mpsc::channel(1000);
    let (ready, mut is_ready) = mpsc::channel(1);
    let mut tasks = JoinSet::new();
    tasks.spawn(async move {
        let _client = client;
        loop {
            match eventloop.poll().await.unwrap() {
                Event::Incoming(Packet::Publish(publish)) => {
                    assert!(!publish.retain && publish.qos == QoS::AtLeastOnce);
                    said.send(serde_json::from_slice(&publish.payload).unwrap()).await.unwrap();
                }
                Event::Incoming(Packet::SubAck(_)) => drop(ready.try_send(())),
                _ => {}
            }
        }
    });
    within("subscribed", is_ready.recv()).await.unwrap();
    (heard, tasks)
}

/// What the log says, a JSON for each line.
async fn log(home: &Home) -> Vec<Value> {
    let words = home.words();
    let out = tokio::task::spawn_blocking(move || {
        let mut args = vec!["responders", "log", "--json"];
        args.extend(words.iter().map(String::as_str));
        let (code, out, error) = program(&args);
        assert_eq!(code, Some(0), "{error}");
        out
    });
    out.await.unwrap().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn a_call_is_told_signed_in_the_members_words_and_seen_everywhere(home: Home) {
    let (broker, mut hooks, mut mail) =
        (Broker::start().await, Hooks::start().await, Mail::start(None).await);
    secret(home.path(), "hook.key", "0123456789abcdef");
    secret(home.path(), "ntfy.token", "tk_1");
    let file = roster(
        home.path(),
        &format!(
            "language = \"zh\"\ntime-zone = \"Asia/Shanghai\"\n{}\n\
             [member.hook]\nlanguage = \"en\"\n\
             ways = [{{ webhook = \"{url}/hook\", secret-file = \"hook.key\" }}]\n\
             [member.mail]\nways = [{{ email = \"patrol@d.example\" }}]\n\
             [member.push]\nways = [{{ ntfy = \"{url}/topic\", token-file = \"ntfy.token\" }}]\n\
             [list.patrol]\nmembers = [\"hook\", \"mail\", \"push\"]\n",
            smtp(&mail),
            url = hooks.url
        ),
    );
    let handle = teller(&broker, &home, file, Arc::new(SystemClock)).await;
    let (mut heard, _listening) = listener(&broker).await;
    let gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Panic, &journal.calls("panic.help", "a7", Some("patrol"), now())).await;

    let (one, two) = (hooks.next().await, hooks.next().await);
    let (hook, push) = if one.path == "/hook" { (one, two) } else { (two, one) };
    let key = hmac::Key::new(hmac::HMAC_SHA256, b"0123456789abcdef");
    let hex = hook.header("x-gatehouse-signature").strip_prefix("sha256=").unwrap();
    let tag: Vec<u8> = (0..hex.len())
        .step_by(2)
        .map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap())
        .collect();
    hmac::verify(&key, &hook.body, &tag).expect("the signature is of this body");
    let told = hook.json();
    assert_eq!(told["title"], "HELP POINT: s-1 · Zone hall");
    let facts =
        ["site", "gateway", "incident", "type", "source", "class"].map(|key| told[key].clone());
    assert_eq!(facts, ["s-1", "g-1", "a7", "panic.help", "zone/hall", "panic"]);
    assert_eq!(
        (&told["key"], &told["test"]),
        (&hook.header("idempotency-key").into(), &false.into())
    );
    let all = String::from_utf8(hook.body.clone()).unwrap();
    assert!(!all.contains("c0ffee"), "nothing of a card or a person: {all}");
    assert_eq!(push.header("authorization"), "Bearer tk_1");
    assert_eq!((push.header("x-priority"), push.path.as_str()), ("5", "/topic"));
    assert!(
        push.header("x-title").starts_with("=?utf-8?q?=E6=B1=82"),
        "{}",
        push.header("x-title")
    );

    let mail = mail.next().await;
    assert_eq!(mail["subject"], "求助点呼叫: s-1 · 探测器 hall");
    assert_eq!(
        (&mail["to"][0], &mail["auto"]),
        (&"patrol@d.example".into(), &"auto-generated".into())
    );
    assert!(mail["text"].as_str().unwrap().contains("警情: a7 (g-1)"), "{mail}");
    assert!(mail["id"].as_str().unwrap().ends_with("-patrol-0-mail@gatehouse.invalid>"), "{mail}");
    assert!(!mail.to_string().contains("c0ffee"));

    let mut told = Vec::new();
    for _ in 0..3 {
        let one = within("it is published", heard.recv()).await.unwrap();
        assert_eq!((&one["incident"], &one["told"]), (&"a7".into(), &true.into()));
        told.push(format!("{} {}", one["member"].as_str().unwrap(), one["way"].as_str().unwrap()));
    }
    told.sort();
    assert_eq!(told, ["hook webhook", "mail email", "push ntfy"]);
    until(&handle, "the wall knows", |snapshot| {
        let of = |text: &str| text.parse().unwrap();
        snapshot.told.of(&of("s-1"), &of("g-1"), &of("a7")).len() == 3
    })
    .await;
    assert_eq!(log(&home).await.len(), 3);
    let config = MetricsConfig { address: "127.0.0.1:0".parse().unwrap(), plain: false };
    let metrics = Metrics::open(config, handle.gauges()).await.unwrap();
    let (page, mut tasks) = (Page::at(metrics.address()), JoinSet::new());
    tasks.spawn(async move { metrics.serve().await.unwrap() });
    let figures = page.get("/metrics").await.body;
    for line in [
        "gatehouse_told_total{way=\"webhook\",result=\"told\"} 1\n",
        "gatehouse_told_total{way=\"email\",result=\"told\"} 1\n",
        "gatehouse_told_total{way=\"email\",result=\"failed\"} 0\n",
        "gatehouse_ways_failing 0\n",
    ] {
        assert!(figures.contains(line), "{line} not in {figures}");
    }
    handle.stop().await;
}

async fn what_fails_is_tried_by_the_next_way_and_recorded_with_its_reason(home: Home) {
    let (broker, mut hooks, mut mail) =
        (Broker::start().await, Hooks::start().await, Mail::start(None).await);
    let file = roster(
        home.path(),
        &format!(
            "{}[member.p-1]\nways = [{{ webhook = \"{}/x?secret=1\" }}, \
             {{ email = \"p-1@d.example\" }}]\n[list.patrol]\nmembers = [\"p-1\"]\n",
            smtp(&mail),
            hooks.url
        ),
    );
    let clock = Arc::new(Set::default());
    let handle = teller(&broker, &home, file, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let mut keys = Vec::new();
    let moods = [
        (Mood::Refuses, "the server answers 503: not now"),
        (Mood::Redirects, "the server answers 307 and wants it sent elsewhere"),
        (Mood::Hangs, "no answer within 15 s"),
    ];
    for (n, (mood, _)) in moods.into_iter().enumerate() {
        hooks.mood(mood);
        let call = journal.calls("panic.help", &format!("a{n}"), Some("patrol"), now());
        gateway.send(Class::Panic, &call).await;
        let hook = hooks.next().await;
        let mail = mail.next().await;
        // Who gets both can know that they are one.
        let key = hook.header("idempotency-key").to_owned();
        assert_eq!(mail["id"], format!("<{key}@gatehouse.invalid>"));
        keys.push(key);
    }
    keys.dedup();
    assert_eq!(keys.len(), 3);
    // Nobody listens at all.
    mail.kill();
    gateway.send(Class::Panic, &journal.calls("panic.help", "a9", Some("patrol"), now())).await;
    hooks.mood(Mood::Refuses);
    let failed = within("both have failed", async {
        loop {
            let lines = log(&home).await;
            if lines.iter().filter(|line| line["incident"] == "a9").count() >= 2 {
                return lines;
            }
        }
    })
    .await;
    let why = |incident: &str| {
        let mut of = failed.iter().filter(|line| line["incident"] == incident);
        of.next().unwrap()["why"].as_str().unwrap().to_owned()
    };
    for (n, (_, wanted)) in moods.into_iter().enumerate() {
        let why = why(&format!("a{n}"));
        assert!(why.contains(wanted) && !why.contains("secret"), "{why}");
    }
    let last = failed.last().unwrap();
    let why = last["why"].as_str().unwrap();
    assert!(why.to_lowercase().contains("connection refused"), "{why}");
    assert_eq!((&last["way"], last["next"].is_string()), (&"email".into(), true));
    // After more than five minutes without success it is a fault of the control room.
    assert_eq!(handle.snapshot().told.failing, []);
    clock.forward(301);
    let is = |snapshot: &gatehouse_receiver::Snapshot| {
        let ways: Vec<_> = snapshot.told.failing.iter().map(|one| one.way.clone()).collect();
        ways == ["webhook", "email"]
    };
    until(&handle, "both ways are faults", is).await;
    handle.stop().await;
}

async fn a_receiver_that_is_killed_before_it_has_told_tells_after_its_restart(home: Home) {
    let (broker, mut hooks) = (Broker::start().await, Hooks::start().await);
    let file = roster(
        home.path(),
        &format!(
            "[member.p-1]\nways = [{{ webhook = \"{}/\" }}]\n[list.patrol]\nmembers = [\"p-1\"]\n",
            hooks.url
        ),
    );
    let mut words = home.words();
    words.extend(["--responders".to_owned(), file.to_str().unwrap().to_owned()]);
    // The message arrives, and its answer does not: the receiver is killed in between.
    hooks.mood(Mood::Hangs);
    let mut running = Program::run_with(&broker.url(), "room", &words);
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    gateway.state("it is there", |state| state.online).await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Panic, &journal.calls("panic.help", "a7", Some("patrol"), now())).await;
    gateway.receipt("it is committed", |receipt| receipt.upto.0 == 1).await;
    // Killed before it tells at all.
    running.kill();
    let mut running = Program::run_with(&broker.url(), "room", &words);
    let first = hooks.next().await;
    running.kill();
    hooks.mood(Mood::Takes);
    let running = Program::run_with(&broker.url(), "room", &words);
    let again = hooks.next().await;
    assert_eq!(first.header("idempotency-key"), again.header("idempotency-key"));
    assert_eq!(again.json()["incident"], "a7");
    within("it is recorded", async { while log(&home).await.is_empty() {} }).await;
    assert_eq!(running.terminate(), Some(0));
    // What was told is not told by the next one.
    let running = Program::run_with(&broker.url(), "room", &words);
    gateway.send(Class::Panic, &journal.calls("panic.help", "a8", Some("patrol"), now())).await;
    assert_eq!(hooks.next().await.json()["incident"], "a8");
    assert_eq!(running.terminate(), Some(0));
}

async fn an_acknowledgement_ends_the_repeats(home: Home) {
    let (broker, mut hooks) = (Broker::start().await, Hooks::start().await);
    let file = roster(
        home.path(),
        &format!(
            "[member.p-1]\non-duty = [\"daily 08:00-20:00\"]\n\
             ways = [{{ webhook = \"{url}/day\" }}]\n\
             [member.p-2]\non-duty = [\"daily 20:00-08:00\"]\n\
             ways = [{{ webhook = \"{url}/night\" }}]\n\
             [list.patrol]\nmembers = [\"p-1\", \"p-2\"]\nrepeat-min = 5\nat-most = 9\n",
            url = hooks.url
        ),
    );
    let clock = Arc::new(Set::default());
    clock.to_hour(12);
    let handle = teller(&broker, &home, file, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let gateway = Gateway::connect(broker.address(), "g-1").await;
    let mut journal = Journal::new(&gateway);
    let at = clock.now().utc.0;
    gateway.send(Class::Panic, &journal.calls("panic.help", "a7", Some("patrol"), at)).await;
    let first = hooks.next().await;
    assert_eq!((first.path.as_str(), &first.json()["round"]), ("/day", &0.into()));
    let recorded = |count: usize| {
        let home = &home;
        async move { while log(home).await.len() < count {} }
    };
    within("recorded", recorded(1)).await;
    clock.forward(301);
    let again = hooks.next().await;
    assert_eq!(again.json()["round"], 1);
    assert!(again.json()["title"].as_str().unwrap().starts_with("[AGAIN, nobody"));
    within("recorded", recorded(2)).await;
    // In the evening it is the night's.
    clock.to_hour(21);
    assert_eq!(hooks.next().await.path, "/night");
    within("recorded", recorded(3)).await;
    gateway.send(Class::Arm, &journal.handled("a7", "incident.acked", "op-7")).await;
    until(&handle, "committed", |snapshot| snapshot.received == 2).await;
    clock.forward(301);
    // The next one is told, and nothing of the first before it.
    let at = clock.now().utc.0;
    gateway.send(Class::Panic, &journal.calls("panic.help", "a8", Some("patrol"), at)).await;
    assert_eq!(hooks.next().await.json()["incident"], "a8");
    assert!(hooks.posted.try_recv().is_err());
    handle.stop().await;
}

async fn five_hundred_sites_are_one_message(home: Home) {
    const SITES: usize = 500;
    let (broker, mut hooks) = (Broker::start().await, Hooks::start().await);
    let file = roster(
        home.path(),
        &format!(
            "[member.p-1]\nways = [{{ webhook = \"{url}/patrol\" }}]\n\
             [member.b-1]\nways = [{{ webhook = \"{url}/boss\" }}]\n\
             [list.patrol]\nmembers = [\"p-1\"]\n[list.bosses]\nmembers = [\"b-1\"]\n\
             [[rule]]\nlist = \"bosses\"\n",
            url = hooks.url
        ),
    );
    let clock = Arc::new(Set::default());
    // However long this machine takes, they come within the two seconds for which calls are gathered.
    clock.hold();
    let handle = teller(&broker, &home, file, Arc::clone(&clock) as Arc<dyn Clock>).await;
    let gateway = Gateway::connect(broker.address(), "g-1").await;
    let utc = clock.now().utc.0;
    let mut all = Vec::new();
    for n in 0..SITES {
        let site = format!("s-{n}").parse().unwrap();
        let address = Address { district: district(), site, gateway: "g-1".parse().unwrap() };
        let list = (n % 2 == 0).then_some("patrol");
        let event = Journal::of(&address.gateway).calls("panic.alarm", "a1", list, utc);
        all.push((address, event));
    }
    for (address, event) in &all {
        gateway.send_for(address, Class::Panic, event).await;
    }
    until(&handle, "all are committed", |snapshot| snapshot.received == SITES as u64).await;
    clock.forward(3);
    let mut told = [hooks.next().await, hooks.next().await];
    told.sort_by(|a, b| a.path.cmp(&b.path));
    for (told, path) in told.iter().zip(["/boss", "/patrol"]) {
        let json = told.json();
        assert_eq!((told.path.as_str(), &json["gateways"]), (path, &(SITES / 2).into()));
        assert!(json["calls"].as_array().unwrap().len() <= 8, "{json}");
    }
    let lines = until(&handle, "each incident's history says so", |snapshot| {
        (0..SITES).all(|n| {
            let of = |text: &str| text.parse().unwrap();
            snapshot.told.of(&of(&format!("s-{n}")), &of("g-1"), &of("a1")).len() == 1
        })
    });
    lines.await;
    assert!(hooks.posted.try_recv().is_err(), "one for each list");
    handle.stop().await;
}

#[tokio::test]
async fn of_two_receivers_one_tells_and_when_it_is_killed_the_other_does() {
    let (broker, home, mut hooks) =
        (Broker::start().await, Home::postgres().await, Hooks::start().await);
    let file = roster(
        home.path(),
        &format!(
            "[member.p-1]\nways = [{{ webhook = \"{}/\" }}]\n[list.patrol]\nmembers = [\"p-1\"]\n",
            hooks.url
        ),
    );
    let mut words = home.words();
    words.extend(["--responders".to_owned(), file.to_str().unwrap().to_owned()]);
    let mut leading = Program::run_with(&broker.url(), "leading", &words);
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    gateway.state("it is there", |state| state.online && state.host == "leading").await;
    let mut journal = Journal::new(&gateway);
    gateway.send(Class::Panic, &journal.calls("panic.help", "a1", Some("patrol"), now())).await;
    assert_eq!(hooks.next().await.json()["incident"], "a1");
    let staying = named(&broker, &home, "staying", file, Arc::new(SystemClock)).await;
    for n in 2..6 {
        let call = journal.calls("panic.help", &format!("a{n}"), Some("patrol"), now());
        gateway.send(Class::Panic, &call).await;
        assert_eq!(hooks.next().await.json()["incident"], format!("a{n}"));
    }
    assert!(hooks.posted.try_recv().is_err(), "each was told once");
    // Killed while it tells: its answer never comes, and the lease runs out.
    hooks.mood(Mood::Hangs);
    gateway.send(Class::Panic, &journal.calls("panic.help", "a9", Some("patrol"), now())).await;
    let first = hooks.next().await;
    leading.kill();
    hooks.mood(Mood::Takes);
    let again = tokio::time::timeout(PATIENCE * 2, hooks.posted.recv()).await.unwrap().unwrap();
    assert_eq!(again.json()["incident"], "a9");
    assert_eq!(first.header("idempotency-key"), again.header("idempotency-key"));
    staying.stop().await;
}

#[tokio::test]
async fn mail_goes_by_starttls_to_a_server_that_is_trusted_and_only_there() {
    let folder = TempDir::new().unwrap();
    let path = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["127.0.0.1".into(), "localhost".into()]).unwrap();
    let own = params.self_signed(&key).unwrap();
    fs::write(path("own.pem"), own.pem()).unwrap();
    fs::write(path("own.key"), key.serialize_pem()).unwrap();
    secret(folder.path(), "smtp.pw", "s3cret");
    let mut mail = Mail::start(Some((&path("own.pem"), &path("own.key")))).await;
    let text = |ca: &str| {
        format!(
            "{ca}[smtp]\nhost = \"localhost\"\nport = {}\ntls = \"start\"\nuser = \"gatehouse\"\n\
             password-file = \"smtp.pw\"\nfrom = \"gh@d.example\"\n\
             [member.p-1]\nways = [{{ email = \"p-1@d.example\" }}]\n\
             [list.patrol]\nmembers = [\"p-1\"]\n",
            mail.port
        )
    };
    let test = |file: PathBuf| async move {
        let words = ["responders", "test", file.to_str().unwrap(), "patrol"].map(str::to_owned);
        let run = move || program(&words.each_ref().map(String::as_str));
        tokio::task::spawn_blocking(run).await.unwrap()
    };
    let trusted = text("ca = \"own.pem\"\n");
    let untrusted = text("");
    let (code, out, error) = test(roster(folder.path(), &trusted)).await;
    assert_eq!((code, out.as_str()), (Some(0), "told p-1 by email\n"), "{error}");
    let told = mail.next().await;
    assert_eq!((&told["tls"], &told["user"]), (&true.into(), &"gatehouse".into()));
    assert_eq!(told["subject"], "[TEST] Gatehouse");
    assert!(told["text"].as_str().unwrap().contains("Nothing has happened"), "{told}");
    let (code, out, _) = test(roster(folder.path(), &untrusted)).await;
    assert_eq!(code, Some(1), "{out}");
    assert!(
        out.starts_with("could not tell p-1 by email: ") && out.contains("certificate"),
        "{out}"
    );
    secret(folder.path(), "smtp.pw", "wrong");
    let (code, out, _) = test(roster(folder.path(), &trusted)).await;
    assert!(code == Some(1) && out.contains("535") && !out.contains("wrong"), "{out}");
    assert!(mail.is_quiet());
}

#[test]
fn the_program_says_what_a_file_means_and_refuses_a_wrong_one() {
    let folder = TempDir::new().unwrap();
    let good = "[member.p-1]\nways = [{ webhook = \"https://h.example/x\" }]\n\
                [list.patrol]\nmembers = [\"p-1\"]\n";
    let file = roster(folder.path(), good);
    let shown = file.to_str().unwrap();
    let (code, out, _) = program(&["responders", "check", shown]);
    assert_eq!(code, Some(0));
    assert!(
        out.starts_with(
            "list patrol tells p-1\np-1 is told by webhook at https://h.example (unsigned)"
        ),
        "{out}"
    );
    let (code, _, error) = program(&["responders", "test", shown, "patrul"]);
    assert_eq!(
        (code, error.contains("no [list.patrul]; there is patrol")),
        (Some(64), true),
        "{error}"
    );
    roster(folder.path(), &good.replace("\"p-1\"]", "\"p-2\"]"));
    let (code, _, error) = program(&["responders", "check", shown]);
    assert_eq!(code, Some(78));
    assert!(error.contains("line 4, column 12: no [member.p-2]; there is p-1"), "{error}");
    let run = |file: &str| {
        let db = folder.path().join("d.db");
        program(&[
            "run",
            "--broker",
            "mqtt://127.0.0.1:1",
            "--district",
            "d-1",
            "--db",
            db.to_str().unwrap(),
            "--responders",
            file,
        ])
    };
    assert_eq!(run(shown).0, Some(78), "a receiver does not start with it");
    let (code, _, error) = run("/nowhere/responders.toml");
    assert_eq!(code, Some(77));
    assert!(error.contains("nobody would be told, so it must be there"), "{error}");
}
