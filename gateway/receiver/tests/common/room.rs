//! A receiver with a wall, in the test's own process.

use std::fs;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

use gatehouse_core::contract::GatewayState;
use gatehouse_core::site::Danger;
use gatehouse_receiver::Handle;
use gatehouse_receiver::wall::{DEFAULT_SESSION, Wall, WallConfig};
use tempfile::TempDir;
use tokio::task::JoinSet;

use super::http::Page;
use super::{Broker, Gateway, program, receiver, until, within};

pub const PASSWORD: &str = "correct horse battery";

/// A receiver with a wall for these accounts: name, role, and further words of `account add`.
pub struct Room {
    pub broker: Broker,
    pub handle: Handle,
    pub folder: TempDir,
    pub address: SocketAddr,
    _serving: JoinSet<()>,
}

/// Adds an account by the program.
pub fn add(folder: &Path, name: &str, role: &str, more: &[&str]) {
    let (accounts, secret) = (folder.join("accounts.toml"), folder.join("secret"));
    fs::write(&secret, format!("{PASSWORD}\n")).unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    let words = ["account", "add", name, "--role", role, "--accounts", accounts.to_str().unwrap()];
    let secret = ["--password-file", secret.to_str().unwrap()];
    let (code, _, err) = program(&[&words[..], &secret, more].concat());
    assert_eq!((code, err.as_str()), (Some(0), ""));
}

impl Room {
    pub async fn open(accounts: &[(&str, &str, &[&str])]) -> Self {
        let (broker, folder) = (Broker::start().await, TempDir::new().unwrap());
        for (name, role, more) in accounts {
            add(folder.path(), name, role, more);
        }
        let database = folder.path().join("r.db");
        let handle = receiver(&broker, database.clone()).await;
        let config = WallConfig {
            address: "127.0.0.1:0".parse().unwrap(),
            tls: None,
            plain: false,
            accounts: folder.path().join("accounts.toml"),
            session: DEFAULT_SESSION,
            database: database.into(),
            signing: None,
        };
        let wall = Wall::open(config, handle.operator()).await.unwrap();
        let (address, mut serving) = (wall.address(), JoinSet::new());
        serving.spawn(async move { wall.serve().await.unwrap() });
        Self { broker, handle, folder, address, _serving: serving }
    }

    pub async fn page(&self, name: &str) -> Page {
        Page::of(self.address, name, PASSWORD).await
    }

    /// What the receiver knows is on the wall when it has been painted.
    pub async fn painted(&self, page: &Page, site: &str) {
        within("it is painted", async {
            while page.get(&format!("/api/sites/{site}")).await.status != 200 {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    /// A gateway that is online with one open burglary.
    pub async fn gateway(&self, site: &str, id: &str) -> Gateway {
        let gateway = Gateway::connect_at(self.broker.address(), site, id).await;
        gateway.incident("a1", Danger::Burglary, None, 1).await;
        gateway.thing("zone", "hall", "active", &["alarm"]).await;
        gateway.thing("door", "front", "open", &[]).await;
        gateway.status(GatewayState::Online, 1).await;
        until(&self.handle, "heard", |snapshot| {
            snapshot.gateways.get(&gateway.address).is_some_and(|view| {
                view.doors.contains_key("front") && view.incidents.contains_key("a1")
            })
        })
        .await;
        gateway
    }
}
