//! TLS at both ends: certificates wrong, expired and renewed.

use gatehouse_receiver::{
    BrokerAddress, ClientCertificate, Database, Link, Receiver, ReceiverConfig, Tls,
};
use gatehouse_tests::gateway::BrokerEntry;
use gatehouse_tests::tls::Identity;
use gatehouse_tests::wait::{SOON, until};
use gatehouse_tests::{
    Broker, BrokerOptions, Certificates, District, Gateway, GatewayOptions, Proxy, World,
};

use super::scene::{DOORS, lasting, settled, stored};

/// The receiver's name in its certificate.
const ROOM: &str = "control-room";

/// A box and a district that know each other by certificates only, each behind a proxy of its own.
struct Secured {
    certificates: Certificates,
    broker: Broker,
    world: World,
    gateway: Gateway,
    to_gateway: Proxy,
    district: District,
    to_district: Proxy,
}

fn secured(certificates: &Certificates) -> anyhow::Result<BrokerOptions> {
    Ok(BrokerOptions { tls: Some(certificates.broker()?), ..lasting() })
}

impl Secured {
    async fn start() -> anyhow::Result<Self> {
        let certificates = Certificates::new()?;
        let broker = Broker::start(secured(&certificates)?).await?;
        let to_district = Proxy::start(broker.address()).await?;
        let room = certificates.client(ROOM)?;
        let district = District::secured(to_district.address(), certificates.ca(), &room).await?;
        let to_gateway = Proxy::start(broker.address()).await?;
        let world = World::start(0..DOORS)?;
        let own = certificates.client("g-1")?;
        let options = boxed(&world, &to_gateway, &certificates, own);
        let gateway = Gateway::start(options).await?;
        world.connected(1).await?;
        Ok(Self { certificates, broker, world, gateway, to_gateway, district, to_district })
    }

    /// How often somebody of this name has connected.
    fn connections(&self, name: &str) -> usize {
        let known = format!("u'{name}'");
        self.broker.log().read(|log| log.iter().filter(|line| line.contains(&known)).count())
    }
}

fn boxed(
    world: &World,
    broker: &Proxy,
    certificates: &Certificates,
    identity: Identity,
) -> GatewayOptions {
    let mut options = GatewayOptions::new(world).doors(DOORS);
    options.brokers.push(BrokerEntry {
        address: broker.address(),
        protocol: "5",
        keep_alive_s: 5,
        tls: Some((certificates.ca(), identity)),
    });
    options
}

#[tokio::test]
async fn a_renewed_certificate_is_used_by_the_next_connection_of_either_end() -> anyhow::Result<()>
{
    let scene = Secured::start().await?;
    scene.world.set(0, true);
    settled(&scene.gateway, &scene.district).await?;
    for (name, proxy) in [("g-1", &scene.to_gateway), (ROOM, &scene.to_district)] {
        assert_eq!(scene.connections(name), 1, "known by its certificate");
        scene.certificates.client(name)?;
        proxy.reset_all();
        until(&format!("the next connection of {name}"), SOON, async || {
            Ok((scene.connections(name) == 2).then_some(()))
        })
        .await?;
    }
    scene.world.set(0, false);
    settled(&scene.gateway, &scene.district).await?;
    Ok(())
}

#[tokio::test]
async fn a_receiver_whose_certificate_expires_says_so_and_loses_nothing_until_it_is_renewed()
-> anyhow::Result<()> {
    let scene = Secured::start().await?;
    scene.world.set(0, true);
    settled(&scene.gateway, &scene.district).await?;

    let expired = scene.certificates.expired(ROOM)?;
    scene.to_district.reset_all();
    let trouble = scene.district.trouble("refuses our certificate").await?;
    let file = expired.certificate.display();
    let wanted =
        format!("the broker refuses our certificate {file}: it has expired; renew the files");
    assert_eq!(trouble, wanted);
    for level in [false, true, false] {
        scene.world.set(0, level);
    }
    stored(&scene.gateway, 4).await?;

    // Found on the disk by itself: a refused receiver would else knock again after minutes.
    scene.certificates.client(ROOM)?;
    until("the receiver to come back", SOON, async || {
        Ok((scene.district.snapshot()?.link == Link::Up).then_some(()))
    })
    .await?;
    settled(&scene.gateway, &scene.district).await?;
    Ok(())
}

#[tokio::test]
async fn a_gateway_whose_certificate_has_expired_says_so_in_its_log() -> anyhow::Result<()> {
    let certificates = Certificates::new()?;
    let broker = Broker::start(secured(&certificates)?).await?;
    let proxy = Proxy::start(broker.address()).await?;
    let world = World::start(0..DOORS)?;
    let expired = certificates.expired("g-1")?;
    for protocol in ["5", "3.1.1"] {
        let mut options = boxed(&world, &proxy, &certificates, expired.clone());
        options.brokers[0].protocol = protocol;
        let gateway = Gateway::start(options).await?;
        let wanted = format!("refuses our certificate {}: it has", expired.certificate.display());
        let find = |log: &[String]| log.iter().any(|line| line.contains(&wanted)).then_some(());
        gateway.log().wait_for(&wanted, SOON, find).await?;
    }
    Ok(())
}

/// Why a receiver with these files does not connect.
async fn refusal(broker: &Broker, tls: Tls) -> anyhow::Result<String> {
    let broker: BrokerAddress = format!("mqtts://{}", broker.address()).parse()?;
    let mut config = ReceiverConfig::new(broker, "d-1".parse()?, Database::Memory);
    config.tls = Some(tls);
    let handle = Receiver::start(config).await?;
    let refusal = until("the refusal", SOON, async || match handle.snapshot().link {
        Link::Down(why) => Ok(Some(why)),
        Link::Up => anyhow::bail!("it is connected"),
        Link::Connecting => Ok(None),
    })
    .await?;
    handle.stop().await;
    Ok(refusal)
}

#[tokio::test]
async fn a_receiver_says_which_end_s_certificate_is_wrong_and_where_to_look() -> anyhow::Result<()>
{
    let certificates = Certificates::new()?;
    let strangers = Certificates::new()?;
    let mut broker = Broker::start(secured(&certificates)?).await?;
    let identity = |identity: Identity| {
        Some(ClientCertificate { certificate: identity.certificate, key: identity.key })
    };
    let tls = |ca, client| Tls { ca, client, server_name: None };
    let at = broker.address();

    let own = identity(certificates.client(ROOM)?);
    let wanted = format!(
        "the broker at {at} is not trusted: its certificate is not signed by an authority in {}",
        strangers.ca().display()
    );
    assert_eq!(refusal(&broker, tls(strangers.ca(), own.clone())).await?, wanted);

    let elsewhere =
        Tls { server_name: Some("broker.lan".into()), ..tls(certificates.ca(), own.clone()) };
    let why = refusal(&broker, elsewhere).await?;
    assert!(why.ends_with("not for broker.lan; if that is right, set the server name"), "{why}");

    let why = refusal(&broker, tls(certificates.ca(), None)).await?;
    assert_eq!(
        why,
        "the broker refuses us without a certificate of our own: it wants one; name certificate \
         and key"
    );

    let foreign = strangers.client(ROOM)?;
    let wanted = format!(
        "the broker refuses our certificate {}: its signature is not one of the authority that the \
         broker knows",
        foreign.certificate.display()
    );
    assert_eq!(refusal(&broker, tls(certificates.ca(), identity(foreign))).await?, wanted);

    // A port without TLS, as when 1883 and 8883 are mixed up.
    broker.kill().await?;
    let plain = Broker::start(BrokerOptions::default()).await?;
    let why = refusal(&plain, tls(certificates.ca(), own)).await?;
    assert!(why.ends_with("does the broker speak TLS at this port?"), "{why}");
    Ok(())
}
