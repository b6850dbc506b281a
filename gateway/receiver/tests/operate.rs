//! Incidents at the control room: what is shown of them, and what an operator does about them.
#![expect(clippy::unwrap_used, reason = "a step that fails ends its test")]

mod common;

use common::{Broker, Gateway, Journal, Program, config, program, receiver, until, within};
use gatehouse_core::contract::{AlarmOp, GatewayState};
use gatehouse_core::event::Class;
use gatehouse_core::id::Id;
use gatehouse_core::site::Danger;
use gatehouse_receiver::{ActError, Database, GatewayView, Handle, Life, Place, Snapshot};
use tempfile::TempDir;

fn id(text: &str) -> Id {
    text.parse().unwrap()
}

fn place(text: &str) -> Place {
    text.parse().unwrap()
}

/// A gateway that is online with one open burglary.
async fn gateway_in_alarm(broker: &Broker, name: &str) -> Gateway {
    let gateway = Gateway::connect(broker.address(), name).await;
    gateway.incident("a1", Danger::Burglary, None, 1).await;
    gateway.status(GatewayState::Online, 1).await;
    gateway
}

async fn sees(handle: &Handle, gateway: &Gateway, what: &str, is: impl Fn(&GatewayView) -> bool) {
    let see = |snapshot: &Snapshot| snapshot.gateways.get(&gateway.address).is_some_and(&is);
    until(handle, what, see).await;
}

fn phase(view: &GatewayView, incident: &str) -> Option<String> {
    view.incidents.get(incident).map(|view| view.shown.clone())
}

#[tokio::test]
async fn zones_partitions_readers_outputs_and_incidents_are_unknown_when_their_gateway_is_lost() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let gateway = gateway_in_alarm(&broker, "g-1").await;
    gateway.thing("zone", "hall", "active", &["alarm"]).await;
    gateway.thing("partition", "lobby", "triggered", &["alarm"]).await;
    gateway.thing("reader", "north", "online", &[]).await;
    gateway.thing("output", "siren", "on", &[]).await;
    let states = |view: &GatewayView| {
        let kinds = [&view.zones, &view.partitions, &view.readers, &view.outputs];
        let of = |things: &std::collections::BTreeMap<String, gatehouse_receiver::ThingView>| {
            things.values().map(|thing| thing.shown.clone()).collect::<Vec<_>>().join(",")
        };
        let mut all: Vec<_> = kinds.map(|things| of(things)).into();
        all.extend(phase(view, "a1"));
        all
    };
    let known = ["active", "triggered", "online", "on", "active"];
    sees(&handle, &gateway, "all is known", |view| states(view) == known).await;
    gateway.status(GatewayState::Lost, 1).await;
    sees(&handle, &gateway, "lost, and what was open is not over", |view| {
        states(view) == ["unknown"; 5] && view.life == Life::Lost
    })
    .await;
    // It starts again, and what it does not tell again by `online` is closed.
    gateway.incident("a2", Danger::Fire, None, 2).await;
    gateway.status(GatewayState::Starting, 2).await;
    sees(&handle, &gateway, "still listed", |view| phase(view, "a1") == Some("unknown".into()))
        .await;
    gateway.status(GatewayState::Online, 2).await;
    sees(&handle, &gateway, "closed meanwhile", |view| {
        phase(view, "a1").is_none() && phase(view, "a2") == Some("active".into())
    })
    .await;
    gateway.forget(gateway.address.state("alarm", &id("a2"))).await;
    sees(&handle, &gateway, "closed", |view| view.incidents.is_empty()).await;
    handle.stop().await;
}

#[tokio::test]
async fn an_act_is_done_when_the_gateways_event_of_it_is_committed_and_not_before() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let mut gateway = gateway_in_alarm(&broker, "g-1").await;
    let mut journal = Journal::new(&gateway);
    sees(&handle, &gateway, "open", |view| phase(view, "a1") == Some("active".into())).await;
    let desk = handle.operator();
    let wanted = async { desk.act(&place("g-1"), &id("a1"), AlarmOp::Ack, "op-7", None).await };
    tokio::pin!(wanted);
    let act = tokio::select! {
        act = gateway.act("a1", AlarmOp::Ack) => act,
        early = &mut wanted => panic!("before the gateway has heard of it: {early:?}"),
    };
    assert_eq!((act.operator.as_str(), act.nonce.len(), act.text), ("op-7", 32, None));
    // The incident's state says so, and it is still not done: no event of it is committed.
    gateway.incident("a1", Danger::Burglary, Some("op-7"), 1).await;
    tokio::select! {
        () = sees(&handle, &gateway, "acked", |view| phase(view, "a1") == Some("acked".into())) => {}
        early = &mut wanted => panic!("by the state alone: {early:?}"),
    }
    // Another incident's event is no answer either.
    gateway.send(Class::Arm, &journal.handled("a2", "incident.acked", "op-7")).await;
    gateway.send(Class::Arm, &journal.handled("a1", "incident.acked", "op-7")).await;
    assert_eq!(within("done", wanted).await.unwrap().0, 2);

    let again = desk.act(&place("s-1/g-1"), &id("a1"), AlarmOp::Ack, "op-8", None).await;
    assert_eq!(
        again.unwrap_err().to_string(),
        "a1 is acknowledged already by op-7 at 2026-09-21T14:13:21.000Z"
    );
    // Two close it at once: the slower one is told who was faster.
    let wanted = async { desk.act(&place("g-1"), &id("a1"), AlarmOp::Close, "op-8", None).await };
    let answer = async {
        gateway.act("a1", AlarmOp::Close).await;
        gateway.send(Class::Arm, &journal.handled("a1", "incident.closed", "op-9")).await;
    };
    let (outcome, ()) = within("both", async { tokio::join!(wanted, answer) }).await;
    assert_eq!(outcome.unwrap_err().to_string(), "a1 is closed already by op-9");
    handle.stop().await;
}

#[tokio::test]
async fn what_cannot_be_done_is_said_with_its_reason_and_nothing_is_sent() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    let mut gateway = gateway_in_alarm(&broker, "g-1").await;
    sees(&handle, &gateway, "open", |view| phase(view, "a1") == Some("active".into())).await;
    let desk = handle.operator();
    let refused = async |gateway: &str, incident: &str, operator: &str| {
        let (place, incident) = (place(gateway), id(incident));
        desk.act(&place, &incident, AlarmOp::Ack, operator, None).await.unwrap_err()
    };
    let unknown = refused("g-2", "a1", "op-7").await;
    assert_eq!(unknown.to_string(), "no gateway g-2 is known here; known are g-1");
    let unknown = refused("g-1", "a7", "op-7").await;
    assert_eq!(unknown.to_string(), "g-1 has no open incident a7; open are a1");
    assert!(matches!(refused("g-1", "a1", "Li Wei").await, ActError::Operator(_)));
    gateway.status(GatewayState::Lost, 1).await;
    sees(&handle, &gateway, "lost", |view| view.life == Life::Lost).await;
    let lost = refused("g-1", "a1", "op-7").await;
    assert_eq!(
        lost.to_string(),
        "the gateway g-1 is lost: it cannot be told anything, and its incidents are unknown"
    );
    assert!(gateway.acts.try_recv().is_err());
    handle.stop().await;

    let mut nowhere = config("mqtt://127.0.0.1:1", Database::Memory);
    nowhere.host = "nowhere".into();
    let handle = gatehouse_receiver::Receiver::start(nowhere).await.unwrap();
    let none = handle.operator().act(&place("g-1"), &id("a1"), AlarmOp::Ack, "op", None).await;
    assert!(matches!(none, Err(ActError::NoBroker(_))), "{none:?}");
    handle.stop().await;
}

#[tokio::test]
async fn an_act_for_a_gateway_that_does_not_listen_is_not_called_sent() {
    let broker = Broker::start().await;
    let handle = receiver(&broker, Database::Memory).await;
    // Online by its word, but nobody has subscribed under its name.
    let mut gateway = Gateway::connect(broker.address(), "g-1").await;
    gateway.address.gateway = id("g-deaf");
    gateway.incident("a1", Danger::Burglary, None, 1).await;
    gateway.status(GatewayState::Online, 1).await;
    sees(&handle, &gateway, "open", |view| phase(view, "a1") == Some("active".into())).await;
    let desk = handle.operator();
    let act = desk.act(&place("g-deaf"), &id("a1"), AlarmOp::Ack, "op-7", None).await;
    assert_eq!(act.unwrap_err(), ActError::NobodyListens(place("g-deaf")));
    handle.stop().await;
}

#[tokio::test]
async fn an_operator_lists_acknowledges_and_closes_on_the_command_line() {
    let folder = TempDir::new().unwrap();
    let db = folder.path().join("r.db");
    let at = db.to_str().unwrap().to_owned();
    let (code, _, err) = program(&["incidents", "--db", &at]);
    assert!(code == Some(1) && err.contains("no receiver runs on"), "{err}");

    let broker = Broker::start().await;
    let running = Program::run(&broker.url(), &db);
    let mut gateway = gateway_in_alarm(&broker, "g-1").await;
    let mut journal = Journal::new(&gateway);
    gateway.incident("s1", Danger::SilentPanic, None, 1).await;
    let tool = async |args: &[&str]| {
        let args: Vec<_> = args.iter().map(|arg| (*arg).to_owned()).collect();
        let run = move || program(&args.iter().map(String::as_str).collect::<Vec<_>>());
        within("the tool ends", tokio::task::spawn_blocking(run)).await.unwrap()
    };
    let listed = within("both are listed", async {
        loop {
            let (_, out, _) = tool(&["incidents", "--db", &at]).await;
            if out.lines().count() == 2 {
                return out;
            }
        }
    })
    .await;
    let line = |of: &str| listed.lines().find(|line| line.contains(of)).unwrap().to_owned();
    assert!(line(" a1 ").contains("active   g-1, s-1"), "{listed}");
    assert!(line(" a1 ").ends_with("burglary in lobby: zone/hall"), "{listed}");
    assert!(line(" s1 ").contains("SILENT silent-panic in lobby"), "{listed}");
    let (_, json, _) = tool(&["incidents", "--db", &at, "--json"]).await;
    let first: serde_json::Value = serde_json::from_str(json.lines().next().unwrap()).unwrap();
    assert_eq!((&first["gateway"], &first["life"]), (&"g-1".into(), &"online".into()));

    let ack = ["ack", "g-1", "a1", "--db", &at, "--operator", "op-7"];
    let answer = async {
        gateway.act("a1", AlarmOp::Ack).await;
        gateway.send(Class::Arm, &journal.handled("a1", "incident.acked", "op-7")).await;
        gateway.incident("a1", Danger::Burglary, Some("op-7"), 1).await;
    };
    let ((code, out, err), ()) = tokio::join!(tool(&ack), answer);
    assert_eq!((code, &*out), (Some(0), "done; the gateway's event 1 is committed\n"), "{err}");
    let note = ["note", "g-1", "a1", "patrol goes", "--db", &at, "--operator", "op-7"];
    let answer = async {
        let act = gateway.act("a1", AlarmOp::Note).await;
        assert_eq!(act.text.as_deref(), Some("patrol goes"));
        // The same note by the same operator that another receiver's desk has sent is not this one.
        for nonce in ["another", &act.nonce] {
            let event = journal.answered("a1", "incident.noted", "op-7", Some(nonce));
            gateway.send(Class::Arm, &event).await;
        }
    };
    let ((code, out, _), ()) = tokio::join!(tool(&note), answer);
    assert_eq!((code, &*out), (Some(0), "done; the gateway's event 3 is committed\n"));
    let (code, out, err) = tool(&ack).await;
    assert_eq!((code, &*out), (Some(1), ""));
    assert!(err.contains("a1 is acknowledged already by op-7"), "{err}");
    let (code, _, err) = tool(&["close", "g-1", "a9", "--db", &at]).await;
    assert!(code == Some(1) && err.contains("has no open incident a9; open are a1, s1"), "{err}");
    assert_eq!(tool(&["ack", "G 1", "a9", "--db", &at]).await.0, Some(64));
    let socket = format!("{at}.sock");
    let mode =
        std::os::unix::fs::PermissionsExt::mode(&std::fs::metadata(&socket).unwrap().permissions());
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(running.terminate(), Some(0));
    assert!(!std::path::Path::new(&socket).exists());
}
