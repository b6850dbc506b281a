//! Three nodes of NATS on loopback, from the configuration that is shipped.

use std::fmt::Write as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, ensure};
use rustix::process::Signal;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::broker::BrokerTls;
use crate::ports::Port;
use crate::process::Process;
use crate::record::Record;
use crate::wait::{SOON, until};

/// Three nodes vote, sync their logs and share two cores with a fleet.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// Whom a cluster lets in.
#[derive(Clone, Debug)]
pub enum Users {
    /// By certificate, as it is shipped.
    Certificates(BrokerTls),
    /// Without TLS: a user's password is the user's name. For fleets, which would otherwise measure
    /// handshakes.
    Names,
}

/// The cluster; its nodes end with the value.
#[derive(Debug)]
pub struct Cluster {
    folder: TempDir,
    nodes: Vec<Node>,
    log: Record<String>,
}

#[derive(Debug)]
struct Node {
    mqtt: Port,
    monitor: Port,
    config: PathBuf,
    process: Option<Process>,
    /// Held for the nodes' own talk.
    _ports: [Port; 2],
}

impl Cluster {
    /// Starts so many nodes for these gateways, and returns when all are ready.
    pub async fn start(count: usize, users: &Users, gateways: &[String]) -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("gatehouse-nats-").tempdir()?;
        let shipped = Path::new(env!("CARGO_MANIFEST_DIR")).join("../deploy/broker/nats");
        std::fs::write(folder.path().join("users.conf"), users_conf(&shipped, users, gateways)?)?;
        let template = std::fs::read_to_string(shipped.join("nats.conf"))?;
        let ports: Vec<[Port; 4]> = (0..count)
            .map(|_| Ok([Port::hold()?, Port::hold()?, Port::hold()?, Port::hold()?]))
            .collect::<anyhow::Result<_>>()?;
        let mut routes = String::new();
        for [_, _, _, route] in &ports {
            writeln!(routes, "\"nats://127.0.0.1:{}\"", route.number())?;
        }
        let mut nodes = Vec::new();
        for (number, [mqtt, monitor, client, route]) in (1..).zip(ports) {
            let numbers = [&mqtt, &monitor, &client, &route].map(Port::number);
            let text = node_conf(&template, number, numbers, &routes, users, folder.path())?;
            let config = folder.path().join(format!("node-{number}.conf"));
            std::fs::write(&config, text)?;
            nodes.push(Node { mqtt, monitor, config, process: None, _ports: [client, route] });
        }
        let mut cluster = Self { folder, nodes, log: Record::default() };
        for node in 0..count {
            cluster.launch(node)?;
        }
        for node in 0..count {
            cluster.ready(node).await?;
        }
        Ok(cluster)
    }

    /// Where the nodes listen for MQTT.
    pub fn addresses(&self) -> Vec<SocketAddr> {
        self.nodes.iter().map(|node| node.mqtt.address()).collect()
    }

    /// What all nodes have logged.
    pub fn log(&self) -> &Record<String> {
        &self.log
    }

    /// Where configurations and stores are.
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The nodes that run.
    pub fn process_ids(&self) -> Vec<u32> {
        self.nodes.iter().filter_map(|node| node.process.as_ref()?.id()).collect()
    }

    /// Power off for one node.
    pub async fn kill(&mut self, node: usize) -> anyhow::Result<()> {
        let mut process = self.nodes[node].process.take().context("the node does not run")?;
        process.end(Signal::KILL, SOON).await.map(drop)
    }

    /// Starts a node again with what its store still holds; returns when it has joined.
    pub async fn restart(&mut self, node: usize) -> anyhow::Result<()> {
        self.launch(node)?;
        self.ready(node).await
    }

    fn launch(&mut self, node: usize) -> anyhow::Result<()> {
        let node = &mut self.nodes[node];
        ensure!(node.process.is_none(), "the node still runs");
        let program =
            std::env::var_os("NATS_SERVER").unwrap_or_else(|| "/usr/sbin/nats-server".into());
        let mut command = tokio::process::Command::new(program);
        command.arg("-c").arg(&node.config);
        let process = Process::start("nats-server", &mut command, &self.log)
            .context("install it by `apt-get install nats-server` or run `tests/run setup`")?;
        node.process = Some(process);
        Ok(())
    }

    /// Waits until a node says of itself that it is healthy: it knows the cluster's leader. That every
    /// consumer is current is not asked: one that belonged to a killed node's own connection never is.
    async fn ready(&mut self, node: usize) -> anyhow::Result<()> {
        let monitor = self.nodes[node].monitor.address();
        let what = format!("node {} of NATS to be healthy", node + 1);
        let healthy = until(&what, READY_WITHIN, async || {
            let process = self.nodes[node].process.as_mut().context("the node does not run")?;
            ensure!(process.is_running()?, "nats-server has ended at its start");
            Ok(healthy(monitor).await.unwrap_or(false).then_some(()))
        });
        let ready = healthy.await;
        ready.with_context(|| {
            self.log.read(|lines| lines[lines.len().saturating_sub(20)..].join("\n"))
        })
    }
}

async fn healthy(monitor: SocketAddr) -> anyhow::Result<bool> {
    let mut stream = TcpStream::connect(monitor).await?;
    stream.write_all(b"GET /healthz?js-server-only=true HTTP/1.0\r\n\r\n").await?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await?;
    Ok(answer.contains(" 200 OK"))
}

fn users_conf(shipped: &Path, users: &Users, gateways: &[String]) -> anyhow::Result<String> {
    // By the standard input: ten thousand names are too many for arguments.
    let mut script = Command::new(shipped.join("users"));
    script.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut child = script.spawn()?;
    let mut stdin = child.stdin.take().context("piped above")?;
    let names = gateways.join("\n");
    let writing =
        std::thread::spawn(move || std::io::Write::write_all(&mut stdin, names.as_bytes()));
    let output = child.wait_with_output()?;
    writing.join().expect("it only writes")?;
    ensure!(output.status.success(), "deploy/broker/nats/users has failed");
    let text = String::from_utf8(output.stdout)?;
    let Users::Names = users else { return Ok(text) };
    let mut named = String::new();
    for line in text.lines() {
        match line
            .split_once("user: \"CN=")
            .and_then(|(head, rest)| Some((head, rest.split_once('"')?)))
        {
            Some((head, (name, tail))) => {
                writeln!(named, "{head}user: \"{name}\", password: \"{name}\"{tail}")?;
            }
            None => writeln!(named, "{line}")?,
        }
    }
    Ok(named)
}

fn node_conf(
    template: &str,
    number: u16,
    [mqtt, monitor, client, route]: [u16; 4],
    routes: &str,
    users: &Users,
    folder: &Path,
) -> anyhow::Result<String> {
    let folder = folder.to_str().context("a folder with a UTF-8 name")?;
    let mut text = template.to_owned();
    let mut replace = |from: &str, to: &str| {
        ensure!(text.contains(from), "deploy/broker/nats/nats.conf has no {from:?} any more");
        text = text.replace(from, to);
        Ok(())
    };
    replace("server_name: node-1", &format!("server_name: node-{number}"))?;
    replace("127.0.0.1:4222", &format!("127.0.0.1:{client}"))?;
    replace("127.0.0.1:8222", &format!("127.0.0.1:{monitor}"))?;
    replace("0.0.0.0:6222", &format!("127.0.0.1:{route}"))?;
    replace("0.0.0.0:8883", &format!("127.0.0.1:{mqtt}"))?;
    replace("/var/lib/nats/jetstream", &format!("{folder}/store-{number}"))?;
    replace(
        "    \"nats://node-1:6222\"\n    \"nats://node-2:6222\"\n    \"nats://node-3:6222\"\n",
        routes,
    )?;
    match users {
        Users::Certificates(tls) => {
            let path = |path: &Path| path.to_str().expect("a UTF-8 name").to_owned();
            replace("/etc/nats/node.pem", &path(&tls.certificate))?;
            replace("/etc/nats/node.key", &path(&tls.key))?;
            replace("/etc/nats/ca.pem", &path(&tls.ca))?;
            replace("/etc/nats/nodes-ca.pem", &path(&tls.ca))?;
        }
        Users::Names => {
            while let Some((head, rest)) = text.split_once("  tls {") {
                let (_, tail) = rest.split_once("  }\n").context("the end of a tls block")?;
                text = [head, tail].concat();
            }
        }
    }
    Ok(text)
}
