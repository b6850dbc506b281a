//! What is seen: motion where it is drawn, a zone that is made of it, and a camera that is covered.

use anyhow::{Context as _, ensure};

use crate::harness::Auth;
use crate::site::{Site, Wanted};

/// A yard with the noise of a sensor; from second 18 to 24 something crosses its lower half, and from
/// second 34 on there is something before the lens.
const YARD: &str = "gradients=s=640x360:r=10:c0=0x707070:c1=0xa0a0a0:nb_colors=2:seed=3:speed=0.00001,\
    drawgrid=w=64:h=48:t=2:c=0x404040[yard];color=c=0x202020:s=60x110:r=10[thing];\
    [yard][thing]overlay=x='if(between(t,18,24),(t-18)*100,-200)':y=220,\
    eq=brightness='if(gte(t,34),-0.85,0)':contrast='if(gte(t,34),0.2,1)':eval=frame,\
    noise=alls=6:allf=t";

#[tokio::test]
async fn motion_is_told_in_its_area_and_a_covered_camera_is_tampered_with() -> anyhow::Result<()> {
    let config = |urls: &[String]| {
        format!(
            "[[camera]]\nid = \"yard\"\nstream = \"{}\"\npost-s = 2\n\
             [[camera.area]]\nid = \"path\"\nshape = \"0,0.5 1,0.5 1,1 0,1\"\nrecords = true\n\
             [[camera.area]]\nid = \"sky\"\nshape = \"0,0 1,0 1,0.4 0,0.4\"\n",
            urls[0]
        )
    };
    let site = Site::start(Wanted { auth: Auth::None, sources: &[YARD], config: &config }).await?;
    site.state("yard", "up").await?;
    let motion = site.event("camera.motion", 1).await?;
    assert_eq!(motion.draft.detail.unwrap()["area"], "path");
    let snapshot = site.event("camera.snapshot", 1).await?;
    assert_eq!(snapshot.draft.detail.unwrap()["of"], serde_json::json!(motion.seq));
    site.event("camera.motion_ended", 1).await?;
    let clip = site.event("camera.clip", 1).await?;
    assert_eq!(clip.draft.detail.unwrap()["of"], serde_json::json!([motion.seq]));
    let covered = site.event("camera.covered", 1).await?;
    // Whoever covered it is in the seconds before.
    let incident = covered.draft.detail.unwrap()["incident"].clone();
    assert!(incident.is_string(), "{incident}");
    site.flagged("yard", &["covered"]).await?;
    let motions = site.told().iter().filter(|one| one.ends_with("camera.motion")).count();
    assert_eq!(motions, 1, "{:?}", site.told());
    Ok(())
}

/// The same yard; from second 18 to 24 something crosses its lower half, and so long that the first key
/// frame of the second picture is in it, the lens is out of focus: by less than would be tamper.
const BLURRED: &str = "gradients=s=640x360:r=10:c0=0x707070:c1=0xa0a0a0:nb_colors=2:seed=3:speed=0.00001,\
    drawgrid=w=64:h=48:t=2:c=0x404040[yard];color=c=0x202020:s=60x110:r=10[thing];\
    [yard][thing]overlay=x='if(between(t,18,24),(t-18)*100,-200)':y=220,\
    boxblur=luma_radius=3:luma_power=1:enable='between(t,19.2,22.4)',noise=alls=6:allf=t";

#[tokio::test]
async fn a_zone_of_the_gateways_own_motion_alarms_and_its_later_picture_is_a_sharp_one()
-> anyhow::Result<()> {
    let config = |urls: &[String]| {
        format!(
            "[[zone]]\nid = \"drive\"\nkind = \"24h\"\ncamera = \"yard\"\ncamera-area = \"path\"\n\
             [[camera]]\nid = \"yard\"\nstream = \"{}\"\npost-s = 2\n\
             [[camera.area]]\nid = \"path\"\nshape = \"0,0.5 1,0.5 1,1 0,1\"\n",
            urls[0]
        )
    };
    let site =
        Site::start(Wanted { auth: Auth::None, sources: &[BLURRED], config: &config }).await?;
    // Until the place is known nobody knows of the zone; then it is quiet.
    site.state_of("zone", "drive", "normal").await?;
    let alarm = site.event("zone.24h_alarm", 1).await?;
    assert_eq!(alarm.draft.source.id.as_str(), "drive");
    assert_eq!(alarm.draft.source.driver.as_deref(), Some("camera/yard/path"));
    let mut of_alarm = Vec::new();
    for count in 1.. {
        let snapshot = site.event("camera.snapshot", count).await?;
        let facts = snapshot.draft.detail.context("its facts")?;
        if facts["of"] == serde_json::json!(alarm.seq) {
            of_alarm.push(facts);
        }
        if of_alarm.len() == 2 {
            break;
        }
    }
    let chosen = &of_alarm[1]["chosen"];
    ensure!(chosen["why"] == "sharpness" && chosen["of"].as_u64() >= Some(3), "{of_alarm:?}");
    let restored = site.event("zone.24h_alarm_restored", 1).await?;
    assert_eq!(restored.draft.opens, Some(alarm.seq));
    // What the control room has is what the box has recorded.
    let recorded = site.gateway.events().await?;
    let of_zone = recorded.iter().filter(|event| event.draft.source.id.as_str() == "drive");
    let of_zone: Vec<_> = of_zone.map(|event| (event.seq, &*event.draft.kind)).collect();
    let alarms: Vec<_> =
        of_zone.iter().filter(|(_, kind)| kind.starts_with("zone.24h_alarm")).copied().collect();
    assert_eq!(
        alarms,
        [(alarm.seq, "zone.24h_alarm"), (restored.seq, "zone.24h_alarm_restored")],
        "{of_zone:?}"
    );
    Ok(())
}
