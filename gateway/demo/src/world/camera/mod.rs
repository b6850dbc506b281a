//! The community's cameras: two real RTSP cameras on this machine, each drawn and compressed as it
//! goes. The box takes them as it takes any other.

mod canvas;
mod rtsp;
mod scene;

use std::io;
use std::net::Ipv4Addr;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::time::Duration;

use openh264::OpenH264API;
use openh264::encoder::{
    Encoder, EncoderConfig, FrameRate, FrameType, IntraFramePeriod, RateControlMode,
};
use tokio::net::TcpListener;
use tokio::sync::{broadcast, watch};
use tokio::task::JoinSet;
use tokio::time::{MissedTickBehavior, interval};

use rtsp::{ParameterSets, Shot, Show};
pub(crate) use scene::{Place, Stage};

/// Pictures in a second.
const RATE: u32 = 10;

/// A key frame every second: what is watched by key frames alone is seen soon.
const GROUP: u32 = 10;

/// Units of 1/90000 s from one picture to the next.
const STEP: u32 = 90_000 / RATE;

/// Pictures that a slow viewer may be behind.
const BEHIND: usize = 20;

/// One camera.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Camera {
    /// Its id in configuration and topics.
    pub(crate) id: &'static str,
    /// Its name for English readers.
    pub(crate) name_en: &'static str,
    /// Its name for Chinese readers.
    pub(crate) name_zh: &'static str,
    /// What it looks at.
    pub(crate) place: Place,
    /// What the configuration says of it beside its stream.
    keys: &'static str,
}

/// The cameras.
pub(crate) const CAMERAS: [Camera; 2] = [
    Camera {
        id: "yard",
        name_en: "Yard",
        name_zh: "庭院",
        place: Place::Yard,
        keys: "partition = \"perimeter\"\nzones = [\"fence-north\", \"fence-east\", \"window\"]\n\
               masks = [\"0.7,0 1,0 1,0.46 0.7,0.46\"]\npre-s = 4\npost-s = 4\n\n\
               [[camera.area]]\nid = \"path\"\nname = \"Path and lawn\"\n\
               shape = \"0,0.42 1,0.42 1,1 0,1\"\n",
    },
    Camera {
        id: "garage",
        name_en: "Garage",
        name_zh: "车库",
        place: Place::Garage,
        keys: "partition = \"garage\"\npre-s = 4\npost-s = 4\n\n\
               [[camera.area]]\nid = \"lanes\"\nname = \"Lanes\"\n\
               shape = \"0,0.3 1,0.3 1,1 0,1\"\n",
    },
];

/// The cameras that run.
#[derive(Debug)]
pub(crate) struct Cameras {
    ports: Vec<u16>,
    stage: watch::Sender<Stage>,
}

impl Cameras {
    /// Starts every camera; what is given back serves their viewers for as long as it is polled.
    ///
    /// # Errors
    /// When no port or no thread can be had.
    pub(crate) async fn start() -> io::Result<(Self, impl Future<Output = ()>)> {
        let stage = watch::Sender::new(Stage::default());
        let (mut ports, mut servers) = (Vec::new(), JoinSet::new());
        for camera in &CAMERAS {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
            ports.push(listener.local_addr()?.port());
            let (shots, _) = broadcast::channel(BEHIND);
            let (tell, sets) = watch::channel(None);
            let (go, due) = sync_channel(1);
            let (film, place, seen) = (shots.clone(), camera.place, stage.subscribe());
            std::thread::Builder::new()
                .name(format!("camera-{}", camera.id))
                .spawn(move || shoot(place, &seen, &film, &tell, &due))?;
            servers.spawn(async move {
                let mut beat = interval(Duration::from_millis(1000 / u64::from(RATE)));
                beat.set_missed_tick_behavior(MissedTickBehavior::Skip);
                loop {
                    beat.tick().await;
                    // One that is behind leaves a picture out.
                    let _ = go.try_send(());
                }
            });
            servers.spawn(rtsp::serve(listener, Show { shots, sets }));
        }
        let serving = async move { while servers.join_next().await.is_some() {} };
        Ok((Self { ports, stage }, serving))
    }

    /// Changes what happens before the lenses.
    pub(crate) fn stage(&self, change: impl FnOnce(&mut Stage)) {
        self.stage.send_if_modified(|stage| {
            let before = *stage;
            change(stage);
            *stage != before
        });
    }

    /// What happens before the lenses.
    pub(crate) fn staged(&self) -> Stage {
        *self.stage.borrow()
    }

    /// The cameras, as the box's configuration has them.
    pub(crate) fn toml(&self) -> String {
        toml(&self.ports)
    }
}

pub(crate) fn toml(ports: &[u16]) -> String {
    let tables = CAMERAS.iter().zip(ports).map(|(camera, port)| {
        format!(
            "\n[[camera]]\nid = \"{}\"\nname = \"{}\"\nstream = \"rtsp://127.0.0.1:{port}/\"\n{}",
            camera.id, camera.name_en, camera.keys
        )
    });
    tables.collect()
}

/// Draws and compresses a picture whenever one is due, until the demo ends.
fn shoot(
    place: Place,
    stage: &watch::Receiver<Stage>,
    film: &broadcast::Sender<Arc<Shot>>,
    tell: &watch::Sender<ParameterSets>,
    due: &Receiver<()>,
) {
    let config = EncoderConfig::new()
        // Of a drawn scene every picture is small; a rate to be held would want pictures left out.
        .rate_control_mode(RateControlMode::Off)
        .max_frame_rate(FrameRate::from_hz(10.0))
        .intra_frame_period(IntraFramePeriod::from_num_frames(GROUP))
        .skip_frames(false);
    let mut encoder = match Encoder::with_api_config(OpenH264API::from_source(), config) {
        Ok(encoder) => encoder,
        Err(error) => return tracing::error!(%error, "a camera has no encoder"),
    };
    let background = scene::background(place);
    let mut random = fastrand::Rng::with_seed(7);
    for number in 0_u32.. {
        if due.recv().is_err() {
            return;
        }
        let now = *stage.borrow();
        let second = f64::from(number) / f64::from(RATE);
        let mut canvas = scene::draw(&background, place, second, now);
        canvas.expose(&mut random, now.covered && place == Place::Garage);
        let Ok(stream) = encoder.encode(&canvas) else { continue };
        let key = stream.frame_type() == FrameType::IDR;
        let layers = (0..stream.num_layers()).filter_map(|n| stream.layer(n));
        let units = layers.flat_map(|layer| {
            let units = (0..layer.nal_count()).filter_map(|n| layer.nal_unit(n).map(bare));
            units.collect::<Vec<_>>()
        });
        let (sets, units): (Vec<_>, Vec<_>) = units.partition(|unit| matches!(kind(unit), 7 | 8));
        let of = |wanted: u8| sets.iter().find(|unit| kind(unit) == wanted).cloned();
        if let (Some(sps), Some(pps)) = (of(7), of(8)) {
            tell.send_if_modified(|known| {
                let fresh = Some((sps, pps));
                let news = *known != fresh;
                *known = fresh;
                news
            });
        }
        // Nobody watches, or everybody does: both are well.
        let media = number.wrapping_mul(STEP);
        let _ = film.send(Arc::new(Shot { key, media, units }));
    }
}

/// A NAL unit without its start code.
fn bare(unit: &[u8]) -> Vec<u8> {
    let zeros = unit.iter().take_while(|byte| **byte == 0).count();
    unit.get(zeros + 1..).unwrap_or_default().to_vec()
}

/// H.264, table 7-1.
fn kind(unit: &[u8]) -> u8 {
    unit.first().map_or(0, |head| head & 0x1f)
}
