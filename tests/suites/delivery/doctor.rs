//! `gatehouse doctor` beside a box that protects, and beside one whose parts are taken away.

use gatehouse_tests::gateway::BrokerEntry;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, BrokerOptions, Certificates, District, Gateway, GatewayOptions, World,
};
use serde_json::Value;

use super::scene::{DOORS, lasting, settled};

/// Verdict and advice of what the doctor says of a thing whose name begins so.
async fn says(gateway: &Gateway, of: &str) -> anyhow::Result<(String, String, String)> {
    let (_, told, complaint) = gateway.says(&["doctor", "--json"]).await?;
    let told: Value = serde_json::from_str(&told)
        .map_err(|error| anyhow::anyhow!("{error}: {told}{complaint}"))?;
    let sections = told["sections"].as_array().cloned().unwrap_or_default();
    let mut findings = sections
        .iter()
        .flat_map(|section| section["findings"].as_array().cloned().unwrap_or_default());
    let finding = findings
        .find(|finding| finding["of"].as_str().is_some_and(|found| found.starts_with(of)))
        .ok_or_else(|| anyhow::anyhow!("nothing is said of {of}: {told}"))?;
    let text = |key: &str| finding[key].as_str().unwrap_or_default().to_owned();
    Ok((text("verdict"), text("found"), text("advice")))
}

#[tokio::test]
async fn the_doctor_says_what_is_wrong_and_what_to_do() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let secured = || -> anyhow::Result<_> {
        Ok(BrokerOptions { tls: Some(certificates.broker()?), ..lasting() })
    };
    let mut broker = Broker::start(secured()?).await?;
    let room = certificates.client("control-room")?;
    let district = District::secured(broker.address(), certificates.ca(), &room).await?;
    let world = World::start(0..DOORS)?;
    let own = certificates.client("g-1")?;
    let mut options = GatewayOptions::new(&world).doors(DOORS);
    // A time daemon has set the clock just now.
    let mark = certificates.folder().join("synchronized");
    std::fs::write(&mark, "")?;
    options.environment.push(("GATEHOUSE_SYNC_MARK".into(), mark.display().to_string()));
    options.brokers.push(BrokerEntry {
        address: broker.address(),
        protocol: "5",
        keep_alive_s: 5,
        tls: Some((certificates.ca(), own.clone())),
    });
    let mut gateway = Gateway::start(options).await?;
    world.connected(1).await?;
    world.set(0, true);
    settled(&gateway, &district).await?;

    let connections = || {
        let known = "u'g-1'";
        broker.log().read(|log| log.iter().filter(|line| line.contains(known)).count())
    };
    let before = connections();
    assert_eq!(says(&gateway, "delivery").await?.0, "good");
    assert_eq!(says(&gateway, "gateway").await?.0, "good");
    let (verdict, found, _) = says(&gateway, "broker").await?;
    assert!(verdict == "good" && found.contains("holds for"), "{found}");
    let at = format!("broker b-0 at {}", broker.address());
    let (verdict, found, _) = says(&gateway, &at).await?;
    assert!(verdict == "good" && found.contains("TLS and MQTT"), "{verdict}: {found}");
    assert_eq!(connections(), before, "the connection in use is not ended by the looks");

    // A certificate that has ended, seen before the broker says so.
    certificates.expired("g-1")?;
    let (verdict, found, advice) = says(&gateway, "broker b-0, own certificate").await?;
    assert_eq!((verdict.as_str(), advice.as_str()), ("wrong", "renew it now"), "{found}");
    certificates.client("g-1")?;

    broker.kill().await?;
    until("the doctor to see that the broker is gone", SOON, async || {
        Ok((says(&gateway, "delivery").await?.0 == "wrong").then_some(()))
    })
    .await?;
    let (verdict, found, advice) = says(&gateway, &at).await?;
    assert!(verdict == "wrong" && found.contains("refused"), "{verdict}: {found}");
    assert!(advice.contains("is the broker running"), "{advice}");

    gateway.stop().await?;
    let (code, told, _) = gateway.says(&["doctor"]).await?;
    assert_eq!(code, 1);
    assert!(told.contains("it does not run") && told.contains("systemctl start"), "{told}");
    Ok(())
}
