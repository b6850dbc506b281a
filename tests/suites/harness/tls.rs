//! Certificates: who is let in, and under which name.

use gatehouse_tests::{Broker, BrokerOptions, Certificates, Client, ClientOptions};

#[tokio::test]
async fn a_client_is_known_by_its_certificate_and_nobody_enters_without_one() -> anyhow::Result<()>
{
    let certificates = Certificates::new()?;
    let broker = Broker::start(BrokerOptions {
        tls: Some(certificates.broker()?),
        acl: Some("pattern readwrite of/%u/#\n".into()),
        ..BrokerOptions::default()
    })
    .await?;
    let identity = certificates.client("g-1")?;
    let options = ClientOptions::new("any").tls(certificates.ca(), Some(identity.clone()));
    let mut client = Client::connect(broker.address(), options).await?;
    assert_eq!(client.subscribe("of/g-1/#").await?, 1);
    assert_eq!(client.publish("of/g-1/a", b"x").await?, 0);
    assert_eq!(client.publish("of/g-2/a", b"x").await?, 0x87, "not its own name");

    let nobody = ClientOptions::new("any").tls(certificates.ca(), None);
    assert!(Client::connect(broker.address(), nobody).await.is_err());
    let strangers = Certificates::new()?;
    let stranger = ClientOptions::new("any").tls(certificates.ca(), Some(strangers.client("g-1")?));
    assert!(Client::connect(broker.address(), stranger).await.is_err());
    let deceived = ClientOptions::new("any").tls(strangers.ca(), Some(identity));
    assert!(Client::connect(broker.address(), deceived).await.is_err(), "a foreign broker");
    Ok(())
}
