//! Three nodes of NATS as they are shipped: what a killed node takes with it, and who may do what.

use std::time::Duration;

use anyhow::ensure;
use gatehouse_tests::cluster::{Cluster, Users};
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Certificates, Client, ClientOptions};

struct Shipped {
    cluster: Cluster,
    certificates: Certificates,
}

async fn shipped() -> anyhow::Result<Shipped> {
    let certificates = Certificates::new()?;
    let users = Users::Certificates(certificates.broker()?);
    let gateways = ["g-1", "g-2"].map(str::to_owned);
    let cluster = Cluster::start(3, &users, &gateways).await?;
    Ok(Shipped { cluster, certificates })
}

impl Shipped {
    /// A client with its own certificate, of this id, at this node.
    async fn client(&self, name: &str, id: &str, node: usize) -> anyhow::Result<Client> {
        let identity = self.certificates.client(name)?;
        let options = ClientOptions::new(id).v3().persistent();
        let options = options.tls(self.certificates.ca(), Some(identity));
        Client::connect(self.cluster.addresses()[node], options).await
    }
}

const MESSAGES: usize = 100;

#[tokio::test]
async fn a_killed_node_takes_neither_sessions_nor_messages_nor_retained_states_with_it()
-> anyhow::Result<()> {
    let mut ours = shipped().await?;
    let mut gateway = ours.client("g-1", "g-1", 0).await?;
    let mut room = ours.client("control-room", "room", 1).await?;
    ensure!(room.subscribe("gatehouse/v1/d-1/+/+/ev/+").await? == 1);
    room.disconnect().await?;
    gateway.publish_retained("gatehouse/v1/d-1/s-1/g-1/status", b"online").await?;
    for number in 0..MESSAGES {
        let topic = "gatehouse/v1/d-1/s-1/g-1/ev/door";
        gateway.publish(topic, number.to_string().as_bytes()).await?;
    }
    // The node of the session is killed while its client is away.
    ours.cluster.kill(1).await?;
    // While the others vote, NATS closes the connection of who publishes; a gateway comes back.
    let topic = "gatehouse/v1/d-1/s-1/g-1/ev/door";
    until("the cluster to take events without a node", SOON, async || {
        if gateway.publish(topic, b"without it").await.is_ok() {
            return Ok(Some(()));
        }
        // Without a leader there is no session either.
        if let Ok(again) = ours.client("g-1", "g-1", 0).await {
            gateway = again;
        }
        Ok(None)
    })
    .await?;
    let mut room = until("the session of the room", SOON, async || {
        Ok(ours.client("control-room", "room", 2).await.ok())
    })
    .await?;
    ensure!(room.session_present(), "the session went with its node");
    let all = |messages: &[&gatehouse_tests::mqtt::Publish]| {
        let mut payloads: Vec<_> = messages.iter().map(|message| &message.payload).collect();
        payloads.sort_unstable();
        payloads.dedup();
        (payloads.len() == MESSAGES + 1).then_some(())
    };
    room.messages("every event", SOON, all).await?;
    // A node that has just lost its leader may say nothing yet; each subscription asks anew.
    until("the retained state", SOON * 2, async || {
        room.subscribe("gatehouse/v1/d-1/+/+/status").await?;
        let online = |messages: &[&gatehouse_tests::mqtt::Publish]| {
            let mut all = messages.iter();
            all.any(|message| message.retain && message.payload == b"online").then_some(())
        };
        Ok(room.messages("the retained state", Duration::from_secs(3), online).await.ok())
    })
    .await?;
    ours.cluster.restart(1).await
}

#[tokio::test]
async fn a_gateway_of_the_cluster_writes_and_reads_only_what_is_its_own() -> anyhow::Result<()> {
    let ours = shipped().await?;
    let mut room = ours.client("control-room", "room", 0).await?;
    for what in ["ev/+", "status", "receipt"] {
        ensure!(room.subscribe(&format!("gatehouse/v1/d-1/+/+/{what}")).await? == 1, "{what}");
    }
    ensure!(room.subscribe("gatehouse/v1/d-1/_dc/state").await? == 1);
    let mut first = ours.client("g-1", "g-1", 1).await?;
    let mut second = ours.client("g-2", "g-2", 2).await?;
    // Reading: refused outright, not only kept empty.
    for filter in ["gatehouse/v1/#", "gatehouse/v1/d-1/s-1/g-1/receipt", "#"] {
        ensure!(second.subscribe(filter).await? >= 0x80, "g-2 may read {filter}");
    }
    for filter in ["gatehouse/v1/d-1/s-1/g-1/receipt", "gatehouse/v1/d-1/_dc/state"] {
        ensure!(first.subscribe(filter).await? < 0x80, "g-1 may not read {filter}");
    }
    // Writing: 3.1.1 cannot refuse, so it is taken and thrown away.
    for topic in ["s-1/g-1/ev/alarm", "s-1/g-1/status", "s-1/g-1/receipt", "_dc/state"] {
        second.publish(&format!("gatehouse/v1/d-1/{topic}"), b"forged").await?;
    }
    room.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"forged").await?;
    second.publish("gatehouse/v1/d-1/s-1/g-2/ev/alarm", b"own").await?;
    first.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"own").await?;
    room.messages("both gateways' own events", SOON, |messages| {
        assert!(!messages.iter().any(|message| message.payload == b"forged"), "{messages:?}");
        (messages.iter().filter(|message| message.payload == b"own").count() == 2).then_some(())
    })
    .await?;
    room.publish("gatehouse/v1/d-1/s-1/g-1/receipt", b"receipt").await?;
    first.messages("its receipt", SOON, |all| (!all.is_empty()).then_some(())).await?;

    // NATS does not tie a client's id to its user: another's id ends that connection, which comes
    // back, but opens nothing. deploy/broker/README.md says so.
    let mut thief = ours.client("g-2", "g-1", 1).await?;
    thief.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"forged").await?;
    ensure!(thief.subscribe("gatehouse/v1/d-1/s-1/g-1/receipt").await? >= 0x80);
    room.publish("gatehouse/v1/d-1/s-1/g-1/receipt", b"secret").await?;
    thief.ping().await?;
    thief.messages("", SOON, |all| all.is_empty().then_some(())).await?;
    let mut first = ours.client("g-1", "g-1", 2).await?;
    first.publish("gatehouse/v1/d-1/s-1/g-1/ev/alarm", b"back").await?;
    room.messages("the rightful one", SOON, |messages| {
        assert!(!messages.iter().any(|message| message.payload == b"forged"), "{messages:?}");
        messages.iter().any(|message| message.payload == b"back").then_some(())
    })
    .await
}

#[tokio::test]
async fn nobody_enters_the_cluster_without_a_certificate_that_it_knows() -> anyhow::Result<()> {
    let ours = shipped().await?;
    ensure!(ours.client("g-3", "g-3", 0).await.is_err(), "an unknown gateway was let in");
    let bare = ClientOptions::new("g-1").v3().tls(ours.certificates.ca(), None);
    ensure!(Client::connect(ours.cluster.addresses()[0], bare).await.is_err());
    ours.client("g-1", "g-1", 0).await.map(drop)
}
