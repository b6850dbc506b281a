//! Who was told of an incident, and who could not be.

use anyhow::ensure;
use gatehouse_tests::wait::SOON;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;
use tokio::time::timeout;

use super::scene::{DESK, Scene, status};

#[tokio::test]
async fn who_was_told_stands_at_the_incident_and_a_way_that_fails_in_a_banner() -> anyhow::Result<()>
{
    let mut scene = Scene::start(&["op-7 --role operator"]).await?;
    let push = TcpListener::bind("127.0.0.1:0").await?;
    let at = push.local_addr()?;
    // Nobody listens at port 9.
    scene
        .room
        .tell(&format!(
            "[member.p-1]\nways = [{{ webhook = \"http://127.0.0.1:9/s3cret\" }}, \
             {{ ntfy = \"http://{at}/topic\" }}]\n\
             [list.patrol]\nmembers = [\"p-1\"]\n[[rule]]\nlist = \"patrol\"\n"
        ))
        .await?;
    let tab = scene.enter("op-7", "?lang=en").await?;
    status(&tab, "quiet").await?;
    scene.home.world.set(DESK, true);
    let (mut stream, _) = timeout(SOON, push.accept()).await??;
    let mut posted = vec![0; 16 * 1024];
    let count = stream.read(&mut posted).await?;
    ensure!(String::from_utf8_lossy(&posted[..count]).starts_with("POST /topic HTTP/1.1\r\n"));
    stream.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n").await?;

    status(&tab, "alarm").await?;
    tab.press("Enter").await?;
    tab.until("both lines", "document.querySelector('.told1')").await?;
    let failed = tab.text(".told0").await?;
    ensure!(failed.contains("Could not tell p-1 by webhook: "), "{failed}");
    ensure!(failed.contains("Connection refused") && failed.contains("Next try "), "{failed}");
    ensure!(!failed.contains("s3cret"), "{failed}");
    let told = tab.text(".told1").await?;
    ensure!(told.contains("Told p-1 by push (ntfy)."), "{told}");
    ensure!(tab.eval("document.querySelector('#untold').hidden").await? == true, "not yet");

    // As if it had failed for more than five minutes.
    let database = rusqlite::Connection::open(scene.room.database())?;
    database.busy_timeout(SOON)?;
    database.execute("UPDATE told SET at_ms = at_ms - 301000 WHERE why IS NOT NULL", [])?;
    tab.until("the banner", "!document.querySelector('#untold').hidden").await?;
    let banner = tab.text("#untold").await?;
    ensure!(banner.starts_with("Responders cannot be told by webhook since "), "{banner}");
    tab.press("l").await?;
    tab.until("Chinese", "document.documentElement.lang === 'zh-CN'").await?;
    let banner = tab.text("#untold").await?;
    ensure!(banner.contains("无法通过网络回调通知值班人员"), "{banner}");
    ensure!(tab.text(".told1").await?.contains("已通过推送（ntfy）通知 p-1"));
    let wide = tab.eval("document.documentElement.scrollWidth - window.innerWidth").await?;
    ensure!(wide.as_i64().is_some_and(|more| more <= 0), "{wide} pixels too wide");
    Ok(())
}
