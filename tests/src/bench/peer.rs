//! Peers that do the same job: raw rumqttc, and mosquitto's bridge.

use std::net::SocketAddr;
use std::process::Stdio;

use anyhow::{Context, bail, ensure};
use gatehouse_tests::wait::monotonic_ns;
use rumqttc::v5::mqttbytes::QoS;
use rumqttc::v5::mqttbytes::v5::{Packet, PublishProperties};
use rumqttc::v5::{AsyncClient, Event, MqttOptions};
use serde::{Deserialize, Serialize};

use crate::{bed, process};

/// What a publishing peer is to do.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Order {
    /// Where to.
    pub(crate) broker: SocketAddr,
    /// How many messages.
    pub(crate) count: u64,
    /// The size of each.
    pub(crate) payload: usize,
    /// Its MQTT client id.
    pub(crate) client: String,
}

/// What it did.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Done {
    /// `CLOCK_MONOTONIC` of the first publish.
    pub(crate) first_ns: u64,
    /// Of the last PUBACK.
    pub(crate) last_ns: u64,
    /// User and system time of its process between the two.
    pub(crate) cpu_us: f64,
    /// Resident at the end.
    pub(crate) resident_mb: f64,
}

/// Starts this program as a publishing peer, in a process of its own, and waits for its end.
pub(crate) async fn run(order: &Order) -> anyhow::Result<Done> {
    let mut command = tokio::process::Command::new(std::env::current_exe()?);
    command.arg("--peer").arg(serde_json::to_string(order)?);
    let output = command.stderr(Stdio::inherit()).kill_on_drop(true).output().await?;
    ensure!(output.status.success(), "the peer ended with {}", output.status);
    Ok(serde_json::from_slice(&output.stdout)?)
}

/// Publishes: the same topic, properties, size and window as the daemon, from memory.
#[expect(clippy::print_stdout, reason = "the answer to the process that started this")]
pub(crate) fn publish(order: &Order) -> anyhow::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let done = runtime.block_on(publish_all(order))?;
    println!("{}", serde_json::to_string(&done)?);
    Ok(())
}

async fn publish_all(order: &Order) -> anyhow::Result<Done> {
    let me = std::process::id();
    let (host, port) = (order.broker.ip().to_string(), order.broker.port());
    let mut options = MqttOptions::new(order.client.clone(), host, port);
    options.set_outgoing_inflight_upper_limit(bed::IN_FLIGHT);
    let mut network = options.network_options();
    network.set_tcp_nodelay(true);
    options.set_network_options(network);
    let (client, mut eventloop) = AsyncClient::new(options, usize::from(bed::IN_FLIGHT));
    while !matches!(eventloop.poll().await?, Event::Incoming(Packet::ConnAck(_))) {}
    let before = process::account(me)?;
    let first_ns = monotonic_ns();
    let (count, payload) = (order.count, vec![b'x'; order.payload]);
    let mut tasks = tokio::task::JoinSet::new();
    tasks.spawn(async move {
        let topic = format!("{}/ev/door", bed::PREFIX);
        for seq in 1..=count {
            let properties = PublishProperties {
                user_properties: vec![
                    ("seq".to_owned(), seq.to_string()),
                    ("class".to_owned(), "door".to_owned()),
                    ("schema".to_owned(), "1".to_owned()),
                ],
                ..PublishProperties::default()
            };
            let (topic, payload) = (topic.clone(), payload.clone());
            let qos = QoS::AtLeastOnce;
            client.publish_with_properties(topic, qos, false, payload, properties).await?;
        }
        // The connection lives as long as this.
        anyhow::Ok(client)
    });
    let mut acked = 0;
    while acked < count {
        if let Event::Incoming(Packet::PubAck(_)) = eventloop.poll().await? {
            acked += 1;
        }
    }
    let last_ns = monotonic_ns();
    let cpu_us = process::account(me)?.cpu_us - before.cpu_us;
    let Some(client) = tasks.join_next().await else { bail!("nothing was published") };
    client?.context("publish")?;
    Ok(Done { first_ns, last_ns, cpu_us, resident_mb: process::resident_mb(me)?.0 })
}

/// The lines of a mosquitto that bridges everything to this broker, with its memory on disk.
pub(crate) fn bridge(to: SocketAddr) -> String {
    format!(
        "persistence true\npersistence_location {{folder}}/\nconnection up\naddress {to}\n\
         topic gatehouse/# out 1\nbridge_protocol_version mqttv50\ncleansession false\n\
         remote_clientid bridge\n"
    )
}
