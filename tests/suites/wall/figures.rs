//! The figures of a month: a gateway tells what happened, the wall counts and draws it.

use anyhow::ensure;
use gatehouse_core::event::{self, Class, Draft, GENESIS, Qualifier, Source, Stamp};
use gatehouse_core::id::{Id, Seq};
use gatehouse_core::time::{ClockState, Mono, Time, UtcMs};
use gatehouse_receiver::{Clock as _, SystemClock};
use gatehouse_tests::{Client, ClientOptions};
use serde_json::{Value, json};

use super::look::pictures;
use super::scene::{DESK, Scene, status};

const DAY: i64 = 86_400_000;
const MINUTE: i64 = 60_000;

/// A gateway of `s-204` that tells of the last weeks.
struct Past {
    client: Client,
    gateway: Id,
    next: u64,
    prev: [u8; 32],
}

impl Past {
    async fn connect(scene: &Scene) -> anyhow::Result<Self> {
        let id = "g-0001";
        let client = Client::connect(scene.broker.address(), ClientOptions::new(id)).await?;
        Ok(Self { client, gateway: id.parse()?, next: 1, prev: GENESIS })
    }

    async fn tell(
        &mut self,
        at: i64,
        class: Class,
        kind: &'static str,
        (of, id): (&'static str, &str),
        more: (Option<u64>, Value),
    ) -> anyhow::Result<u64> {
        let (opens, detail) = more;
        let by_operator = kind.starts_with("incident.");
        let draft = Draft {
            class,
            kind: kind.into(),
            qualifier: if opens.is_some() { Qualifier::Restore } else { Qualifier::New },
            severity: 3,
            partition: None,
            source: Source { kind: of.into(), id: id.parse()?, driver: None },
            time: Time {
                utc: UtcMs(at),
                boot: "5e1c0000-0000-0000-0000-000000000000".into(),
                mono_ns: Mono(self.next),
                err_ms: Some(3),
                clock: ClockState::Synced,
            },
            state: None,
            arming: None,
            actor: by_operator.then(|| "op-7".to_owned()),
            cause: None,
            opens: opens.map(Seq),
            detail: Some(detail),
            closes: None,
            test: false,
            flags: vec![],
        };
        let (seq, prev) = (Seq(self.next), self.prev);
        let bytes =
            event::render(&Stamp { gateway: &self.gateway, session: 1, seq, prev }, &draft)?;
        self.prev = event::chain_hash(&bytes);
        self.next += 1;
        let topic = format!("gatehouse/v1/d-1/s-204/{}/ev/{}", self.gateway, class.as_str());
        self.client.publish(&topic, &bytes).await?;
        Ok(seq.0)
    }

    /// One day; how many incidents it had.
    async fn day(&mut self, n: i64, at: i64) -> anyhow::Result<i64> {
        let incidents = (n * 7 + 3) % 5;
        for one in 0..incidents {
            let (id, at) = (format!("a{}", n * 10 + one), at - one * 37 * MINUTE);
            let (class, kind) = match one % 3 {
                0 => (Class::Alarm, "zone.alarm"),
                1 => (Class::Panic, "panic.alarm"),
                _ => (Class::Tamper, "tamper.alarm"),
            };
            let detail = json!({ "incident": id });
            self.tell(at, class, kind, ("zone", "hall"), (None, detail)).await?;
            let taken = at + 9_000 + n % 6 * 7_000 + one * 11_000;
            let by = json!({"via": "district", "danger": "burglary"});
            let of = ("incident", id.as_str());
            self.tell(taken, Class::Arm, "incident.acked", of, (None, by)).await?;
            let reason = ["real", "false", "test", "real"][usize::try_from((n + one) % 4)?];
            let over = json!({"via": "district", "danger": "burglary", "reason": reason});
            let closed = taken + (12 + n) * MINUTE;
            self.tell(closed, Class::Arm, "incident.closed", of, (None, over)).await?;
        }
        let ledger = json!({"from": UtcMs(at - DAY / 24), "to": UtcMs(at), "part": 1, "of": 1,
            "zones_s": {"hall": {"bypassed by 9c1e": n % 7 * 1_300, "disarmed": 30_000},
                "yard": {"masked": n % 4 * 700}}});
        self.tell(at, Class::System, "ledger.day", ("gateway", "g-0001"), (None, ledger)).await?;
        for round in 0..4 {
            let kind = match (n + round) % 9 {
                0 => "round.missed",
                4 => "round.late",
                _ => "round.done",
            };
            self.tell(at, Class::Access, kind, ("round", "night"), (None, json!({}))).await?;
        }
        if n % 8 == 3 {
            let path = ("path", "radio");
            let part = json!({"part": "network"});
            let fault = self
                .tell(at - 50 * MINUTE, Class::Fault, "path.fault", path, (None, part.clone()))
                .await?;
            self.tell(at, Class::Fault, "path.restored", path, (Some(fault), part)).await?;
        }
        if n == 11 {
            let (gateway, none) = (("gateway", "g-0001"), json!({}));
            let lost = self
                .tell(at - 40 * MINUTE, Class::Fault, "uplink.lost", gateway, (None, none.clone()))
                .await?;
            self.tell(at, Class::Fault, "uplink.restored", gateway, (Some(lost), none)).await?;
        }
        Ok(incidents)
    }
}

#[tokio::test]
async fn a_month_is_counted_drawn_and_taken_home_by_whoever_may_see_it() -> anyhow::Result<()> {
    let accounts = ["op-7 --role operator", "guard-118 --role viewer --site s-118"];
    let scene = Scene::start(&accounts).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    let mut past = Past::connect(&scene).await?;
    let (now, mut incidents) = (SystemClock.now().utc.0, 0);
    for n in (1..=29).rev() {
        incidents += past.day(n, now - n * DAY).await?;
    }
    let last = (None, json!({"via": "cli"}));
    past.tell(now, Class::Arm, "partition.disarmed", ("partition", "month-is-told"), last).await?;
    let stored = "document.getElementById('latest').textContent.includes('month-is-told')";
    tab.until("the month is stored", stored).await?;

    tab.press("5").await?;
    tab.until("figures", "document.querySelectorAll('#stats-figures li').length === 7").await?;
    ensure!(tab.text("#stats-figures [data-key='incidents'] b").await? == incidents.to_string());
    ensure!(tab.text("#stats-figures [data-key='false'] b").await?.ends_with('%'));
    ensure!(tab.text("#stats-figures [data-key='reachable'] b").await?.starts_with("99."));
    ensure!(tab.eval("document.querySelectorAll('#stats-plots svg').length").await? == 5);
    let bars = "document.querySelectorAll('#stats-plots [data-key=\"incidents\"] rect').length";
    ensure!(tab.eval(bars).await?.as_i64() > Some(29), "bars for every day and class");
    ensure!(tab.eval("document.querySelectorAll('#stats-rows tr').length").await? == 2);
    pictures(&scene, &tab, "month", &["5"]).await?;

    let file = "fetch(document.getElementById('stats-csv').href).then((answer) => answer.text())";
    let file = tab.eval(file).await?;
    let lines: Vec<_> = file.as_str().unwrap_or_default().split("\r\n").collect();
    ensure!(lines.len() == 5 && lines[0].starts_with("site,from,to,"), "{file}");
    ensure!(
        lines[3].starts_with("s-204,") && lines[3].contains(&format!(",2,{incidents},")),
        "{file}"
    );

    // A week of one site, by the form.
    tab.eval("document.getElementById('stats-site').value = 's-204'").await?;
    tab.click("[data-days='7']").await?;
    let few = "document.querySelectorAll('#stats-rows tr').length === 1 && \
               Number(document.querySelector('#stats-figures b').textContent) < 15";
    tab.until("a week", few).await?;
    tab.eval("document.getElementById('stats-from').value = '2027-12-31'").await?;
    tab.click("#stats-form .primary").await?;
    tab.until("refused", "document.getElementById('stats-status').textContent.includes('93')")
        .await?;

    let guard = scene.enter("guard-118", "?lang=en").await?;
    guard.press("5").await?;
    guard.until("figures", "document.querySelectorAll('#stats-figures li').length === 7").await?;
    ensure!(guard.text("#stats-figures [data-key='incidents'] b").await? == "0");
    ensure!(!guard.text("#stats-rows").await?.contains("s-204"));
    let other = "fetch(`/api/stats?days=0,86400000&site=s-204`).then((answer) => answer.status)";
    ensure!(guard.eval(other).await? == 404);
    Ok(())
}

#[tokio::test]
async fn what_an_incident_was_is_said_when_it_is_closed_and_counts() -> anyhow::Result<()> {
    let scene = Scene::start(&["op-7 --role operator"]).await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    scene.home.world.set(DESK, true);
    status(&tab, "alarm").await?;
    tab.press("Enter").await?;
    tab.press("a").await?;
    tab.until("taken", "document.querySelector('.incident.taken')").await?;
    tab.press("c").await?;
    tab.until("the question", "document.querySelector('#ask[open]')").await?;
    tab.eval("document.getElementById('ask-reason').value = 'false'").await?;
    tab.press("Enter").await?;
    tab.until("closed", "!document.querySelector('.incident')").await?;
    let events = scene.home.gateway.events().await?;
    let closed = events.iter().find(|event| event.draft.kind == "incident.closed");
    let reason = closed.and_then(|event| event.draft.detail.as_ref()?.get("reason"));
    ensure!(reason.is_some_and(|reason| reason == "false"), "{reason:?}");

    tab.press("5").await?;
    let counted = "document.querySelector('#stats-figures [data-key=\"false\"] small')\
                   ?.textContent.includes('false 1')";
    tab.until("it is counted", counted).await
}
