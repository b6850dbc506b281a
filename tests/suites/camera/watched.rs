//! What is seen: motion where it is drawn, and a camera that is covered.

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
    let shown = site.state("yard", "up").await?;
    assert_eq!(shown["flags"], serde_json::json!(["covered"]));
    let motions = site.told().iter().filter(|one| one.ends_with("camera.motion")).count();
    assert_eq!(motions, 1, "{:?}", site.told());
    Ok(())
}
