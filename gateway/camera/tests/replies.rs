//! ONVIF against what a camera of others has answered: recorded, and played back as it came, so that
//! neither that camera nor a package of it is needed.

use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use gatehouse_camera::onvif::{Client, OnvifError, OnvifSettings};
use gatehouse_camera::source::{Address, Credentials};
use gatehouse_core::time::Mono;
use rustix::time::{ClockId, clock_gettime};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

const LIMIT: Duration = Duration::from_secs(20);

fn boottime() -> Mono {
    let now = clock_gettime(ClockId::Boottime);
    let part = |value: i64| u64::try_from(value).unwrap_or(0);
    Mono(part(now.tv_sec) * 1_000_000_000 + part(now.tv_nsec))
}

/// What is between two marks.
fn between<'t>(text: &'t str, from: &str, to: &str) -> Option<&'t str> {
    text.split_once(from)?.1.split_once(to).map(|(within, _)| within)
}

/// The file of the answer to a request.
fn file(request: &str) -> anyhow::Result<String> {
    let element = between(request, ":Body><", ">").context("a call")?;
    let name = element.split([' ', '/']).next().unwrap_or_default();
    let name = name.rsplit(':').next().unwrap_or_default();
    // As recorded: whoever is not `guard` is refused, and whoever says nothing.
    if !request.contains(">guard<") {
        return Ok("refused.http".to_owned());
    }
    let of = between(request, "ProfileToken>", "<").map(|token| format!("-{token}"));
    Ok(format!("{name}{}.http", of.unwrap_or_default()))
}

/// Answers one request from the folder of recordings.
async fn answer(mut stream: TcpStream, port: u16) -> anyhow::Result<()> {
    let mut request = Vec::new();
    let whole = loop {
        ensure!(stream.read_buf(&mut request).await? > 0, "half a request");
        let text = String::from_utf8_lossy(&request);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let length = head.lines().find_map(|line| {
            let (name, value) = line.split_once(':')?;
            name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
        });
        if body.len() >= length.context("a length")?? {
            break text.into_owned();
        }
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/captures/ipycam");
    let path = folder.join(file(&whole)?);
    let recorded = std::fs::read_to_string(&path).with_context(|| path.display().to_string())?;
    let (head, body) = recorded.split_once("\r\n\r\n").context("a head")?;
    let body = body.replace(":8080", &format!(":{port}"));
    let mut head: Vec<_> = head.lines().map(str::to_owned).collect();
    head.retain(|line| !line.to_ascii_lowercase().starts_with("content-length"));
    let answer = format!("{}\r\nContent-Length: {}\r\n\r\n{body}", head.join("\r\n"), body.len());
    stream.write_all(answer.as_bytes()).await?;
    Ok(())
}

/// A camera that answers as the recording; its port.
async fn camera(tasks: &mut JoinSet<()>) -> anyhow::Result<u16> {
    let listener = TcpListener::bind("127.0.0.1:0").await?;
    let port = listener.local_addr()?.port();
    tasks.spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            // What goes wrong here shows at the client.
            let _ = answer(stream, port).await;
        }
    });
    Ok(port)
}

fn settings(port: u16, user: &str) -> anyhow::Result<OnvifSettings> {
    let address = Address::http(&format!("http://127.0.0.1:{port}/onvif/device_service"))?;
    let credentials = Some(Credentials::new(user, "s3cret"));
    Ok(OnvifSettings { credentials, ..OnvifSettings::new("cam", address) })
}

#[tokio::test]
async fn what_ipycam_has_answered_is_understood() -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let port = camera(&mut tasks).await?;
    let mut client = Client::new(settings(port, "guard")?, &boottime);
    let asked = async {
        let information = client.information().await?;
        let services = client.services().await?.clone();
        let profiles = client.profiles().await?;
        let snapshot = client.snapshot_uri(&profiles[1]).await?;
        Ok::<_, OnvifError>((information, services, profiles, snapshot))
    };
    let (information, services, profiles, snapshot) = tokio::time::timeout(LIMIT, asked).await??;
    ensure!(!information.manufacturer.is_empty(), "{information:?}");
    // It advertises 0.0.0.0, and has no events.
    let media = services.media.context("a media service")?;
    assert_eq!(media.endpoint(), ("127.0.0.1".to_owned(), port));
    assert_eq!(services.events, None);
    assert_eq!(profiles.len(), 2);
    assert_eq!(snapshot.endpoint().0, "127.0.0.1");
    let streams = tokio::time::timeout(LIMIT, client.streams()).await??;
    assert_eq!(streams.main.to_string(), "rtsp://127.0.0.1:8554/video_main");
    let sub = streams.sub.map(|sub| sub.to_string());
    assert_eq!(sub.as_deref(), Some("rtsp://127.0.0.1:8554/video_sub"));
    Ok(())
}

#[tokio::test]
async fn its_refusal_is_one_though_its_fault_says_nothing_of_it() -> anyhow::Result<()> {
    let mut tasks = JoinSet::new();
    let port = camera(&mut tasks).await?;
    let mut client = Client::new(settings(port, "other")?, &boottime);
    let refused = tokio::time::timeout(LIMIT, client.streams()).await?;
    ensure!(matches!(refused, Err(OnvifError::Unauthorised { .. })), "{refused:?}");
    Ok(())
}
