//! The recommended Mosquitto keeps what it has acknowledged, and lets nobody into another's topics.

use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::ensure;
use gatehouse_core::event::Class;
use gatehouse_tests::broker::Persistence;
use gatehouse_tests::gateway::BrokerEntry;
use gatehouse_tests::ports::Port;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, BrokerOptions, Certificates, Client, ClientOptions, District, Gateway, GatewayOptions,
    World,
};

use super::deploy;

/// The shipped configuration with this machine's places: nothing else of it is changed.
struct Recommended {
    broker: Broker,
    certificates: Certificates,
    /// The listener of the control room.
    local: Port,
}

const PASSWORD: &str = "for this test only";

fn replaced(text: &str, from: &str, to: &str) -> anyhow::Result<String> {
    ensure!(text.contains(from), "deploy/broker/mosquitto.conf has no {from:?} any more");
    Ok(text.replace(from, to))
}

async fn recommended() -> anyhow::Result<Recommended> {
    let certificates = Certificates::new()?;
    let folder = certificates.folder();
    let tls = certificates.broker()?;
    let acl = std::fs::read_to_string(deploy("broker/acl"))?;
    // A second control room, as the file says: the same lines under its own name.
    let from = acl.find("user control-room").expect("the control room's lines");
    let lines = acl[from..].split("\n\n").next().unwrap_or_default();
    let second = lines.replace("control-room", "guard-room");
    std::fs::write(folder.join("acl"), format!("{acl}\n{second}\n"))?;
    // Mosquitto wants both for itself alone.
    std::fs::set_permissions(folder.join("acl"), Permissions::from_mode(0o600))?;
    let passwords = folder.join("passwords");
    for (how, room) in [(&["-c", "-b"][..], "control-room"), (&["-b"], "guard-room")] {
        let mut command = Command::new("mosquitto_passwd");
        let output = command.args(how).arg(&passwords).args([room, PASSWORD]).output()?;
        ensure!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }
    let local = Port::hold()?;
    let path = |path: &Path| path.to_str().expect("a UTF-8 name").to_owned();
    let mut text = std::fs::read_to_string(deploy("broker/mosquitto.conf"))?;
    for (from, to) in [
        ("/etc/mosquitto/certs/ca.pem", path(&tls.ca)),
        ("/etc/mosquitto/certs/broker.pem", path(&tls.certificate)),
        ("/etc/mosquitto/certs/broker.key", path(&tls.key)),
        ("/etc/mosquitto/acl", path(&folder.join("acl"))),
        ("/etc/mosquitto/passwords", path(&passwords)),
        ("/var/lib/mosquitto/", "{folder}/".into()),
        ("listener 8883", "listener {port} 127.0.0.1".into()),
        ("listener 1883 127.0.0.1", format!("listener {} 127.0.0.1", local.number())),
        ("log_dest syslog", "log_dest stderr\nlog_type information\nuser root".into()),
    ] {
        text = replaced(&text, from, &to)?;
    }
    let broker = Broker::start(BrokerOptions { whole: Some(text), ..BrokerOptions::default() });
    Ok(Recommended { broker: broker.await?, certificates, local })
}

impl Recommended {
    async fn gateway(&self, id: &str) -> anyhow::Result<Client> {
        let identity = self.certificates.client(id)?;
        let options = ClientOptions::new(id).tls(self.certificates.ca(), Some(identity));
        Client::connect(self.broker.address(), options).await
    }
}

fn control_room() -> ClientOptions {
    room("control-room")
}

fn room(name: &str) -> ClientOptions {
    let mut options = ClientOptions::new(name);
    options.connect.username = Some(name.into());
    options.connect.password = Some(PASSWORD.into());
    options
}

const MESSAGES: usize = 200;

/// Publishes 200 messages to a subscriber that is away, kills the broker as soon as it has
/// acknowledged all and answered one ping, and counts what the subscriber gets after the restart.
async fn kept_over_a_kill(
    broker: &mut Broker,
    publisher: &mut Client,
    subscriber: ClientOptions,
    at: std::net::SocketAddr,
) -> anyhow::Result<usize> {
    let mut away = Client::connect(at, subscriber.clone().persistent()).await?;
    ensure!(away.subscribe("gatehouse/v1/#").await? == 1);
    away.disconnect().await?;
    let mut handed_over = Vec::new();
    for number in 0..MESSAGES {
        let payload = number.to_string();
        let topic = "gatehouse/v1/d-1/s-1/g-1/ev/door";
        handed_over.push(publisher.hand_over(topic, payload.as_bytes(), false).await?);
    }
    for pid in handed_over {
        let code = publisher.acknowledged(pid).await?;
        ensure!(code == 0, "a message was refused with {code:#04x}");
    }
    // Mosquitto acknowledges first and saves at the end of the same turn of its loop: whatever it
    // answers next comes after the save. That instant is the only one in which it can still lose.
    publisher.ping().await?;
    broker.kill().await?;
    broker.restart().await?;
    let mut back = Client::connect(at, subscriber.persistent()).await?;
    // A marker comes behind everything that was kept: no need to wait for what does not come.
    ensure!(back.subscribe("gatehouse/v1/#").await? == 1);
    back.publish("gatehouse/v1/d-1/_dc/state", b"marker").await?;
    back.messages("the marker", SOON, |all| {
        let marker = all.iter().position(|message| message.payload == b"marker")?;
        Some(
            all[..marker]
                .iter()
                .map(|m| m.payload.clone())
                .collect::<std::collections::BTreeSet<_>>(),
        )
    })
    .await
    .map(|kept| kept.len())
}

#[tokio::test]
async fn a_stock_mosquitto_loses_what_it_acknowledged_and_the_recommended_one_nothing()
-> anyhow::Result<()> {
    let options = BrokerOptions { persistence: Persistence::Stock, ..BrokerOptions::default() };
    let mut stock = Broker::start(options).await?;
    let at = stock.address();
    let mut publisher = Client::connect(at, ClientOptions::new("g-1")).await?;
    let kept = kept_over_a_kill(&mut stock, &mut publisher, ClientOptions::new("away"), at).await?;
    println!("stock: {kept} of {MESSAGES} kept");
    assert_eq!(kept, 0, "then the recommendation is not needed any more");

    let mut ours = recommended().await?;
    let mut publisher = ours.gateway("g-1").await?;
    let (at, subscriber) = (ours.local.address(), control_room());
    let kept = kept_over_a_kill(&mut ours.broker, &mut publisher, subscriber, at).await?;
    println!("recommended: {kept} of {MESSAGES} kept");
    assert_eq!(kept, MESSAGES);
    Ok(())
}

#[tokio::test]
async fn a_gateway_writes_only_below_its_own_prefix() -> anyhow::Result<()> {
    let ours = recommended().await?;
    let mut watcher = Client::connect(ours.local.address(), control_room()).await?;
    watcher.subscribe("gatehouse/v1/#").await?;
    let mut gateway = ours.gateway("g-1").await?;
    for topic in [
        "status",
        "hb",
        "desc",
        "ev/alarm",
        "door/d-1",
        "camera/c1",
        "snap/c1",
        "alarm/a1",
        "cmd/1/res",
    ] {
        let topic = format!("gatehouse/v1/d-1/s-1/g-1/{topic}");
        assert_eq!(gateway.publish(&topic, b"x").await?, 0, "{topic}");
    }
    for topic in [
        "gatehouse/v1/d-1/s-1/g-2/ev/alarm",
        "gatehouse/v1/d-1/s-1/g-2/receipt",
        "gatehouse/v1/d-1/s-1/g-2/cmd/1",
        "gatehouse/v1/d-1/_dc/state",
        "gatehouse/v1/d-1/s-1",
        "elsewhere",
    ] {
        assert_eq!(gateway.publish(topic, b"x").await?, 0x87, "{topic} must be refused");
    }
    // The control room speaks, but cannot invent an event.
    let mut room = Client::connect(ours.local.address(), {
        let mut options = control_room();
        options.connect.client_id = "second".into();
        options
    })
    .await?;
    assert_eq!(room.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"x").await?, 0x87);
    Ok(())
}

#[tokio::test]
async fn a_picture_of_the_largest_size_reaches_the_control_room() -> anyhow::Result<()> {
    let ours = recommended().await?;
    let mut room = Client::connect(ours.local.address(), control_room()).await?;
    room.subscribe("gatehouse/v1/d-1/+/+/snap/+").await?;
    let mut gateway = ours.gateway("g-1").await?;
    let picture = vec![7; gatehouse_core::contract::MAX_SNAPSHOT];
    let topic = "gatehouse/v1/d-1/s-1/g-1/snap/c1";
    assert_eq!(gateway.publish(topic, &picture).await?, 0);
    let length =
        room.messages("the picture", SOON, |all| all.first().map(|one| one.payload.len())).await?;
    assert_eq!(length, picture.len());
    Ok(())
}

#[tokio::test]
async fn a_gateway_reads_only_what_is_said_to_it() -> anyhow::Result<()> {
    let ours = recommended().await?;
    let mut gateway = ours.gateway("g-1").await?;
    // Mosquitto grants every subscription and checks when it delivers.
    gateway.subscribe("gatehouse/v1/#").await?;
    let mut room = Client::connect(ours.local.address(), control_room()).await?;
    let mut other = ours.gateway("g-2").await?;
    let secret = ["cmd/1", "receipt", "alarm/a1/op"];
    for topic in secret {
        room.publish(&format!("gatehouse/v1/d-1/s-1/g-2/{topic}"), b"secret").await?;
    }
    for topic in ["ev/alarm", "door/d-1", "status", "camera/c1", "snap/c1"] {
        other.publish(&format!("gatehouse/v1/d-1/s-1/g-2/{topic}"), b"secret").await?;
    }
    let allowed = ["s-1/g-1/cmd/1", "s-1/g-1/receipt", "s-1/g-1/alarm/a1/op", "_dc/state"];
    for topic in allowed {
        assert_eq!(room.publish(&format!("gatehouse/v1/d-1/{topic}"), b"own").await?, 0);
    }
    let seen = gateway
        .messages("the control room's state", SOON, |all| {
            let last = all.last()?;
            last.topic.ends_with("_dc/state").then(|| {
                all.iter()
                    .map(|message| message.topic["gatehouse/v1/d-1/".len()..].to_owned())
                    .collect::<Vec<_>>()
            })
        })
        .await?;
    assert_eq!(seen, allowed);
    Ok(())
}

#[tokio::test]
async fn a_control_room_speaks_to_others_only_as_itself_and_no_gateway_hears_it()
-> anyhow::Result<()> {
    let ours = recommended().await?;
    let mut first = Client::connect(ours.local.address(), room("control-room")).await?;
    let mut second = Client::connect(ours.local.address(), room("guard-room")).await?;
    let mut gateway = ours.gateway("g-1").await?;
    // A gateway that an authority has let call itself like a room would be one: ids are unique.
    for filter in ["gatehouse/v1/#", "gatehouse/v1/+/_dc/handover/#"] {
        for client in [&mut first, &mut second, &mut gateway] {
            client.subscribe(filter).await?;
        }
    }
    let handover = |to: &str, from: &str| format!("gatehouse/v1/d-1/_dc/handover/{to}/{from}/h-1");
    let (to_guard, to_room) =
        (handover("guard-room", "control-room"), handover("control-room", "guard-room"));
    // Refused: as another room, to oneself as another, and whatever a gateway says.
    assert_eq!(first.publish(&to_room, b"forged").await?, 0x87);
    assert_eq!(second.publish(&to_guard, b"forged").await?, 0x87);
    for topic in [&to_guard, &to_room, &handover("control-room", "g-1")] {
        assert_eq!(gateway.publish(topic, b"forged").await?, 0x87, "{topic}");
    }
    assert_eq!(first.publish("gatehouse/v1/d-1/_dc/handover", b"x").await?, 0x87);
    // Heard: by the one it is said to, and by nobody else.
    assert!(first.publish(&to_guard, b"to the guards").await? < 0x80);
    assert!(second.publish(&to_room, b"to the room").await? < 0x80);
    assert_eq!(first.publish("gatehouse/v1/d-1/_dc/state", b"the end").await?, 0);
    for (client, own) in
        [(&mut first, Some(to_room)), (&mut second, Some(to_guard)), (&mut gateway, None)]
    {
        let heard = client.messages("the end", SOON, |all| {
            let end = all.iter().position(|message| message.payload == b"the end")?;
            Some(
                all[..end]
                    .iter()
                    .map(|message| message.topic.clone())
                    .collect::<std::collections::BTreeSet<_>>(),
            )
        });
        assert_eq!(heard.await?, own.into_iter().collect());
    }
    Ok(())
}

#[tokio::test]
async fn nobody_enters_without_certificate_or_password_or_takes_another_s_session()
-> anyhow::Result<()> {
    let ours = recommended().await?;
    let anonymous = Client::connect(ours.local.address(), ClientOptions::new("x")).await;
    assert!(anonymous.unwrap_err().to_string().contains("0x87"));
    let bare = ClientOptions::new("g-1").tls(ours.certificates.ca(), None);
    assert!(Client::connect(ours.broker.address(), bare).await.is_err());

    // g-2 says that it is g-1: its certificate decides, and g-1 stays connected.
    let mut first = ours.gateway("g-1").await?;
    let identity = ours.certificates.client("g-2")?;
    let thief = ClientOptions::new("g-1").tls(ours.certificates.ca(), Some(identity));
    let mut thief = Client::connect(ours.broker.address(), thief).await?;
    assert_eq!(thief.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"x").await?, 0x87);
    let topic = "gatehouse/v1/d-1/s-1/g-1/ev/alarm";
    let answer = tokio::time::timeout(Duration::from_secs(5), first.publish(topic, b"x")).await??;
    assert!(answer < 0x80);
    Ok(())
}

#[tokio::test]
async fn a_box_and_a_control_room_meet_there_by_their_certificates_alone() -> anyhow::Result<()> {
    let ours = recommended().await?;
    let (at, ca) = (ours.broker.address(), ours.certificates.ca());
    let room = ours.certificates.client("control-room")?;
    let district = District::secured(at, ca.clone(), &room).await?;
    let world = World::start([0])?;
    let mut options = GatewayOptions::new(&world);
    options.brokers.push(BrokerEntry {
        address: at,
        protocol: "5",
        keep_alive_s: 5,
        tls: Some((ca, ours.certificates.client("g-1")?)),
    });
    let gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    world.set(0, true);
    let opened = district.committed().wait_for("the opened door", SOON, |all| {
        all.iter().find(|event| event.class == Class::Door).cloned()
    });
    let seq = opened.await?.seq;
    district.has_all("g-1", seq, SOON).await?;
    // Both ways: the receipt passes the access rules as well.
    until("the receipt", SOON, async || {
        let status = gateway.command(&["status", "--json", "--config"], true).await?;
        let status: serde_json::Value = serde_json::from_str(&status)?;
        Ok((status["host_upto"].as_u64() >= Some(seq.0)).then_some(()))
    })
    .await?;
    // The broker has put the certificates' names in the place of what the clients call themselves.
    for name in ["g-1", "control-room"] {
        let known = format!(" as {name} (p5,");
        let lines = |log: &[String]| log.iter().any(|line| line.contains(&known));
        assert!(ours.broker.log().read(lines), "no client {name}: {:?}", ours.broker.log().all());
    }
    Ok(())
}
