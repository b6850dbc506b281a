//! The link to a reader: its channel, its bus, and what was shown while nobody listened.

use gatehouse_core::event::Class;
use serde_json::json;

use super::super::OTHER;
use super::*;

#[tokio::test(flavor = "multi_thread")]
async fn a_secure_channel_that_is_lost_is_a_tamper_and_ends_with_the_next_one() -> anyhow::Result<()>
{
    let site = Site::ready().await?;
    // It restarts: its session is gone.
    site.far().plug(&Make::with_key(FRONT, KEY));
    let lost = site.told("reader.insecure", 1).await?;
    ensure!(lost.draft.class == Class::Tamper && !cause(&lost).is_empty(), "{lost:?}");
    site.told("reader.insecure_restored", 1).await?;
    site.show(1);
    site.told("access.granted", 1).await?;
    Ok(())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reader_with_another_key_is_a_tamper_from_the_first_minute() -> anyhow::Result<()> {
    let site = Site::with("", &everybody(), &Make::with_key(FRONT, OTHER)).await?;
    let insecure = site.told("reader.insecure", 1).await?;
    ensure!(cause(&insecure).contains("key"), "{insecure:?}");
    let flags = site.is("front", "offline").await?;
    ensure!(flags.as_array().is_some_and(|flags| flags.contains(&json!("insecure"))), "{flags}");
    site.told("reader.lost", 1).await?;
    Ok(())
}

/// Lessons, row 6: what is lost together is one fault.
#[tokio::test(flavor = "multi_thread")]
async fn an_adapter_that_is_pulled_out_is_one_fault_of_the_bus() -> anyhow::Result<()> {
    let mut site = Site::ready().await?;
    site.far = None;
    let lost = site.told("bus.lost", 1).await?;
    ensure!(&*lost.draft.source.id.to_string() == "north" && !cause(&lost).is_empty());
    site.is("front", "offline").await?;
    let far = FarEnd::new(&site.folder.path().join("bus"));
    far.plug(&Make::with_key(FRONT, KEY));
    site.far = Some(far);
    site.told("bus.restored", 1).await?;
    site.is("front", "online").await?;
    site.show(1);
    site.told("access.granted", 1).await?;
    ensure!(site.count("reader.lost").await? == 0, "one fault is enough");
    Ok(())
}

/// Lessons, row 16: a card shown while the bus was down opened the door when it came back.
#[tokio::test(flavor = "multi_thread")]
async fn a_card_shown_while_the_bus_was_down_is_told_late_and_opens_nothing() -> anyhow::Result<()>
{
    let site = Site::ready().await?;
    site.far().cut(true);
    let lost = site.told("reader.lost", 1).await?;
    ensure!(cause(&lost).contains("nothing") || !cause(&lost).is_empty(), "{lost:?}");
    site.show(1);
    site.far().cut(false);
    let late = site.told("access.late", 1).await?;
    is_from(&late, 1)?;
    site.told("reader.lost_restored", 1).await?;
    ensure!(site.count("access.granted").await? == 0 && site.count("door.released").await? == 0);
    ensure!(site.opens().await?, "it explains nothing either");
    Ok(())
}
