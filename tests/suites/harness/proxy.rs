//! Every fault of the proxy does what its name says, measured from both sides.

use std::io::ErrorKind;
use std::time::Duration;

use gatehouse_tests::mqtt::kind;
use gatehouse_tests::proxy::Way;
use gatehouse_tests::wait::{SOON, boottime, until};
use gatehouse_tests::{Fault, Proxy};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::time::timeout;

/// Long enough to see that nothing comes.
const QUIET: Duration = Duration::from_millis(150);

struct Pair {
    proxy: Proxy,
    client: TcpStream,
    server: TcpStream,
    listener: TcpListener,
}

async fn pair() -> anyhow::Result<Pair> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let proxy = Proxy::start(listener.local_addr()?).await?;
    let client = TcpStream::connect(proxy.address()).await?;
    let (server, _) = timeout(SOON, listener.accept()).await??;
    proxy.accepted(1).await?;
    Ok(Pair { proxy, client, server, listener })
}

async fn read(stream: &mut TcpStream, count: usize) -> anyhow::Result<Vec<u8>> {
    let mut bytes = vec![0; count];
    timeout(SOON, stream.read_exact(&mut bytes)).await??;
    Ok(bytes)
}

async fn silent(stream: &mut TcpStream) -> bool {
    timeout(QUIET, stream.read_u8()).await.is_err()
}

async fn end_of(stream: &mut TcpStream) -> anyhow::Result<ErrorKind> {
    let mut rest = Vec::new();
    Ok(match timeout(SOON, stream.read_to_end(&mut rest)).await? {
        Ok(_) => ErrorKind::UnexpectedEof,
        Err(error) => error.kind(),
    })
}

#[tokio::test]
async fn without_a_fault_bytes_pass_both_ways_and_are_counted() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.client.write_all(b"up").await?;
    assert_eq!(read(&mut pair.server, 2).await?, b"up");
    pair.server.write_all(b"down").await?;
    assert_eq!(read(&mut pair.client, 4).await?, b"down");
    let counters = pair.proxy.counters();
    assert_eq!((counters.accepted, counters.up, counters.down), (1, 2, 4));
    pair.client.shutdown().await?;
    assert_eq!(end_of(&mut pair.server).await?, ErrorKind::UnexpectedEof);
    pair.proxy.ended(1).await
}

#[tokio::test]
async fn a_stalled_way_blocks_the_writer_and_loses_nothing() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.set(Fault::StallWay(Way::Up));
    pair.server.write_all(b"x").await?;
    assert_eq!(read(&mut pair.client, 1).await?, b"x", "the other way still flows");
    // More than all the buffers on the way can hold.
    let much = vec![7; 64 << 20];
    let mut written = 0;
    let blocked = timeout(Duration::from_secs(1), async {
        while written < much.len() {
            written += pair.client.write(&much[written..]).await.unwrap();
        }
    });
    assert!(blocked.await.is_err(), "the writer was never blocked");
    assert!(silent(&mut pair.server).await);
    pair.proxy.set(Fault::None);
    assert_eq!(read(&mut pair.server, written).await?, much[..written]);
    Ok(())
}

#[tokio::test]
async fn a_black_hole_takes_bytes_and_farewells_and_the_connection_is_useless_ever_after()
-> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.set(Fault::Swallow);
    pair.client.write_all(b"gone").await?;
    pair.server.write_all(b"gone as well").await?;
    until("both to be swallowed", SOON, async || {
        Ok((pair.proxy.counters().swallowed == 16).then_some(()))
    })
    .await?;
    // One end dies; the other is not told.
    drop(pair.client);
    assert!(silent(&mut pair.server).await);
    pair.proxy.set(Fault::None);
    assert_eq!(end_of(&mut pair.server).await?, ErrorKind::ConnectionReset);
    let mut fresh = TcpStream::connect(pair.proxy.address()).await?;
    let (mut server, _) = timeout(SOON, pair.listener.accept()).await??;
    fresh.write_all(b"new").await?;
    assert_eq!(read(&mut server, 3).await?, b"new");
    Ok(())
}

#[tokio::test]
async fn a_half_swallowed_connection_still_talks_the_other_way() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.set(Fault::SwallowWay(Way::Down));
    pair.server.write_all(b"gone").await?;
    pair.client.write_all(b"here").await?;
    assert_eq!(read(&mut pair.server, 4).await?, b"here");
    assert!(silent(&mut pair.client).await);
    Ok(())
}

#[tokio::test]
async fn reset_and_close_look_different_to_both_ends() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.reset_all();
    assert_eq!(end_of(&mut pair.client).await?, ErrorKind::ConnectionReset);
    assert_eq!(end_of(&mut pair.server).await?, ErrorKind::ConnectionReset);
    let mut client = TcpStream::connect(pair.proxy.address()).await?;
    let (mut server, _) = timeout(SOON, pair.listener.accept()).await??;
    pair.proxy.accepted(2).await?;
    pair.proxy.close_all();
    assert_eq!(end_of(&mut client).await?, ErrorKind::UnexpectedEof);
    assert_eq!(end_of(&mut server).await?, ErrorKind::UnexpectedEof);
    assert_eq!(pair.proxy.counters().cut, 2);
    Ok(())
}

#[tokio::test]
async fn refused_means_that_nobody_listens_until_the_fault_is_over() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.set(Fault::Refuse);
    assert_eq!(end_of(&mut pair.client).await?, ErrorKind::ConnectionReset);
    until("a refused connection", SOON, async || {
        let refused = TcpStream::connect(pair.proxy.address()).await;
        Ok(refused.is_err_and(|e| e.kind() == ErrorKind::ConnectionRefused).then_some(()))
    })
    .await?;
    pair.proxy.set(Fault::None);
    until("an accepted connection", SOON, async || {
        Ok(TcpStream::connect(pair.proxy.address()).await.ok())
    })
    .await?;
    Ok(())
}

#[tokio::test]
async fn a_cut_after_packets_delivers_exactly_these() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    let publish = |n: u8| vec![0x30, 4, 0, 1, b't', n];
    pair.proxy.set(Fault::CutAfterPackets(Way::Up, kind::PUBLISH, 2));
    pair.client.write_all(&[vec![0xc0, 0], publish(1), publish(2), publish(3)].concat()).await?;
    assert_eq!(read(&mut pair.server, 14).await?, [vec![0xc0, 0], publish(1), publish(2)].concat());
    assert_eq!(end_of(&mut pair.server).await?, ErrorKind::UnexpectedEof);
    assert_eq!(end_of(&mut pair.client).await?, ErrorKind::ConnectionReset);
    Ok(())
}

#[tokio::test]
async fn a_cut_after_bytes_is_exact_and_counts_over_connections() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    pair.proxy.set(Fault::CutAfterBytes(Way::Down, 5));
    pair.server.write_all(b"123").await?;
    assert_eq!(read(&mut pair.client, 3).await?, b"123");
    let mut client = TcpStream::connect(pair.proxy.address()).await?;
    let (mut server, _) = timeout(SOON, pair.listener.accept()).await??;
    server.write_all(b"456").await?;
    assert_eq!(read(&mut client, 2).await?, b"45");
    assert_eq!(end_of(&mut client).await?, ErrorKind::UnexpectedEof);
    Ok(())
}

#[tokio::test]
async fn latency_delays_and_keeps_order_when_it_ends() -> anyhow::Result<()> {
    let mut pair = pair().await?;
    let late = Duration::from_millis(200);
    pair.proxy.set(Fault::Latency(late));
    let sent = boottime();
    pair.client.write_all(b"1").await?;
    assert_eq!(read(&mut pair.server, 1).await?, b"1");
    assert!(boottime().since(sent) >= late);
    pair.client.write_all(b"2").await?;
    // The byte must be in the proxy's hands before the latency ends.
    assert!(silent(&mut pair.server).await);
    pair.proxy.set(Fault::None);
    pair.client.write_all(b"3").await?;
    assert_eq!(read(&mut pair.server, 2).await?, b"23");
    Ok(())
}
