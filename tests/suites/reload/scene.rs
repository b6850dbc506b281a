//! A box with busy doors and a window, and questions to it.

use std::net::SocketAddr;

use anyhow::{Context, ensure};
use gatehouse_core::event::Event;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{Gateway, GatewayOptions, World, is_move};
use serde_json::Value;

/// Doors, on the first lines.
pub(crate) const BUSY: u32 = 4;
/// The line of the window's contact.
pub(crate) const WINDOW: u32 = BUSY;
/// A line that nothing is wired to yet.
pub(crate) const EXTRA: u32 = BUSY + 1;

pub(crate) struct Scene {
    pub(crate) world: World,
    pub(crate) gateway: Gateway,
}

impl Scene {
    /// Without a broker that answers: the box needs none for this.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        Self::at(None).await
    }

    pub(crate) async fn at(broker: Option<SocketAddr>) -> anyhow::Result<Self> {
        let nobody = || SocketAddr::from(([127, 0, 0, 1], 9));
        let world = World::start(0..=EXTRA)?;
        let mut options = GatewayOptions::new(&world).doors(BUSY);
        options = options.broker(broker.unwrap_or_else(nobody));
        options.extra = format!(
            "[[partition]]\nid = \"flat\"\n[[zone]]\nid = \"window\"\nkind = \"instant\"\n\
             partition = \"flat\"\ninput = \"sim:{WINDOW}\"\ndebounce-ms = 0\n"
        );
        let gateway = Gateway::start(options).await?;
        world.connected(1).await?;
        Ok(Self { world, gateway })
    }

    pub(crate) fn options(&self) -> GatewayOptions {
        self.gateway.options().clone()
    }

    /// What `gatehouse` prints on these words; it must succeed.
    pub(crate) async fn says(&self, words: &[&str]) -> anyhow::Result<String> {
        let (code, out, complaint) = self.gateway.says(words).await?;
        ensure!(code == 0, "gatehouse {words:?} ended with {code}: {out}{complaint}");
        Ok(out)
    }

    pub(crate) async fn status(&self) -> anyhow::Result<Value> {
        Ok(serde_json::from_str(&self.says(&["status", "--json"]).await?)?)
    }

    pub(crate) async fn hash(&self) -> anyhow::Result<String> {
        let status = self.status().await?;
        Ok(status["config_hash"].as_str().context("no hash")?.to_owned())
    }

    pub(crate) async fn state(&self, kind: &str, id: &str) -> anyhow::Result<String> {
        let status = self.status().await?;
        let things = status["things"].as_array().context("no things")?;
        let thing = things.iter().find(|thing| thing["kind"] == kind && thing["id"] == id);
        Ok(thing.context("no such thing")?["state"].as_str().context("no state")?.to_owned())
    }

    /// Waits until everything is known.
    pub(crate) async fn known(&self) -> anyhow::Result<()> {
        until("things that are known", SOON, async || {
            let status = self.status().await?;
            let things = status["things"].as_array().context("no things")?;
            Ok((!things.iter().any(|thing| thing["state"] == "unknown")).then_some(()))
        })
        .await
    }

    /// Waits until the journal has so many moves of doors, and says how many it has.
    pub(crate) async fn stored(&self, moves: usize) -> anyhow::Result<usize> {
        until("moves of doors in the journal", SOON, async || {
            let events = self.gateway.events().await?;
            let count = events.iter().filter(|event| is_move(event)).count();
            Ok((count >= moves).then_some(count))
        })
        .await
    }

    /// Waits until the journal has an event of this type and source.
    pub(crate) async fn event(&self, kind: &str, source: &str) -> anyhow::Result<Event> {
        until(&format!("{kind} of {source}"), SOON, async || {
            let events = self.gateway.events().await?;
            Ok(events
                .into_iter()
                .find(|e| e.draft.kind == *kind && e.draft.source.id.as_str() == source))
        })
        .await
    }
}
