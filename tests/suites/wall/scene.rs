//! Two communities, their gateways, a broker, a control room and a browser.

use anyhow::{Context, ensure};
use gatehouse_tests::browser::{Viewport, WALL};
use gatehouse_tests::room::PASSWORD;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Broker, BrokerOptions, Browser, Gateway, GatewayOptions, Room, Tab, World};
use serde_json::Value;
use tempfile::TempDir;

/// The line of the lobby's window.
pub(crate) const WINDOW: u32 = 2;
/// The line of the panic button at the concierge's desk.
pub(crate) const DESK: u32 = 3;
/// The line of the garage's shutter.
pub(crate) const SHUTTER: u32 = 4;

const ZONES: &str = r#"
[commands]
allow = ["disarm", "bypass"]

[[partition]]
id = "lobby"

[[partition]]
id = "garage"

[[zone]]
id = "window-north"
kind = "instant"
partition = "lobby"
input = "sim:2"
debounce-ms = 0

[[zone]]
id = "desk"
kind = "panic"
input = "sim:3"
debounce-ms = 0

[[zone]]
id = "shutter"
kind = "instant"
partition = "garage"
input = "sim:4"
debounce-ms = 0
"#;

/// Everything that one test needs.
pub(crate) struct Scene {
    pub(crate) home: Site,
    pub(crate) other: Site,
    pub(crate) broker: Broker,
    pub(crate) room: Room,
    pub(crate) browser: Browser,
}

/// A community with one gateway.
pub(crate) struct Site {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
    /// The mark of a time daemon: these boxes know the time, whatever this machine does.
    _clock: TempDir,
}

impl Site {
    async fn start(broker: &Broker, site: &str, gateway: &str) -> anyhow::Result<Self> {
        let world = World::start(0..=SHUTTER)?;
        let mut options = GatewayOptions::new(&world).doors(2).broker(broker.address());
        (options.site, options.id) = (site.into(), gateway.into());
        ZONES.clone_into(&mut options.extra);
        let clock = tempfile::Builder::new().prefix("gatehouse-clock-").tempdir()?;
        let mark = clock.path().join("synchronized");
        std::fs::write(&mark, "")?;
        options.environment.push(("GATEHOUSE_SYNC_MARK".into(), mark.display().to_string()));
        let gateway = Gateway::start(options).await?;
        world.connected(1).await?;
        let here = Self { world, gateway, _clock: clock };
        until("everything to be known", SOON, async || {
            let status = here.gateway.command(&["status", "--json", "--config"], true).await?;
            let status: Value = serde_json::from_str(&status)?;
            let things = status["things"].as_array().context("no things")?.clone();
            Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
        })
        .await?;
        Ok(here)
    }

    /// Arms one partition at once.
    pub(crate) async fn arm(&self, partition: &str) -> anyhow::Result<()> {
        let told = self.gateway.command(&["arm", partition, "--now", "--config"], true).await?;
        ensure!(told == "done\n", "{told}");
        Ok(())
    }
}

impl Scene {
    pub(crate) async fn start(accounts: &[&str]) -> anyhow::Result<Self> {
        let broker = Broker::start(BrokerOptions::default()).await?;
        let room = Room::start(broker.address(), accounts).await?;
        Self::around(broker, room).await
    }

    /// The same, and a room of another district that incidents can be handed over to.
    pub(crate) async fn beside(north: &[&str], south: &[&str]) -> anyhow::Result<(Self, Room)> {
        let broker = Broker::start(BrokerOptions::default()).await?;
        let (room, other) = Room::pair(broker.address(), north, south).await?;
        Ok((Self::around(broker, room).await?, other))
    }

    async fn around(broker: Broker, room: Room) -> anyhow::Result<Self> {
        let (home, other, browser) = tokio::try_join!(
            Site::start(&broker, "s-204", "g-7f3a"),
            Site::start(&broker, "s-118", "g-2c40"),
            Browser::start()
        )?;
        Ok(Self { home, other, broker, room, browser })
    }

    /// A page on the wall whose operator has just typed name and password.
    pub(crate) async fn enter(&self, name: &str, query: &str) -> anyhow::Result<Tab> {
        self.enter_on(WALL, name, query).await
    }

    pub(crate) async fn enter_on(
        &self,
        viewport: Viewport,
        name: &str,
        query: &str,
    ) -> anyhow::Result<Tab> {
        self.enter_at(&self.room, viewport, name, query).await
    }

    /// The same in another room.
    pub(crate) async fn enter_at(
        &self,
        room: &Room,
        viewport: Viewport,
        name: &str,
        query: &str,
    ) -> anyhow::Result<Tab> {
        let tab = self.browser.tab(viewport).await?;
        tab.open(&format!("{}{query}", room.url())).await?;
        login(&tab, name).await?;
        Ok(tab)
    }
}

/// Types name and password; returns when the wall shows the district.
pub(crate) async fn login(tab: &Tab, name: &str) -> anyhow::Result<()> {
    let ready = "document.activeElement?.closest('#login-form')";
    tab.until("the login", ready).await?;
    tab.eval("document.getElementById('login-name').focus()").await?;
    tab.eval("document.getElementById('login-name').value = ''").await?;
    tab.write(name).await?;
    tab.press("Tab").await?;
    tab.write(PASSWORD).await?;
    tab.press("Enter").await?;
    tab.until("the wall", "document.body.dataset.state === 'known'").await
}

/// Waits until the line that says how it is has this code.
pub(crate) async fn status(tab: &Tab, code: &str) -> anyhow::Result<()> {
    let is = format!("document.getElementById('status').dataset.code === '{code}'");
    tab.until(&format!("the status {code}"), &is).await
}
